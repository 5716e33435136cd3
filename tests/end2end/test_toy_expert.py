"""What a further expert takes: clips are found by the name of their dominant colour, in a copy of the app.

The copy gets one module with a stage and an expert, the module of its table, one step of the schema, one kind of
reason with its wording, and the lines that wire it. Nothing else of the app is changed, and a library of the app is
indexed and searched by the copy: only the new stage is done.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cret_desktop.engine import protocol
from cret_desktop.engine.client import EngineClient, EngineConfig
from tests.videos import write_colours

ROOT = Path(__file__).parents[2]
FACTORY = "tests.fakes:open_library"
WAIT = 60
TOY = Path(__file__).with_name("toy_expert")

# file -> (what stands there, what stands there then)
EDITS = {
    "storage/sqlite/migrations.py": [
        (
            '    """,\n)\n',
            '    """,\n    """\n'
            "    CREATE TABLE colours (\n"
            "        file_id INTEGER NOT NULL REFERENCES files(id) ON DELETE CASCADE,\n"
            "        start REAL NOT NULL, name TEXT NOT NULL\n"
            '    );\n    """,\n)\n',
        )
    ],
    "domain/clips.py": [('Literal["name",', 'Literal["colour", "name",')],
    "gui/appearance/formatting.py": [
        (
            '        "name": translate("formatting", "In the name: {text}"),',
            '        "colour": translate("formatting", "Mostly {text}"),\n'
            '        "name": translate("formatting", "In the name: {text}"),',
        )
    ],
    "engine/assemble.py": [
        (
            "from cret_desktop.library.experts.names import Names\n",
            "from cret_desktop.library.experts.colours import Colours, ColourStage\n"
            "from cret_desktop.library.experts.names import Names\n"
            "from cret_desktop.storage.sqlite.colours import ColourTable\n",
        ),
        ("        Names(store),\n", "        Names(store),\n        Colours(store, ColourTable(store.catalog)),\n"),
        (
            "keeps_pace=True,",
            "keeps_pace=True,\n            "
            "more_stages=[ColourStage(self.store, ColourTable(self.catalog), self.open_decoder)],",
        ),
    ],
}
SEARCH = """
import json, operator, sys
from pathlib import Path
from cret_desktop.engine import protocol
from cret_desktop.engine.client import EngineClient, EngineConfig
from cret_desktop.gui.appearance import formatting

kind = operator.attrgetter("kind")

def main():
    with EngineClient(EngineConfig(Path(sys.argv[1]), factory=sys.argv[2])) as client:
        finished = []
        client.subscribe(lambda event: finished.append(event) if isinstance(event, protocol.IndexFinished) else None)
        client.request(protocol.Refresh()).result(60)
        while not finished or client.request(protocol.GetStatus()).result(60).indexing:
            client.request(protocol.GetStatus()).result(60)
        answer = client.request(protocol.Search(sys.argv[3])).result(60)
        print(json.dumps({
            "indexed": finished[0].totals.files,
            "moments": [
                [Path(m.path).name, round(m.start), *([of(r) for r in m.reasons] for of in (kind, formatting.reason))]
                for m in answer.moments
            ],
        }))

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the app with the expert; what else it needs is linked."""
    sources = tmp_path / "sources"
    shutil.copytree(ROOT / "cret_desktop", sources / "cret_desktop", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("resources", "tests", "training", "pyproject.toml"):
        (sources / name).symlink_to(ROOT / name)
    for file, edits in EDITS.items():
        path = sources / "cret_desktop" / file
        text = path.read_text(encoding="utf-8")
        for before, after in edits:
            assert text.count(before) == 1, f"{file}: {before}"
            text = text.replace(before, after)
        path.write_text(text, encoding="utf-8")
    shutil.copyfile(TOY / "colours.py", sources / "cret_desktop/library/experts/colours.py")
    shutil.copyfile(TOY / "colour_table.py", sources / "cret_desktop/storage/sqlite/colours.py")
    return sources


def search(copy: Path, library: Path, words: str) -> Any:
    script = copy / "search.py"
    script.write_text(SEARCH, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script), str(library), FACTORY, words],
        env={**os.environ, "PYTHONPATH": str(copy), "QT_QPA_PLATFORM": "offscreen"},
        cwd=copy, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_further_expert_is_a_module_a_migration_and_a_reason(copy: Path, tmp_path: Path) -> None:
    videos, library = tmp_path / "videos", tmp_path / "library"
    videos.mkdir()
    write_colours(videos / "first.mp4", ["red", "blue"])
    write_colours(videos / "second.mp4", ["green"])
    with EngineClient(EngineConfig(library, factory=FACTORY)) as client:  # a library of the app as it is
        client.request(protocol.AddFolders((str(videos),))).result(WAIT)
        until = time.monotonic() + WAIT
        while client.request(protocol.GetStatus()).result(WAIT).clips < 3:
            assert time.monotonic() < until
            time.sleep(0.02)
    found = search(copy, library, "blue")
    assert found["indexed"] == 0, "the pictures are not done again"
    assert found["moments"][0] == ["first.mp4", 2, ["colour"], ["Mostly blue"]]
    assert all(kinds == [] for _, _, kinds, _ in found["moments"][1:])
    assert all(kinds == [] for _, _, kinds, _ in search(copy, library, "purple")["moments"])
    kept = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"],
        env={**os.environ, "PYTHONPATH": str(copy)}, cwd=copy, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert kept.returncode == 0, kept.stdout
