"""The binary layout of hnswlib's graph files, and their validation before hnswlib loads them.

hnswlib 0.8 trusts every number in a file that it loads: an invalid neighbour is a read outside its memory, at the first
query. So `prove` traverses a file as hnswlib's own `loadIndex` and `searchKnn` would, and checks every number against
its bounds first. This module never imports hnswlib, and never holds more of a file than a part and its links.
"""

from __future__ import annotations

import hashlib
import math
import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

SPACE = "ip"  # on unit vectors the inner product is the cosine, without the normalised copy that "cosine" makes
M = 16
EF_CONSTRUCTION = 200

# Offset of level 0, capacity, elements, bytes per element, offsets of label and vector; highest level and entry point;
# most links of an element (above, on level 0), M; the level multiplier; ef_construction.
_HEADER = struct.Struct("<6QiI3QdQ")
_MOST_LINKS = 2 * M  # of an element on level 0; on each level above it has at most M
_LEVEL_WORDS = 1 + M  # an element's links on one upper level: their count, then M slots
_HIGHEST_LEVEL = 32  # hnswlib never draws a level above 16
_LABELS_END = 2**63  # clip ids are SQLite's
_UNIT_TOLERANCE = 2e-3  # twice the tolerance for new vectors
_PART_BYTES = 2**21  # fits into the processor's cache between the digest and the checks

_PLACES = np.arange(_MOST_LINKS, dtype=np.uint32)


class BadGraph(Exception):
    """Raised for a graph file that is not, byte for byte, a builder's output for this index. Never shown to people."""


@dataclass(frozen=True, slots=True)
class GraphFile:
    """A graph on disk and the data to validate it: size in bytes, SHA-256, number and width of its vectors."""

    path: str
    size: int
    digest: str
    count: int
    width: int


def element_layout(width: int) -> np.dtype[np.void]:
    """Return the dtype of a level-0 element in hnswlib 0.8, which makes a graph file a matrix of its vectors."""
    return np.dtype([("links", "<u4", (1 + _MOST_LINKS,)), ("vector", "<f4", (width,)), ("label", "<u8")])


def header_size() -> int:
    """Return the number of bytes before the first element of a graph file."""
    return _HEADER.size


def prove(file: GraphFile) -> None:
    """Check size and digest against the record, and every number that hnswlib would follow. Raises: BadGraph."""
    try:
        with open(file.path, "rb") as stream:
            digest = _followed(file, _Parts(stream, file.path))
    except OSError as error:
        raise BadGraph(f"{file.path} cannot be read: {error}") from error
    if digest != file.digest:
        raise BadGraph(f"{file.path} has changed since it was written")


class _Parts:
    """Reads a file once from its beginning, and digests it."""

    def __init__(self, stream: BinaryIO, path: str) -> None:
        self.size = os.fstat(stream.fileno()).st_size
        self.digest = hashlib.sha256()
        self._stream = stream
        self._path = path

    def take(self, size: int) -> bytes:
        part = self._stream.read(size)
        if len(part) != size:
            raise BadGraph(f"{self._path} is too short to be a graph")
        self.digest.update(part)
        return part


def _followed(file: GraphFile, parts: _Parts) -> str:
    """Return the file's digest once all its numbers are within their bounds. Raises: BadGraph, OSError."""
    if parts.size != file.size:
        raise BadGraph(f"{file.path} has {parts.size} bytes, {file.size} were recorded")
    layout = element_layout(file.width)
    highest, entry = _checked_header(file, layout, parts.take(_HEADER.size))
    above = file.size - _HEADER.size - file.count * layout.itemsize
    if above < 4 * file.count or above % 4:
        raise BadGraph(f"{file.path} is too short to be a graph")
    labels = np.empty(file.count, np.uint64)
    step = max(1, _PART_BYTES // layout.itemsize)
    for start in range(0, file.count, step):
        elements = np.frombuffer(parts.take(min(step, file.count - start) * layout.itemsize), layout)
        labels[start : start + len(elements)] = elements["label"]
        problem = _fault_of_elements(elements, file.count)
        if problem:
            raise BadGraph(f"{file.path} {problem}, among the elements from {start}")
    labels.sort()
    if np.any(labels[1:] == labels[:-1]):
        raise BadGraph(f"{file.path} has a label twice")
    problem = _fault_above(np.frombuffer(parts.take(above), "<u4"), file.count, highest, entry)
    if problem:
        raise BadGraph(f"{file.path} {problem}")
    return parts.digest.hexdigest()


def _checked_header(file: GraphFile, layout: np.dtype[np.void], header: bytes) -> tuple[int, int]:
    """Return the highest level, and the entry point of a search. Raises: BadGraph."""
    (
        level_offset, room, count, element_size, label_offset, vector_offset, highest, entry, most_above, most, m,
        drawn, ef_construction,
    ) = _HEADER.unpack(header)  # fmt: skip
    links_size = layout["links"].itemsize
    said = (level_offset, count, element_size, label_offset, vector_offset, most_above, most, m, ef_construction)
    expected = (0, file.count, layout.itemsize, links_size + layout["vector"].itemsize, links_size)
    if said != (*expected, M, _MOST_LINKS, M, EF_CONSTRUCTION):
        raise BadGraph(f"{file.path} was written with another layout, width or number of vectors")
    # Element numbers have 31 bits: hnswlib keeps some of them in an int.
    if not (1 <= count <= room < 2**31 and 0 <= highest <= _HIGHEST_LEVEL and entry < count):
        raise BadGraph(f"{file.path} is entered where it has no element")
    if not math.isclose(drawn, 1.0 / math.log(M), rel_tol=1e-9):  # another one may draw levels of any height
        raise BadGraph(f"{file.path} draws levels in another way")
    return highest, entry


def _fault_of_elements(elements: NDArray[np.void], count: int) -> str:
    """Return the fault of elements on level 0, in a graph of `count`; '' if there is none."""
    links = np.ascontiguousarray(elements["links"])
    used = links[:, :1]
    # The upper half of the number marks deleted elements in hnswlib; no graph of ours has any.
    if links[:, 0].max() > _MOST_LINKS:
        return "has an element of more links than there is room for"
    if np.any((links[:, 1:] >= count) & (used > _PLACES)):
        return "has a link to an element that is not there"
    lengths = np.sqrt(np.einsum("nd,nd->n", elements["vector"], elements["vector"]))
    if not np.all(np.abs(lengths - 1.0) <= _UNIT_TOLERANCE):  # false for NaN and infinity
        return "has a vector that is not of unit length"
    if elements["label"].min() < 1 or elements["label"].max() >= _LABELS_END:
        return "has a label that is no clip's id"
    return ""


def _fault_above(words: NDArray[np.uint32], count: int, highest: int, entry: int) -> str:
    """Return the fault of the links above level 0, or ''.

    For each element in turn `words` has the size in bytes of its upper links, then those, level by level.
    """
    walked = _walk(words, count, highest)
    if isinstance(walked, str):
        return walked
    elements, heights, places = walked
    height_of = np.zeros(count, np.int32)
    height_of[elements] = heights
    if height_of[entry] != highest:
        return "is entered at an element that does not reach the highest level"
    for level in range(1, highest + 1):
        starts = places[heights >= level] + (level - 1) * _LEVEL_WORDS
        links = words[starts[:, None] + np.arange(_LEVEL_WORDS)]
        if links[:, 0].max() > M:
            return "has an element of more upper links than there is room for"
        neighbours = links[:, 1:][_PLACES[:M] < links[:, :1]]
        if np.any(neighbours >= count):
            return "has an upper link to an element that is not there"
        if np.any(height_of[neighbours] < level):
            return "has an upper link to an element that is not on that level"
    return ""


def _walk(words: NDArray[np.uint32], count: int, highest: int) -> tuple[NDArray[np.int64], ...] | str:
    """Return the elements above level 0, their levels, and where their links begin in `words`; or the fault."""
    end = len(words)
    # Fifteen of sixteen elements are on level 0 only, with a size of 0: map every place to the next other one.
    following = np.full(end + 1, end, np.int64)
    reaching = np.flatnonzero(words)
    following[reaching] = reaching
    np.minimum.accumulate(following[::-1], out=following[::-1])
    next_reaching, sizes = following.data, words.data
    found: list[tuple[int, int, int]] = []
    at = element = 0
    while at < end:
        here = next_reaching[at]
        element += here - at
        if here == end:
            break
        height, rest = divmod(sizes[here], 4 * _LEVEL_WORDS)
        if rest or height > highest or element >= count:
            return "has upper links of an impossible size"
        found.append((element, height, here + 1))
        element, at = element + 1, here + 1 + height * _LEVEL_WORDS
    if at > end or element != count:
        return "does not end where its last element does"
    elements, heights, places = np.array(found, np.int64).reshape(-1, 3).T
    return elements, heights, places
