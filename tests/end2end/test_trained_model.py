"""A world is generated, trained on, exported, imported, indexed and searched, each by its real command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.end2end.test_commands import cret
from training import synthetic

ROOT = Path(__file__).parents[2]
# Enough steps for colours, far too few for directions. Neighbours differ in one fact, often not in colour.
BRIEF = ["steps=60", "batch=20", "data.group=1", "model.frames.frames=4", "data.validation="]
BRIEF += ["optimiser.learning_rate=0.003", "optimiser.text_rate=1"]


def python(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, timeout=250, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_what_was_trained_is_found(tmp_path: Path) -> None:
    world, run, model, library = (tmp_path / name for name in ("world", "run", "model", "library"))
    python("training.synthetic", "--out", str(world), "--size", "tiny")
    python("training.train", "synthetic", "--data", str(world), "--out", str(run), "--device", "cpu", *BRIEF)
    python("training.export", str(run), "--out", str(model), "--name", "synthetic-brief", "--title", "Brief")
    python("cret_desktop", "models", "import", str(model))

    (tmp_path / "videos").mkdir()
    high = synthetic.SIZE - synthetic.OBJECT
    for colour in synthetic.COLOURS:
        there, back = (synthetic.Event(1, colour, "square", way, 0, high, 8) for way in ("left", "right"))
        synthetic.write_video(synthetic.Scene(there, back, 40), tmp_path / "videos" / f"{colour}.mp4")
    cret("index", str(tmp_path / "videos"), "--model", "synthetic-brief", library=library)

    (tmp_path / "queries.txt").write_text("".join(f"{colour}\n" for colour in synthetic.COLOURS))
    asked = ("search", "--from", str(tmp_path / "queries.txt"), "--json", "--model", "synthetic-brief")
    answers = [json.loads(line) for line in cret(*asked, library=library).stdout.splitlines()]
    assert [answer["query"] for answer in answers] == list(synthetic.COLOURS)
    assert {answer["model"] for answer in answers} == {"Brief"}
    first = {answer["query"]: Path(answer["results"][0]["path"]).stem for answer in answers}
    # By chance one of six is right, and four are right in one run of a hundred.
    assert sum(query == found for query, found in first.items()) >= 4, first
