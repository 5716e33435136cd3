"""The validation of graph files: intact ones pass, and no number in a forged one leads hnswlib out of its memory."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cret_desktop.storage.vectors.graph_builder import BuildRequest, build_graph
from cret_desktop.storage.vectors.graph_file import BadGraph, GraphFile, prove
from tests.hostile.graphs import COUNT, WIDTH, assert_inside, build, recorded, upper_places

ROOT = Path(__file__).parents[3]
UPPERS = 96 + COUNT * (33 * 4 + 4 * WIDTH + 8)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return build(tmp_path_factory.mktemp("sound"))


def refusal(tmp_path: Path, content: bytes) -> str:
    """Return why a graph with this content is refused, although its record matches."""
    path = tmp_path / "forged.hnsw"
    path.write_bytes(content)
    with pytest.raises(BadGraph) as refused:
        prove(recorded(path, content))
    return str(refused.value)


def changed(content: bytes, *changes: tuple[int, str, float]) -> bytes:
    written = bytearray(content)
    for at, form, value in changes:
        struct.pack_into(form, written, at, value)
    return bytes(written)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 300), min_size=1, max_size=4), st.integers(2, 20), st.integers(0, 2**32 - 1))
def test_what_builders_write_is_let_through(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], width: int, seed: int
) -> None:
    """Graphs of any number and width, with equal vectors, and extended any number of times."""
    folder, chance = tmp_path_factory.mktemp("built"), np.random.default_rng(seed)
    base: GraphFile | None = None
    for number, size in enumerate(sizes):
        scratch = folder / f"{number}.build"
        scratch.mkdir()
        vectors = chance.integers(-1, 2, (size, width)).astype(np.float32)
        vectors[~vectors.any(axis=1)] = 1.0
        (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).tofile(scratch / "vectors")
        np.arange(1000 * number + 1, 1000 * number + 1 + size).tofile(scratch / "ids")
        files = (str(scratch), str(scratch / "ids"), str(scratch / "vectors"))
        report = build_graph(BuildRequest(base, *files, size, width, str(folder / f"{number}.hnsw")))
        assert report.graph is not None, report.reason
        prove(report.graph)
        base = report.graph


def test_forged_graphs_are_refused_or_harmless() -> None:
    """Runs in a separate process, because a failure is a crash; many more with `python -m tests.hostile.graphs`."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile.graphs", "--seed", "3", "--count", "400"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.returncode}: {done.stderr[-2000:]}"
    counted = re.match(r"400 forged graphs: (\d+) refused, (\d+) used", done.stdout)
    assert counted is not None, done.stdout
    assert min(map(int, counted.groups())) > 40, "neither all nor none are refused"


@pytest.mark.parametrize(
    ("at", "form", "value", "reason"),
    [
        (0, "<Q", 4, "another layout"),
        (8, "<Q", COUNT - 1, "where it has no element"),
        (48, "<i", -1, "where it has no element"),
        (48, "<i", 2**31 - 1, "where it has no element"),
        (52, "<I", COUNT, "where it has no element"),
        (52, "<I", 2**32 - 1, "where it has no element"),
        (56, "<Q", 2**32, "another layout"),
        (64, "<Q", 64, "another layout"),
        (72, "<Q", 8, "another layout"),
        (80, "<d", 1e9, "in another way"),
        (80, "<d", float("nan"), "in another way"),
        (88, "<Q", 2**63, "another layout"),
        (96, "<I", 33, "more links"),
        (96, "<I", 1 + 2**16, "more links"),  # hnswlib's mark of a deleted element
        (100, "<I", COUNT, "not there"),
        (100, "<I", 2**31, "not there"),
        (96 + 132, "<f", float("inf"), "unit length"),
        (96 + 132, "<f", float("nan"), "unit length"),
        (96 + 132 + 4 * WIDTH, "<Q", 0, "no clip's id"),
        (96 + 132 + 4 * WIDTH, "<Q", 2**63, "no clip's id"),
        (96 + 132 + 4 * WIDTH, "<Q", 2, "a label twice"),
        (UPPERS, "<I", 4, "impossible size"),
        (UPPERS, "<I", 68 * 100, "impossible size"),
    ],
)
def test_a_number_out_of_its_bounds_is_refused(
    tmp_path: Path, sound: bytes, at: int, form: str, value: float, reason: str
) -> None:
    assert reason in refusal(tmp_path, changed(sound, (at, form, value)))


def test_upper_links_out_of_their_bounds_are_refused(tmp_path: Path, sound: bytes) -> None:
    places = upper_places(sound)
    heights = [(following - at - 4) // 68 for at, following in pairwise(places)]
    highest, low = max(heights), heights.index(0)
    (reaching, *_) = (at for at, height in zip(places, heights, strict=False) if height)
    assert highest >= 1
    assert "more upper links" in refusal(tmp_path, changed(sound, (reaching + 4, "<I", 17)))
    one = (reaching + 4, "<I", 1)
    assert "not there" in refusal(tmp_path, changed(sound, one, (reaching + 8, "<I", COUNT)))
    assert "not on that level" in refusal(tmp_path, changed(sound, one, (reaching + 8, "<I", low)))
    assert "does not reach" in refusal(tmp_path, changed(sound, (52, "<I", low)))
    assert "does not reach" in refusal(tmp_path, changed(sound, (48, "<i", highest + 1)))
    assert "impossible size" in refusal(tmp_path, changed(sound, (48, "<i", highest - 1)))
    for content in (sound[:-4], sound + bytes(4), sound + bytes(72)):
        assert "does not end" in refusal(tmp_path, content) or "impossible size" in refusal(tmp_path, content)
    for content in (b"", sound[:95], sound[:96], sound[:UPPERS], sound[:-1], sound + b"x"):
        assert "too short" in refusal(tmp_path, content)


def test_a_record_that_does_not_fit_the_file_is_refused(tmp_path: Path, sound: bytes) -> None:
    assert_inside(sound)
    path = tmp_path / "sound.hnsw"
    path.write_bytes(sound)
    file = recorded(path, sound)
    prove(file)
    for lie in ({"count": COUNT - 1}, {"count": 2**62}, {"width": WIDTH * 2}, {"size": 5}, {"digest": "0" * 64}):
        with pytest.raises(BadGraph):
            prove(replace(file, **lie))
