"""Settings survive what happens to files: a round trip, an older and a newer version, damage, a disk that is full."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cret_desktop.errors import StorageError
from cret_desktop.messages import render
from cret_desktop.settings import Settings, keep_private, load, save

TEXT = st.text(max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
NAMES = [field.name for field in dataclasses.fields(Settings)]


def _values(field: dataclasses.Field[object]) -> st.SearchStrategy[object]:
    if "choices" in field.metadata:
        return st.sampled_from(field.metadata["choices"])
    return {
        "str": TEXT,
        "bool": st.booleans(),
        "float": st.floats(0, 60),
        "tuple[str, ...]": st.lists(TEXT, max_size=3).map(tuple),
        "dict[str, tuple[str, ...]]": st.dictionaries(TEXT, st.lists(TEXT, max_size=2).map(tuple), max_size=3),
        "dict[str, Any]": st.dictionaries(TEXT.filter(lambda name: name not in NAMES), JSON, max_size=3),
    }[str(field.type)]


SETTINGS = st.builds(Settings, **{field.name: _values(field) for field in dataclasses.fields(Settings)})
each_in_its_file = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@each_in_its_file
@given(SETTINGS)
def test_what_is_saved_is_loaded(tmp_path: Path, chosen: Settings) -> None:
    path = tmp_path / "deep" / "settings.json"
    save(chosen, path)
    assert load(Settings, path) == (chosen, None)


@each_in_its_file
@given(st.dictionaries(st.sampled_from(NAMES) | TEXT, JSON, max_size=6) | JSON)
def test_any_json_gives_settings_that_can_be_used(tmp_path: Path, written: object) -> None:
    """Whatever stands in the file, the fields hold their type and choices, and nothing is lost without a word."""
    path = tmp_path / "settings.json"
    aside = tmp_path / "settings.json.set-aside"
    aside.unlink(missing_ok=True)
    path.write_text(json.dumps(written), encoding="utf-8")
    loaded, problem = load(Settings, path)
    save(loaded, path)
    assert load(Settings, path) == (loaded, None)
    kept = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(written, dict) or any(kept[name] != value for name, value in written.items()):
        assert problem
    if problem:
        assert str(path) in render(problem)
        assert json.loads(aside.read_text(encoding="utf-8")) == written


def test_no_file_yet(tmp_path: Path) -> None:
    assert load(Settings, tmp_path / "settings.json") == (Settings(), None)


def test_one_bad_value_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"theme": "pink", "language": "de", "gentle": 1, "export_handles": 2}', encoding="utf-8")
    loaded, problem = load(Settings, path)
    assert loaded == Settings(language="de", export_handles=2.0)
    assert problem is not None
    assert problem.params["names"] == "theme, gentle"
    assert "pink" in (tmp_path / "settings.json.set-aside").read_text(encoding="utf-8")


@pytest.mark.parametrize("damage", [b'{"theme": "dark"', b"\xff\xfe\x00", b"", b"[]", b"null"])
def test_a_broken_file_is_set_aside(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(damage)
    loaded, problem = load(Settings, path)
    assert loaded == Settings()
    assert problem is not None
    assert "settings.json.set-aside" in render(problem)
    save(Settings(theme="dark"), path)
    assert (tmp_path / "settings.json.set-aside").read_bytes() == damage


def test_keys_of_a_newer_version_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"theme": "dark", "hologram": {"depth": [1, 2]}}', encoding="utf-8")
    loaded, problem = load(Settings, path)
    assert problem is None
    save(dataclasses.replace(loaded, theme="light"), path)
    written = json.loads(path.read_text(encoding="utf-8"))
    assert (written["theme"], written["hologram"]) == ("light", {"depth": [1, 2]})


@pytest.mark.skipif(os.name == "nt", reason="needs a name that is a folder and a file")
def test_settings_that_cannot_be_written_say_so(tmp_path: Path) -> None:
    in_the_way = tmp_path / "a file"
    in_the_way.write_text("", encoding="utf-8")
    with pytest.raises(StorageError, match="could not be written"):
        save(Settings(), in_the_way / "settings.json")


# --- for this person alone ------------------------------------------------------------------------------------------

only_modes = pytest.mark.skipif(os.name == "nt", reason="files have no modes there")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@only_modes
def test_nobody_else_reads_what_was_chosen(tmp_path: Path) -> None:
    path = tmp_path / "config" / "settings.json"
    before = os.umask(0)
    try:
        save(Settings(), path)
        assert (mode(path.parent), mode(path)) == (0o700, 0o600)
        path.parent.chmod(0o755)
        path.chmod(0o644)
        load(Settings, path)
        assert (mode(path.parent), mode(path)) == (0o700, 0o600), "tightened when it is read"
        path.write_text("no settings")
        path.chmod(0o644)
        load(Settings, path)
        assert {mode(file) for file in path.parent.iterdir()} == {0o600}
        assert len(list(path.parent.iterdir())) == 2, "and what was set aside"
    finally:
        os.umask(before)


@only_modes
@pytest.mark.parametrize("name", ["settings.json", "settings.json.part", "settings.json.set-aside"])
def test_nothing_is_written_through_a_link(tmp_path: Path, name: str) -> None:
    victim, folder = tmp_path / "victim", tmp_path / "config"
    victim.write_text("mine")
    victim.chmod(0o644)
    folder.mkdir()
    (folder / "settings.json").write_text("no settings")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(victim)
    load(Settings, folder / "settings.json")
    save(Settings(theme="dark"), folder / "settings.json")
    assert (victim.read_text(), mode(victim)) == ("mine", 0o644)
    assert load(Settings, folder / "settings.json") == (Settings(theme="dark"), None)
    assert not list(folder.glob("settings.json?*.part")) or name.endswith(".part")


@only_modes
def test_a_pipe_in_the_settings_place_stalls_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "settings.json", 0o644)
    keep_private(tmp_path / "settings.json")
    assert mode(tmp_path / "settings.json") == 0o600


def test_a_file_that_is_nested_endlessly_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text("[" * 100_000)
    record, problem = load(Settings, path)
    assert record == Settings()
    assert problem is not None
    assert problem.code == "settings.unreadable"
