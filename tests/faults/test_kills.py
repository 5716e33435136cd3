"""A few kills; `python -m tests.faults.kills` runs many."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from cret_desktop.engine import client
from tests.faults.kills import AT_RANDOM, kill_again_and_again

# One of each kind of operation that a kill can interrupt.
FEW = ("commit: not committed", "thumbnail: half written", "graph: being saved", "repair: naming")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="on Windows nothing can end itself at once")
def test_no_kill_loses_what_was_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(client, "RESTARTS", 0)  # the value that the kills set, restored afterwards
    tally = kill_again_and_again(tmp_path / "light", 5, seed=1, real=False, points=FEW)
    assert tally.count == 5
    assert tally.kills[AT_RANDOM] >= 1
    assert set(tally.not_reached) <= {*tally.kills, AT_RANDOM}, "every point is passed"
    assert "as undisturbed" in capsys.readouterr().out
