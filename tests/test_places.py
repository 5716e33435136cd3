"""Where the app runs and where people's things lie: several people, folders that cannot be written, no home, no space.

Each is a whole command in a process of its own. `.ci/installer/check_inside.sh` asks the same of the frozen app.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cret_desktop import paths
from cret_desktop.errors import StorageError
from tests.videos import write_colours

ROOT = Path(__file__).resolve().parent.parent


def mounting() -> list[str]:
    """What to put before a shell that may mount: an administrator of its own small world."""
    tried = [shutil.which("unshare") or "", "--user", "--map-root-user", "--mount"]
    if not tried[0] or subprocess.run([*tried, "true"], capture_output=True).returncode:
        pytest.skip("nothing may be mounted here (no user namespaces)")
    return tried


def cret(home: Path, *arguments: str, before: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    """A command of a person with that home and no other settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "CRET_"))}
    return subprocess.run(
        [*(before or []), sys.executable, "-m", "cret_desktop", *arguments],
        env=kept | {"HOME": str(home), "PYTHONPATH": str(ROOT)},
        cwd="/",
        capture_output=True,
        text=True,
    )


def sentence(done: subprocess.CompletedProcess[str], status: int) -> str:
    """All that was said, where that is one line."""
    assert done.returncode == status, done.stderr
    (line,) = done.stderr.strip().splitlines()
    return line


def test_two_people_and_an_installation_that_nobody_may_write_to(tmp_path: Path) -> None:
    video = write_colours(tmp_path / "red.mp4", ["red"])
    ann, bob = tmp_path / "Ånn von Tëst", tmp_path / "bob"
    read_only = (
        f'mount --bind "{ROOT}" "{ROOT}" && mount -o remount,bind,ro "{ROOT}" && ! touch "{ROOT}/x" && exec "$@"'
    )
    done = cret(ann, "index", str(video), before=[*mounting(), "sh", "-c", read_only, "sh"])
    assert done.returncode == 0, done.stderr
    assert (ann / ".local/share/CRET Desktop/library/catalog.sqlite").is_file()
    assert "1 files" in cret(ann, "status").stdout
    assert "There is no library" in sentence(cret(bob, "status"), 3)
    assert not bob.exists(), "asking makes nothing"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a place where not even an administrator may write")
def test_a_home_that_cannot_be_made() -> None:
    said = sentence(cret(Path("/proc/nobody"), "index", str(ROOT / "README.md")), 5)
    assert "/proc/nobody/.local/share/CRET Desktop/library cannot be used" in said


def test_an_account_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as it does where nobody knows the account
    for place in (paths.data_folder, paths.settings_file, paths.window_state_file, paths.instance_folder):
        with pytest.raises(StorageError, match="no home folder"):
            place()
    monkeypatch.setenv(paths.LIBRARY_VARIABLE, "/somewhere")
    assert paths.default_library() == Path("/somewhere")


def test_a_full_disk_at_the_first_start(tmp_path: Path) -> None:
    video = write_colours(tmp_path / "red.mp4", ["red"])
    home = tmp_path / "small"
    home.mkdir()
    small = f'mount -t tmpfs -o size=64k tmpfs "{home}" && exec "$@"'
    said = sentence(cret(home, "index", str(video), before=[*mounting(), "sh", "-c", small, "sh"]), 5)
    assert "Free some space" in said


def test_a_newer_version_is_named_only_where_the_project_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.metadata
    from email.message import Message

    told = Message()
    monkeypatch.setattr(importlib.metadata, "metadata", lambda name: told)
    assert paths.releases_page() == ""
    told["Project-URL"] = "Documentation, https://example.org/docs"
    told["Project-URL"] = "Releases, https://example.org/releases"
    assert paths.releases_page() == "https://example.org/releases"
