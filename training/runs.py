"""Checkpoint arguments: the folder of a training run or of a model, and the run's own record.

Reads only; `training.trainer` writes trained models, `training.export` exported ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cret_desktop.errors import ModelError
from cret_desktop.foreign import reason_of
from cret_desktop.model import checkpoint
from cret_desktop.model.checkpoint import Manifest
from cret_desktop.model.cret import CRET
from cret_desktop.model.transforms import Tokenizer
from training import pairwise
from training.pairwise import PairScorer

RUN = "run.json"
MODELS = ("best", "last")  # of a run, in order of preference; only runs with a validation split have `best`


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model's folder and its run. `manifest` describes the model; `run` is the run's record, empty without a run."""

    manifest: Manifest
    run_folder: Path | None
    run: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        return self.manifest.folder

    @property
    def is_pairwise(self) -> bool:
        """Whether a network scores pairs, so that there are no embeddings to index."""
        return (self.folder / pairwise.WEIGHTS).exists()

    def load_scorer(self) -> PairScorer | None:
        """Load a pairwise model's scorer, on the CPU; None for other models. Raises: ModelError."""
        return pairwise.load(self.folder, self.manifest.config)

    def load(self) -> tuple[CRET, Tokenizer]:
        """Load the model, on the CPU in evaluation mode, and its tokenizer. Raises: ModelError."""
        tokenizer = Tokenizer(checkpoint.tokenizer_file(self.manifest), self.manifest.config.text)
        return checkpoint.load(self.manifest), tokenizer


def open_checkpoint(folder: Path) -> Checkpoint:
    """Open a model's folder, or a run's best or last model, without reading weights. Raises: ModelError."""
    models = [folder / name for name in MODELS if (folder / name / checkpoint.CONFIG).is_file()]
    if (folder / checkpoint.CONFIG).is_file() and not (folder / RUN).is_file():
        models = [folder]
    if not models:
        raise ModelError("training.not-a-checkpoint", folder=folder, file=checkpoint.CONFIG, names=", ".join(MODELS))
    manifest = checkpoint.read_manifest(models[0])
    run_folder = next((parent for parent in (models[0], models[0].parent) if (parent / RUN).is_file()), None)
    if run_folder is None:
        return Checkpoint(manifest, None, {})
    try:
        run = json.loads((run_folder / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError("training.run-unreadable", file=run_folder / RUN, reason=reason_of(error)) from error
    return Checkpoint(manifest, run_folder, run)
