"""Joins the opaque photographs of a media folder into films with known cuts, for the cut and moment benchmarks.

    python -m tests.benchmarks.films MEDIA_FOLDER OUT_FOLDER [--variant x264 ...] [--seed 7]

The folder has the format of `tests.benchmarks.media_folder`. Each photograph becomes one scene of 3 to 7 seconds.
Scenes contain negatives for a cut detector: camera flashes of one or two frames and whip pans with motion blur. The
same frames are encoded once per variant; the truth is in `FILM.json` beside each film. Another seed gives other films
of the same photographs: other neighbours, lengths, camera paths, flashes and whip pans.
Photographs are split into halves A and B by a hash of their file names (different from the retrieval benchmarks'), and
no film mixes halves: the thresholds of `media.shots` were chosen on A, results are reported on B.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from cret_desktop.media.pan_and_zoom import (
    Crops,
    Picture,
    crop_frames,
    pan_and_zoom_path,
    read_photograph,
    seed_of,
    widest_window,
    write_video,
)
from tests.benchmarks.media_folder import Item, photographs

SIZE = (640, 360)
ASPECT = SIZE[0] / SIZE[1]
FRAME_RATE = 25
SCENE_SECONDS = (3.0, 7.0)
SCENES_A_FILM = 13
FLASH_SHARE = 0.4
WHIP_SHARE = 0.3
CLEAR_OF_CUTS = 8  # minimum frames between a cut and a flash or whip pan
MOTION_BLUR = 5  # exposures averaged per frame of a whip pan

X264 = {"preset": "veryfast", "crf": "23"}
VARIANTS = {
    "x264": ("libx264", X264),
    "x264_gop50": ("libx264", X264 | {"g": "50"}),
    "x264_fixed250": ("libx264", X264 | {"g": "250", "keyint_min": "250", "sc_threshold": "0", "bf": "8"}),
    "x264_fixed50": ("libx264", X264 | {"g": "50", "keyint_min": "50", "sc_threshold": "0"}),
    "x265_fixed250": (
        "libx265",
        {"preset": "ultrafast", "crf": "28", "x265-params": "keyint=250:min-keyint=250:scenecut=0:log-level=none"},
    ),
}


@dataclass(frozen=True)
class Scene:
    """One photograph's part of a film: frames [first, first + frames)."""

    photo: str
    description: str
    first: int
    frames: int
    seed: int  # for drawing its camera path
    flash: tuple[int, int] | None  # first frame within the film, number of frames
    whip: tuple[int, int] | None


@dataclass(frozen=True)
class Film:
    """A film's ground truth. `cuts` are the first frames of all scenes but the first."""

    name: str
    half: str
    seed: int
    scenes: list[Scene]
    frame_rate: int = FRAME_RATE
    cuts: list[int] = field(default_factory=list)


def half_of(item: Item) -> str:
    return "AB"[seed_of(item.path) % 2]


def plan_films(media: Path, seed: int) -> list[Film]:
    films = []
    for half in "AB":
        photos = [item for item in photographs(media) if half_of(item) == half]
        photos.sort(key=lambda item: _scene_seed(item, seed))
        for number, at in enumerate(range(0, len(photos), SCENES_A_FILM)):
            scenes = _plan_scenes(media, photos[at : at + SCENES_A_FILM], seed)
            films.append(Film(f"film_{half}{number}", half, seed, scenes, cuts=[s.first for s in scenes[1:]]))
    return films


def _scene_seed(item: Item, seed: int) -> int:
    return seed_of(item.path.with_name(f"{seed} {item.path.name}"))


def _plan_scenes(media: Path, photos: list[Item], seed: int) -> list[Scene]:
    scenes: list[Scene] = []
    first = 0
    for item in photos:
        scene_seed = _scene_seed(item, seed)
        random = np.random.default_rng([scene_seed, 1])
        frames = round(random.uniform(*SCENE_SECONDS) * FRAME_RATE)
        flash = whip = None
        if random.random() < FLASH_SHARE:
            flash = (first + int(random.integers(CLEAR_OF_CUTS, frames - CLEAR_OF_CUTS)), int(random.integers(1, 3)))
        elif random.random() < WHIP_SHARE / (1 - FLASH_SHARE):
            length = int(random.integers(5, 10))
            whip = (first + int(random.integers(frames // 3, 2 * frames // 3)), length)
        photo = str(item.path.relative_to(media))
        scenes.append(Scene(photo, item.description, first, frames, scene_seed, flash, whip))
        first += frames
    return scenes


def scene_frames(media: Path, scene: Scene) -> Iterator[Picture]:
    picture = read_photograph(media / scene.photo, ASPECT)
    if scene.whip:
        yield from _whip_frames(picture, scene)
        return
    path = pan_and_zoom_path(picture, scene.frames, ASPECT, scene.seed)
    for number, frame in enumerate(crop_frames(picture, path, SIZE), scene.first):
        if scene.flash and 0 <= number - scene.flash[0] < scene.flash[1]:
            # A flash overexposes: at least twice the light, most of the picture clipped to white.
            frame = np.clip(frame.astype(np.float32) * 2.5 + 130, 0, 255).astype(np.uint8)
        yield frame


def _whip_frames(picture: Picture, scene: Scene) -> Iterator[Picture]:
    """Yield frames that rest near one end of the photograph, whip to the other in a few blurred frames, rest there."""
    assert scene.whip is not None
    random = np.random.default_rng([scene.seed, 2])
    width, height = np.array(widest_window(picture, ASPECT)) * random.uniform(0.5, 0.65)
    begin, length = scene.whip[0] - scene.first, scene.whip[1]
    # Time in exposures: a frame of the whip has MOTION_BLUR of them, spread over half its duration (a 180° shutter).
    shutter = np.linspace(-0.25, 0.25, MOTION_BLUR)
    exposures = [n + shutter if begin <= n <= begin + length else np.array([n]) for n in range(scene.frames)]
    times = np.concatenate(exposures)
    t = np.clip((times - begin) / length, 0, 1)
    share = 0.1 * times / scene.frames + 0.85 * t * t * (3 - 2 * t)
    if random.random() < 0.5:
        share = 1 - share
    room = np.array([picture.shape[1] - width, picture.shape[0] - height])
    along = int(np.argmax(room / [width, height]))
    positions = np.tile(0.5 * room, (len(times), 1))
    positions[:, along] = share * room[along]
    crops: Crops = np.concatenate([positions, np.broadcast_to([width, height], positions.shape)], axis=1)
    exposed = crop_frames(picture, crops, SIZE)
    for times in exposures:
        yield np.mean([next(exposed) for _ in times], axis=0).round().astype(np.uint8)


def film_frames(media: Path, film: Film) -> Iterator[Picture]:
    for scene in film.scenes:
        yield from scene_frames(media, scene)


def make_films(media: Path, out: Path, variants: list[str], seed: int = 0) -> None:
    """Write OUT/VARIANT/FILM.mp4 and FILM.json; existing films of the same plan are kept."""
    for film in plan_films(media, seed):
        plan = json.dumps(asdict(film), indent=1)
        for variant in variants:
            codec, options = VARIANTS[variant]
            video = out / variant / f"{film.name}.mp4"
            truth = video.with_suffix(".json")
            if truth.exists() and truth.read_text(encoding="utf-8") != plan:
                raise SystemExit(f"{out} holds other films: name another folder for these.")
            if video.exists():
                continue
            video.parent.mkdir(parents=True, exist_ok=True)
            truth.write_text(plan, encoding="utf-8")
            began = time.perf_counter()
            write_video(film_frames(media, film), video, FRAME_RATE, codec, options)
            print(f"{video}  {time.perf_counter() - began:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("media", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--variant", action="append", choices=sorted(VARIANTS), help="default: all")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    make_films(arguments.media, arguments.out, arguments.variant or list(VARIANTS), arguments.seed)


if __name__ == "__main__":
    main()
