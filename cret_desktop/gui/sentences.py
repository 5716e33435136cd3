"""What the engine says, in the person's language: errors and the reasons why a file could not be read.

Transitional: what crosses the engine's pipe, and the reasons in a library's catalog, are still English sentences. So a
sentence is known again by its wording, in the catalog of messages or in the table here, and the names in it are carried
over. One that is in neither is shown as it came; a test holds the table to what the engine's source says. Never touches
a widget.
"""

from __future__ import annotations

import re
from functools import cache
from string import Formatter

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication

from cret_desktop.gui import i18n
from cret_desktop.messages import recognise

# As in the source, with a name for each value that is put in. The more special come first.
TEMPLATES = (
    # Why a file could not be read. Other reasons are in the catalog of messages.
    QT_TRANSLATE_NOOP("sentences", "The file cannot be read: {reason}."),
    QT_TRANSLATE_NOOP("sentences", "The subtitles “{name}” cannot be read: {reason}."),
    QT_TRANSLATE_NOOP("sentences", "The header of this file is damaged."),
    QT_TRANSLATE_NOOP("sentences", "The model gives no valid result for this file."),
    # What a person asked for could not be done.
    QT_TRANSLATE_NOOP("sentences", "There is no file or folder {path}. Check the name, or plug in its drive."),
    QT_TRANSLATE_NOOP("sentences", "{path} is not a folder of this library."),
    QT_TRANSLATE_NOOP("sentences", "The video has left the library."),
    QT_TRANSLATE_NOOP("sentences", "The note was not kept: the file has left the library."),
    QT_TRANSLATE_NOOP("sentences", "There is nothing to export. Choose a moment first."),
    QT_TRANSLATE_NOOP("sentences", "Nothing can be written to {folder}: {reason}. Choose another folder."),
    QT_TRANSLATE_NOOP("sentences", "There are no words between the quotes to look for in names."),
    QT_TRANSLATE_NOOP(
        "sentences",
        "There is no operator {operator}:. Possible are {possible}. To search for it as words, put a space after the "
        "colon.",
    ),
    QT_TRANSLATE_NOOP("sentences", "A tag needs 1 to {most} characters."),
    QT_TRANSLATE_NOOP("sentences", "The note has {count} characters; at most {most} can be kept."),
    QT_TRANSLATE_NOOP("sentences", "A saved search needs a name of 1 to {most} characters."),
    QT_TRANSLATE_NOOP(
        "sentences",
        "The query has {count} characters; at most {most} can be searched. Describe the moment in a sentence or two.",
    ),
    QT_TRANSLATE_NOOP("sentences", "The query {query} has no words. Type what the moment shows."),
    QT_TRANSLATE_NOOP(
        "sentences", "What moments must not show is told in words; operators belong to the search itself."
    ),
    QT_TRANSLATE_NOOP("sentences", "The moment to look for similar ones of has left the library."),
    # The library and the engine.
    QT_TRANSLATE_NOOP(
        "sentences",
        "The library {library} could not be written: {reason}. Free some space and check the disk; nothing that was "
        "indexed before is lost.",
    ),
    QT_TRANSLATE_NOOP(
        "sentences", "The library {library} cannot be opened for writing: {reason}. Check its permissions."
    ),
    QT_TRANSLATE_NOOP("sentences", "The library {library} is open for reading only."),
    QT_TRANSLATE_NOOP("sentences", "The library folder {folder} cannot be used: {reason}."),
    QT_TRANSLATE_NOOP(
        "sentences",
        "Thumbnails cannot be written to {folder}: {reason}. Free some space or check its permissions; what was "
        "indexed so far is kept.",
    ),
    QT_TRANSLATE_NOOP(
        "sentences",
        "Indexing stopped: the library has grown to the {most} GB that it may take up. Allow it more in the settings, "
        "or free some space; what is indexed can be searched.",
    ),
    QT_TRANSLATE_NOOP("sentences", "The search engine stopped (exit code {code}) and is restarting."),
    QT_TRANSLATE_NOOP("sentences", "The search engine stopped (exit code {code}); ask again."),
    QT_TRANSLATE_NOOP("sentences", "The search engine stopped {count} times in a minute (exit code {code})."),
    QT_TRANSLATE_NOOP("sentences", "The search engine is not running. Try again in a moment."),
    QT_TRANSLATE_NOOP(
        "sentences",
        "The library {library} is being changed by another program{holder}. Wait until it is done or close "
        "it; searching works meanwhile.",
    ),
    QT_TRANSLATE_NOOP(
        "sentences", "The library {library} is held by another program: {reason}. Try again in a moment."
    ),
    QT_TRANSLATE_NOOP(
        "sentences",
        "The library was moved to {folder}, and is not there now. Plug in its drive and try again; or open "
        "Backup and storage in the Library menu to say where it is.",
    ),
    QT_TRANSLATE_NOOP(
        "sentences",
        "The library {library} was made on another computer or by somebody else: it can be searched, and is not "
        "changed. To add to it, adopt it: choose Adopt in the window, or run `cret-desktop adopt`.",
    ),
    QT_TRANSLATE_NOOP("sentences", "The library was adopted: {told}. The catalog as it was is kept as {kept}."),
    QT_TRANSLATE_NOOP(
        "sentences",
        "The library {library} was made by a newer version of CRET Desktop (schema {found}, this version "
        "knows {known}). Update the app; nothing was changed.",
    ),
    QT_TRANSLATE_NOOP(
        "sentences",
        "The catalog {catalog} is damaged or not ours ({reason}). It was left as it is; move it away to start "
        "anew, or put a backup in its place.",
    ),
    QT_TRANSLATE_NOOP(
        "sentences",
        "The catalog {catalog} is damaged ({reason}). It is repaired when the window is next opened, or by "
        "`cret-desktop index`; the damaged one is kept.",
    ),
    QT_TRANSLATE_NOOP("sentences", "The catalog {catalog} cannot be used: {reason}."),
    QT_TRANSLATE_NOOP(
        "sentences",
        "The search index in {folder} could not be written ({reason}): searching goes on, but make room on "
        "its disk and see that the folder is writable.",
    ),
    QT_TRANSLATE_NOOP("sentences", "The search index could not be built ({reason}): searching goes on, more slowly."),
    QT_TRANSLATE_NOOP("sentences", "The search index folder {folder} cannot be used ({reason}); make it writable."),
    # Backups, and tags as a file; the more general last.
    QT_TRANSLATE_NOOP(
        "sentences", "{target} is there already. Choose a name that is not taken: nothing is ever overwritten."
    ),
    QT_TRANSLATE_NOOP("sentences", "{backup} is the library itself. Choose a backup of it."),
    QT_TRANSLATE_NOOP(
        "sentences",
        "{folder} has {free} MB left, and the copy needs {needed} MB. Free some space or choose another disk.",
    ),
    QT_TRANSLATE_NOOP("sentences", "There is no library in {folder}. Choose the folder that holds catalog.sqlite."),
    QT_TRANSLATE_NOOP(
        "sentences", "The library {library} could not be read or copied: {reason}. Free some space and check the disks."
    ),
    QT_TRANSLATE_NOOP("sentences", "The library {library} is damaged ({reason}) and was not copied."),
    QT_TRANSLATE_NOOP(
        "sentences",
        "{place} cannot be written: {reason}. Free some space, or choose another place; the library is as it was.",
    ),
    QT_TRANSLATE_NOOP("sentences", "{path} cannot be written: {reason}. Choose another place."),
    QT_TRANSLATE_NOOP("sentences", "{path} tells no form. Give it a name that ends in .json or .csv."),
    QT_TRANSLATE_NOOP("sentences", "{file} does not hold what the export of tags writes: {reason}."),
    QT_TRANSLATE_NOOP("sentences", "{file} cannot be read: it is larger than any export of tags."),
    # Models.
    QT_TRANSLATE_NOOP("sentences", "“{title}” is in use. Use another model first."),
    QT_TRANSLATE_NOOP("sentences", "The model “{title}” cannot be used: {reason}. Choose another one."),
)


def told(sentence: str) -> str:
    """A sentence of the engine as it is shown."""
    for template, pattern in _patterns():
        found = pattern.fullmatch(sentence)
        if found is not None:
            return QCoreApplication.translate("sentences", template).format(**found.groupdict())
    message = recognise(sentence)
    return sentence if message is None else i18n.said(message)


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((template, re.compile(_pattern(template), re.DOTALL)) for template in map(str, TEMPLATES))


def _pattern(template: str) -> str:
    parts = []
    for words, name, _, _ in Formatter().parse(template):
        parts.append(re.escape(words))
        if name is not None:
            parts.append(f"(?P<{name}>.*)")
    return "".join(parts)
