from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from cret_desktop.domain.records import FileRow, Root
from cret_desktop.library.indexing.volumes import Mount, Volumes, mounts, unseen_volumes


def held(root: Path, *names: str, device: int = 0, missing: bool = False) -> dict[str, FileRow]:
    """Return the catalog's rows of files seen at these places; the size of each is the length of its name."""
    rows = {}
    for number, name in enumerate(names):
        path = str(root / name)
        rows[path] = FileRow(number, 1, path, len(name), 0, "indexed", None, 1.0, missing, device)
    return rows


def write(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x" * len(name))
    return root


def found(volumes: Volumes, root: Root, files: Mapping[str, FileRow], *others: Root) -> str | None:
    now = volumes.find(root, lambda: files, [root, *others])
    return now.path if now is not None else None


@pytest.fixture
def volumes() -> Volumes:
    return Volumes(list)


def known_root(volumes: Volumes, path: Path) -> Root:
    """Return a root as the catalog stores it after a scan."""
    root = volumes.placed(Root(1, str(path), False))
    assert root is not None
    return root


def test_the_mounted_file_systems_are_read() -> None:
    assert any(os.path.abspath(__file__).startswith(mount.point) for mount in mounts())


def test_a_root_is_where_it_was_while_its_folder_is_there(volumes: Volumes, tmp_path: Path) -> None:
    root = known_root(volumes, write(tmp_path / "r", "a.mp4"))
    files = held(tmp_path / "r", "a.mp4")
    assert found(volumes, root, files) == root.path
    (tmp_path / "r" / "a.mp4").unlink()
    assert found(volumes, root, files) == root.path, "a person has emptied the very folder"


def test_a_root_never_seen_before_is_there_where_its_path_is(volumes: Volumes, tmp_path: Path) -> None:
    assert found(volumes, Root(1, str(tmp_path), False), {}) == str(tmp_path)
    assert found(volumes, Root(1, str(tmp_path / "no"), False), {}) is None


def test_an_empty_folder_in_its_place_is_the_mount_point_of_a_drive_that_is_away(
    volumes: Volumes, tmp_path: Path
) -> None:
    root = known_root(volumes, write(tmp_path / "mount" / "r", "a.mp4", "b.mp4"))
    files = held(tmp_path / "mount" / "r", "a.mp4", "b.mp4")
    (tmp_path / "mount").rename(tmp_path / "unplugged")
    assert found(volumes, root, files) is None
    (tmp_path / "mount" / "r").mkdir(parents=True)
    assert found(volumes, root, files) is None
    write(tmp_path / "mount" / "r", "other.mp4")
    assert found(volumes, root, files) == root.path, "made anew on the same disk, and in use"
    elsewhere = replace(root, device=root.device + 1, inode=root.inode + 1)
    assert found(volumes, elsewhere, files) is None, "another disk shows through, with something on it"
    write(tmp_path / "mount" / "r", "b.mp4")
    assert found(volumes, elsewhere, files) == root.path, "numbered anew at a start"


def test_a_renamed_root_is_found_beside_its_old_place(volumes: Volumes, tmp_path: Path) -> None:
    root = known_root(volumes, write(tmp_path / "r", "a.mp4", "sub/b.mp4", "c.mp4"))
    files = held(tmp_path / "r", "a.mp4", "sub/b.mp4", "c.mp4")
    now = tmp_path / "s"
    (tmp_path / "r").rename(now)
    assert found(volumes, root, files) == str(now)
    assert found(volumes, root, files, Root(2, str(now), False)) is None, "that is another folder of the library"
    (now / "a.mp4").unlink()
    assert found(volumes, root, files) == str(now), "two of three are more than half"
    (now / "c.mp4").write_text("of another size")
    assert found(volumes, root, files) is None


def test_a_volume_is_known_by_its_identity_and_not_by_its_mount_point(tmp_path: Path) -> None:
    one, two = tmp_path / "media" / "one", tmp_path / "media" / "two"
    write(one / "films" / "r", "a.mp4", "b.mp4")
    before = Volumes(lambda: [Mount("/", "disk", False), Mount(str(one), "stick", False)])
    root = known_root(before, one / "films" / "r")
    assert (root.volume, root.within) == ("stick", "films/r")
    files = held(one / "films" / "r", "a.mp4", "b.mp4")

    one.rename(two)  # plugged in again at another mount point
    after = Volumes(lambda: [Mount("/", "disk", False), Mount(str(two), "stick", False)])
    assert found(after, root, files) == str(two / "films" / "r")

    write(one / "films" / "r", "a.mp4", "x.mp4", "y.mp4")  # another stick has the old mount point
    both = [Mount("/", "disk", False), Mount(str(one), "other", False), Mount(str(two), "stick", False)]
    files = held(one / "films" / "r", "a.mp4", "b.mp4", "c.mp4")
    assert found(Volumes(lambda: both), root, files) == str(two / "films" / "r")
    assert found(Volumes(lambda: both[:2]), root, files) is None, "one file of three of the same name is not the folder"
    write(one / "films" / "r", "b.mp4")
    assert found(Volumes(lambda: both[:2]), root, files) == root.path, "a clone of the stick is as good"


def test_an_empty_folder_is_known_by_its_volume_and_number(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    (one / "films").mkdir(parents=True)
    root = known_root(Volumes(lambda: [Mount(str(one), "stick", False)]), one / "films")
    one.rename(two)
    after = Volumes(lambda: [Mount(str(two), "stick", False)])
    assert found(after, root, {}) == str(two / "films")
    (two / "films").rename(two / "old")
    (two / "films").mkdir()
    assert found(after, root, {}) is None, "another folder of that name"


def test_file_systems_over_a_network_are_known_by_their_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = ("ext4", "nfs4", "cifs", "fuse.sshfs", "smbfs", "tmpfs")
    parts = [SimpleNamespace(device=f"dev-{kind}", mountpoint=f"/{kind}", fstype=kind, opts="rw") for kind in kinds]
    parts.append(SimpleNamespace(device="Z:\\", mountpoint="Z:\\", fstype="NTFS", opts="rw,remote"))
    monkeypatch.setattr("cret_desktop.library.indexing.volumes.psutil.disk_partitions", lambda all: parts)
    assert [mount.network for mount in mounts()] == [False, True, True, True, True, False, True]
    assert {mount.point: mount.volume for mount in mounts()}["/nfs4"] == "dev-nfs4", "the server and its share"


def test_shares_are_told_from_disks(tmp_path: Path) -> None:
    volumes = Volumes(lambda: [Mount("/", "disk", False), Mount(str(tmp_path), "//server/share", True)])
    assert volumes.is_network(str(tmp_path / "folder" / "not there"))
    assert not volumes.is_network("/")
    assert not Volumes(list).is_network(str(tmp_path))


def test_files_of_a_drive_mounted_within_a_root_are_unseen_and_not_gone(tmp_path: Path) -> None:
    device = os.stat(tmp_path).st_dev
    rows = held(tmp_path, "here.mp4", "deleted.mp4", device=device) | held(
        tmp_path / "stick", "a.mp4", device=device + 9
    )
    here = str(tmp_path / "here.mp4")
    stick = str(tmp_path / "stick" / "a.mp4")
    assert unseen_volumes(rows, {here}) == {stick}
    (tmp_path / "stick").mkdir()
    assert unseen_volumes(rows, {here}) == {stick}, "an empty mount point"
    rows |= held(tmp_path / "stick", "seen.mp4", device=device + 9)
    assert unseen_volumes(rows, {here, str(tmp_path / "stick" / "seen.mp4")}) == set(), "the drive is there: deleted"
    gone = held(tmp_path, "deleted.mp4", device=device) | held(tmp_path, "unknown.mp4", device=0)
    assert unseen_volumes(gone, set()) == set()
