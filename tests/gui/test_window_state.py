"""How the window was left, read from any file: what cannot be understood has its default, and a sentence says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cret_desktop.gui.shell.window_state import WindowState
from cret_desktop.messages import render
from cret_desktop.settings import load, save
from tests.library.keeping.test_caches import ODD_TEXTS, values

NAMES = [name for name in WindowState.__dataclass_fields__ if name != "unknown"]


@pytest.mark.parametrize("text", ODD_TEXTS, ids=lambda text: text[:8])
def test_odd_files_are_no_state(tmp_path: Path, text: str) -> None:
    path = tmp_path / "window.json"
    path.write_text(text, encoding="utf-8")
    state, told = load(WindowState, path)
    assert state == WindowState()
    assert told is not None
    assert str(path) in render(told)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from([*NAMES, "of a newer version"]), values, max_size=4))
def test_any_values_are_survived_and_written_again(
    tmp_path_factory: pytest.TempPathFactory, written: dict[str, object]
) -> None:
    path = tmp_path_factory.getbasetemp() / "window.json"
    path.write_text(json.dumps(written), encoding="utf-8")
    state, _ = load(WindowState, path)
    save(state, path)
    again, told = load(WindowState, path)
    assert (repr(again), told) == (repr(state), None)  # what is not a number equals nothing


def test_a_whole_number_that_no_toolkit_takes_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "window.json"
    path.write_text('{"thumbnail": 4294967296, "view": "list"}', encoding="utf-8")
    state, told = load(WindowState, path)
    assert (state.thumbnail, state.view) == (0, "list")
    assert told is not None
    assert "thumbnail" in render(told)
