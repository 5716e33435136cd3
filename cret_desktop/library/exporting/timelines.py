"""Lists of moments for other programs: CSV for people and scripts, EDL (CMX 3600) and FCPXML for editing programs.

The lists are exact in whole frames: in and out are the first frame of a moment and the first after it, numbered from
the source's own start timecode, which is the only way editing programs identify a file's frames. Pure functions from
source data to bytes. This module never reads a video and never writes a file.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree as ET

from cret_desktop.library.exporting.spreadsheet import guarded
from cret_desktop.media.timecode import EditSource, counted_rate, format_timecode
from cret_desktop.messages import Message

CSV_COLUMNS = (
    "path", "name", "in", "out", "duration", "in_timecode", "out_timecode", "duration_timecode", "frame_rate",
    "drop_frame", "start_timecode", "reel", "url",
)  # fmt: skip
_RECORD_START = 3600  # seconds; the conventional start of a programme, with room for leaders before it
_MOST_EVENTS = 999  # CMX 3600 numbers them with three digits
_REEL_LETTERS = 8
_NOT_IN_REELS = re.compile(r"[^A-Z0-9_]+")
_NOT_BYTES = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # lone surrogates that stand for no byte of a name
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Edit:
    """A segment of a source in seconds on the player's clock."""

    source: EditSource
    start: float
    end: float

    @property
    def frames(self) -> tuple[int, int]:
        """The numbers of the first frame and of the first after the last, counted from the source's first."""
        return self.source.frame_range(self.start, self.end)

    @property
    def name(self) -> str:
        return _shown(os.path.basename(self.source.path))

    @property
    def reel(self) -> str:
        return self.source.reel or Path(self.name).stem


def as_csv(edits: Sequence[Edit]) -> bytes:
    """Return a CSV table: UTF-8 with a byte order mark, which spreadsheets need, and the columns `CSV_COLUMNS`.

    Times are seconds on the player's clock, on frame boundaries. `path` is for display; if a name is not UTF-8, or
    begins like a formula, only `url` is exact.
    """
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(CSV_COLUMNS)
    for edit in edits:
        source = edit.source
        first, after = edit.frames
        table.writerow(
            (
                guarded(_shown(source.path)), guarded(edit.name), f"{source.seconds(first):.3f}",
                f"{source.seconds(after):.3f}",
                f"{float((after - first) / source.rate):.3f}", source.timecode(first), source.timecode(after),
                format_timecode(after - first, source.rate, source.drop_frame), f"{float(source.rate):.3f}",
                "yes" if source.drop_frame else "no", source.timecode(0), guarded(_shown(edit.reel)),
                Path(source.path).as_uri(),
            )
        )  # fmt: skip
    return text.getvalue().encode("utf-8-sig")


def as_edl(edits: Sequence[Edit], title: str) -> bytes:
    """Return a CMX 3600 EDL: the edits in sequence, recorded from 01:00:00:00 at the rate of most sources.

    Lines end in CRLF, as the format requires; names are UTF-8.
    """
    rate = list_rate(edits)
    drop = any(edit.source.drop_frame for edit in edits if edit.source.rate == rate)
    lines = [f"TITLE: {_line(title)}", _frame_count_mode(drop), ""]
    # The frame numbered 01:00:00: with dropped numbers, one hour of real time.
    record = round(_RECORD_START * rate) if drop else _RECORD_START * counted_rate(rate)
    mode = drop
    reels = _reels(edits)
    for number, edit in enumerate(edits, 1):
        source = edit.source
        first, after = edit.frames
        length = after - first
        recorded = length if source.rate == rate else max(1, round(length * rate / source.rate))
        if source.drop_frame != mode:
            mode = source.drop_frame
            lines.append(_frame_count_mode(mode))
        times = [
            source.timecode(first),
            source.timecode(after),
            format_timecode(record, rate, drop),
            format_timecode(record + recorded, rate, drop),
        ]
        lines += [
            f"{number:03}  {reels[source.path]:<8} {_channels(source):<5} C        {' '.join(times)}",
            f"* FROM CLIP NAME: {_line(edit.name)}",
            f"* SOURCE FILE: {_line(source.path)}",
            "",
        ]
        record += recorded
    return "\r\n".join(lines).encode()


def as_fcpxml(edits: Sequence[Edit], title: str) -> bytes:
    """Return FCPXML 1.8: the sources as assets, the edits in sequence in one project.

    1.8 is the last version in which an asset names its file itself, and so the newest that every reader supports; later
    ones wrap the name for proxies, which are not used here. Times are exact fractions of seconds.
    """
    rate = list_rate(edits)
    drop = any(edit.source.drop_frame for edit in edits if edit.source.rate == rate)
    largest = max((edit.source for edit in edits if edit.source.rate == rate), key=lambda s: s.width * s.height)
    root = ET.Element("fcpxml", version="1.8")
    resources = ET.SubElement(root, "resources")
    formats = _Formats(resources)
    project_format = formats.id(largest)
    assets: dict[str, str] = {}
    for edit in edits:
        if edit.source.path not in assets:
            assets[edit.source.path] = f"a{len(assets) + 1}"
            _add_asset(resources, edit, assets[edit.source.path], formats.id(edit.source))
    event = ET.SubElement(ET.SubElement(root, "library"), "event", name=_xml(title))
    project = ET.SubElement(event, "project", name=_xml(title))
    sequence = ET.SubElement(project, "sequence", format=project_format, tcStart="0s", tcFormat=_tc_format(drop))
    spine = ET.SubElement(sequence, "spine")
    offset = Fraction(0)
    for edit in edits:
        source = edit.source
        first, after = edit.frames
        # Clips are on the project's frame boundaries, whatever their own rate.
        length = max(1, round((after - first) / source.rate * rate)) / rate
        ET.SubElement(
            spine,
            "asset-clip",
            ref=assets[source.path],
            name=_xml(edit.name),
            offset=_seconds(offset),
            start=_seconds((source.first_frame + first) / source.rate),
            duration=_seconds(length),
            tcFormat=_tc_format(source.drop_frame),
        )
        offset += length
    sequence.set("duration", _seconds(offset))
    ET.indent(root)
    body = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n{body}\n'.encode()


def notes(edits: Sequence[Edit], form: str) -> Iterator[Message]:
    """Yield warnings about a list for the user."""
    varying = sorted({edit.name for edit in edits if edit.source.variable})
    if varying:
        yield Message("export.variable-rate", names=_names(varying))
    rate = list_rate(edits)
    others = sorted({edit.name for edit in edits if edit.source.rate != rate})
    if form == "edl" and others:
        yield Message("export.other-rate", rate=float(rate), names=_names(others))
    if form == "edl" and len(edits) > _MOST_EVENTS:
        yield Message("export.many-events", most=_MOST_EVENTS)


def list_rate(edits: Sequence[Edit]) -> Fraction:
    """Return the frame rate of most edits; in a tie, that of the earliest edit."""
    return Counter(edit.source.rate for edit in edits).most_common(1)[0][0]


class _Formats:
    """One format resource for each rate and size."""

    def __init__(self, resources: ET.Element) -> None:
        self._resources = resources
        self._ids: dict[tuple[Fraction, int, int], str] = {}

    def id(self, source: EditSource) -> str:
        key = (source.rate, source.width, source.height)
        if key not in self._ids:
            self._ids[key] = f"r{len(self._ids) + 1}"
            frame = 1 / source.rate
            ET.SubElement(
                self._resources,
                "format",
                id=self._ids[key],
                # Always as a fraction: readers split it at the slash.
                frameDuration=f"{frame.numerator}/{frame.denominator}s",
                width=str(source.width),
                height=str(source.height),
            )
        return self._ids[key]


def _add_asset(resources: ET.Element, edit: Edit, asset_id: str, format_id: str) -> None:
    source = edit.source
    asset = ET.SubElement(
        resources,
        "asset",
        id=asset_id,
        name=_xml(edit.name),
        src=Path(source.path).as_uri(),
        start=_seconds(source.first_frame / source.rate),
        duration=_seconds(source.frames / source.rate),
        hasVideo="1",
        format=format_id,
    )
    if source.channels:
        asset.attrib |= {
            "hasAudio": "1",
            "audioSources": "1",
            "audioChannels": str(source.channels),
            "audioRate": str(source.sample_rate),
        }
    metadata = ET.SubElement(asset, "metadata")
    ET.SubElement(metadata, "md", key="com.apple.proapps.studio.reel", value=_xml(edit.reel))


def _reels(edits: Sequence[Edit]) -> dict[str, str]:
    """Return a reel name of at most eight capital letters, digits and underscores for each file.

    Two files share one only if their metadata name the same reel; other names that are equal when truncated are
    numbered.
    """
    reels: dict[str, str] = {}
    taken: dict[str, str] = {}
    for edit in edits:
        source = edit.source
        if source.path in reels:
            continue
        wanted = _NOT_IN_REELS.sub("_", edit.reel.upper()).strip("_")[:_REEL_LETTERS] or "AX"
        owner = f"reel {source.reel}" if source.reel else f"file {source.path}"
        reel, number = wanted, 1
        while taken.setdefault(reel, owner) != owner:
            number += 1
            reel = wanted[: _REEL_LETTERS - len(str(number))] + str(number)
        reels[source.path] = reel
    return reels


def _channels(source: EditSource) -> str:
    """Return CMX's channel code: picture only, picture with one audio track, or with two."""
    return "V" if not source.channels else "B" if source.channels == 1 else "AA/V"


def _frame_count_mode(drop: bool) -> str:
    return "FCM: DROP FRAME" if drop else "FCM: NON-DROP FRAME"


def _tc_format(drop: bool) -> str:
    return "DF" if drop else "NDF"


def _seconds(time: Fraction) -> str:
    return f"{time.numerator}s" if time.denominator == 1 else f"{time.numerator}/{time.denominator}s"


def _shown(path: str) -> str:
    """Return a path or a name as text, with U+FFFD for lone surrogates and bytes that are not UTF-8."""
    return os.fsencode(_NOT_BYTES.sub("\ufffd", path)).decode("utf-8", "replace")


def _line(text: str) -> str:
    """Return a text on one line, without unprintable characters."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in _shown(text))


def _xml(text: str) -> str:
    return _NOT_IN_XML.sub("\ufffd", text)


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"\u201c{_line(name)}\u201d" for name in names)
