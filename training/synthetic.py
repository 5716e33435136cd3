"""A generated world of clips and captions in which appearance, binding, count, direction and order all matter.

    python -m training.synthetic --out DIR --size 10k [--seed 0] [--videos 20]

A clip shows two events, one after the other: one to three equal objects of a colour and a shape that move in a
direction. Only the objects of the current event are visible. "two red squares move left then a blue circle moves up"

Clips form families of five: a clip, and four that differ from it in exactly one fact each: the *order* of the
events, the *direction* of one, the *binding* of colours to shapes, a *count*. Backgrounds and places are equal. The
clips of another order or direction have the same frames in another order, so a model that ignores the order of frames
answers exactly half of these questions.

Splits are compositional: the combination of two colours and two shapes decides the split, so captions of `val` and
`test` never occur in training. `test` also has colours on shapes that training never shows.

Only scenes are stored; frames are drawn on demand. This module never trains anything.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from cret_desktop.domain.clips import Frames
from cret_desktop.errors import CretError, PathError
from cret_desktop.foreign import reason_of

SIZE = 24  # pixels per side: three objects fit side by side
OBJECT = 7
SPACING = OBJECT + 1  # between the objects of an event, across their direction
TRAVEL = 15  # minimum pixels an object moves, of SIZE - OBJECT: it begins and ends in opposite halves

COLOURS: Mapping[str, tuple[int, int, int]] = {
    "red": (225, 45, 45),
    "green": (40, 190, 60),
    "blue": (60, 90, 235),
    "yellow": (235, 220, 50),
    "purple": (185, 60, 215),
    "white": (245, 245, 245),
}
SHAPES = ("square", "circle", "triangle", "cross")
DIRECTIONS: Mapping[str, str] = {"left": "right", "right": "left", "up": "down", "down": "up"}  # and their opposites
COUNTS: Mapping[int, str] = {1: "a", 2: "two", 3: "three"}
NEW_OBJECTS = frozenset({("green", "triangle"), ("purple", "circle")})  # never used in training

KINDS = ("order", "direction", "binding", "count")
FAMILY = 1 + len(KINDS)
# Families of clips in train, val and test.
SIZES: Mapping[str, tuple[int, int, int]] = {
    "tiny": (20, 6, 6),
    "1k": (200, 40, 80),
    "10k": (2000, 100, 200),
    "50k": (10000, 100, 400),
}
SPLITS = ("train", "val", "test")
TOKENIZER = "tokenizer.json"
WORLD = "world.json"
_VIDEO_FRAMES, _VIDEO_RATE, _VIDEO_SCALE = 32, 16, 10

VOCABULARY = (
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "then", "moves", "move"),
    *COUNTS.values(),
    *COLOURS,
    *SHAPES,
    *(f"{shape}es" if shape == "cross" else f"{shape}s" for shape in SHAPES),
    *DIRECTIONS,
)


@dataclass(frozen=True, slots=True)
class Event:
    """`count` objects side by side, moving between the pixels `low` and `high`. The first one is at `across`."""

    count: int
    colour: str
    shape: str
    direction: str
    low: int
    high: int
    across: int

    @property
    def words(self) -> str:
        plural = self.count > 1
        noun = VOCABULARY[VOCABULARY.index(self.shape) + len(SHAPES)] if plural else self.shape
        return f"{COUNTS[self.count]} {self.colour} {noun} {'move' if plural else 'moves'} {self.direction}"


@dataclass(frozen=True, slots=True)
class Scene:
    """Two events, the first in the first half of the clip; `background` is a grey level."""

    first: Event
    second: Event
    background: int

    @property
    def caption(self) -> str:
        return f"{self.first.words} then {self.second.words}"

    def draw(self, time: float) -> NDArray[np.uint8]:
        """Draw the frame [SIZE, SIZE, 3] at `time` in [0, 1) of the clip."""
        frame = np.full((SIZE, SIZE, 3), self.background, np.uint8)
        event, progress = (self.first, 2 * time) if time < 0.5 else (self.second, 2 * time - 1)
        # Both directions are computed from the same end, so a clip played backwards has equal frames.
        along = 1 - progress if event.direction in ("left", "up") else progress
        place = round(event.low + along * (event.high - event.low))
        for number in range(event.count):
            across = event.across + number * SPACING
            x, y = (place, across) if event.direction in ("left", "right") else (across, place)
            frame[y : y + OBJECT, x : x + OBJECT][_MASKS[event.shape]] = COLOURS[event.colour]
        return frame

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Scene:
        """Build a scene from `to_json`'s values. Raises: KeyError, TypeError."""
        return cls(Event(**values["first"]), Event(**values["second"]), values["background"])


def _mask(shape: str) -> NDArray[np.bool_]:
    """Return the pixels of a shape, [OBJECT, OBJECT]."""
    y, x = np.mgrid[:OBJECT, :OBJECT] - OBJECT // 2
    if shape == "circle":
        return np.asarray(x**2 + y**2 <= 10)
    if shape == "triangle":
        return np.asarray(2 * np.abs(x) <= y + OBJECT // 2)
    if shape == "cross":
        return np.asarray((np.abs(x) <= 1) | (np.abs(y) <= 1))
    return np.ones((OBJECT, OBJECT), bool)


_MASKS = {shape: _mask(shape) for shape in SHAPES}


@dataclass(frozen=True, slots=True)
class Question:
    """Two clips that differ in one fact; their captions have the same indices."""

    kind: str
    first: int
    second: int


class SyntheticSplit:
    """A `training.datasets.base.VideoTexts`: a split of the world, in which text i describes clip i alone."""

    name = "synthetic"
    published = None

    def __init__(self, split: str, scenes: Sequence[Scene]) -> None:
        self.split = split
        self.scenes = scenes
        self.video_ids = [f"{split}-{number:06}" for number in range(len(scenes))]
        self.texts = [scene.caption for scene in scenes]
        self.owners = list(range(len(scenes)))
        self.missing: Mapping[str, str] = {}

    @property
    def questions(self) -> list[Question]:
        """For every family, its first clip against each of the others."""
        return [
            Question(kind, base, base + number)
            for base in range(0, len(self.scenes), FAMILY)
            for number, kind in enumerate(KINDS, start=1)
        ]

    def frames(self, video: int, count: int, random: np.random.Generator | None = None) -> Frames:
        """Return uint8 RGB [count, SIZE, SIZE, 3] from `count` equal intervals: random frames, or the middles."""
        places = np.full(count, 0.5) if random is None else random.random(count)
        times = (np.arange(count) + places) / count
        return np.stack([self.scenes[video].draw(float(time)) for time in times])


def open_split(data: Path, split: str) -> SyntheticSplit:
    """Open a split of the world in the folder `data`. Raises: PathError if there is none, or a damaged one."""
    file = data / f"{split}.jsonl"
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        return SyntheticSplit(split, [Scene.from_json(json.loads(line)) for line in lines])
    except FileNotFoundError as error:
        raise PathError("dataset.no-world", folder=data, split=split, out=data) from error
    except (ValueError, KeyError, TypeError) as error:
        raise PathError("dataset.bad-world", file=file, reason=reason_of(error)) from error


def pair_accuracy(similarities: NDArray[np.float32], questions: Sequence[Question]) -> dict[str, float]:
    """Return the per cent of questions answered correctly, per kind and over `all`; similarities [T, V].

    Each question is asked of both its clips. An answer is correct if the clip's own caption scores strictly higher.
    """
    right: dict[str, list[bool]] = {kind: [] for kind in KINDS}
    for question in questions:
        for own, other in ((question.first, question.second), (question.second, question.first)):
            right[question.kind].append(bool(similarities[own, own] > similarities[other, own]))
    rates = {kind: 100 * float(np.mean(answers)) for kind, answers in right.items() if answers}
    return rates | {"all": 100 * float(np.mean([answer for answers in right.values() for answer in answers]))}


def compositions(seed: int) -> dict[str, list[tuple[tuple[str, str], tuple[str, str]]]]:
    """Return the (two colours, two shapes) for the scenes of each split; closed under exchanging colours."""
    keys = list(itertools.product(itertools.combinations(COLOURS, 2), itertools.combinations(SHAPES, 2)))
    new = [key for key in keys if NEW_OBJECTS & set(itertools.product(*key))]
    known = [key for key in keys if key not in new]
    order = np.random.default_rng([seed, 0]).permutation(len(known))
    known = [known[number] for number in order]
    return {"val": known[:8], "test": known[8:20] + new, "train": known[20:]}


def families(split: str, count: int, seed: int) -> Iterator[list[Scene]]:
    """Yield `count` families of FAMILY scenes each. They depend on the seed, not on `count`."""
    random = np.random.default_rng([seed, 1 + SPLITS.index(split)])
    keys = compositions(seed)[split]
    for _ in range(count):
        colours, shapes = keys[random.integers(len(keys))]
        colours = random.permutation(colours).tolist()
        shapes = random.permutation(shapes).tolist()
        first, second = (_event(colour, shape, random) for colour, shape in zip(colours, shapes, strict=True))
        scene = Scene(first, second, int(random.integers(0, 90)))
        in_first = bool(random.integers(2))
        event = first if in_first else second
        turned = dataclasses.replace(event, direction=DIRECTIONS[event.direction])
        number = int(random.choice([number for number in COUNTS if number != event.count]))
        recounted = dataclasses.replace(event, count=number, across=min(event.across, _room(number)))
        yield [
            scene,
            dataclasses.replace(scene, first=second, second=first),
            dataclasses.replace(scene, first=turned) if in_first else dataclasses.replace(scene, second=turned),
            dataclasses.replace(
                scene,
                first=dataclasses.replace(first, colour=second.colour),
                second=dataclasses.replace(second, colour=first.colour),
            ),
            dataclasses.replace(scene, first=recounted) if in_first else dataclasses.replace(scene, second=recounted),
        ]


def _room(count: int) -> int:
    """Return the largest `across` at which `count` objects fit into a frame."""
    return SIZE - OBJECT - (count - 1) * SPACING


def _event(colour: str, shape: str, random: np.random.Generator) -> Event:
    count = int(random.integers(1, 1 + len(COUNTS)))
    low = int(random.integers(0, SIZE - OBJECT - TRAVEL + 1))
    high = int(random.integers(low + TRAVEL, SIZE - OBJECT + 1))
    direction = str(random.choice(list(DIRECTIONS)))
    return Event(count, colour, shape, direction, low, high, int(random.integers(0, _room(count) + 1)))


def write_tokenizer(file: Path) -> None:
    """Write a tokenizer.json of whole words, with BERT's first and last token."""
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(VOCABULARY)}, "[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = [(token, VOCABULARY.index(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=special)
    tokenizer.save(str(file))


def generate(out: Path, size: str, seed: int = 0) -> None:
    """Write a world of a size in `SIZES`: OUT/{train,val,test}.jsonl, tokenizer.json, world.json."""
    out.mkdir(parents=True, exist_ok=True)
    for split, count in zip(SPLITS, SIZES[size], strict=True):
        scenes = itertools.chain.from_iterable(families(split, count, seed))
        lines = [json.dumps(scene.to_json()) for scene in scenes]
        (out / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_tokenizer(out / TOKENIZER)
    (out / WORLD).write_text(json.dumps({"size": size, "seed": seed, "clips": SIZES[size]}) + "\n", encoding="utf-8")


def write_video(scene: Scene, file: Path) -> None:
    """Write the scene as an MP4 of two seconds, enlarged for viewing."""
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=_VIDEO_RATE, options={"crf": "12"})
        stream.width = stream.height = SIZE * _VIDEO_SCALE
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, _VIDEO_RATE)
        for number in range(_VIDEO_FRAMES):
            small = scene.draw((number + 0.5) / _VIDEO_FRAMES)
            picture = small.repeat(_VIDEO_SCALE, axis=0).repeat(_VIDEO_SCALE, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status; an error prints one sentence to stderr."""
    parser = argparse.ArgumentParser(prog="python -m training.synthetic", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    parser.add_argument("--size", choices=SIZES, default="10k", help="about how many clips to train on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--videos", type=int, default=0, help="write the first so many test clips as MP4 files, too")
    options = parser.parse_args(arguments)
    try:
        generate(options.out, options.size, options.seed)
        test = open_split(options.out, "test")
        (options.out / "videos").mkdir(exist_ok=True)
        for scene, name in zip(test.scenes[: options.videos], test.video_ids, strict=False):
            write_video(scene, options.out / "videos" / f"{name}.mp4")
    except (CretError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    clips = ", ".join(f"{FAMILY * count} {split}" for split, count in zip(SPLITS, SIZES[options.size], strict=True))
    print(f"“{options.out}”: {clips} clips")
    return 0


if __name__ == "__main__":
    sys.exit(main())
