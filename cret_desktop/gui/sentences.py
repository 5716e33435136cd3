"""What the engine says, in the person's language: errors and the reasons why a file could not be read.

The engine speaks English, in whole sentences, and keeps reasons in the catalog as they were said. So a sentence is
known again by its wording, and the names in it are carried over. One that is not in the table is shown as it came; a
test holds the table to what the engine's source says. Never touches a widget.
"""

from __future__ import annotations

import re
from functools import cache
from string import Formatter

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication

# As in the source, with a name for each value that is put in. The more special come first.
TEMPLATES = (
    # Why a file could not be read.
    QT_TRANSLATE_NOOP("sentences", "This is not a video: its content is of no known video format, or badly damaged."),
    QT_TRANSLATE_NOOP(
        "sentences", "The index (moov) is missing: the file is probably still being copied, or was cut short."
    ),
    QT_TRANSLATE_NOOP("sentences", "The file is damaged or incomplete: it could be read up to {seconds} s only."),
    QT_TRANSLATE_NOOP("sentences", "No picture of this file could be decoded."),
    QT_TRANSLATE_NOOP("sentences", "The pictures of this file cannot be read: {reason}."),
    QT_TRANSLATE_NOOP("sentences", "The video is of a kind that cannot be decoded here: no decoder knows its codec."),
    QT_TRANSLATE_NOOP("sentences", "The file holds sound but no video."),
    QT_TRANSLATE_NOOP("sentences", "The file holds no video."),
    QT_TRANSLATE_NOOP("sentences", "The file is empty."),
    QT_TRANSLATE_NOOP("sentences", "The file is no longer there."),
    QT_TRANSLATE_NOOP("sentences", "The file is not there, or the link leads nowhere."),
    QT_TRANSLATE_NOOP("sentences", "The file changed while it was read."),
    QT_TRANSLATE_NOOP("sentences", "The file cannot be opened: permission denied."),
    QT_TRANSLATE_NOOP("sentences", "The file cannot be opened: {reason}."),
    QT_TRANSLATE_NOOP("sentences", "The file cannot be read: {reason}."),
    QT_TRANSLATE_NOOP("sentences", "The file's clock is damaged."),
    QT_TRANSLATE_NOOP("sentences", "The folder cannot be listed: {reason}."),
    QT_TRANSLATE_NOOP("sentences", "The picture is too large to decode: {width} \u00d7 {height}."),
    QT_TRANSLATE_NOOP("sentences", "This is a folder, not a video file."),
    QT_TRANSLATE_NOOP("sentences", "This is not a regular file."),
    QT_TRANSLATE_NOOP(
        "sentences",
        "Decoding it takes more memory than a video may: it is damaged, or its pictures are too large.",
    ),
    # What a person asked for could not be done.
    QT_TRANSLATE_NOOP("sentences", "There is no file or folder {path}. Check the name, or plug in its drive."),
    QT_TRANSLATE_NOOP("sentences", "{path} is not a folder of this library."),
    QT_TRANSLATE_NOOP("sentences", "The video has left the library."),
    QT_TRANSLATE_NOOP("sentences", "The note was not kept: the file has left the library."),
    QT_TRANSLATE_NOOP("sentences", "There is nothing to export. Choose a moment first."),
    QT_TRANSLATE_NOOP("sentences", "Nothing can be written to {folder}: {reason}. Choose another folder."),
    QT_TRANSLATE_NOOP("sentences", "There is not enough space in {folder}. Make room there, or choose another folder."),
    QT_TRANSLATE_NOOP("sentences", "There are no words between the quotes to look for in names."),
    QT_TRANSLATE_NOOP(
        "sentences",
        "There is no operator {operator}:. Possible are {possible}. To search for it as words, put a space after the "
        "colon.",
    ),
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
        "The library has grown to the {most} GB that it may take up. Allow it more in the settings, or free some "
        "space; what is indexed can be searched.",
    ),
    QT_TRANSLATE_NOOP("sentences", "The search engine stopped (exit code {code}) and is restarting."),
    QT_TRANSLATE_NOOP("sentences", "The search engine stopped (exit code {code}); ask again."),
    QT_TRANSLATE_NOOP("sentences", "The search engine stopped {count} times in a minute (exit code {code})."),
    QT_TRANSLATE_NOOP("sentences", "The search engine is not running. Try again in a moment."),
    QT_TRANSLATE_NOOP(
        "sentences",
        "The video decoder does not start (exit status {status}). Please install the app again.",
    ),
    QT_TRANSLATE_NOOP(
        "sentences",
        "The GPU has failed ({failure}). CRET Desktop goes on with the processor, which is slower; restart it to use "
        "the GPU again.",
    ),
    QT_TRANSLATE_NOOP("sentences", "The settings could not be written to {path}: {reason}."),
)


def told(sentence: str) -> str:
    """A sentence of the engine as it is shown."""
    for template, pattern in _patterns():
        found = pattern.fullmatch(sentence)
        if found is not None:
            return QCoreApplication.translate("sentences", template).format(**found.groupdict())
    return sentence


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((template, re.compile(_pattern(template), re.DOTALL)) for template in map(str, TEMPLATES))


def _pattern(template: str) -> str:
    parts = []
    for words, name, _, _ in Formatter().parse(template):
        parts.append(re.escape(words))
        if name is not None:
            parts.append(f"(?P<{name}>.+)")
    return "".join(parts)
