"""Computes the state of a folder after a power cut from the log of `shim.c`: flushed data, and a random rest.

Strict: a name is durable after its folder was flushed, content after its file was. SQLite's index of its log (`-shm`)
is never durable: it is rebuilt.
"""

from __future__ import annotations

import json
import os
import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HEAD = struct.Struct("<c3xIIIQq")
_SECTOR = 512  # bytes of a write that become durable together or not at all


@dataclass(frozen=True, slots=True)
class Record:
    """W write, T truncate, S flush, C create, R rename (`data`: to), U remove; M: an acknowledgement."""

    kind: str
    inode: int
    offset: int
    name: str
    data: bytes

    @property
    def acknowledged(self) -> tuple[str, Any]:
        kind, value = json.loads(self.data)
        return kind, value


def marker(text: str) -> bytes:
    data = text.encode()
    return _HEAD.pack(b"M", 0, len(data), 0, 0, 0) + data


def read(log: Path) -> list[Record]:
    content, at, records = log.read_bytes(), 0, []
    while at < len(content):
        kind, name_size, data_size, _, inode, offset = _HEAD.unpack_from(content, at)
        at += _HEAD.size
        name, data = content[at : at + name_size], content[at + name_size : at + name_size + data_size]
        at += name_size + data_size
        records.append(Record(kind.decode(), inode, offset, os.fsdecode(name), data))
    return records


class _File:
    """A file's durable content, and the operations since its last flush."""

    def __init__(self) -> None:
        self.durable = bytearray()
        self.since: list[Record] = []

    def flush(self) -> None:
        for record in self.since:
            _apply(self.durable, record)
        self.since.clear()

    def left(self, keep: float, chance: random.Random) -> bytes:
        content = bytearray(self.durable)
        for record in self.since:
            if record.kind == "T":
                if chance.random() < keep:
                    _apply(content, record)
                continue
            for at in range(0, len(record.data), _SECTOR):
                if chance.random() < keep:
                    part = record.data[at : at + _SECTOR]
                    _apply(content, Record("W", record.inode, record.offset + at, record.name, part))
        return bytes(content)


def _apply(content: bytearray, record: Record) -> None:
    if record.kind == "T":
        del content[record.offset :]
        content.extend(bytes(record.offset - len(content)))
        return
    end = record.offset + len(record.data)
    content.extend(bytes(max(0, end - len(content))))
    content[record.offset : end] = record.data


def restore(records: Sequence[Record], folder: Path, keep: float, chance: random.Random) -> None:
    """Create `folder` as a power cut after these operations in it leaves it.

    `keep` is the probability of each unflushed operation to be durable anyway.
    """
    files: dict[int, _File] = {}
    names: dict[str, int] = {}
    durable: dict[str, int] = {}  # durable names
    changed: dict[str, list[tuple[str, int | None]]] = {}  # by folder: names added (or removed, None) since its flush
    for record in records:
        if record.kind == "C":
            files[record.inode] = _File()
            names[record.name] = record.inode
            changed.setdefault(os.path.dirname(record.name), []).append((record.name, record.inode))
        elif record.kind == "R":
            new = os.fsdecode(record.data)
            if (inode := names.pop(record.name, None)) is not None:
                names[new] = inode
                changed.setdefault(os.path.dirname(record.name), []).append((record.name, None))
                changed.setdefault(os.path.dirname(new), []).append((new, inode))
        elif record.kind == "U":
            if names.pop(record.name, None) is not None:
                changed.setdefault(os.path.dirname(record.name), []).append((record.name, None))
        elif record.kind == "S" and record.inode not in files:  # a folder
            for name, inode in changed.pop(record.name, []):
                _set(durable, name, inode)
        elif record.kind == "S":
            files[record.inode].flush()
        elif record.kind in ("W", "T") and record.inode in files:
            files[record.inode].since.append(record)
    for entries in changed.values():
        for name, inode in entries:
            if chance.random() < keep:
                _set(durable, name, inode)
    folder.mkdir(parents=True)
    for name, inode in durable.items():
        if not name.endswith("-shm"):
            path = Path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(files[inode].left(keep, chance))


def _set(names: dict[str, int], name: str, inode: int | None) -> None:
    if inode is None:
        names.pop(name, None)
    else:
        names[name] = inode
