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
