"""A small uproar in a watched folder; `python -m tests.faults.events` runs the large one."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults import events

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's queue and watches are Linux's")


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    return events.make_videos(tmp_path_factory.mktemp("videos"))


@pytest.fixture
def trial(tmp_path: Path, videos: list[bytes]) -> events.Trial:
    return events.Trial.at(tmp_path / "trial", videos, seed=0, say=lambda line: None)


# watchdog warns about a folder that left the root and came back: the system still has its old watch. It is harmless.
@pytest.mark.filterwarnings("ignore:Callback with id:RuntimeWarning")
def test_an_uproar_ends_as_a_fresh_index_has_it(trial: events.Trial) -> None:
    trial.uproar(40)
    assert trial.wrong == []


# Files that are not videos also fill the kernel's queue.
def test_events_that_the_kernel_drops_are_made_up_for(trial: events.Trial) -> None:
    if int(events.QUEUED.read_text(encoding="ascii")) > 40_000:
        pytest.skip("it would take too long to fill this system's queue")
    trial.compares = False
    trial.overflow(".jpg", files=10)
    assert trial.wrong == []


def test_watches_that_run_out_later_are_noticed_and_told(trial: events.Trial) -> None:
    trial.config = replace(trial.config, factory="tests.faults.events:open_library_without_watches")
    trial.compares = False
    trial.exhausted(5)
    assert trial.wrong == []
