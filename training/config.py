"""Every choice of a training run, field by field: what recipes set and `key=value` on the command line changes.

**Stated** means published in the CRET paper, **open** means not published: the default is our choice. The model's own
choices are `cret_desktop.model.config`, the losses' `training.losses`. This module reads no file.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from cret_desktop.domain.clips import ScoreConfig
from cret_desktop.errors import UsageError
from cret_desktop.messages import Message
from cret_desktop.model.config import CRETConfig, differences, flat, from_json
from training.losses import LossConfig
from training.pairwise import PairwiseConfig


class ConfigError(UsageError):
    """A recipe, a field or a value that does not exist, or does not fit the others."""


@dataclass(frozen=True, slots=True)
class DataConfig:
    """dataset, train, validation: names of a data set and its splits, see `training.datasets`. Without a validation
        split nothing is selected: the last checkpoint is the result.
    captions: an epoch is `one` random caption a video, or `all` captions. Open: one.
    crop: random crops, the same for all frames of a clip; without them the whole picture is fitted as at inference.
    crop_scale, flip: RandomResizedCrop's share of the area, a horizontal flip for half of the clips. Open. A flip turns
        left into right: sets whose captions say so leave it out.
    workers: processes that read frames; 0 reads in this one. Has no influence on what is read.
    group: that many neighbours of the training split stay together in a batch. 1 leaves them where chance puts them.
    allow_missing: train although videos of a split are not there; how many is written beside the result.
    """

    dataset: str
    train: str
    validation: str = ""
    captions: Literal["one", "all"] = "one"
    crop: bool = True
    crop_scale: tuple[float, float] = (0.5, 1.0)
    flip: bool = True
    workers: int = 2
    group: int = 1
    allow_missing: bool = False


@dataclass(frozen=True, slots=True)
class OptimiserConfig:
    """Adam (stated), with the learning rate rising from 0, then falling to 0, both linearly.

    learning_rate: the highest; stated: 5e-5.
    text_rate: the text tower's learning rate as a share of that. Open: 1. Where hard negatives differ in one fact, a
        text tower that learns as fast as the video's stops telling apart what the video side cannot see yet, and then
        the video side is never asked for it: see docs/synthetic.md.
    betas: open. weight_decay: open, decoupled from the gradient (AdamW). Parameters of one axis have none: biases, and
        the scales of norms and layers. All others have it, embeddings, class tokens and queries among them.
    warmup: share of all steps on which the rate rises. Open.
    gradient_norm: gradients longer than this are shortened to it. Open.
    """

    learning_rate: float = 5e-5
    text_rate: float = 1.0
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 1e-3
    warmup: float = 0.1
    gradient_norm: float = 5.0


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One run.

    recipe: its name. model: see `cret_desktop.model.config`; `model.frames.frames` is M (stated: 4). `model.score`
        follows the loss, see `matching_score`, unless the settings name it.
    pairwise: with layers, the model-based baseline: `training.pairwise` scores every pair in place of inner products.
    epochs: stated: 50. steps: where not 0, how many steps instead, whatever that is in epochs.
    batch: clips of one process in one step; stated: 20, on 8 GPUs.
    chunks: a process' batch is encoded in that many parts, so that it fits into memory; the contrastive batch stays
        whole (cached features: everything is encoded twice).
    seed: of weights, order, frames, captions, crops and dropout: everything random follows from it and the step.
    precision: `bf16` is autocast with logits, variances and losses in float32; `auto` is that on CUDA.
    gradient_checkpointing: the spatial encoder's blocks are computed again on the way back instead of kept.
    compile: torch.compile for the spatial encoder; a run may go on with it or without.
    validate_every, save_every: in steps; 0 is once an epoch. The end of the run always does both.
    log_every: in steps.
    """

    recipe: str
    model: CRETConfig
    data: DataConfig
    loss: LossConfig = field(default_factory=LossConfig)
    pairwise: PairwiseConfig = field(default_factory=PairwiseConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    epochs: int = 50
    steps: int = 0
    batch: int = 20
    chunks: int = 1
    seed: int = 0
    precision: Literal["auto", "bf16", "float32"] = "auto"
    gradient_checkpointing: bool = False
    compile: bool = False
    validate_every: int = 0
    save_every: int = 0
    log_every: int = 20

    def __post_init__(self) -> None:
        problems = self.loss.problems() + self.pairwise.problems(self.model.width)
        low, high = self.data.crop_scale
        checks = (
            (self.batch > 1, Message("training.batch")),
            (1 <= self.chunks <= self.batch, Message("training.up-to", name="chunks", most="batch")),
            (self.epochs > 0 and self.steps >= 0, Message("training.epochs")),
            (
                min(self.validate_every, self.save_every) >= 0,
                Message("training.not-negative", names="validate_every, save_every"),
            ),
            (self.log_every > 0, Message("config.not-positive", names="log_every")),
            (self.seed >= 0, Message("training.not-negative", names="seed")),
            (self.data.workers >= 0, Message("training.not-negative", names="data.workers")),
            (0 < low <= high <= 1, Message("training.crop")),
            (1 <= self.data.group <= self.batch, Message("training.up-to", name="data.group", most="batch")),
            (
                self.batch % max(self.data.group, 1) == 0,
                Message("config.not-a-multiple", name="batch", other="data.group"),
            ),
            (not self.data.train.startswith("test"), Message("training.test-split", name="data.train")),
            (self.data.validation != self.data.train, Message("training.same-split")),
            (not self.data.validation.startswith("test"), Message("training.test-split", name="data.validation")),
            (self.optimiser.learning_rate > 0, Message("config.not-positive", names="optimiser.learning_rate")),
            (self.optimiser.text_rate >= 0, Message("training.not-negative", names="optimiser.text_rate")),
            (all(0 <= beta < 1 for beta in self.optimiser.betas), Message("config.share", name="optimiser.betas")),
            (self.optimiser.weight_decay >= 0, Message("training.not-negative", names="optimiser.weight_decay")),
            (0 <= self.optimiser.warmup <= 1, Message("training.step-share", name="optimiser.warmup")),
            (self.optimiser.gradient_norm > 0, Message("config.not-positive", names="optimiser.gradient_norm")),
        )
        problems += [problem for holds, problem in checks if not holds]
        if problems:
            reason = functools.reduce(
                lambda rest, first: Message("training.list", first=first, rest=rest), problems[::-1]
            )
            raise ConfigError("training.not-runnable", reason=reason)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `from_json` gives an equal config."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Raises: ModelError that names the first field that is unknown, missing or of the wrong type; ConfigError."""
        return from_json(cls, values, "")

    def changed(self, assignments: Sequence[str]) -> Self:
        """This config with 'field.field=value' applied; values are JSON, or words without quotes.

        Raises: ConfigError for fields that do not exist (with those that are named alike), ModelError for values.
        """
        values = self.to_json()
        known = list(flat(values))
        for assignment in assignments:
            name, equals, text = assignment.partition("=")
            if not equals:
                raise ConfigError("training.no-assignment", text=assignment)
            *parents, last = name.split(".")
            target: Any = values
            for parent in parents:
                target = target.get(parent) if isinstance(target, dict) else None
            free = name.startswith("model.video.options.")  # timm's own arguments
            if not isinstance(target, dict) or not (free or (last in target and not isinstance(target[last], dict))):
                near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
                near += [other for other in known if other.endswith(f".{last}") and other not in near]
                if near:
                    raise ConfigError("training.near-setting", name=name, names=", ".join(near))
                raise ConfigError("training.no-setting", name=name, names=", ".join(known))
            target[last] = _parsed(text)
        changed = self.from_json(values)
        if any(assignment.startswith("model.score.") for assignment in assignments):
            return changed
        score = matching_score(changed.loss, changed.model.score)
        return dataclasses.replace(changed, model=dataclasses.replace(changed.model, score=score))

    def differences(self, other: TrainConfig) -> list[str]:
        """The fields in which `other` differs from this, as 'batch: 40 → 20': the other's value first."""
        return differences(self.to_json(), other.to_json())


def matching_score(loss: LossConfig, score: ScoreConfig) -> ScoreConfig:
    """The score at inference whose logits are those of training; global and local logits are summed (open)."""
    return dataclasses.replace(
        score,
        temperature=loss.temperature,
        variance_weight=0.0 if loss.form == "nce" else loss.variance_weight,
        # The score divides both by its one temperature.
        center_weight=loss.temperature / loss.center_temperature if loss.center_weight else 0.0,
    )


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {"True": True, "False": False}.get(text, text)
