"""Subtitle files beside a video (`name.srt`, `name.en.vtt`), read into timed lines for the full-text index.

Lenient, since such files come from everywhere: what is no cue is passed over. Never writes, never reads beyond a bound.
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

LARGEST = 8_000_000  # bytes; the subtitles of the longest film are a tenth of that
LONGEST_LINE = 500  # characters
SUFFIXES = (".srt", ".vtt")
# After the video's own name: a language, and what kind of subtitles they are.
_MARKS = re.compile(r"(\.[A-Za-z]{2,3}([-_][A-Za-z]{2,4})?)?(\.(forced|sdh|cc|default))?", re.IGNORECASE)
_TIME = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_CUE = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}")
_MARKUP = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")
# A character by a number that is none's. Python refuses to read the largest of them.
_NO_CHARACTER = re.compile(r"&#(?:[0-9]{8,}|[xX][0-9a-fA-F]{7,});?")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]+")


def beside(videos: Iterable[str]) -> dict[str, set[Sidecar]]:
    """The subtitle files of videos (absolute paths), as they are now; videos without any are left out."""
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
    """The lines of a subtitle file. Where it cannot be read there are none, and `told` is given the reason."""
    lines: list[Line] = []
    name = visible(os.path.basename(sidecar.path))
    with faults_of(sidecar.path, told, lambda reason: Message("file.subtitles-unreadable", name=name, reason=reason)):
        if sidecar.size > LARGEST:
            raise BadFile(
                "file.subtitles-unreadable", name=name, reason=Message("file.too-many-bytes", size=sidecar.size)
            )
        if sidecar.size:  # a file of the kernel, as /proc/kmsg, is empty and has no end
            lines += parse(_decoded(_content(sidecar.path)))
    return lines


def _content(path: str) -> bytes:
    # Not waiting: the file may have given way to a pipe since it was seen.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as handle:
        if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
            raise Unusable(Message("reason.not-regular"))
        return handle.read(LARGEST)


def parse(text: str) -> list[Line]:
    """SubRip or WebVTT: a line of times, then lines of words up to an empty one."""
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
    # Where a folder cannot be listed the scan has told of it already; the videos are indexed all the same.
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
    """The names that the video of a subtitle file may have: "Film.en.forced" -> itself, "Film.en", "Film"."""
    yield stem
    for dots in (1, 2):
        name = stem.rsplit(".", dots)[0]
        if _MARKS.fullmatch(stem, len(name)):
            yield name


def _decoded(content: bytes) -> str:
    """UTF-8, UTF-16 where a mark says so, else Latin-1, which any bytes are."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")
