"""Scans the library's folders: locates the roots, scans them, and updates the catalog."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from cret_desktop.domain.clips import VideoFile
from cret_desktop.domain.records import Root, Sidecar
from cret_desktop.library.indexing import subtitles
from cret_desktop.library.indexing.control import Control
from cret_desktop.library.indexing.exclude import left_out
from cret_desktop.library.indexing.file_faults import faults_of, note
from cret_desktop.library.indexing.identity import apply_scan, may_be_known
from cret_desktop.library.indexing.index_updates import IndexUpdates
from cret_desktop.library.indexing.progress import FileIndexed, FolderScanned, Listener, Phase
from cret_desktop.library.indexing.run_report import RunReport
from cret_desktop.library.indexing.stability import age
from cret_desktop.library.indexing.volumes import Volumes, unseen_volumes
from cret_desktop.library.ports import Store
from cret_desktop.media.scan import ScanProblem, fingerprint, kept_number, scan
from cret_desktop.messages import Message
from cret_desktop.paths import is_inside

Place = tuple[Root, str]  # a root, and the folder within it


class Looking:
    """Scans places of one library. `leave_out`: patterns to exclude (see `exclude`).

    A file that changed less than `still_seconds` ago is checked twice, that far apart, before it is taken.
    """

    def __init__(
        self,
        store: Store,
        updates: IndexUpdates,
        listener: Listener,
        leave_out: Sequence[str],
        still_seconds: float,
        volumes: Callable[[], Volumes],
    ) -> None:
        self.still_seconds = still_seconds
        self._catalog = store.catalog
        self._scans = store.scans
        self._texts = store.texts
        self._updates = updates
        self._listener = listener
        self._leave_out = tuple(leave_out)
        self._volumes = volumes
        self._shares: tuple[str, ...] = ()

    def look(self, places: Iterable[Place], report: RunReport, control: Control) -> list[Place]:
        """Update the catalog from the disk for these places; return the places that were scanned."""
        present = self._find_roots()
        seen: list[Place] = []
        for known, within in places:
            if not known.followed:
                continue
            root = present.get(known.id)
            if root is not None:
                within = self._place(root, within if root.path == known.path else root.path)
                report.tell(Phase.SCANNING, within)
            if root is None or not self._scan(root, within, report, control):
                report.offline.append(known.path)
            elif not control.cancelled:
                seen.append((root, within))
            if control.cancelled:
                break
        return seen

    def is_fresh(self, path: str) -> bool:
        """Return whether a file changed recently and needs a second check. Raises: OSError."""
        if any(is_inside(path, share) for share in self._shares):
            return self.still_seconds > 0  # its times come from another computer's clock
        return age(path) < self.still_seconds

    def _find_roots(self) -> dict[int, Root]:
        """Locate the roots and update the catalog's paths and offline flags; return the roots present, by id."""
        volumes = self._volumes()
        roots = [root for root in self._catalog.roots() if root.followed]
        self._shares = tuple(root.path for root in roots if volumes.is_network(root.path))
        present: dict[int, Root] = {}
        for root in roots:
            now = volumes.find(root, partial(self._catalog.files, root.id), roots)
            if now is None:
                if not root.offline:
                    self._catalog.set_offline(root.id, True)
            else:
                present[root.id] = now
                if now != root:
                    self._catalog.place_root(now)
            if root.offline != (now is None) or (now is not None and now.path != root.path):
                self._listener(FolderScanned(root.path, 1))
        return present

    def _place(self, root: Root, within: str) -> str:
        """Return the folder to scan for a change in `within`: it, or its nearest parent that is not excluded."""
        leaves_out = left_out(root.path, self._leave_out)
        place = root.path
        if is_inside(within, root.path):
            for name in os.path.relpath(within, root.path).split(os.sep) if within != root.path else ():
                below = os.path.join(place, name)
                if name.startswith(".") or leaves_out(below) or not os.path.lexists(below):
                    break
                place = below
        return place

    def _scan(self, root: Root, within: str, report: RunReport, control: Control) -> bool:
        """Update the catalog from the disk. Return False if the root has just gone."""
        known = self._catalog.files(root.id, within)
        files: list[VideoFile] = []
        problems: list[tuple[str, Message]] = []
        unseen: set[str] = set()
        for entry in scan(within, left_out(root.path, self._leave_out)) if self._leave_out else scan(within):
            if isinstance(entry, ScanProblem):
                problems.append((entry.path, entry.reason))
                if entry.hides:
                    unseen.add(entry.path)
            else:
                files.append(entry)
                report.found += 1
                report.tell(Phase.SCANNING, entry.path)
            if control.cancelled:
                return True  # half a scan would make the other files look missing
        if not _is_there(root):  # unplugged during the scan
            self._catalog.set_offline(root.id, True)
            return False
        unseen |= unseen_volumes(known, {file.path for file in files})
        contents = _fingerprints(may_be_known(files, known, self._scans.content_sizes()))
        result = apply_scan(self._scans, root, files, problems, within, contents, unseen)
        self._updates.take(result)
        report.failed += result.new_problems
        report.seen += len(files)
        changed = result.added + result.changed + result.moved + result.missing + result.restored + result.new_problems
        changed += result.away + result.back
        changed += self._read_subtitles(root, files)
        self._listener(FolderScanned(within, changed))
        return True

    def _read_subtitles(self, root: Root, files: Sequence[VideoFile]) -> int:
        """Update the subtitle lines of these files from the subtitle files beside them; return how many changed."""
        now = subtitles.beside(file.path for file in files)
        changed = 0
        for path, (file_id, before) in self._texts.sidecars(root.id, [file.path for file in files]).items():
            sidecars = now.get(path, set())
            if sidecars != before:
                with faults_of(path, partial(note, logging.WARNING, "The subtitles of %s are not kept: %s", path)):
                    self._keep_subtitles(file_id, sorted(sidecars, key=lambda sidecar: sidecar.path))
                    changed += 1
        return changed

    def _keep_subtitles(self, file_id: int, sidecars: Sequence[Sidecar]) -> None:
        """Store subtitle lines. A subtitle file that cannot be read is listed as failed; its video is still indexed."""
        reasons: dict[str, Message] = {}
        lines = []
        for sidecar in sidecars:
            lines += subtitles.read(sidecar, partial(reasons.__setitem__, sidecar.path))
        self._texts.set_subtitles(file_id, sidecars, lines, reasons)
        for path, reason in reasons.items():
            self._listener(FileIndexed(path, 0, reason))


def _is_there(root: Root) -> bool:
    try:
        status = os.stat(root.path)
    except OSError:
        return False
    # Not the inode: some shares and sticks renumber them at will.
    return kept_number(status.st_dev) == root.device


def _fingerprints(files: Iterable[VideoFile]) -> dict[str, bytes]:
    """Return the fingerprints of the readable files by path; other files are reported when their turn comes."""
    found: dict[str, bytes] = {}
    for file in files:
        with faults_of(file.path, partial(note, logging.INFO, "%s: %s", file.path)):
            found[file.path] = fingerprint(file.path)
    return found
