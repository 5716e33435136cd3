from __future__ import annotations

import codecs
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cret_desktop.domain.records import Line, Sidecar
from cret_desktop.library.indexing import subtitles
from cret_desktop.messages import Message
from tests.said import never, said

SRT = """1
00:00:01,500 --> 00:00:03,000
<i>Good morning,</i>
{\\an8}Zoë &amp; Max!

2
00:01:02,000 --> 00:01:04,250 X1:100
Where is the Eiffel Tower?

3
00:00:09,000 --> 00:00:08,000
ends before it begins
"""
VTT = """WEBVTT - a title

NOTE a comment --> none

intro
00:01.500 --> 00:03.000 align:start position:0%
<v Anna>Good <00:02.000>morning</v>

01:00:02.000 --> 01:00:03.000
later
"""
LINES = [Line(1.5, 3.0, "Good morning, Zoë & Max!"), Line(62.0, 64.25, "Where is the Eiffel Tower?")]


def test_subrip() -> None:
    assert subtitles.parse(SRT) == LINES
    assert subtitles.parse(SRT.replace("\n", "\r\n")) == LINES


def test_webvtt() -> None:
    assert subtitles.parse(VTT) == [Line(1.5, 3.0, "Good morning"), Line(3602.0, 3603.0, "later")]


@pytest.mark.parametrize(
    "content",
    [
        SRT.encode(),
        codecs.BOM_UTF8 + SRT.encode(),
        SRT.encode("utf-16"),
        codecs.BOM_UTF16_BE + SRT.encode("utf-16-be"),
        SRT.encode("latin-1"),
    ],
)
def test_encodings(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes(content)
    assert subtitles.read(Sidecar(str(path), len(content), 0), never) == LINES


@given(st.text() | st.lists(st.sampled_from([*SRT.splitlines(), *VTT.splitlines()])).map("\n".join))
def test_whatever_a_file_holds_it_is_read(text: str) -> None:
    assert all(line.text and line.start <= line.end for line in subtitles.parse(text))


def test_too_large_or_unreadable_ones_are_told_of(tmp_path: Path) -> None:
    told: list[Message] = []
    assert subtitles.read(Sidecar(str(tmp_path / "big.srt"), subtitles.LARGEST + 1, 0), told.append) == []
    assert subtitles.read(Sidecar(str(tmp_path / "gone.srt"), 1, 0), told.append) == []
    assert [said(message) for message in told] == [
        "The subtitles “big.srt” cannot be read: 8000001 bytes are too many.",
        "The subtitles “gone.srt” cannot be read: no such file or directory.",
    ]


def test_which_files_belong_to_a_video(tmp_path: Path) -> None:
    videos = ["Film.mp4", "Film.en.mkv", "Film 2.mp4", "other.mp4"]
    for name in [
        "Film.srt", "Film.de.srt", "Film.en.srt", "Film.pt-BR.forced.VTT", "Film 2.SRT", "Film.director.srt",
        "Film.txt", ".Film.srt", "Film2.srt",
    ]:  # fmt: skip
        (tmp_path / name).touch()
    found = subtitles.beside(str(tmp_path / name) for name in videos)
    assert {
        os.path.basename(v): sorted(os.path.basename(s.path) for s in sidecars) for v, sidecars in found.items()
    } == {
        "Film.mp4": ["Film.de.srt", "Film.pt-BR.forced.VTT", "Film.srt"],
        "Film.en.mkv": ["Film.en.srt"],
        "Film 2.mp4": ["Film 2.SRT"],
    }
