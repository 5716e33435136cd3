"""Lists of moments for other programs: CSV for people and scripts, EDL (CMX 3600) and FCPXML for editing programs.

What is written is exact in whole frames: in and out are the first frame of a moment and the first after it, numbered by
the source's own start timecode, for an editing program finds a file's frames by nothing else. Pure functions from what
is known of the sources to bytes. This module never reads a video and never writes a file.
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
_RECORD_START = 3600  # seconds; where programmes begin by custom, so that there is room for what comes before
_MOST_EVENTS = 999  # CMX 3600 numbers them with three digits
_REEL_LETTERS = 8
_NOT_IN_REELS = re.compile(r"[^A-Z0-9_]+")
_NOT_BYTES = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # halves of characters that stand for no byte of a name
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Edit:
    """A stretch of a source in seconds on the player's clock."""

    source: EditSource
    start: float
    end: float

    @property
    def frames(self) -> tuple[int, int]:
        """Numbers of the first frame and of the first after the last, counted from the source's first."""
        return self.source.frame_range(self.start, self.end)

    @property
    def name(self) -> str:
        return _shown(os.path.basename(self.source.path))

    @property
    def reel(self) -> str:
        return self.source.reel or Path(self.name).stem


def as_csv(edits: Sequence[Edit]) -> bytes:
    """UTF-8 with a byte order mark, which spreadsheets need to read it as that. `CSV_COLUMNS` tells the columns.

    Times are seconds on the player's clock, on the borders of frames. `path` is to be read by people; where a name is
    not UTF-8, or begins like a formula, only `url` tells it exactly.
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
    """CMX 3600: one cut after the other, recorded from 01:00:00:00 on at the rate that most sources have.

    Lines end as the format's age asks for; names are UTF-8.
    """
    rate = list_rate(edits)
    drop = any(edit.source.drop_frame for edit in edits if edit.source.rate == rate)
    lines = [f"TITLE: {_line(title)}", _frame_count_mode(drop), ""]
    # The frame that is numbered 01:00:00: dropped numbers keep that at an hour of the clock.
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
    """FCPXML 1.8: the sources as assets, the edits one after the other in one project.

    1.8 is the last version in which an asset names its file itself, and so the newest that every reader understands;
    later ones wrap the name for proxies, which there are none of. Times are exact fractions of seconds.
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
        # Clips lie on the borders of the project's frames, whatever their own rate.
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
    """Yield what a person must know of a list."""
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
    """The frame rate that most of the edits have, the first one's among equals."""
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
                # Always as a fraction: readers take it apart at the stroke.
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
    """A reel of at most eight capital letters, digits and underlines for each file.

    Two files share one only where their own metadata say so; names that are alike when cut short are numbered.
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
    """CMX's word for picture alone, picture with one track of sound, with two."""
    return "V" if not source.channels else "B" if source.channels == 1 else "AA/V"


def _frame_count_mode(drop: bool) -> str:
    return "FCM: DROP FRAME" if drop else "FCM: NON-DROP FRAME"


def _tc_format(drop: bool) -> str:
    return "DF" if drop else "NDF"


def _seconds(time: Fraction) -> str:
    return f"{time.numerator}s" if time.denominator == 1 else f"{time.numerator}/{time.denominator}s"


def _shown(path: str) -> str:
    """A path or a name as text: what is not becomes visible marks, as do bytes that are not UTF-8."""
    return os.fsencode(_NOT_BYTES.sub("\ufffd", path)).decode("utf-8", "replace")


def _line(text: str) -> str:
    """On one line, whatever a name holds."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in _shown(text))


def _xml(text: str) -> str:
    return _NOT_IN_XML.sub("\ufffd", text)


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"\u201c{_line(name)}\u201d" for name in names)
