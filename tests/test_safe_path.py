"""No code runs from the folder that one stands in: not in the commands, not in the window, not in any child of theirs.

What the self-test starts (engine, decoders, the export's child, the window) is tried so in `test_self_test`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import textwrap
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from cret_desktop import GIVEN_SAFE_PATH, environment
from cret_desktop.engine.client import EngineClient, EngineConfig
from tests.traps import TrappedFolder
from tests.videos import write_colours

WAIT = 60
SCRIPTS = Path(sysconfig.get_path("scripts"))
SUFFIX = ".exe" if sys.platform == "win32" else ""


@pytest.fixture
def outside(tmp_path: Path) -> dict[str, str]:
    """The environment of a person who has set nothing of ours."""
    given = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    return {**given, "QT_QPA_PLATFORM": "offscreen", "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("library") / "library"
    with EngineClient(EngineConfig(place)):
        return place


def run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=WAIT)
    assert done.returncode == 0, done.stderr


def test_a_command_imports_nothing_from_where_it_is_started(
    library: Path, tmp_path: Path, outside: dict[str, str]
) -> None:
    trapped = TrappedFolder(tmp_path / "trapped", tmp_path / "marks")
    run([str(SCRIPTS / f"cret-desktop{SUFFIX}"), "status", "--library", str(library)], trapped.path, outside)
    assert trapped.sprung() == []


def test_the_window_imports_nothing_from_where_it_is_started(
    library: Path, tmp_path: Path, outside: dict[str, str]
) -> None:
    trapped = TrappedFolder(tmp_path / "trapped", tmp_path / "marks")
    own = {name: str(tmp_path / name) for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME")}
    command = [str(SCRIPTS / f"cret-desktop-gui{SUFFIX}"), "--library", str(library)]
    window = subprocess.Popen(
        command, cwd=trapped.path, env=outside | own, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        until = time.monotonic() + WAIT
        while window.poll() is None and not has_engine(window.pid, library) and time.monotonic() < until:
            time.sleep(0.05)
    finally:
        window.terminate()
        _, said = window.communicate(timeout=WAIT)
    assert trapped.sprung() == []
    assert window.returncode == 0, said


def has_engine(window: int, library: Path) -> bool:
    """Whether a child of the window has opened the library."""
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(window).children():
            if str(library / "catalog.sqlite") in [file.path for file in child.open_files()]:
                return True
    return False


def imported_by_python_itself(folder: Path, environment: dict[str, str]) -> set[str]:
    """What `python -m` imports before the first line of the module that it was asked for."""
    (folder / "bare.py").write_text("import sys; print(*{name.partition('.')[0] for name in sys.modules})")
    command = [sys.executable, "-m", "bare"]
    return set(subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True).stdout.split())


def test_python_m_imports_nothing_from_where_it_is_started(
    library: Path, tmp_path: Path, outside: dict[str, str]
) -> None:
    """But what Python itself imports before our first line, and what is asked for by name."""
    beyond_us = imported_by_python_itself(tmp_path, outside)
    assert "os" in beyond_us
    assert "multiprocessing" not in beyond_us
    trapped = TrappedFolder(tmp_path / "trapped", tmp_path / "marks", without=beyond_us | {"cret_desktop"})
    command = [sys.executable, "-m", "cret_desktop", "status", "--library", str(library)]
    run(command, trapped.path, outside)
    assert trapped.sprung() == []


CHILDREN = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from cret_desktop.domain.clips import FileDecoded, FrameFormat
    from cret_desktop.engine.exports import Exporter
    from cret_desktop.engine.protocol import ExportClips, Passage
    from cret_desktop.storage.vectors.graph_builder import BuildRequest
    from cret_desktop.storage.vectors.vector_index import _Build
    from cret_desktop.media.decoder_pool import DecoderPool
    from cret_desktop.media.scan import video_file
    from cret_desktop.messages import render

    if __name__ == "__main__":
        video, folder = sys.argv[1:]
        with DecoderPool(FrameFormat(size=32), workers=1) as pool:
            assert isinstance(list(pool.decode([video_file(video)]))[-1], FileDecoded)
        assert Exporter(lambda _: None).run(ExportClips((Passage(video, 0.0, 0.5),), folder)).paths
        build = _Build.start(BuildRequest(None, folder, "none", "none", 1, 4, folder + "/graph"), 1)
        assert "no such file" in render(build.finish().reason)
    """
)


def test_children_of_a_program_that_uses_parts_of_ours_import_nothing_from_there_either(
    tmp_path: Path, outside: dict[str, str]
) -> None:
    write_colours(tmp_path / "film.mp4", ["red"], seconds=1.0)
    (tmp_path / "program").mkdir()
    program = tmp_path / "program" / "program.py"
    program.write_text(CHILDREN)
    (tmp_path / "exported").mkdir()
    trapped = TrappedFolder(tmp_path / "trapped", tmp_path / "marks")
    command = [sys.executable, str(program), str(tmp_path / "film.mp4"), str(tmp_path / "exported")]
    run(command, trapped.path, outside)
    assert trapped.sprung() == []


def test_programs_that_are_not_ours_get_the_environment_that_we_were_given() -> None:
    assert os.environ["PYTHONSAFEPATH"] == "1"
    with environment.of_other_programs():
        assert os.environ.get("PYTHONSAFEPATH") == GIVEN_SAFE_PATH
        with environment.of_other_programs():
            pass
    assert os.environ["PYTHONSAFEPATH"] == "1"
    with pytest.raises(KeyError), environment.of_other_programs():
        raise KeyError
    assert os.environ["PYTHONSAFEPATH"] == "1"
