"""The builder of graph files: a file is complete or absent, and nothing unproven is ever loaded."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import hnswlib
import numpy as np
import psutil
import pytest

from cret_desktop.messages import Message
from cret_desktop.storage.vectors import graph_builder, graph_file
from cret_desktop.storage.vectors.graph_builder import (
    BuildReport,
    BuildRequest,
    build_graph,
    load_graph,
)
from cret_desktop.storage.vectors.graph_file import BadGraph, GraphFile
from tests.said import said

ROOT = Path(__file__).parents[3]
WIDTH = 24


def unit_vectors(count: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, WIDTH)).astype(np.float32)
    unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def request(folder: Path, ids: np.ndarray, vectors: np.ndarray, base: GraphFile | None = None) -> BuildRequest:
    scratch = folder / f"{len(list(folder.iterdir()))}.build"
    scratch.mkdir()
    ids.astype(np.int64).tofile(scratch / "ids")
    vectors.tofile(scratch / "vectors")
    return BuildRequest(
        base=base,
        scratch=str(scratch),
        ids=str(scratch / "ids"),
        vectors=str(scratch / "vectors"),
        count=len(ids),
        width=WIDTH,
        target=str(folder / f"{scratch.stem}.hnsw"),
    )


@pytest.fixture
def graph(tmp_path: Path) -> GraphFile:
    built = build_graph(request(tmp_path, np.arange(1, 401), unit_vectors(400))).graph
    assert built is not None
    return built


def test_a_graph_holds_what_it_was_given_and_can_grow(tmp_path: Path, graph: GraphFile) -> None:
    first, more = unit_vectors(400), unit_vectors(150, seed=1)
    report = build_graph(request(tmp_path, np.arange(1001, 1151), more, base=graph))
    assert report.graph is not None
    assert (report.graph.count, report.last_clip_id, report.reason) == (550, 1150, None)
    grown = load_graph(report.graph)
    assert sorted(grown.get_ids_list()) == [*range(1, 401), *range(1001, 1151)]
    np.testing.assert_array_equal(grown.get_items([7, 1042]), [first[6], more[41]])
    assert load_graph(graph).element_count == 400  # the base is unchanged
    assert grown.ef == graph_builder.EF_SEARCH  # a load resets it to 10


def test_the_file_is_also_a_matrix_of_its_vectors(graph: GraphFile) -> None:
    elements = np.memmap(
        graph.path,
        graph_file.element_layout(WIDTH),
        mode="r",
        offset=graph_file.header_size(),
        shape=(graph.count,),
    )
    order = np.argsort(elements["label"])
    np.testing.assert_array_equal(elements["label"][order], np.arange(1, 401))
    np.testing.assert_array_equal(elements["vector"][order], unit_vectors(400))


def damaged(content: bytes, how: str, chance: random.Random) -> bytes:
    at = chance.randrange(len(content))
    page = at - at % 4096
    match how:
        case "bit of the header":
            at = chance.randrange(graph_file.header_size())
            return content[:at] + bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 :]
        case "bit":
            return content[:at] + bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 :]
        case "zeroed page":
            return content[:page] + bytes(len(content[page : page + 4096])) + content[page + 4096 :]
        case "random page":
            return content[:page] + chance.randbytes(len(content[page : page + 4096])) + content[page + 4096 :]
        case "truncated":
            return content[:at]
        case "longer":
            return content + bytes(1 + at)
    raise ValueError(how)


@pytest.mark.parametrize("how", ["bit of the header", "bit", "zeroed page", "random page", "truncated", "longer"])
def test_damage_is_found_before_hnswlib_sees_the_file(
    graph: GraphFile, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def touched(*_: object, **__: object) -> None:
        pytest.fail("hnswlib was given a damaged file")

    monkeypatch.setattr(hnswlib, "Index", touched)
    content = Path(graph.path).read_bytes()
    chance = random.Random(how)
    for _ in range(30):
        Path(graph.path).write_bytes(damaged(content, how, chance))
        with pytest.raises(BadGraph):
            load_graph(graph)


def test_a_file_of_another_shape_is_refused_even_where_its_digest_is_right(graph: GraphFile) -> None:
    for lie in (replace(graph, width=WIDTH * 2), replace(graph, width=WIDTH - 1), replace(graph, count=399)):
        with pytest.raises(BadGraph, match="another layout"):
            load_graph(lie)
    with pytest.raises(BadGraph, match="cannot be read"):
        load_graph(replace(graph, path=graph.path + ".gone"))


def test_a_damaged_base_is_told_apart(tmp_path: Path, graph: GraphFile) -> None:
    Path(graph.path).write_bytes(Path(graph.path).read_bytes()[:-1])
    going_on = request(tmp_path, np.arange(500, 510), unit_vectors(10), base=graph)
    report = build_graph(going_on)
    assert report.base_damaged
    assert report.graph is None
    assert not Path(going_on.target).exists()


def test_input_that_ends_early_gives_no_graph(tmp_path: Path) -> None:
    short = request(tmp_path, np.arange(1, 101), unit_vectors(90))
    report = build_graph(short)
    assert report.storage
    assert "ends before" in said(report.reason)
    assert not Path(short.target).exists()


def test_a_folder_that_is_gone_gives_no_graph(tmp_path: Path) -> None:
    lost = replace(request(tmp_path, np.arange(1, 11), unit_vectors(10)), scratch=str(tmp_path / "gone"))
    report = build_graph(lost)
    assert report.graph is None
    assert report.storage
    assert not Path(lost.target).exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes")
@pytest.mark.parametrize("limit", [0, 50, 96, 5_000, 100_000])
def test_a_full_disk_gives_no_graph(tmp_path: Path, limit: int) -> None:
    """hnswlib 0.8 saves a truncated file without an error; here the disk is full after `limit` bytes."""
    full = request(tmp_path, np.arange(1, 1001), unit_vectors(1000))
    script = f"""
import resource, signal
from cret_desktop.storage.vectors.graph_builder import BuildRequest, build_graph
request = {full!r}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
print(build_graph(request).to_bytes().decode())
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    report = BuildReport.from_bytes(done.stdout.encode())
    assert report.storage
    assert "disk is probably full" in said(report.reason)
    assert report.graph is None
    assert not Path(full.target).exists()


def test_reports_cross_the_pipe_unchanged(graph: GraphFile) -> None:
    for report in (
        BuildReport(graph, last_clip_id=400),
        BuildReport(reason=Message("reason.said", text="“full”"), storage=True),
    ):
        assert BuildReport.from_bytes(report.to_bytes()) == report


@pytest.mark.skipif(sys.platform == "win32", reason="needs a FIFO and SIGKILL")
def test_the_child_ends_with_its_parent(tmp_path: Path) -> None:
    endless = request(tmp_path, np.arange(1, 11), unit_vectors(10))
    Path(endless.ids).unlink()
    os.mkfifo(endless.ids)  # the build blocks here until data is written
    script = f"""
from cret_desktop.child_process import ChildProcess
from cret_desktop.storage.vectors import graph_builder, graph_file
from cret_desktop.storage.vectors.graph_builder import BuildRequest
if __name__ == "__main__":
    request = {endless!r}
    child = ChildProcess("graph-builder", graph_builder.run, request, only_answers=True)
    print(child.pid, flush=True)
    child.wait()
"""
    main = tmp_path / "parent.py"
    main.write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, main], env=environment, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        with open(endless.ids, "wb"):  # opens once the child reads, so the build is running
            parent.kill()
            psutil.wait_procs([child], timeout=30)
            assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_the_child_needs_neither_torch_nor_qt() -> None:
    script = "import sys, cret_desktop.storage.vectors.graph_builder; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"torch", "timm", "transformers", "PySide6", "cv2", "av", "sqlite3"} & set(done.stdout.split())
