"""What a scan means: which files are new, moved, copied, replaced, missing, away, or back again.

`plan_changes` is pure: it compares what the catalog knows with what a scan saw, and says what must change. It opens no
file and no catalog. `apply_scan` gathers its facts, plans, and has the plan applied, in one transaction of the store.
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
    """Bring a root's files to what a complete scan of it (or of the folder `within` it) saw, in one transaction.

    `problems` are (path, reason) of entries that cannot be videos. `contents` holds the fingerprints of files that may
    be known under another path or by another time (`may_be_known`). `unseen` are files and folders that could not be
    looked at: all in them is away, and nothing is missing. Nothing is done where the root was removed, or taken up into
    another one, since the scan began: that one is scanned for itself. Raises: StorageError, LibraryDamaged.
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
    """Return what must change so that the catalog says what a scan saw.

    `known` are the files of the scanned place by path, missing ones included; `seen` has each path once. `contents`
    are fingerprints by path, of some of the files seen. `candidates` are files of the whole catalog that a file seen
    may be the new place of, preferred ones first (`OpenScan.candidates`); at the paths `gone` nothing lies. `problems`
    and `unseen`: as `apply_scan`.

    No known file is dropped: each is kept, moved, replaced, moved over, a problem, away, or missing.
    """
    present = {file.path for file in seen} | {path for path, _ in problems}
    same = {file.path for file in seen if _is_same(known.get(file.path), file, contents.get(file.path))}
    changed = [file for file in seen if file.path not in same]
    free = {file.path for file in changed if file.path in known}.union(gone)
    away = {path for path in known if path not in present and _lies_in(path, unseen)}
    # What cannot be reached has not moved: a file that holds its content is a copy.
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
            row = None  # what lay here has gone elsewhere
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
    """Return those of the files seen that are worth a fingerprint; `sizes` are those of files with one.

    They are not `known` as they are, or another file lay in their place; and a file of their size has a fingerprint.
    """
    new = [file for file in seen if (row := known.get(file.path)) is None or not row.is_unchanged(file)]
    new += _replaced_unseen(seen, known)
    return [file for file in new if file.size in sizes]


def _is_same(row: FileRow | None, file: VideoFile, content: bytes | None) -> bool:
    """Return whether a known path holds what it held. Another time over the same content is no change.

    (Drives on FAT shift by an hour twice a year.)
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
    """Return the file that each path is the new place of, by the new path; each candidate moves once.

    A candidate is one whose own path no longer holds it. It has moved where its content is seen. One without a
    fingerprint was never indexed; its number in the file system stands for its content.
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
    # New names first: what lay under a known name that another file has taken went there, most likely.
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
    """Return whether a path is one of these places, or lies in one of them."""
    while path not in places:
        above = os.path.dirname(path)
        if above == path:
            return False
        path = above
    return True


def _replaced_unseen(seen: Sequence[VideoFile], known: Mapping[str, FileRow]) -> list[VideoFile]:
    """Return the files in whose place another one lay by its number in the file system, though of their size and time.

    Some file systems number their files anew each time they are mounted: then no file has the number that it had.
    """
    unchanged = [(file, row) for file in seen if (row := known.get(file.path)) is not None and row.is_unchanged(file)]
    lasting = {file.device for file, row in unchanged if (file.device, file.inode) == (row.device, row.inode)}
    return [file for file, row in unchanged if file.inode != row.inode and row.device == file.device in lasting]
