"""A killed run loses the files in flight, and nothing else."""

from __future__ import annotations

import os
import queue
import signal
from pathlib import Path

import pytest

from cret_desktop.engine import protocol
from cret_desktop.engine.client import EngineClient, EngineConfig
from cret_desktop.library.indexing.in_flight import FILES_IN_FLIGHT
from cret_desktop.library.indexing.progress import FileIndexed, IndexTotals
from tests.videos import write_colours, write_unlike

FILES = 24
WAIT = 120


def config(folder: Path) -> EngineConfig:
    return EngineConfig(folder / "library", factory="tests.fakes:open_logged_library")


def log(folder: Path) -> list[tuple[str, str, int]]:
    lines = (folder / "decoder.log").read_text(encoding="utf-8").splitlines()
    return [(kind, path, int(frames)) for kind, path, frames in (line.split("\t") for line in lines)]


def whole_run(folder: Path, videos: Path) -> IndexTotals:
    events: queue.SimpleQueue[protocol.Event] = queue.SimpleQueue()
    with EngineClient(config(folder)) as client:
        client.subscribe(events.put)
        client.request(protocol.AddFolders((str(videos),))).result(WAIT)
        while True:
            event = events.get(timeout=WAIT)
            if isinstance(event, protocol.IndexFinished):
                return event.totals


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    short, long = (
        write_colours(tmp_path_factory.mktemp("templates") / f"{len(colours)}.mp4", colours, seconds=1)
        for colours in (["red"], ["red", "blue"])
    )
    for number in range(FILES):  # different contents, because copies would be decoded once
        write_unlike(long if number % 2 else short, folder / f"{number:02}.mp4", number)
    return folder


def test_a_killed_run_costs_at_most_the_files_in_flight(videos: Path, tmp_path: Path) -> None:
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    undisturbed.mkdir()
    killed.mkdir()
    whole_run(undisturbed, videos)
    frames = {path: count for kind, path, count in log(undisturbed) if kind == "ended"}
    assert len(frames) == FILES

    events: queue.SimpleQueue[protocol.Event] = queue.SimpleQueue()
    client = EngineClient(config(killed)).start()
    client.subscribe(events.put)
    client.request(protocol.AddFolders((str(videos),))).result(WAIT)
    done = 0
    while done < FILES // 2:
        done += isinstance(events.get(timeout=WAIT), FileIndexed)
    assert client.pid is not None
    client._closing = True  # prevents the client from restarting it: that is the next run's task
    os.kill(client.pid, signal.SIGKILL)
    client.close()
    begun_before = [path for kind, path, _ in log(killed) if kind == "begun"]

    totals = whole_run(killed, videos)
    assert totals.files + totals.skipped == FILES
    begun_after = [path for kind, path, _ in log(killed) if kind == "begun"][len(begun_before) :]
    assert len(begun_after) == totals.files
    twice = set(begun_before) & set(begun_after)
    assert len(twice) <= FILES_IN_FLIGHT
    both = sum(frames[path] for path in [*begun_before, *begun_after])
    assert both <= sum(frames.values()) + FILES_IN_FLIGHT * max(frames.values())


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="looks at the engine's memory map, which Linux shows")
def test_a_second_run_decodes_nothing_and_loads_no_torch(videos: Path, tmp_path: Path) -> None:
    """With the real factory and the starter: without work no model is loaded."""
    empty = tmp_path / "videos"
    empty.mkdir()
    (empty / "broken.mp4").write_text("no video")
    real = EngineConfig(tmp_path / "library")
    for failed in (1, 0):
        events: queue.SimpleQueue[protocol.Event] = queue.SimpleQueue()
        with EngineClient(real) as client:
            client.subscribe(events.put)
            client.request(protocol.AddFolders((str(empty),))).result(WAIT)
            while not isinstance(event := events.get(timeout=WAIT), protocol.IndexFinished):
                pass
            maps = Path(f"/proc/{client.pid}/maps").read_text()
        assert (event.totals.failed, event.totals.frames_decoded) == (failed, 0)
        assert "hnswlib" in maps, "the engine's own libraries are seen in its map"
        assert "libtorch" not in maps
