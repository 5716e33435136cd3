"""The configuration of a training run: recipes set its fields, and `key=value` on the command line overrides them.

**Stated** means published in the CRET paper. **Open** means not published: the default is our choice. The model's
configuration is in `cret_desktop.model.config`, the losses' in `training.losses`. This module reads no file.
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
    """An unknown recipe or field, or a value that is invalid or contradicts another field."""


@dataclass(frozen=True, slots=True)
class DataConfig:
    """The data of a run: its splits, captions and augmentations."""

    # Name of the data set and of its splits, see `training.datasets`.
    dataset: str
    train: str
    # Without a validation split no checkpoint is selected: the last one is the result.
    validation: str = ""
    # An epoch has `one` random caption per video, or `all` captions. Open: one.
    captions: Literal["one", "all"] = "one"
    # Random crops, the same for all frames of a clip. Without them the whole frame is fitted, as at inference.
    crop: bool = True
    # RandomResizedCrop's share of the frame's area. Open.
    crop_scale: tuple[float, float] = (0.5, 1.0)
    # Flip half of the clips horizontally. Open. Disable it for data sets whose captions mention left and right.
    flip: bool = True
    # Processes that read frames; 0 reads in the training process. The number does not affect the data.
    workers: int = 2
    # Number of neighbours in the training split that stay together in a batch; 1 shuffles every item by itself.
    group: int = 1
    # Train even if videos of a split are missing; their number is written beside the result.
    allow_missing: bool = False


@dataclass(frozen=True, slots=True)
class OptimiserConfig:
    """Adam (stated). The learning rate rises linearly from 0, then falls linearly to 0."""

    # Peak of the learning rate. Stated: 5e-5.
    learning_rate: float = 5e-5
    # The text tower's share of the learning rate. Open: 1. Where hard negatives differ in one fact, a text tower that
    # learns as fast as the video tower discards distinctions the video tower cannot make yet. The video tower then
    # gets no gradient to learn them: see docs/synthetic.md.
    text_rate: float = 1.0
    # Open.
    betas: tuple[float, float] = (0.9, 0.98)
    # Open. Decoupled from the gradient (AdamW). Parameters of one axis have none: biases, and the scales of norms and
    # layers. All others have it, including embeddings, class tokens and queries.
    weight_decay: float = 1e-3
    # Share of all steps over which the rate rises. Open.
    warmup: float = 0.1
    # Longer gradients are clipped to this norm. Open.
    gradient_norm: float = 5.0


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One run."""

    # The recipe's name.
    recipe: str
    # `model.frames.frames` is M (stated: 4). `model.score` follows the loss (`matching_score`) unless set explicitly.
    model: CRETConfig
    data: DataConfig
    loss: LossConfig = field(default_factory=LossConfig)
    # With layers, the model-based baseline: `training.pairwise` scores every pair in place of inner products.
    pairwise: PairwiseConfig = field(default_factory=PairwiseConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    # Stated: 50.
    epochs: int = 50
    # If not 0, the number of steps, in place of `epochs`.
    steps: int = 0
    # Clips per process and step. Stated: 20, on 8 GPUs.
    batch: int = 20
    # Parts in which a process encodes its batch, to save memory. The contrastive batch stays whole (cached features:
    # everything is encoded twice).
    chunks: int = 1
    # Determines weights, order, frames, captions, crops and dropout, together with the step.
    seed: int = 0
    # `bf16` is autocast with logits, variances and losses in float32; `auto` is `bf16` on CUDA.
    precision: Literal["auto", "bf16", "float32"] = "auto"
    # Recompute the spatial encoder's blocks in the backward pass instead of storing their activations.
    gradient_checkpointing: bool = False
    # Apply torch.compile to the spatial encoder. A run may be resumed with or without it.
    compile: bool = False
    # Intervals in steps; 0 is once per epoch. The end of a run always validates and saves.
    validate_every: int = 0
    save_every: int = 0
    # Interval in steps.
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
        """Return plain JSON values; `from_json` restores an equal config."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Build a config from JSON values.

        Raises: ModelError that names the first field that is unknown, missing or of the wrong type; ConfigError.
        """
        return from_json(cls, values, "")

    def changed(self, assignments: Sequence[str]) -> Self:
        """Return a copy with each 'field.field=value' applied; values are JSON or unquoted words.

        Raises: ConfigError for unknown fields (naming similar ones), ModelError for invalid values.
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
            free = name.startswith("model.video.options.")  # arguments of timm
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
        """Return the fields in which `other` differs from this, as 'batch: 40 → 20': the other's value first."""
        return differences(self.to_json(), other.to_json())


def matching_score(loss: LossConfig, score: ScoreConfig) -> ScoreConfig:
    """Return the inference score that matches the training logits; global and local logits are summed (open)."""
    return dataclasses.replace(
        score,
        temperature=loss.temperature,
        variance_weight=0.0 if loss.form == "nce" else loss.variance_weight,
        # The score divides both logits by its single temperature.
        center_weight=loss.temperature / loss.center_temperature if loss.center_weight else 0.0,
    )


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {"True": True, "False": False}.get(text, text)
