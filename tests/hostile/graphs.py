"""Forges graph files by the thousand: `python -m tests.hostile.graphs --seed 1 --count 10000`.

Each is a real graph with some of its numbers, bytes or length changed, and a matching record. `assert_inside` walks
every file that `graph_file.prove` admits, slowly and number by number as hnswlib does; then hnswlib itself loads,
searches and grows it. A crash of this process is a finding, and the last line names the file.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import struct
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from cret_desktop.storage.vectors.graph_builder import BuildRequest, build_graph, load_graph
from cret_desktop.storage.vectors.graph_file import BadGraph, GraphFile, prove

WIDTH, COUNT = 8, 300
_HEADER, _LINKS, _UPPER = 96, 33 * 4, 17 * 4
_ELEMENT = _LINKS + 4 * WIDTH + 8
# Positions of the header's numbers, and their formats.
_FIELDS = {
    "level offset": (0, "<Q"), "room": (8, "<Q"), "count": (16, "<Q"), "element size": (24, "<Q"),
    "label offset": (32, "<Q"), "vector offset": (40, "<Q"), "highest": (48, "<i"), "entry": (52, "<I"),
    "most above": (56, "<Q"), "most": (64, "<Q"), "m": (72, "<Q"), "drawn": (80, "<d"), "ef": (88, "<Q"),
}  # fmt: skip


def unit_vectors(count: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, WIDTH)).astype(np.float32)
    unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def build(folder: Path, seed: int = 0) -> bytes:
    """Return the content of a sound graph of `COUNT` clips."""
    scratch = folder / "scratch"
    scratch.mkdir()
    ids, vectors = scratch / "ids", scratch / "vectors"
    np.arange(1, COUNT + 1).tofile(ids)
    unit_vectors(COUNT, seed).tofile(vectors)
    target = folder / "sound.hnsw"
    report = build_graph(BuildRequest(None, str(scratch), str(ids), str(vectors), COUNT, WIDTH, str(target)))
    assert report.graph is not None, report.reason
    return target.read_bytes()


# --- forgeries ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Forgery:
    """A graph being changed. `uppers`: positions of the sizes of each element's upper links in the sound graph."""

    content: bytearray
    uppers: list[int]
    chance: random.Random

    def number(self) -> int:
        """Return a number within 32 bits that a bound might miss."""
        near = [0, 1, 15, 16, 17, 31, 32, 33, COUNT - 1, COUNT, COUNT + 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1]
        wide = [self.chance.randrange(COUNT), self.chance.randrange(2**32)]
        return self.chance.choice(near + wide * 4)

    def put(self, at: int, form: str, value: float) -> None:
        if at + struct.calcsize(form) <= len(self.content):
            struct.pack_into(form, self.content, at, value)

    def element(self) -> int:
        return _HEADER + _ELEMENT * self.chance.randrange(COUNT)

    def upper(self) -> int:
        """Return the position of an element's size of upper links; half the time of one that has some."""
        reaching = [at for at, following in zip(self.uppers, self.uppers[1:], strict=False) if following - at > 4]
        return self.chance.choice(reaching if self.chance.random() < 0.5 else self.uppers)


def _header(forgery: Forgery) -> None:
    at, form = forgery.chance.choice(list(_FIELDS.values()))
    numbers: list[float] = [forgery.number(), 2**63, 2**64 - 1, 200, 132, _ELEMENT, 1e300, float("nan"), -1.0, 0.36]
    fitting = [
        n
        for n in numbers
        if form == "<d" or (isinstance(n, int) and 0 <= n < 2 ** (struct.calcsize(form) * 8 - (form == "<i")))
    ]
    forgery.put(at, form, forgery.chance.choice(fitting))


def _highest(forgery: Forgery) -> None:
    forgery.put(*_FIELDS["highest"], forgery.chance.randrange(-2, 5))


def _entry(forgery: Forgery) -> None:
    forgery.put(*_FIELDS["entry"], forgery.chance.randrange(COUNT))


def _links_counted(forgery: Forgery) -> None:
    forgery.put(forgery.element(), "<I", forgery.number())


def _neighbour(forgery: Forgery) -> None:
    forgery.put(forgery.element() + 4 * forgery.chance.randrange(1, 33), "<I", forgery.number())


def _rewired(forgery: Forgery) -> None:
    for _ in range(COUNT):
        forgery.put(forgery.element() + 4 * forgery.chance.randrange(1, 33), "<I", forgery.chance.randrange(COUNT))


def _unlinked(forgery: Forgery) -> None:
    for number in range(COUNT):
        forgery.put(_HEADER + _ELEMENT * number, "<I", forgery.chance.choice([0, 1, 32]))


def _vector(forgery: Forgery) -> None:
    values = [0.0, 1.0, -1.0, 1e30, float("nan"), float("inf")]
    forgery.put(forgery.element() + _LINKS + 4 * forgery.chance.randrange(WIDTH), "<f", forgery.chance.choice(values))


def _vectors_swapped(forgery: Forgery) -> None:
    one, other = forgery.element() + _LINKS, forgery.element() + _LINKS
    size = 4 * WIDTH + forgery.chance.choice([0, 8])  # with or without the label
    held = bytes(forgery.content[one : one + size])
    forgery.content[one : one + size] = forgery.content[other : other + size]
    forgery.content[other : other + size] = held


def _label(forgery: Forgery) -> None:
    label = forgery.chance.choice([0, 1, 2, COUNT, 5000, 2**63 - 1, 2**63, 2**64 - 1])
    forgery.put(forgery.element() + _ELEMENT - 8, "<Q", label)


def _upper_size(forgery: Forgery) -> None:
    forgery.put(forgery.upper(), "<I", forgery.chance.choice([0, 67, 68, 136, 204, 68 * 40, forgery.number()]))


def _upper_counted(forgery: Forgery) -> None:
    forgery.put(forgery.upper() + 4, "<I", forgery.number())


def _upper_neighbour(forgery: Forgery) -> None:
    forgery.put(forgery.upper() + 8 + 4 * forgery.chance.randrange(34), "<I", forgery.number())


def _uppers_swapped(forgery: Forgery) -> None:
    """Swap the upper links of two elements; the length of the file stays the same."""
    one, other = sorted(forgery.chance.sample(range(COUNT - 1), 2))
    parts = [bytes(forgery.content[a:b]) for a, b in pairwise(forgery.uppers)]
    parts[one], parts[other] = parts[other], parts[one]
    forgery.content[forgery.uppers[0] : forgery.uppers[-1]] = b"".join(parts)


def _bit(forgery: Forgery) -> None:
    forgery.content[forgery.chance.randrange(len(forgery.content))] ^= 1 << forgery.chance.randrange(8)


def _bytes(forgery: Forgery) -> None:
    at, size = forgery.chance.randrange(len(forgery.content)), forgery.chance.choice([1, 4, 64, 4096])
    filled = forgery.chance.choice([bytes(size), b"\xff" * size, forgery.chance.randbytes(size)])
    forgery.content[at : at + size] = filled[: len(forgery.content) - at]


def _cut(forgery: Forgery) -> None:
    del forgery.content[-forgery.chance.choice([1, 4, 68, 72, forgery.chance.randrange(1, len(forgery.content))]) :]


def _longer(forgery: Forgery) -> None:
    forgery.content += forgery.chance.choice([bytes(4), bytes(68), b"\x44\0\0\0" + bytes(68), b"x"])


def _inserted(forgery: Forgery) -> None:
    at = forgery.chance.choice([forgery.upper(), forgery.chance.randrange(len(forgery.content))])
    forgery.content[at:at] = bytes(forgery.chance.choice([1, 4, 68, 72, _ELEMENT]))


CHANGES: tuple[Callable[[Forgery], None], ...] = (
    _header, _highest, _entry, _links_counted, _neighbour, _rewired, _unlinked, _vector, _vectors_swapped, _label,
    _upper_size, _upper_counted, _upper_neighbour, _uppers_swapped, _bit, _bytes, _cut, _longer, _inserted,
)  # fmt: skip


def forged(sound: bytes, seed: str) -> tuple[bytes, str]:
    """Return a graph's content with one to three changes, and their names; the same for the same seed."""
    chance = random.Random(seed)
    forgery = Forgery(bytearray(sound), upper_places(sound), chance)
    changes = chance.choices(CHANGES, k=chance.choice([1, 1, 2, 3]))
    for change in changes:
        change(forgery)
    return bytes(forgery.content), ", ".join(change.__name__.strip("_") for change in changes)


def recorded(path: Path, content: bytes) -> GraphFile:
    """Return the record as a forger would write it: consistent with the file."""
    said = struct.unpack_from("<Q", content, 16)[0] if len(content) >= 24 else COUNT
    return GraphFile(str(path), len(content), hashlib.sha256(content).hexdigest(), said, WIDTH)


# --- properties of admitted files ---------------------------------------------------------------------------------


def upper_places(content: bytes) -> list[int]:
    """Return the positions of the sizes of each element's upper links, and the end of the file."""
    (count,) = struct.unpack_from("<Q", content, 16)
    places, at = [], _HEADER + count * _ELEMENT
    for _ in range(count):
        places.append(at)
        at += 4 + struct.unpack_from("<I", content, at)[0]
    return [*places, at]


def assert_inside(content: bytes) -> None:
    """Assert that all numbers hnswlib 0.8 follows lead into the file. Derived from hnswalg.h, not from `prove`."""
    values = {name: struct.unpack_from(form, content, at)[0] for name, (at, form) in _FIELDS.items()}
    count, places = values["count"], upper_places(content)
    assert (values["level offset"], values["vector offset"], values["label offset"]) == (0, _LINKS, _LINKS + 4 * WIDTH)
    assert (values["element size"], values["most"], values["most above"], values["m"]) == (_ELEMENT, 32, 16, 16)
    assert places[-1] == len(content)
    sizes = [following - at - 4 for at, following in pairwise(places)]
    levels = [size // _UPPER for size in sizes]
    assert all(size % _UPPER == 0 for size in sizes)
    assert 0 <= values["entry"] < count
    assert levels[values["entry"]] >= values["highest"] >= 0
    for number in range(count):
        lists = [_HEADER + number * _ELEMENT, *(places[number] + 4 + _UPPER * level for level in range(levels[number]))]
        for level, at in enumerate(lists):
            links = struct.unpack_from("<H", content, at)[0]
            assert links <= (16 if level else 32)
            assert content[at + 2] == 0, "marked as deleted"
            for neighbour in struct.unpack_from(f"<{links}I", content, at + 4):
                assert neighbour < count
                assert levels[neighbour] >= level


def use(file: GraphFile) -> None:
    """Search and grow a graph as the index and its builder do."""
    queries = unit_vectors(5, seed=1)
    graph = load_graph(file, capacity=file.count + 20)
    for k in (1, 10, file.count):
        try:
            graph.knn_query(queries, k=k, num_threads=1)
        except RuntimeError:
            continue  # it cannot reach that many: the index then searches exactly
    try:
        graph.add_items(unit_vectors(20, seed=2), np.arange(10**6, 10**6 + 20), num_threads=1)
    except RuntimeError:
        return  # the builder reports it


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=10_000)
    arguments = parser.parse_args()
    refused, used = Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        sound, path = build(Path(folder)), Path(folder, "forged.hnsw")
        for number in range(arguments.count):
            content, changes = forged(sound, f"{arguments.seed}/{number}")
            path.write_bytes(content)
            file = recorded(path, content)
            try:
                prove(file)
            except BadGraph as refusal:
                refused[str(refusal).removeprefix(f"{path} ").partition(",")[0]] += 1
                continue
            used[changes] += 1
            assert_inside(content)
            sys.stderr.write(f"{arguments.seed}/{number}: {changes}\n")
            use(file)
    sys.stdout.write(f"{arguments.count} forged graphs: {refused.total()} refused, {used.total()} used without harm\n")
    for reason, times in refused.most_common():
        sys.stdout.write(f"   {times:6} {reason}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
