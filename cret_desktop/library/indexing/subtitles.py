"""Reads subtitle files beside a video (`name.srt`, `name.en.vtt`) into timed lines for the full-text index.

Lenient, because such files come from many sources: text outside cues is skipped. Never writes; every read is bounded.
"""

from __future__ import annotations

import codecs
import html
import logging
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from cret_desktop.domain.records import Line, Sidecar
from cret_desktop.errors import BadFile
from cret_desktop.foreign import Unusable, visible
from cret_desktop.library.indexing.file_faults import faults_of, note
from cret_desktop.media.scan import kept_time
from cret_desktop.messages import Message

LARGEST = 8_000_000  # bytes; the subtitles of the longest film take a tenth of that
LONGEST_LINE = 500  # characters
SUFFIXES = (".srt", ".vtt")
# Follows the video's own name: a language, and the kind of subtitles.
_MARKS = re.compile(r"(\.[A-Za-z]{2,3}([-_][A-Za-z]{2,4})?)?(\.(forced|sdh|cc|default))?", re.IGNORECASE)
_TIME = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_CUE = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}")
_MARKUP = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")
# A numeric reference to a character that does not exist. Python refuses to read the largest of them.
_NO_CHARACTER = re.compile(r"&#(?:[0-9]{8,}|[xX][0-9a-fA-F]{7,});?")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]+")


def beside(videos: Iterable[str]) -> dict[str, set[Sidecar]]:
    """Return the subtitle files that exist beside videos (absolute paths); videos without any are left out."""
    folders: dict[str, dict[str, str]] = {}
    for video in videos:
        folder, name = os.path.split(video)
        folders.setdefault(folder, {})[os.path.splitext(name)[0]] = video
    found: dict[str, set[Sidecar]] = {}
    for folder, stems in folders.items():
        for name, sidecar in _listed(folder):
            owner = next((stems[stem] for stem in _owners(os.path.splitext(name)[0]) if stem in stems), None)
            if owner is not None:
                found.setdefault(owner, set()).add(sidecar)
    return found


def read(sidecar: Sidecar, told: Callable[[Message], None]) -> list[Line]:
    """Return the lines of a subtitle file. If it cannot be read, return none and pass the reason to `told`."""
    lines: list[Line] = []
    name = visible(os.path.basename(sidecar.path))
    with faults_of(sidecar.path, told, lambda reason: Message("file.subtitles-unreadable", name=name, reason=reason)):
        if sidecar.size > LARGEST:
            raise BadFile(
                "file.subtitles-unreadable", name=name, reason=Message("file.too-many-bytes", size=sidecar.size)
            )
        if sidecar.size:  # a file of the kernel, such as /proc/kmsg, has size 0 and no end
            lines += parse(_decoded(_content(sidecar.path)))
    return lines


def _content(path: str) -> bytes:
    # Non-blocking: a pipe may have replaced the file since the scan.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as handle:
        if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
            raise Unusable(Message("reason.not-regular"))
        return handle.read(LARGEST)


def parse(text: str) -> list[Line]:
    """Return the lines of SubRip or WebVTT: a line of times, then lines of text up to an empty one."""
    lines: list[Line] = []
    times: tuple[float, float] | None = None
    words: list[str] = []

    def take() -> None:
        said = " ".join(_CONTROLS.sub(" ", " ".join(words)).split())[:LONGEST_LINE].strip()
        if times is not None and said and times[1] >= times[0]:
            lines.append(Line(*times, said))
        words.clear()

    for row in [*text.splitlines(), ""]:
        cue = _CUE.match(row)
        if cue or not row.strip():
            take()
            times = (_seconds(cue.groups()[:4]), _seconds(cue.groups()[4:])) if cue else None
        elif times is not None:
            words.append(html.unescape(_NO_CHARACTER.sub("\ufffd", _MARKUP.sub("", row))))
    return lines


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = parts
    return (
        int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0) + int((fraction or "").ljust(3, "0")) / 1000
    )


def _listed(folder: str) -> list[tuple[str, Sidecar]]:
    found = []
    # The scan has already reported a folder that cannot be listed; its videos are still indexed.
    with (
        faults_of(folder, partial(note, logging.INFO, "No subtitles were looked for in %s: %s", folder)),
        os.scandir(folder) as f,
    ):
        for entry in f:
            if entry.name.lower().endswith(SUFFIXES) and not entry.name.startswith("."):
                with faults_of(entry.path, partial(note, logging.INFO, "%s is passed over: %s", entry.path)):
                    if entry.is_file():
                        status = entry.stat()
                        found.append((entry.name, Sidecar(entry.path, status.st_size, kept_time(status))))
    return found


def _owners(stem: str) -> Iterator[str]:
    """Yield the possible names of a subtitle file's video: "Film.en.forced" -> itself, "Film.en", "Film"."""
    yield stem
    for dots in (1, 2):
        name = stem.rsplit(".", dots)[0]
        if _MARKS.fullmatch(stem, len(name)):
            yield name


def _decoded(content: bytes) -> str:
    """Decode as UTF-8, as UTF-16 if it has a byte order mark, else as Latin-1, which accepts any bytes."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")
