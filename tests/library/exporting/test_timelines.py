"""Lists for other programs, read back by OpenTimelineIO, and by hand where it has gaps."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections import Counter
from fractions import Fraction
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree as ET

import opentimelineio as otio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cret_desktop.library.exporting.timelines import Edit, as_csv, as_edl, as_fcpxml, notes
from cret_desktop.media.timecode import (
    STANDARD_RATES,
    EditSource,
    can_drop,
    counted_rate,
    format_timecode,
    parse_timecode,
    standard_rate,
)
from tests.narrowing import found
from tests.said import said

FILM, PAL, NTSC, FAST = Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(50)
# Rate, the source's own start timecode, in and out in frames of the source.
CASES = [
    pytest.param(FILM, "01:00:00:00", 100, 248, id="23.976"),
    pytest.param(PAL, "10:20:30:12", 7, 133, id="25"),
    pytest.param(NTSC, "00:59:58;20", 10, 310, id="29.97 drop"),
    pytest.param(NTSC, "00:59:58:20", 10, 310, id="29.97 non-drop"),
    pytest.param(FAST, "00:00:00:00", 75, 480, id="50"),
]


def source(path: str = "/films/Walk 1.mov", rate: Fraction = PAL, timecode: str = "", reel: str = "") -> EditSource:
    first, drop = parse_timecode(timecode, rate) or (0, False)
    return EditSource(path, rate, drop, first, bool(timecode), reel, 0.0, 3000, 1920, 1080, 2, 48000, False)


def edit(first: int, after: int, **what: object) -> Edit:
    video = source(**what)  # type: ignore[arg-type]
    return Edit(video, video.seconds(first), video.seconds(after))


def clips_of_edl(edl: bytes, rate: Fraction) -> list[otio.schema.Clip]:
    timeline = otio.adapters.read_from_string(edl.decode(), "cmx_3600", rate=float(rate))
    clips: list[otio.schema.Clip] = timeline.video_tracks()[0].find_clips()
    return clips


# --- timecode -------------------------------------------------------------------------------------------------------


@given(st.sampled_from(STANDARD_RATES), st.booleans(), st.integers(0, 24 * 3600 * 120 - 1))
def test_timecode_goes_there_and_back(rate: Fraction, drop: bool, frame: int) -> None:
    drop = drop and can_drop(rate)
    frame %= counted_rate(rate) * 24 * 3600 * 999 // 1001
    assert parse_timecode(format_timecode(frame, rate, drop), rate) == (frame, drop)


@given(
    st.sampled_from([(FILM, False), (PAL, False), (NTSC, True), (NTSC, False), (FAST, False)]), st.integers(0, 2**20)
)
def test_timecode_is_opentimelineios(kind: tuple[Fraction, bool], frame: int) -> None:
    rate, drop = kind
    theirs = otio.opentime.RationalTime(frame, float(rate)).to_timecode(float(rate), drop)
    assert format_timecode(frame, rate, drop) == theirs


def test_drop_frame_leaves_out_numbers_but_in_tens_of_minutes() -> None:
    assert format_timecode(1799, NTSC, True) == "00:00:59;29"
    assert format_timecode(1800, NTSC, True) == "00:01:00;02"
    assert format_timecode(17982, NTSC, True) == "00:10:00;00"
    assert format_timecode(3600, Fraction(60000, 1001), True) == "00:01:00;04"


@pytest.mark.parametrize("text", ["", "1:2:3:4", "00:00:00:25", "00:61:00:00", "noon", "00:00:00"])
def test_what_is_no_timecode_is_none(text: str) -> None:
    assert parse_timecode(text, PAL) is None


@pytest.mark.parametrize(("measured", "meant"), [(23.976, FILM), (29.9699, NTSC), (24.0, Fraction(24)), (27.3, None)])
def test_a_measured_rate_means_a_standard_one(measured: float, meant: Fraction | None) -> None:
    assert standard_rate(measured) == meant


def test_frames_are_those_that_are_seen() -> None:
    video = source(rate=PAL)
    assert video.frame_range(1.0, 2.0) == (25, 50)
    assert video.frame_range(0.999, 2.001) == (25, 50), "clocks round to milliseconds"
    assert video.frame_range(1.02, 2.01) == (25, 51)
    assert video.frame_range(-5, 9999) == (0, 3000)
    assert video.frame_range(1.0, 1.0) == (25, 26), "never empty"


# --- EDL ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "timecode", "first", "after"), CASES)
def test_an_edl_is_read_back(rate: Fraction, timecode: str, first: int, after: int) -> None:
    edits = [
        edit(first, after, rate=rate, timecode=timecode, reel="A001C003"),
        edit(first + 30, after + 40, path="/films/Beach.mp4", rate=rate, timecode=timecode),
    ]
    edl = as_edl(edits, "My moments")
    clips = clips_of_edl(edl, rate)
    assert [clip.name for clip in clips] == ["Walk 1.mov", "Beach.mp4"]
    assert [clip.metadata["cmx_3600"]["reel"] for clip in clips] == ["A001C003", "BEACH"]
    assert [clip.metadata["cmx_3600"]["comments"][0] for clip in clips] == [
        "SOURCE FILE: /films/Walk 1.mov",
        "SOURCE FILE: /films/Beach.mp4",
    ]
    start = otio.opentime.from_timecode(timecode, float(rate))
    for clip, (begin, end) in zip(clips, [(first, after), (first + 30, after + 40)], strict=True):
        assert clip.source_range.start_time == start + otio.opentime.RationalTime(begin, float(rate))
        assert clip.source_range.duration == otio.opentime.RationalTime(end - begin, float(rate))
    text = edl.decode()
    assert ("FCM: DROP FRAME" in text) == (";" in timecode)
    assert ("FCM: NON-DROP FRAME" in text) == (";" not in timecode)
    assert "01:00:00" in text.splitlines()[3]
    records = [line.split()[-2:] for line in text.splitlines() if line[:1].isdigit()]
    assert records[0][1] == records[1][0], "recorded one after the other"


def test_reels_are_short_plain_and_tell_files_apart() -> None:
    paths = ["/a/Holiday in Norway 1.mp4", "/a/Holiday in Norway 2.mp4", "/b/Holiday in Norway 1.mp4", "/c/été.mov"]
    edits = [edit(0, 25, path=path) for path in paths] + [edit(25, 50, path=paths[0])]
    reels = [line.split()[1] for line in as_edl(edits, "x").decode().splitlines() if line[:1].isdigit()]
    assert all(
        len(reel) <= 8 and reel.isascii() and not set(reel) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
        for reel in reels
    )
    assert len(set(reels)) == 4
    assert reels[4] == reels[0]
    same_tape = [edit(0, 25, path=path, reel="TAPE 7") for path in paths[:2]]
    assert Counter(line.split()[1] for line in as_edl(same_tape, "x").decode().splitlines() if line[:1].isdigit()) == {
        "TAPE_7": 2
    }


@pytest.mark.skipif(sys.platform == "win32", reason="such names cannot be there")
def test_any_name_stays_on_its_line() -> None:
    nasty = os.fsdecode(b"/films/a \"b\" 'c'\n002  X V C \xff\xc3\xa9<&>.mp4")
    edits = [edit(0, 25, path=nasty), edit(0, 25)]
    (first, _) = clips_of_edl(as_edl(edits, "line\nbreak"), PAL)
    assert "\ufffdé<&>.mp4" in first.name
    root = ET.fromstring(as_fcpxml(edits, "tab\tbell\x07"))
    source = found(found(root.find("./resources/asset")).get("src"))
    assert source.startswith("file:///")
    assert unquote_to_bytes(source.removeprefix("file://")) == os.fsencode(nasty)
    row = next(csv.DictReader(io.StringIO(as_csv(edits).decode("utf-8-sig"), newline="")))
    assert unquote_to_bytes(row["url"].removeprefix("file://")) == os.fsencode(nasty)
    assert row["path"].count("\ufffd") == 1


def test_an_edl_of_several_rates_says_so() -> None:
    edits = [
        edit(0, 50, rate=PAL),
        edit(0, 50, rate=PAL),
        edit(0, 60, path="/b.mov", rate=NTSC, timecode="00:00:00;00"),
    ]
    assert any("b.mov" in said(note) and "25" in said(note) for note in notes(edits, "edl"))
    assert not list(notes(edits, "fcpxml"))
    assert as_edl(edits, "x").decode().count("FCM:") == 2


# --- FCPXML ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "timecode", "first", "after"), CASES)
def test_an_fcpxml_is_read_back(rate: Fraction, timecode: str, first: int, after: int) -> None:
    edits = [
        edit(first, after, path="/films/Walk 1 é.mov", rate=rate, timecode=timecode, reel="A001"),
        edit(first + 30, after + 40, path="/films/Beach.mp4", rate=rate, timecode=timecode),
    ]
    content = as_fcpxml(edits, "My moments")
    (timeline,) = otio.adapters.read_from_string(content.decode(), "fcpx_xml")
    clips = timeline.find_clips()
    assert [clip.name for clip in clips] == ["Walk 1 é.mov", "Beach.mp4"]
    assert [clip.media_reference.target_url for clip in clips] == [
        "file:///films/Walk%201%20%C3%A9.mov",
        "file:///films/Beach.mp4",
    ]
    start = found(parse_timecode(timecode, rate))[0] / rate
    # The reader counts in whole frames a second (29 of 29.97) and drops the rest: it is accurate to one of those.
    coarse = 1 / int(rate)
    for clip, (begin, end) in zip(clips, [(first, after), (first + 30, after + 40)], strict=True):
        assert clip.media_reference.available_range.start_time.to_seconds() == pytest.approx(float(start), abs=coarse)
        assert clip.source_range.start_time.to_seconds() == pytest.approx(float(start + begin / rate), abs=coarse)
        assert clip.source_range.duration.to_seconds() == pytest.approx(float((end - begin) / rate), abs=coarse)

    # The dropped part is exact in the file itself.
    root = ET.fromstring(content)
    assert seconds(found(root.find("./resources/format")).get("frameDuration")) == 1 / rate
    assert [seconds(asset.get("start")) for asset in root.iter("asset")] == [start, start]
    assert [md.get("value") for md in root.iter("md")] == ["A001", "Beach"]
    spine = root.findall(".//spine/asset-clip")
    assert [seconds(clip.get("start")) for clip in spine] == [start + first / rate, start + (first + 30) / rate]
    assert [seconds(clip.get("duration")) for clip in spine] == [(after - first) / rate, (after - first + 10) / rate]
    assert seconds(spine[1].get("offset")) == (after - first) / rate
    drop = "DF" if ";" in timecode else "NDF"
    assert {clip.get("tcFormat") for clip in spine} == {drop, found(root.find(".//sequence")).get("tcFormat")} == {drop}


def seconds(text: str | None) -> Fraction:
    assert text is not None
    assert text.endswith("s")
    return Fraction(text[:-1])


def test_clips_of_other_rates_lie_on_the_projects_frames() -> None:
    edits = [edit(0, 50, rate=PAL), edit(0, 50, rate=PAL), edit(0, 61, path="/b.mov", rate=NTSC), edit(0, 25, rate=PAL)]
    root = ET.fromstring(as_fcpxml(edits, "x"))
    assert len(root.findall("./resources/format")) == 2
    for clip in root.findall(".//spine/asset-clip"):
        assert (seconds(clip.get("offset")) * PAL).denominator == 1
        assert (seconds(clip.get("duration")) * PAL).denominator == 1


# --- CSV ------------------------------------------------------------------------------------------------------------


def test_a_csv_tells_all_of_a_moment() -> None:
    content = as_csv(
        [edit(10, 310, rate=NTSC, timecode="00:59:58;20", reel="A001"), edit(25, 50, path='/a/"x", y.mp4')]
    )
    first, second = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert first == {
        "path": "/films/Walk 1.mov",
        "name": "Walk 1.mov",
        "in": "0.334",
        "out": "10.344",
        "duration": "10.010",
        "in_timecode": "00:59:59;00",
        "out_timecode": "01:00:09;00",
        "duration_timecode": "00:00:10;00",
        "frame_rate": "29.970",
        "drop_frame": "yes",
        "start_timecode": "00:59:58;20",
        "reel": "A001",
        "url": "file:///films/Walk%201.mov",
    }
    assert (second["name"], second["in"], second["out_timecode"]) == ('"x", y.mp4', "1.000", "00:00:02:00")
