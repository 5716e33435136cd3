"""User-visible texts for the operators of the query language: for chips, the filters' form and completions.

`library.searching.query` defines the meaning of an operator; this module has its name for users and its usual values.
"""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from cret_desktop.gui.appearance import formatting
from cret_desktop.library.searching.query import Token

EXTENSIONS = ("mp4", "mov", "mkv", "avi", "webm", "m4v", "mxf", "mts", "wmv")


def token(operator: str, value: str) -> Token:
    """Return an operator with its value, as if typed."""
    return Token("operator", value, 0, 0, operator)


def operator_words(operator: str) -> str:
    """Return the name of an operator; '' stands for quoted words."""
    return {
        "in": QCoreApplication.translate("operators", "Folder"),
        "ext": QCoreApplication.translate("operators", "File type"),
        "dur": QCoreApplication.translate("operators", "Length"),
        "res": QCoreApplication.translate("operators", "Resolution"),
        "date": QCoreApplication.translate("operators", "Date"),
        "tag": QCoreApplication.translate("operators", "Tag"),
        "is": QCoreApplication.translate("operators", "Only"),
        "": QCoreApplication.translate("operators", "Name"),
    }[operator]


def choices(operator: str) -> tuple[tuple[str, str], ...]:
    """Return the usual values of an operator with their texts; none for values that come from the library."""
    match operator:
        case "dur":
            return (
                ("<30s", QCoreApplication.translate("operators", "Under 30 seconds")),
                ("30s-2m", QCoreApplication.translate("operators", "30 seconds to 2 minutes")),
                ("2m-10m", QCoreApplication.translate("operators", "2 to 10 minutes")),
                (">10m", QCoreApplication.translate("operators", "Over 10 minutes")),
            )
        case "res":
            return (
                (">=720p", QCoreApplication.translate("operators", "HD (720p) or more")),
                (">=1080p", QCoreApplication.translate("operators", "Full HD (1080p) or more")),
                (">=4k", QCoreApplication.translate("operators", "4K or more")),
                ("<720p", QCoreApplication.translate("operators", "Less than HD")),
            )
        case "date":
            return (
                ("7d", QCoreApplication.translate("operators", "Last 7 days")),
                ("30d", QCoreApplication.translate("operators", "Last 30 days")),
                ("1y", QCoreApplication.translate("operators", "Last 12 months")),
            )
        case "is":
            return (
                ("favourite", QCoreApplication.translate("operators", "Favourites")),
                ("tagged", QCoreApplication.translate("operators", "With tags")),
                ("noted", QCoreApplication.translate("operators", "With a note")),
                ("offline", QCoreApplication.translate("operators", "Offline")),
                ("pending", QCoreApplication.translate("operators", "Not indexed yet")),
                ("failed", QCoreApplication.translate("operators", "Could not be read")),
            )
        case "ext":
            return tuple((value, "") for value in EXTENSIONS)
    return ()


def value_words(operator: str, value: str) -> str:
    """Return a value for display: known ones as text, folders by their names, others as typed."""
    if operator == "in":
        return formatting.file_name(value)
    return dict(choices(operator)).get(value) or value
