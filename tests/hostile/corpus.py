"""Generates a folder of hostile files from a seed: `python -m tests.hostile.corpus OUT --seed 1 --count 1000`.

The files are broken, lie about their content, refer elsewhere, are unreadable, or have names that break programs. Among
them are good videos, each of one colour, that must still be found. The same seed generates the same files.
A library indexes `OUT/corpus` and must never open `OUT/elsewhere`; `OUT/manifest.json` describes the files.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import random
import socket
import stat
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.fakes import COLOURS
from tests.hostile import patching, references
from tests.hostile.lies import HUGE, LIES
from tests.hostile.masks import MASKS
from tests.hostile.names import NAMES
from tests.hostile.videos import RECIPES, make_video

CORPUS, ELSEWHERE, MANIFEST = "corpus", "elsewhere", "manifest.json"
FORBIDDEN = "pink"  # the colour of the files elsewhere: a search must never find it
_COLOURS = [colour for colour in COLOURS if colour not in (FORBIDDEN, "grey")]  # grey is the colour of damage

_Choice = TypeVar("_Choice")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the corpus. `colour` is a good file's; `listed` files must appear in a library, in any state."""

    path: str
    kind: str
    colour: str = ""
    listed: bool = True


class _Maker:
    """Writes the files of one corpus and records them."""

    def __init__(self, out: Path, seed: int) -> None:
        self.corpus = out / CORPUS
        self.elsewhere = out / ELSEWHERE
        self.seed = seed
        self.entries: list[Entry] = []
        self._bases: dict[tuple[str, int], bytes] = {}

    def base(self, recipe: str, source: random.Random) -> bytes:
        """Return one of three videos of each recipe, as a base for damage."""
        which = source.randrange(3)
        if (recipe, which) not in self._bases:
            own = random.Random(f"{self.seed}/{recipe}/{which}")
            self._bases[recipe, which] = make_video(recipe, own.choice(_COLOURS), own)
        return self._bases[recipe, which]

    def turn(self, choices: Sequence[_Choice], number: int) -> _Choice:
        """Return the choices in turn, in an order that depends on the seed, so that small corpora differ."""
        return random.Random(f"{self.seed}/{len(choices)}").sample(choices, len(choices))[number % len(choices)]

    def write(self, kind: str, name: str | bytes, content: bytes, colour: str = "", listed: bool = True) -> bytes:
        path = self.place(kind, name)
        with open(path, "wb") as file:
            file.write(content)
        self.add(kind, path, colour, listed)
        return path

    def place(self, kind: str, name: str | bytes) -> bytes:
        folder = self.corpus / kind
        folder.mkdir(parents=True, exist_ok=True)
        return os.path.join(os.fsencode(folder), os.fsencode(name))

    def add(self, kind: str, path: bytes, colour: str = "", listed: bool = True) -> None:
        self.entries.append(Entry(os.fsdecode(os.path.relpath(path, os.fsencode(self.corpus))), kind, colour, listed))


# --- kinds ----------------------------------------------------------------------------------------------------------


def _good(maker: _Maker, source: random.Random, number: int) -> None:
    recipe, colour = source.choice(list(RECIPES)), source.choice(_COLOURS)
    maker.write("good", f"{number}.{recipe}", make_video(recipe, colour, source), colour)


def _named(maker: _Maker, source: random.Random, number: int) -> None:
    name, colour = maker.turn(NAMES, number), source.choice(_COLOURS)
    content = make_video("mp4", colour, source)
    folder = f"names-{number // len(NAMES)}"
    try:
        maker.write(folder, name, content, colour)
    except OSError:  # the file system does not allow the name: one file less
        maker.write(folder, f"{number}.mp4", content, colour)


def _truncated(maker: _Maker, source: random.Random, number: int) -> None:
    recipe = source.choice([recipe for recipe in RECIPES if recipe != "gif"])
    content = maker.base(recipe, source)
    maker.write(
        "truncated", f"{number}.{recipe}", content[: source.randrange(1, len(content))], listed=_is_heard(recipe)
    )


def _flipped(maker: _Maker, source: random.Random, number: int) -> None:
    recipe = source.choice(list(RECIPES))
    content = bytearray(maker.base(recipe, source))
    reach = source.choice([len(content), len(content), min(len(content), 4096)])  # most headers are at the front
    for _ in range(source.choice([1, 3, 30, 300, 3000])):
        content[source.randrange(reach)] ^= 1 << source.randrange(8)
    maker.write("flipped", f"{number}.{recipe}", bytes(content), listed=_is_heard(recipe))


def _is_heard(recipe: str) -> bool:
    """Return whether damaged files are listed: a `.ts` with other first bytes is taken for TypeScript."""
    return not recipe.endswith("ts")


def _lying(maker: _Maker, source: random.Random, number: int) -> None:
    recipe, name, lie = maker.turn(LIES, number)
    content = bytearray(maker.base(recipe, source))
    lie(content, source)
    maker.write("lying", f"{number} {name}.{recipe}", bytes(content), listed=_is_heard(recipe))


def _huge(maker: _Maker, source: random.Random, number: int) -> None:
    recipe, lie = maker.turn(HUGE, number)
    width, height = source.choice([(16384, 16384), (16000, 16000), (16383, 16383), (65535, 65535), (65535, 8)])
    content = bytearray(maker.base(recipe, source))
    lie(content, width, height)
    maker.write("huge", f"{number} {width}x{height}.{recipe}", bytes(content), listed=_is_heard(recipe))


def _leading_elsewhere(maker: _Maker, source: random.Random, number: int) -> None:
    target = source.choice(references.targets(str(maker.elsewhere), number))
    if number % 3 == 0:
        suffix, refer = maker.turn(references.LINKED, number // 3)
        content = refer({recipe: maker.base(recipe, source) for recipe in ("mp4", "mkv")}, source, target)
    else:
        suffix = source.choice(["mp4", "mkv", "avi", "mov", "webm", "wmv"])
        content = (maker.turn(references.SCRIPTS, number) % target).encode()
    maker.write("elsewhere", f"{number}.{suffix}", content)


def _unreadable(maker: _Maker, source: random.Random, number: int) -> None:
    maker.turn(_UNREADABLE, number)(maker, source, number)


def _masked(maker: _Maker, source: random.Random, number: int) -> None:
    """Write another format under a video's name."""
    suffix = source.choice(["mp4", "mkv", "avi", "mov", "webm", "flv", "mpg", "wmv"])
    maker.write("masked", f"{number}.{suffix}", maker.turn(MASKS, number)(source))


def _endless(maker: _Maker, source: random.Random, number: int) -> None:
    """Write a small file that expands hugely: one picture listed 400,000 times, at 1 to 1,000 per second."""
    content = maker.base("mp4", source)
    count, size = 400_000, struct.unpack_from(">I", content, patching.box(content, b"stsz") + 12)[0]
    offset = patching.box(content, b"stco")
    first = struct.unpack_from(">I", content, offset + 8)[0]
    delta = source.choice([512, 12_800, 12])
    for kind, payload in (
        (b"stts", struct.pack(">IIII", 0, 1, count, delta)),
        (b"stsz", struct.pack(">III", 0, max(size, source.choice([1, 4000])), count)),
        (b"stsc", struct.pack(">IIIII", 0, 1, 1, 1, 1)),
        (b"stco", struct.pack(">II", 0, count) + struct.pack(">I", first) * count),
    ):
        content = patching.with_box(content, kind, payload)
    maker.write("endless", f"{number}.mp4", content)


KINDS: dict[str, tuple[Callable[[_Maker, random.Random, int], None], int]] = {  # with their share per thousand
    "good": (_good, 60),
    "names": (_named, 80),
    "truncated": (_truncated, 150),
    "flipped": (_flipped, 320),
    "lying": (_lying, 210),
    "huge": (_huge, 40),
    "elsewhere": (_leading_elsewhere, 80),
    "unreadable": (_unreadable, 24),
    "masked": (_masked, 34),
    "endless": (_endless, 2),
}


def make(out: Path, seed: int = 1, count: int = 1000, kinds: Sequence[str] = ()) -> list[Entry]:
    """Write a corpus of about `count` files into `out`, which must not exist; at least one of each kind.

    `kinds`: write only these kinds, as in the whole corpus.
    """
    maker = _Maker(out, seed)
    maker.corpus.mkdir(parents=True)
    maker.elsewhere.mkdir()
    source = random.Random(f"{seed}/elsewhere")
    for suffix in ("mp4", "ts"):
        (maker.elsewhere / f"target.{suffix}").write_bytes(make_video(suffix, FORBIDDEN, source))
    for kind in kinds or KINDS:
        write, share = KINDS[kind]
        for number in range(max(1, -(-share * count // 1000))):
            write(maker, random.Random(f"{seed}/{kind}/{number}"), number)
    for loop in ("up", "again"):  # folders that contain themselves through links
        (maker.corpus / loop).symlink_to(maker.corpus)
    rows = [dataclasses.asdict(entry) for entry in maker.entries]
    (out / MANIFEST).write_text(json.dumps(rows, indent=1), encoding="ascii")
    return maker.entries


def read_manifest(out: Path) -> list[Entry]:
    return [Entry(**row) for row in json.loads((out / MANIFEST).read_text(encoding="ascii"))]


# --- unreadable files


def _fifo(maker: _Maker, source: random.Random, number: int) -> None:
    path = maker.place("unreadable", f"{number} fifo.mp4")
    os.mkfifo(path)
    maker.add("unreadable", path)


def _socket(maker: _Maker, source: random.Random, number: int) -> None:
    path = maker.place("unreadable", f"{number} socket.mp4")
    here = os.open(".", os.O_RDONLY)
    os.chdir(os.path.dirname(path))  # a socket's address is short
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(os.path.basename(path))
    finally:
        os.fchdir(here)
        os.close(here)
    maker.add("unreadable", path)


def _device(maker: _Maker, source: random.Random, number: int) -> None:
    """Make /dev/zero, or a link to it if only root may make devices."""
    path = maker.place("unreadable", f"{number} device.mp4")
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        os.symlink("/dev/zero", path)
    maker.add("unreadable", path)


def _link(maker: _Maker, source: random.Random, number: int) -> None:
    path = maker.place("unreadable", f"{number} link.mp4")
    os.symlink(source.choice([f"{number} link.mp4", "nowhere.mp4", "/dev/full", "/proc/self/mem", "/proc/kmsg"]), path)
    maker.add("unreadable", path)


def _folder(maker: _Maker, source: random.Random, number: int) -> None:
    path = maker.place("unreadable", f"{number} folder.mp4")
    os.mkdir(path)
    maker.add("unreadable", path)


def _empty(maker: _Maker, source: random.Random, number: int) -> None:
    maker.write("unreadable", f"{number} empty.mp4", b"")


def _sparse(maker: _Maker, source: random.Random, number: int) -> None:
    path = maker.write("unreadable", f"{number} sparse.mkv", b"")
    os.truncate(path, 20 << 30)


def _long_tail(maker: _Maker, source: random.Random, number: int) -> None:
    """Write a good film followed by 4 GB of zeros."""
    colour = source.choice(_COLOURS)
    path = maker.write("unreadable", f"{number} tail.mp4", make_video("mp4", colour, source), colour)
    os.truncate(path, 4 << 30)


_UNREADABLE = [_empty, _fifo, _socket, _device, _link, _folder, _sparse, _long_tail]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000)
    options = parser.parse_args()
    entries = make(options.out.absolute(), options.seed, options.count)
    sys.stdout.write(f"{len(entries)} files in {options.out / CORPUS}\n")


if __name__ == "__main__":
    main()
