"""The configuration of a CRET model, with conversion from and to JSON.

**Stated** means published in the CRET paper (SIGIR 2022). **Open** means not published: the default is our choice.
Every number has an upper bound, because the model allocates memory accordingly.
This module never imports torch, so that a model can be described without loading it.
"""

from __future__ import annotations

import dataclasses
import reprlib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from cret_desktop.domain.clips import FrameFormat, ScoreConfig
from cret_desktop.errors import ModelError
from cret_desktop.messages import Message

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


MOST_LAYERS = 256
_WIDEST = 1 << 16  # of any feature
_MOST_WORDS = 1 << 22  # words of a vocabulary
_MOST_POSITIONS = 1 << 16
_LONGEST_CONTEXT = 1024  # tokens; the cost of attention is quadratic
_MOST_FRAMES, _LARGEST_FRAME = 64, 1024  # per clip; pixels per side
_MOST_CENTERS = 1024
_LARGEST_FACTOR = 64  # of a hidden layer's width to the model's
_LONGEST_NAME = 200  # characters
_SHOWN = reprlib.Repr()  # shortens invalid values in messages
_SHOWN.maxlevel, _SHOWN.maxstring, _SHOWN.maxother = 3, 80, 80


def _require(condition: bool, reason: Message) -> None:
    if not condition:
        raise ModelError("config.invalid", reason=reason)


def _positive(names: str) -> Message:
    return Message("config.not-positive", names=names)


def _bounded(sizes: Mapping[str, float], most: float) -> None:
    for name, size in sizes.items():
        _require(abs(size) <= most, Message("config.too-large", name=name, value=size, most=most))


@dataclass(frozen=True, slots=True)
class VideoConfig:
    """The spatial encoder: a timm model that encodes one frame at a time."""

    # timm's name. Stated for the paper: CaiT-S/24.
    backbone: str
    # The frame's global feature: `class_token` is the first token after the last norm (stated for CaiT), `head` is the
    # output of timm's own pooling and head (CLIP-like towers), `concepts` is the output of `model.concepts` for the
    # pooled features and class logits.
    feature: Literal["class_token", "head", "concepts"]
    # Width of the global feature.
    width: int
    # Width of the patch tokens.
    local_width: int
    # Further arguments of `timm.create_model`, as plain JSON values.
    options: Mapping[str, Any] = field(default_factory=dict)
    # Source of the initial weights, see `checkpoint.locate`; empty for none.
    weights: str = ""

    def __post_init__(self) -> None:
        _require(bool(self.backbone), Message("config.empty", name="video.backbone"))
        _require(self.width > 0 and self.local_width > 0, _positive("video.width, video.local_width"))
        _bounded({"video.width": self.width, "video.local_width": self.local_width}, _WIDEST)


@dataclass(frozen=True, slots=True)
class TemporalConfig:
    """The transformer over a clip's frame features, after their projection to the joint width."""

    # 3 is stated; 0 leaves the frames unchanged.
    layers: int = 3
    # Open, as are the following.
    heads: int = 12
    # Ratio of the hidden layer's width to the joint width.
    feedforward: int = 4
    dropout: float = 0.1

    def __post_init__(self) -> None:
        _require(self.layers >= 0, Message("config.negative", name="temporal.layers"))
        _bounded({"temporal.layers": self.layers}, MOST_LAYERS)
        _bounded({"temporal.feedforward": self.feedforward}, _LARGEST_FACTOR)
        _require(self.heads > 0 and self.feedforward > 0, _positive("temporal.heads, temporal.feedforward"))
        _require(0 <= self.dropout < 1, Message("config.share", name="temporal.dropout"))


@dataclass(frozen=True, slots=True)
class TextConfig:
    """The text encoder: BERT (stated: BERT-base-uncased), or a CLIP or SigLIP text transformer."""

    # Sizes of the two embedding tables.
    vocabulary: int
    positions: int
    # Tokens to which a text is cut, including special ones. Open; recipes shorten it per data set.
    context: int
    # Sizes of the transformer; `feedforward` counts units.
    layers: int
    heads: int
    width: int
    feedforward: int
    # `post` is BERT (a norm after each residual sum, one on the embeddings), `pre` is CLIP (a norm before
    # each branch, one at the end).
    norm: Literal["post", "pre"] = "post"
    norm_eps: float = 1e-12
    # A token attends only to the tokens before it (CLIP).
    causal: bool = False
    # Exact GELU, or its tanh approximation (SigLIP 2).
    activation: Literal["gelu", "gelu_tanh"] = "gelu"
    # The global feature: the `first` token (CLS, stated), the `mean` of the real tokens, or the `last` of them (end of
    # text).
    pooling: Literal["first", "mean", "last"] = "first"
    # From the pooled token to the joint space: `none` needs equal widths, `linear` may have a `bias`, `concepts` passes
    # the mean to `model.concepts`.
    projection: Literal["none", "linear", "concepts"] = "none"
    bias: bool = False
    # `masked` ignores padding; `attended` pads every text to `context` and attends to all of it, as SigLIP's training.
    padding: Literal["masked", "attended"] = "masked"
    # Cleaning before the tokenizer: `none`, or `canonical` (no punctuation, lower case).
    cleaning: Literal["none", "canonical"] = "none"
    # Dropout in training. Open; BERT uses 0.1.
    dropout: float = 0.1
    # Sources of the initial weights and of the tokenizer, see `checkpoint.locate`.
    weights: str = ""
    tokenizer: str = ""

    def __post_init__(self) -> None:
        sizes = (self.vocabulary, self.positions, self.context, self.layers, self.heads, self.width, self.feedforward)
        _require(all(size > 0 for size in sizes), _positive("text.*"))
        _bounded({"text.vocabulary": self.vocabulary}, _MOST_WORDS)
        _bounded({"text.positions": self.positions}, _MOST_POSITIONS)
        _bounded({"text.layers": self.layers}, MOST_LAYERS)
        _bounded({"text.width": self.width}, _WIDEST)
        _bounded({"text.feedforward": self.feedforward}, _LARGEST_FACTOR * _WIDEST)
        _require(0 < self.norm_eps < 1, Message("config.open-share", name="text.norm_eps"))
        _require(self.width % self.heads == 0, Message("config.not-a-multiple", name="text.width", other="text.heads"))
        _require(self.context <= self.positions, Message("config.larger", name="text.context", other="text.positions"))
        _bounded({"text.context": self.context}, _LONGEST_CONTEXT)
        _require(0 <= self.dropout < 1, Message("config.share", name="text.dropout"))


@dataclass(frozen=True, slots=True)
class CorrespondenceConfig:
    """CCM: learned center queries that cross-attend to the local tokens of either modality."""

    # C; 0 disables CCM. Open: 8.
    centers: int = 8
    # Open, as are `heads` and `feedforward`.
    layers: int = 1
    heads: int = 12
    # Ratio of the hidden layer's width to the joint width.
    feedforward: int = 4
    # Centers attend to each other before the tokens. Open: no.
    self_attention: bool = False
    # One set for video and text (stated), or one each (the paper's ablation).
    share_queries: bool = True
    share_weights: bool = True
    # Open.
    dropout: float = 0.1

    def __post_init__(self) -> None:
        _require(self.centers >= 0, Message("config.negative", name="correspondence.centers"))
        _bounded({"correspondence.centers": self.centers}, _MOST_CENTERS)
        _bounded({"correspondence.layers": self.layers}, MOST_LAYERS)
        _bounded({"correspondence.feedforward": self.feedforward}, _LARGEST_FACTOR)
        _require(
            min(self.layers, self.heads, self.feedforward) > 0,
            _positive("correspondence.layers, .heads, .feedforward"),
        )
        _require(0 <= self.dropout < 1, Message("config.share", name="correspondence.dropout"))


@dataclass(frozen=True, slots=True)
class CRETConfig:
    """One retrieval model."""

    # Identifier, and the title shown to people.
    name: str
    title: str
    # D, the joint width. Probably 768 in the paper: video projected to the text's.
    width: int
    # Frames per clip (M = 4, stated), their size (open: 224) and how they are made square (open).
    frames: FrameFormat
    # Mean and standard deviation of pixels in [0, 1], per RGB channel, as in the backbone's training.
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    video: VideoConfig
    text: TextConfig
    temporal: TemporalConfig = TemporalConfig(layers=0)
    correspondence: CorrespondenceConfig = CorrespondenceConfig(centers=0)
    # Normalise global features to unit vectors, so that inner products are cosines. Open: yes. Centers are always
    # unit vectors (stated: the similarity is a mean of cosines).
    normalise: bool = True
    # The score at inference (`library.searching.score`). No feature depends on it.
    score: ScoreConfig = field(default_factory=ScoreConfig)

    def __post_init__(self) -> None:
        _require(bool(self.name), Message("config.empty", name="name"))
        _require(self.width > 0, _positive("width"))
        _bounded({"width": self.width}, _WIDEST)
        _require(self.frames.frames > 0 and self.frames.size > 0, _positive("frames.frames, frames.size"))
        _require(len(self.mean) == len(self.std) == 3 and min(self.std) > 0, Message("config.channels"))
        _bounded({"frames.frames": self.frames.frames}, _MOST_FRAMES)
        _bounded({"frames.size": self.frames.size}, _LARGEST_FRAME)
        _bounded({"mean": max(map(abs, self.mean)), "std": max(self.std)}, 1e3)
        _require(self.score.temperature > 0, _positive("score.temperature"))
        score = self.score
        _bounded({"score": max(score.temperature, abs(score.variance_weight), abs(score.center_weight))}, 1e6)
        for name in (self.name, self.title, self.video.backbone):
            _require(len(name) <= _LONGEST_NAME and name.isprintable(), Message("config.bad-name"))
        _require(
            (self.video.feature == "concepts") == (self.text.projection == "concepts"),
            Message("config.one-sided-concepts"),
        )
        _require(
            self.text.projection != "none" or self.text.width == self.width,
            Message("config.no-projection", text=self.text.width, width=self.width),
        )
        for part, layers, heads in (
            ("temporal", self.temporal.layers, self.temporal.heads),
            ("correspondence", self.correspondence.centers, self.correspondence.heads),
        ):
            _require(
                layers == 0 or self.width % heads == 0,
                Message("config.not-a-multiple", name="width", other=f"{part}.heads"),
            )

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; `from_json` restores an equal config."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: object) -> Self:
        """Build a config. Raises: ModelError that names the first unknown, missing or wrongly typed field."""
        return from_json(cls, values, "")

    def differences(self, other: CRETConfig) -> list[str]:
        """Return the fields in which `other` differs from this, as 'text.width: 384 → 768': the other's value first."""
        return differences(self.to_json(), other.to_json())


def differences(here: Mapping[str, Any], there: Mapping[str, Any]) -> list[str]:
    """Return the fields in which two nested objects differ, as 'text.width: 384 → 768': from `there` to `here`."""
    here, there = flat(here), flat(there)
    return [
        f"{name}: {there.get(name)!r} → {here.get(name)!r}"
        for name in sorted({*here, *there})
        if here.get(name) != there.get(name)
    ]


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Join nested names by dots: {"text": {"width": 768}} -> {"text.width": 768}."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found


def from_json(kind: type[T], values: object, path: str) -> T:
    """Build the dataclass `kind`, checking every value against its annotation; `path` is its prefix ("model.").

    Raises: ModelError that names the first field that is unknown, missing or of the wrong type.
    """
    _require(isinstance(values, Mapping), Message("config.no-object", name=path.rstrip(".") or "config.json"))
    values = typing.cast("Mapping[str, Any]", values)
    hints = typing.get_type_hints(kind)
    fields = {item.name: item for item in dataclasses.fields(kind)}
    for name in values:
        _require(name in fields, Message("config.unknown", name=f"{path}{str(name)[:40]}"))
    arguments = {}
    for name, item in fields.items():
        if name in values:
            arguments[name] = _value(hints[name], values[name], f"{path}{name}")
        else:
            optional = item.default is not dataclasses.MISSING or item.default_factory is not dataclasses.MISSING
            _require(optional, Message("config.missing", name=f"{path}{name}"))
    return kind(**arguments)


def _value(hint: Any, value: object, path: str) -> Any:
    origin = typing.get_origin(hint)
    if dataclasses.is_dataclass(hint):
        return from_json(typing.cast("type[Any]", hint), value, f"{path}.")
    if origin is Literal:
        choices = typing.get_args(hint)
        named = ", ".join(map(repr, choices))
        _require(value in choices, Message("config.choice", name=path, value=_SHOWN.repr(value), choices=named))
        return value
    if origin is tuple:
        parts = typing.get_args(hint)
        fits = isinstance(value, list | tuple) and len(value) == len(parts)
        _require(fits, Message("config.count", name=path, count=len(parts)))
        return tuple(
            _value(part, item, path) for part, item in zip(parts, typing.cast("list[Any]", value), strict=True)
        )
    if origin is not None and issubclass(origin, Mapping):
        _require(isinstance(value, Mapping), Message("config.no-object", name=path))
        return dict(typing.cast("Mapping[str, Any]", value))
    if hint is float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
        _require(is_number, Message("config.not-a-number", name=path, value=_SHOWN.repr(value)))
        return float(typing.cast("float", value))
    kind = getattr(hint, "__name__", str(hint))
    _require(type(value) is hint, Message("config.type", name=path, value=_SHOWN.repr(value), kind=kind))
    return value
