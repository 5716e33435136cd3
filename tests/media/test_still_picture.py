"""Pictures to search by: read as displayed, refused by content, finished in ten seconds whatever they hold."""

from __future__ import annotations

import multiprocessing
import os
import re
import struct
import threading
import time
import zlib
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cret_desktop.child_process import end_with_parent
from cret_desktop.domain.clips import LONGEST_PICTURE, Picture
from cret_desktop.errors import DecoderFailed, PathError
from cret_desktop.media import still_decoder, still_picture
from cret_desktop.media.still_picture import MOST_BYTES, PictureReader, kind_of

Pixels = NDArray[np.uint8]

# Files that Qt's formats would draw for ever, or with the content of other files.
BOMB = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:x="http://www.w3.org/1999/xlink" width="512" height="512">'
    '<g id="a0"><rect width="9" height="9"/></g>'
    + "".join(f'<g id="a{i}">{f"""<use x:href="#a{i - 1}"/>""" * 10}</g>' for i in range(1, 12))
    + '<use x:href="#a11"/></svg>'
).encode()
REACHING = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/hostname" width="9" height="9"/></svg>'
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<<>>"


def png_header(width: int, height: int) -> bytes:
    """Return a PNG whose header claims this size, with a single line of data."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def tiff_header(width: int, height: int) -> bytes:
    entries = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (278, 4, height)]
    entries += [(277, 3, 1), (279, 4, 2**31 - 1)]
    directory = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in sorted(entries))
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4)


def gif(frames: int, side: int) -> bytes:
    """Return frames of one colour that are large decoded but small in the file."""
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, side, side, 0) + b"\x02\x02\x44\x01\x00"
    return b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + bytes(6) + frame * frames + b"\x3b"


def encoded(ending: str, pixels: Pixels | NDArray[np.uint16]) -> bytes:
    done, data = cv2.imencode(ending, pixels)
    assert done
    return bytes(data)


def photograph(height: int = 60, width: int = 80) -> Pixels:
    """Return blue to the right, red downwards, in BGR."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 0] = np.linspace(0, 255, width)[None, :]
    picture[..., 2] = np.linspace(0, 255, height)[:, None]
    return picture


def array(picture: Picture) -> Pixels:
    """Return a picture's pixels in BGR."""
    return np.frombuffer(picture.rgb, np.uint8).reshape(picture.height, picture.width, 3)[..., ::-1]


def decoded(data: bytes) -> Pixels:
    """Decode in this process, as the child does."""
    picture = still_decoder.decode(data)
    assert isinstance(picture, Picture), picture
    return array(picture)


@pytest.fixture
def reader() -> PictureReader:
    return PictureReader()


# --- supported pictures ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".bmp", ".tiff", ".gif"])
def test_each_kind_is_read_as_it_looks(ending: str) -> None:
    data = encoded(ending, photograph())
    assert kind_of(data) == {".jpg": "jpeg", ".tiff": "tiff"}.get(ending, ending[1:])
    assert np.abs(decoded(data).astype(int) - photograph()).mean() < (20 if ending == ".gif" else 4)


def test_a_child_reads_a_file_whatever_its_name(reader: PictureReader, tmp_path: Path) -> None:
    path = tmp_path / "a photograph.svg"
    path.write_bytes(encoded(".png", photograph()))
    assert np.array_equal(array(reader.read_file(str(path))), photograph())
    assert np.array_equal(array(reader.read(path.read_bytes())), photograph())
    assert multiprocessing.active_children() == []


def test_what_is_transparent_becomes_white() -> None:
    pixels = np.dstack([photograph(), np.full((60, 80), 255, np.uint8)])
    pixels[:30, :, 3] = 0
    pixels[30:, :40, 3] = 128
    for ending in (".png", ".webp", ".tiff"):
        seen = decoded(encoded(ending, pixels)).astype(int)
        assert (seen[:29] > 250).all(), ending
        assert np.abs(seen[31:, :39] - (photograph()[31:, :39].astype(int) + 255) / 2).mean() < 4, ending
    deep = decoded(encoded(".png", (pixels.astype(np.uint16) * 257)))
    assert np.abs(deep.astype(int) - decoded(encoded(".png", pixels))).max() <= 1


@pytest.mark.parametrize("turned", [1, 3, 6, 8])
def test_a_photograph_is_turned_upright(turned: int) -> None:
    exif = b"Exif\0\0II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, turned, 0, 0)
    plain = encoded(".jpg", photograph())
    data = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[2:]
    quarters = {1: 0, 3: 2, 6: -1, 8: 1}[turned]
    assert np.abs(decoded(data).astype(int) - np.rot90(photograph(), quarters)).mean() < 4


@pytest.mark.parametrize(("height", "width"), [(3000, 40), (40, 3000), (700, 700), (9000, 3), (1, 1)])
def test_large_ones_are_made_small(height: int, width: int) -> None:
    seen = decoded(encoded(".png", photograph(height, width)))
    assert max(seen.shape[:2]) == min(LONGEST_PICTURE, max(height, width))
    assert min(seen.shape[:2]) == max(1, round(min(height, width) * min(1, LONGEST_PICTURE / max(height, width))))


def test_grey_and_deep_pictures_are_read() -> None:
    grey = photograph()[..., 0]
    assert np.array_equal(decoded(encoded(".png", grey)), np.repeat(grey[..., None], 3, axis=2))
    assert np.abs(decoded(encoded(".png", photograph().astype(np.uint16) * 257)).astype(int) - photograph()).max() <= 1


# --- refused pictures -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [BOMB, REACHING, PDF, b"", b"no picture", b"BM and so on, a letter", b"\x1f\x8b svgz", b"\0\0\0\x18ftypheic"],
    ids=["svg bomb", "svg that reaches", "pdf", "empty", "text", "letter", "svgz", "heic"],
)
@pytest.mark.parametrize("name", ["a.png", "a.svg"])
def test_other_kinds_are_refused_without_a_child(
    reader: PictureReader, tmp_path: Path, data: bytes, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(still_picture, "_Child", lambda: pytest.fail("a child was started"))
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(PathError, match=rf"^“{re.escape(name)}” cannot be used as a query picture"):
        reader.read_file(str(path))


def test_what_is_too_large_is_refused(reader: PictureReader, tmp_path: Path) -> None:
    for data in (png_header(60_000, 60_000), tiff_header(60_000, 60_000)):
        with pytest.raises(PathError, match=r"^The picture “large.png” is too large\. .* 134 million pixels and 64 MB"):
            reader.read(data, "large.png")
    sparse = tmp_path / "sparse.png"
    with sparse.open("wb") as file:
        file.write(png_header(9, 9))
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(PathError, match="too large"):
        reader.read_file(str(sparse))


def test_files_that_are_none(reader: PictureReader, tmp_path: Path) -> None:
    with pytest.raises(PathError, match=r"^The picture “gone.png” cannot be opened: no such file"):
        reader.read_file(str(tmp_path / "gone.png"))
    with pytest.raises(PathError, match="cannot be opened"):
        reader.read_file(str(tmp_path))
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
        with pytest.raises(PathError, match="not a regular file"):
            reader.read_file(str(tmp_path / "pipe.png"))


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".tiff", ".gif", ".bmp"])
def test_what_is_cut_short_is_a_sentence_or_a_picture(ending: str) -> None:
    whole = encoded(ending, photograph())
    for share in (0.02, 0.3, 0.6, 0.99):
        outcome = still_decoder.decode(whole[: round(len(whole) * share)])
        assert isinstance(outcome, Picture) or outcome in ("broken", "too large")


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([".jpg", ".png", ".webp", ".tiff", ".gif", ".bmp"]),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=12),
)
def test_damage_never_raises(ending: str, damage: list[tuple[float, int]]) -> None:
    data = bytearray(encoded(ending, photograph(24, 32)))
    for place, value in damage:
        data[int(place * len(data))] = value
    outcome = still_decoder.decode(bytes(data))
    assert isinstance(outcome, Picture) or outcome in ("broken", "too large")


def test_a_gif_of_many_frames_is_its_first(reader: PictureReader) -> None:
    began = time.monotonic()
    try:
        picture = reader.read(gif(20_000, 2000), "many.gif")
        assert (picture.width, picture.height) == (LONGEST_PICTURE, LONGEST_PICTURE)
    except PathError as error:
        assert "many.gif" in str(error)  # noqa: PT017 - either is an answer; that it takes for ever is none
    assert time.monotonic() - began < 10


# --- slow and false pictures ------------------------------------------------------------------------------------------


def _for_ever(pipe: multiprocessing.connection.Connection) -> None:
    end_with_parent()
    pipe.send_bytes(b"{}")
    pipe.recv_bytes()
    while True:
        time.sleep(0.01)


def _deaf(pipe: multiprocessing.connection.Connection) -> None:
    pipe.send_bytes(b"{}")
    time.sleep(600)


def _liar(pipe: multiprocessing.connection.Connection) -> None:
    pipe.send_bytes(b"{}")
    said = pipe.recv_bytes().partition(b"|")[2]
    pipe.send_bytes(said)
    pipe.send_bytes(bytes(12))


PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("child", [_for_ever, _deaf])
def test_what_takes_for_ever_is_over_with_a_sentence(child: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(still_picture, "_run_child", child)
    with pytest.raises(PathError, match=r"^Reading the picture “slow.png” takes too long"):
        PictureReader(seconds=0.3).read(PNG + bytes(4 << 20), "slow.png")
    assert still_picture.SECONDS < 10
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(
    "said",
    [
        b"[]", b"[" * 4000, b'{"width": 2, "height": 3}', b'{"width": 100000, "height": 2}', b"x" * 9999,
    ],
)  # fmt: skip
def test_a_child_that_lies_is_not_believed(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(still_picture, "_run_child", _liar)
    with pytest.raises(PathError, match="cannot be read"):
        PictureReader().read(PNG + b"|" + said, "a.png")


def test_it_can_be_stopped_at_any_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(still_picture, "_run_child", _for_ever)
    reader = PictureReader(seconds=60)
    threading.Timer(0.5, reader.stop).start()
    with pytest.raises(DecoderFailed):
        reader.read(PNG, "a.png")
    with pytest.raises(DecoderFailed):
        reader.read(PNG, "a.png", wanted=lambda: False)


def _parent(pipe: multiprocessing.connection.Connection) -> None:
    still_picture._run_child = _for_ever
    child = still_picture._Child()
    pipe.send(child.process.pid)
    child.decode(PNG, 600)


def test_the_child_ends_with_its_parent() -> None:
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    parent = spawn.Process(target=_parent, args=(theirs,))
    parent.start()
    child = psutil.Process(ours.recv())
    time.sleep(0.5)  # it is decoding by then
    parent.kill()
    parent.join()
    child.wait(10)


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="the system bounds no process's memory by itself")
def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(still_picture, "_run_child", _greedy)
    with pytest.raises(PathError, match="too large"):
        PictureReader().read(PNG, "a.png")


def _greedy(pipe: multiprocessing.connection.Connection) -> None:
    cv2.imdecode = lambda *_: np.empty(2 * still_picture.MEMORY_BYTES, np.uint8)
    still_picture._run_child(pipe)
