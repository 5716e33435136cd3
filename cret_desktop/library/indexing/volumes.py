"""Locates the library's folders: the volume of each, whether it is present, and where it moved.

Volumes are identified by their file system or share, never by a drive letter or mount point: another stick under the
same letter is not ours, ours under another letter is. In doubt a folder is *not there*, which loses nothing. Reads
names and `stat`; never writes, and leaves no marker on any drive.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import psutil

from cret_desktop.domain.records import FileRow, Root
from cret_desktop.library.ports import Catalog
from cret_desktop.media.scan import kept_number
from cret_desktop.paths import is_inside, names_another_computer

NETWORK_FILE_SYSTEMS = frozenset(
    "9p afpfs afs ceph cifs davfs fuse.rclone fuse.sshfs fuse.glusterfs glusterfs ncpfs nfs nfs4 smb smb3 smbfs"
    " webdav".split()
)
HALF = 0.5  # of a folder's files, by name and size: another folder with that many of them is the same one, moved
_LOOKED_AT = 200  # files, evenly spread, by which a folder is recognised
_BY_UUID = Path("/dev/disk/by-uuid")


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted file system. `volume` is '' if it has no identity that outlasts a reboot."""

    point: str
    volume: str
    network: bool


def mounts() -> list[Mount]:
    """Return all file systems that are mounted now."""
    uuids = {os.path.realpath(link): link.name for link in _BY_UUID.glob("*")}
    found = []
    for part in psutil.disk_partitions(all=True):
        network = part.fstype.lower() in NETWORK_FILE_SYSTEMS or "remote" in part.opts.split(",")
        if network:
            volume = "" if sys.platform == "win32" else part.device  # a letter on Windows, else server and share
        else:
            volume = uuids.get(os.path.realpath(part.device), "") or _identity(part.mountpoint)
        found.append(Mount(part.mountpoint, volume, network))
    return found


def _identity(mount_point: str) -> str:
    """Return a local volume's identity if it is not listed under /dev/disk; '' if unknown."""
    if sys.platform == "win32":
        import ctypes

        name = ctypes.create_unicode_buffer(64)
        told = ctypes.windll.kernel32.GetVolumeNameForVolumeMountPointW(mount_point, name, len(name))
        return name.value if told else ""
    if sys.platform == "darwin" and (mount_point == "/" or mount_point.startswith("/Volumes/")):
        import plistlib

        told = subprocess.run(["diskutil", "info", "-plist", mount_point], capture_output=True, check=False)
        return str(plistlib.loads(told.stdout).get("VolumeUUID", "")) if told.returncode == 0 else ""
    return ""


class Volumes:
    """A snapshot of the mounted file systems, which locates the library's roots."""

    def __init__(self, read: Callable[[], Sequence[Mount]] = mounts) -> None:
        # A path is on the innermost mount point that contains it.
        self._mounts = sorted(read(), key=lambda mount: len(mount.point), reverse=True)

    def is_network(self, path: str) -> bool:
        if names_another_computer(path):
            return True
        mount = self._mount_of(path)
        return mount is not None and mount.network

    def placed(self, root: Root, path: str | None = None) -> Root | None:
        """Return the root with the identity of its path (or of another path) now; None if nothing exists there."""
        path = root.path if path is None else path
        try:
            status = os.stat(path)
        except OSError:
            return None
        mount = self._mount_of(path)
        volume = mount.volume if mount is not None else ""
        within = os.path.relpath(os.path.realpath(path), mount.point) if mount is not None and volume else ""
        device, inode = kept_number(status.st_dev), kept_number(status.st_ino)
        return replace(root, path=path, offline=False, volume=volume, within=within, device=device, inode=inode)

    def find(self, root: Root, files: Callable[[], Mapping[str, FileRow]], others: Sequence[Root] = ()) -> Root | None:
        """Return the root at its current place: its path, or where its volume or folder moved; None if not found.

        `files` reads the root's files, only when needed. The same folder is accepted at once, and another one on the
        same device unless it is empty. Any other folder at the root's path must hold a known file. A folder at another
        path, or on another volume, must hold half of them. Places of `others` are not taken.
        """
        here = self.placed(root)
        if here is not None and _is_same_folder(root, here):
            return here
        known = [row for row in files().values() if not (row.missing or row.away) and row.size >= 0]
        if here is not None:
            if not known:
                return here
            foreign = root.volume and here.volume and root.volume != here.volume
            if not foreign and here.device == root.device and not _is_empty(here.path):
                return here
            share = _share_of(root.path, root.path, known)
            if share >= HALF or (share > 0 and not foreign):
                return here
        taken = [other.path for other in others if other.id != root.id]
        for path in self._other_places(root):
            if any(is_inside(path, other) or is_inside(other, path) for other in taken):
                continue
            there = self.placed(root, path)
            if there is None:
                continue
            same_place = bool(root.volume) and there.within == root.within and _is_same_folder(root, there)
            if same_place or _share_of(root.path, path, known) >= HALF:
                return there
        return None

    def volume_of(self, path: str) -> str:
        """Return the identity of the volume that a path is on; '' if it has no known one."""
        mount = self._mount_of(path)
        return mount.volume if mount is not None else ""

    def _mount_of(self, path: str) -> Mount | None:
        if names_another_computer(path):
            return None  # not on a drive of this computer; resolving its links would query the other
        real = os.path.realpath(path)
        return next((mount for mount in self._mounts if is_inside(real, mount.point)), None)

    def _other_places(self, root: Root) -> Iterator[str]:
        """Yield possible places of a moved root: its volume at another mount point, its folder under another name."""
        if root.volume:
            for mount in self._mounts:
                if mount.volume == root.volume:
                    path = os.path.normpath(os.path.join(mount.point, root.within))
                    if path != root.path:
                        yield path
        if root.inode:
            try:
                with os.scandir(os.path.dirname(root.path)) as listing:
                    yield from [entry.path for entry in listing if entry.inode() == root.inode]
            except OSError:
                return  # the parent folder is gone too


def add_root(catalog: Catalog, path: str, volumes: Volumes) -> Root:
    """Add a place to the library, identified by its current location; return the root that covers it.

    Roots on the same volume are located first: the new one may contain one of them, or be inside it.
    """
    volume, roots = volumes.volume_of(path), catalog.roots()
    for known in roots:
        if volume and known.volume == volume and known.followed:
            found = volumes.find(known, partial(catalog.files, known.id), roots)
            if found is not None and found.path != known.path:
                catalog.place_root(found)
    root = catalog.add_root(path)
    now = volumes.placed(root)
    if root.inode or now is None:
        return root
    catalog.place_root(now)
    return now


def unseen_volumes(known: Mapping[str, FileRow], seen: set[str]) -> set[str]:
    """Return files missing from a scan because their volume, mounted within the root, is not present.

    That is the case if no file on their device was seen, and their nearest existing folder is on another device.
    """
    devices = {row.device for path, row in known.items() if path in seen}
    device_of: dict[str, int] = {}
    away = set()
    for path, row in known.items():
        if path in seen or row.missing or not row.device or row.device in devices:
            continue
        folder = os.path.dirname(path)
        if folder not in device_of:
            device_of[folder] = _device_of_nearest(folder)
        if device_of[folder] != row.device:
            away.add(path)
    return away


def _is_same_folder(root: Root, here: Root) -> bool:
    """Return whether the folder at the root's path is the recorded one. Device numbers change from boot to boot."""
    if not root.inode or root.inode != here.inode:
        return False
    return root.volume == here.volume if root.volume and here.volume else root.device == here.device


def _is_empty(path: str) -> bool:
    try:
        return os.path.isdir(path) and not os.listdir(path)
    except OSError:
        return True  # a folder that cannot be listed counts as empty


def _share_of(before: str, now: str, known: Sequence[FileRow]) -> float:
    """Return the share of a sample of the files known below `before` that exists below `now`, by name and size."""
    sample = known[:: -(-len(known) // _LOOKED_AT)] if known else []
    found = 0
    for row in sample:
        place = now if row.path == before else os.path.join(now, os.path.relpath(row.path, before))
        try:
            found += os.stat(place).st_size == row.size
        except OSError:
            continue
    return found / len(sample) if sample else 0.0


def _device_of_nearest(folder: str) -> int:
    while True:
        try:
            return kept_number(os.stat(folder).st_dev)
        except OSError:
            above = os.path.dirname(folder)
            if above == folder:
                return 0
            folder = above
