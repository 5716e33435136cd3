"""Interprets a scan: which files are new, moved, copied, replaced, missing, away, or back again.

`plan_changes` is pure: it compares the catalog's files with the scan's and returns the changes. It opens no file and no
catalog. `apply_scan` gathers the facts, plans, and applies the plan in one transaction of the store.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence

from cret_desktop.domain.clips import VideoFile
from cret_desktop.domain.records import (
    Away,
    FileRow,
    Kept,
    Missing,
    Moved,
    New,
    Problem,
    Replaced,
    Root,
    ScanPlan,
    ScanResult,
)
from cret_desktop.library.ports import ScanStore
from cret_desktop.messages import Message


def apply_scan(
    store: ScanStore,
    root: Root,
    seen: Sequence[VideoFile],
    problems: Sequence[tuple[str, Message]],
    within: str | None = None,
    contents: Mapping[str, bytes] | None = None,
    unseen: Collection[str] = frozenset(),
) -> ScanResult:
    """Update a root's files after a complete scan of it (or of the folder `within` it), in one transaction.

    `problems` are (path, reason) of entries that cannot be videos. `contents` holds the fingerprints of files that may
    be known under another path or by another time (`may_be_known`). `unseen` are files and folders that could not be
    read: everything in them is away, and nothing is missing. Nothing is done if the root was removed, or merged into
    another one, since the scan began: the other root is scanned by itself. Raises: StorageError, LibraryDamaged.
    """
    contents = contents or {}
    with store.scanning(root, within) as scan:
        if scan is None:
            return ScanResult()
        changed = [file for file in seen if not _is_same(scan.known.get(file.path), file, contents.get(file.path))]
        candidates = scan.candidates(changed, contents)
        present = {file.path for file in seen} | {path for path, _ in problems}
        gone = {row.path for row in candidates if row.path not in present and not os.path.lexists(row.path)}
        plan = plan_changes(scan.known, seen, contents, candidates, gone, problems, unseen)
        return scan.apply(plan)


def plan_changes(
    known: Mapping[str, FileRow],
    seen: Sequence[VideoFile],
    contents: Mapping[str, bytes],
    candidates: Sequence[FileRow] = (),
    gone: Collection[str] = frozenset(),
    problems: Sequence[tuple[str, Message]] = (),
    unseen: Collection[str] = frozenset(),
) -> ScanPlan:
    """Return the changes that bring the catalog up to date with a scan.

    `known` are the files of the scanned place by path, missing ones included; `seen` has each path once. `contents` are
    fingerprints by path, of some of the files seen. `candidates` are files of the whole catalog that may have moved to
    a path seen, preferred ones first (`OpenScan.candidates`); nothing exists at the paths `gone`. `problems` and
    `unseen`: see `apply_scan`.

    No known file is dropped: each is kept, moved, replaced, moved over, a problem, away, or missing.
    """
    present = {file.path for file in seen} | {path for path, _ in problems}
    same = {file.path for file in seen if _is_same(known.get(file.path), file, contents.get(file.path))}
    changed = [file for file in seen if file.path not in same]
    free = {file.path for file in changed if file.path in known}.union(gone)
    away = {path for path in known if path not in present and _lies_in(path, unseen)}
    # An unreachable file has not moved: a file with its content is a copy.
    candidates = [
        row
        for row in candidates
        if row.path not in same
        and (row.missing or (row.path in free and not (row.path in away or (row.path not in known and row.away))))
    ]
    sources = _find_sources(changed, contents, candidates, known)
    moved_ids = {row.id for row in sources.values()}

    plan = ScanPlan()
    for file in seen:
        row, content = known.get(file.path), contents.get(file.path)
        if row is not None and row.id in moved_ids:
            row = None  # the file at this path has moved elsewhere
        source = sources.get(file.path)
        if row is not None and file.path in same:
            plan.kept.append(Kept(row, file))
        elif source is not None:
            plan.moved.append(Moved(source, file, over=row))
        elif row is not None:
            plan.replaced.append(Replaced(row, file, content))
        else:
            plan.new.append(New(file, content))
    plan.problems += [Problem(path, reason, known.get(path)) for path, reason in problems]
    for path, row in known.items():
        if (path in away) != row.away:
            plan.away.append(Away(row, path in away))
        if path not in present and path not in away and not row.missing and row.id not in moved_ids:
            plan.missing.append(Missing(row))
    return plan


def may_be_known(seen: Sequence[VideoFile], known: Mapping[str, FileRow], sizes: Collection[int]) -> list[VideoFile]:
    """Return the files seen that need a fingerprint; `sizes` are the sizes of files that have one.

    These are files that are not `known` unchanged, or that another file replaced unnoticed; and a file of their size
    has a fingerprint.
    """
    new = [file for file in seen if (row := known.get(file.path)) is None or not row.is_unchanged(file)]
    new += _replaced_unseen(seen, known)
    return [file for file in new if file.size in sizes]


def _is_same(row: FileRow | None, file: VideoFile, content: bytes | None) -> bool:
    """Return whether the file at a known path is unchanged. Another time over the same content is no change.

    (Times on FAT drives shift by an hour twice a year.)
    """
    if row is None:
        return False
    if row.is_unchanged(file) and (content is None or row.state != "indexed"):
        return True
    return row.size == file.size and row.state == "indexed" and content is not None and row.fingerprint == content


def _find_sources(
    files: Sequence[VideoFile],
    contents: Mapping[str, bytes],
    candidates: Iterable[FileRow],
    known: Mapping[str, FileRow],
) -> dict[str, FileRow]:
    """Return the file that moved to each path, by the new path; each candidate moves once.

    A candidate is a file that is no longer at its own path. It has moved if its content is seen elsewhere. A candidate
    without a fingerprint was never indexed; its inode stands for its content.
    """
    by_content: dict[tuple[bytes, int], list[FileRow]] = {}
    by_number: dict[tuple[int, int, int, int], list[FileRow]] = {}
    for row in candidates:
        if row.fingerprint is not None:
            by_content.setdefault((row.fingerprint, row.size), []).append(row)
        elif row.inode:
            by_number.setdefault((row.size, row.mtime_ns, row.device, row.inode), []).append(row)
    sources: dict[str, FileRow] = {}
    taken: set[int] = set()
    # New names first: a file displaced from its known name most likely moved to a new one.
    for file in sorted(files, key=lambda file: file.path in known):
        content = contents.get(file.path)
        alike = by_content.get((content, file.size), []) if content is not None else []
        alike = alike + by_number.get((file.size, file.mtime_ns, file.device, file.inode), [])
        for row in alike:
            if row.path != file.path and row.id not in taken:
                sources[file.path] = row
                taken.add(row.id)
                break
    return sources


def _lies_in(path: str, places: Collection[str]) -> bool:
    """Return whether a path is one of these places or is inside one."""
    while path not in places:
        above = os.path.dirname(path)
        if above == path:
            return False
        path = above
    return True


def _replaced_unseen(seen: Sequence[VideoFile], known: Mapping[str, FileRow]) -> list[VideoFile]:
    """Return the files replaced by another of the same size and time, recognised by a changed inode.

    Some file systems renumber their files at each mount; then no file keeps its inode, and the device is ignored.
    """
    unchanged = [(file, row) for file in seen if (row := known.get(file.path)) is not None and row.is_unchanged(file)]
    lasting = {file.device for file, row in unchanged if (file.device, file.inode) == (row.device, row.inode)}
    return [file for file, row in unchanged if file.inode != row.inode and row.device == file.device in lasting]
