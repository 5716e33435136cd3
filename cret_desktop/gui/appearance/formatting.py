"""Texts for times, counts, rates and file names. Never touches a widget.

File names come from `os.fsdecode` and may contain anything: `shown` makes them safe to draw, `tooltip` safe as rich
text.
"""

from __future__ import annotations

import html
import os
from math import ceil

from PySide6.QtCore import QCoreApplication, QDateTime, QLocale, QObject

from cret_desktop.domain.clips import LibraryFile, Match, Reason, Sort

translate = QCoreApplication.translate  # by this name lupdate finds texts outside a QObject class


def clock(seconds: float) -> str:
    """Return '0:42', '12:05' or '1:02:03'. Fractions are dropped, as in players."""
    whole = max(0, int(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def roughly(seconds: float) -> str:
    """Return an estimated remaining time: 'about 5 min', 'about 2 h', 'about 3 days'."""
    minutes = ceil(seconds / 60)
    if seconds < 60:
        return translate("formatting", "less than a minute")
    if minutes < 90:
        return translate("formatting", "about {count} min").format(count=minutes)
    if minutes < 36 * 60:
        return translate("formatting", "about {count} h").format(count=round(minutes / 60))
    return translate("formatting", "about {count} days").format(count=round(minutes / 1440))


def exact_clock(seconds: float) -> str:
    """Return '0:42.08', for a frame's time: rounded down to hundredths."""
    hundredths = max(0, int(seconds * 100 + 1e-6))
    return f"{clock(hundredths // 100)}.{hundredths % 100:02}"


def span(start: float, end: float) -> str:
    """Return '0:42–0:49'; an end within the same second as the start becomes the next second."""
    return f"{clock(start)}\u2013{clock(max(ceil(end), int(start) + 1))}"


def rate(seconds_per_second: float) -> str:
    return translate("formatting", "{rate}\u00d7 real time").format(rate=f"{seconds_per_second:.1f}")


class _Counts(QObject):
    """Texts for counts. In a class, because lupdate knows plural forms only from `self.tr` with a number.

    The singular is a separate text, so that it is right in English too, which has no translation with plural forms.
    """

    def videos(self, count: int) -> str:
        return self.tr("1 video") if count == 1 else self.tr("%n videos", "", count)

    def clips(self, count: int) -> str:
        return self.tr("1 clip") if count == 1 else self.tr("%n clips", "", count)

    def moments(self, count: int) -> str:
        return self.tr("1 moment") if count == 1 else self.tr("%n moments", "", count)

    def more_moments(self, count: int) -> str:
        return self.tr("+1 moment") if count == 1 else self.tr("+%n moments", "", count)

    def weaker_matches(self, count: int) -> str:
        return self.tr("1 weaker match") if count == 1 else self.tr("%n weaker matches", "", count)


_counts = _Counts()
videos = _counts.videos
clips = _counts.clips
moments = _counts.moments
more_moments = _counts.more_moments
weaker_matches = _counts.weaker_matches


def match(value: Match) -> str:
    return {
        Match.STRONG: translate("formatting", "Strong"),
        Match.POSSIBLE: translate("formatting", "Possible"),
        Match.WEAK: translate("formatting", "Weak"),
    }[value]


def sort(value: Sort) -> str:
    """Return the name of a sort order in the menu."""
    return {
        Sort.RELEVANCE: translate("formatting", "Best match"),
        Sort.NAME: translate("formatting", "Name"),
        Sort.DATE: translate("formatting", "Date"),
        Sort.LENGTH: translate("formatting", "Length"),
        Sort.SIZE: translate("formatting", "Size"),
    }[value]


def size(count: int) -> str:
    """Return '12.3 MB'."""
    return QLocale().formattedDataSize(count, 1, QLocale.DataSizeFormat.DataSizeTraditionalFormat)


def download_size(count: int) -> str:
    """Return '349 MB' or '1.8 GB': rounded, in powers of ten, as is usual for downloads."""
    return QLocale().formattedDataSize(count, 0 if count < 1e9 else 1, QLocale.DataSizeFormat.DataSizeSIFormat)


def date(seconds: float) -> str:
    """Return a date in the user's locale, from seconds since the epoch."""
    return QLocale().toString(QDateTime.fromSecsSinceEpoch(int(seconds)).date(), QLocale.FormatType.ShortFormat)


def resolution(file: LibraryFile) -> str:
    """Return '1080p' or '4K': the common name of a picture size, upright ones included; '' if it is unknown."""
    if file.width is None or file.height is None:
        return ""
    long, short = max(file.width, file.height), min(file.width, file.height)
    if long >= 7680:
        return "8K"
    return "4K" if long >= 3840 else f"{short}p"


def about(file: LibraryFile) -> str:
    """Return a summary of a file in one line: length, resolution, size, date."""
    length = "" if file.duration is None else clock(file.duration)
    return " \u00b7 ".join(part for part in (length, resolution(file), size(file.size), date(file.modified)) if part)


def state(file: LibraryFile) -> str:
    """Return the reason why a file cannot be watched or found; '' if there is none."""
    if file.offline:
        return translate("formatting", "Offline")
    if file.missing:
        return translate("formatting", "Missing")
    if file.state == "pending":
        return translate("formatting", "Waiting")
    return translate("formatting", "Could not be read") if file.state == "failed" else ""


def reason(value: Reason) -> str:
    """Return the text for evidence besides the picture."""
    words = {
        "name": translate("formatting", "In the name: {text}"),
        "tag": translate("formatting", "Tag: {text}"),
        "note": translate("formatting", "In the note: {text}"),
        "subtitle": translate("formatting", "Subtitle: {text}"),
    }
    return words[value.kind].format(text=shown(value.text))


def shown(path: str) -> str:
    """Return a path or name for display: control characters and bytes that are not UTF-8 become U+FFFD."""
    text = os.fsencode(path).decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def file_name(path: str) -> str:
    """Return the last part of a path, for display."""
    return shown(os.path.basename(path.rstrip("/\\")) or path)


def tooltip(text: str) -> str:
    """Return text for a tool tip, which Qt would otherwise render as rich text if it looks like it."""
    return f'<p style="white-space: pre-wrap">{html.escape(text)}</p>'
