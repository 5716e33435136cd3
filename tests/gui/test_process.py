"""The window's own process stays light: run fresh, it holds no model, decoder or vector index after a search."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from PySide6.QtGui import QImage

from cret_desktop import app
from tests.gui.conftest import WAIT

PROGRAM = """
import sys
from pathlib import Path
from cret_desktop import app
from cret_desktop.engine.client import EngineConfig
if __name__ == "__main__":
    config = EngineConfig(Path(sys.argv[1]), factory="tests.fakes:open_library")
    app.screenshot(config, "green", Path(sys.argv[2]))
    print(" ".join(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_nothing_heavy_is_imported_by_a_search(indexed_library: Path, tmp_path: Path) -> None:
    program, picture = tmp_path / "program.py", tmp_path / "window.png"
    program.write_text(PROGRAM, encoding="utf-8")
    root = Path(app.__file__).parent.parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    run = subprocess.run(
        [sys.executable, str(program), str(indexed_library), str(picture)],
        env=environment, capture_output=True, text=True, timeout=WAIT / 1000, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    modules = set(run.stdout.split())
    assert "PySide6" in modules
    assert not modules & {"torch", "torchvision", "timm", "transformers", "open_clip", "cv2", "av", "hnswlib"}
    image = QImage(str(picture))
    assert (image.width(), image.height()) == (1280, 800)
    greens = [
        image.pixelColor(x, y)
        for x in range(250, 500, 10)
        for y in range(110, 240, 10)
        if image.pixelColor(x, y).green() > 150 and image.pixelColor(x, y).red() < 90
    ]
    assert len(greens) > 50, "the best moment is painted first"


COPYING = """
import sys
from pathlib import Path
from PySide6.QtCore import QTimer
from PySide6.QtGui import QGuiApplication
from cret_desktop import app
from cret_desktop.engine.client import EngineConfig
from cret_desktop.gui.shell import other_programs
if __name__ == "__main__":
    open_window = app.Application.open
    def open_and_copy(application):
        open_window(application)
        other_programs.copy_paths(["/videos/a cat.mp4"])
        QTimer.singleShot(0, application.close)
    app.Application.open = open_and_copy
    status = app.run(EngineConfig(Path(sys.argv[1]), factory="tests.fakes:open_library"))
    print(QGuiApplication.clipboard().text())
    sys.exit(status)
"""


def test_copied_paths_outlive_the_window(tmp_path: Path) -> None:
    """Qt frees the clipboard after Python has ended, and crashes over what Python made."""
    program = tmp_path / "program.py"
    program.write_text(COPYING, encoding="utf-8")
    root = Path(app.__file__).parent.parent
    own = {name: str(tmp_path / name) for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR")}
    (tmp_path / "XDG_RUNTIME_DIR").mkdir(mode=0o700)
    run = subprocess.run(
        [sys.executable, str(program), str(tmp_path / "library")],
        env={**os.environ, **own, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])},
        capture_output=True, text=True, timeout=WAIT / 1000, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stdout.strip()) == (0, "/videos/a cat.mp4"), run.stderr
