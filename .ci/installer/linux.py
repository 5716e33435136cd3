"""Builds the Linux tarball and the Debian package from the frozen folder.

    python .ci/installer/linux.py FROZEN_FOLDER OUT_FOLDER

It does not change the frozen folder and needs no privileges: `dpkg-deb` records root as the owner of all files.
"""

from __future__ import annotations

import mmap
import os
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import contents

RESOURCES = contents.ROOT / "resources"
PREFIX = Path("opt/cret-desktop")  # location for self-contained programs (FHS 3.13)


def system_libraries() -> list[str]:
    """Return the Debian packages that the setup installs to run the same program from source."""
    setup = runpy.run_path(str(contents.ROOT / ".ci" / "setup.py"))
    return sorted({*setup["IMPORT_LIBRARIES"].values(), *setup["SCREEN_LIBRARIES"].values()})


def needed_glibc(frozen: Path) -> str:
    """Return the newest glibc symbol version in the folder's files: the system's minimum."""
    versions = {(2, 31)}
    for path in frozen.rglob("*"):
        if path.is_symlink() or not path.is_file() or path.stat().st_size < 4:
            continue
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if content[:4] == b"\x7fELF":
                found = re.findall(rb"GLIBC_(\d+)\.(\d+)\0", content)
                versions |= {(int(major), int(minor)) for major, minor in found}
    return ".".join(map(str, max(versions)))


def control(project: dict[str, object], installed_bytes: int, glibc: str) -> str:
    return f"""\
Package: {project["name"]}
Version: {project["version"]}
Section: video
Priority: optional
Architecture: amd64
Maintainer: The CRET Desktop authors <cret-desktop@localhost>
Installed-Size: {installed_bytes // 1024}
Depends: {", ".join([f"libc6 (>= {glibc})", *system_libraries()])}
Description: find moments in your own videos by describing them
 Indexes folders of videos on this computer and finds the moment that a sentence
 describes. Everything stays on the computer. Videos are never touched, and the
 library in a person's data folder outlives the package.
"""


def stage(frozen: Path, root: Path) -> None:
    """Lay out the package's file system under `root`; the app's files are hard links."""
    shutil.copytree(frozen, root / PREFIX, copy_function=os.link, symlinks=True)
    for target, source in {
        "usr/share/applications/cret-desktop.desktop": RESOURCES / "linux" / "cret-desktop.desktop",
        "usr/share/metainfo/org.cret.desktop.metainfo.xml": RESOURCES / "linux" / "org.cret.desktop.metainfo.xml",
        "usr/share/icons/hicolor/scalable/apps/cret-desktop.svg": RESOURCES / "icons" / "cret-desktop.svg",
        "usr/share/doc/cret-desktop/copyright": RESOURCES / "licences" / "BUNDLE.md",
        "usr/share/doc/cret-desktop/LICENSE": contents.ROOT / "LICENSE",
        "usr/share/doc/cret-desktop/NOTICES.md": RESOURCES / "licences" / "NOTICES.md",
    }.items():
        place = root / target
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place)
        place.chmod(0o644)
    programs = root / "usr" / "bin"
    programs.mkdir(parents=True)
    for name in ("cret-desktop", "cret-desktop-gui"):
        (programs / name).symlink_to(Path("/", PREFIX, name))


def _owned_by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    return entry.replace(uid=0, gid=0, uname="root", gname="root", deep=False)


def main(frozen: Path, out: Path) -> None:
    project = contents.project()
    out.mkdir(parents=True, exist_ok=True)
    name = f"{project['name']}-{project['version']}-linux-x86_64"
    # Beside the frozen folder, so that hard links to its files are possible.
    with tempfile.TemporaryDirectory(dir=frozen.parent) as work:
        root = Path(work, "root")
        root.mkdir(mode=0o755)
        stage(frozen, root)
        size = sum(path.lstat().st_size for path in root.rglob("*") if path.is_file() and not path.is_symlink())
        (root / "DEBIAN").mkdir(mode=0o755)
        (root / "DEBIAN" / "control").write_text(control(project, size, needed_glibc(frozen)), encoding="utf-8")
        package = out / f"{project['name']}_{project['version']}_amd64.deb"
        # zstd: xz takes 20 times as long for a tenth less.
        build = ["dpkg-deb", "--root-owner-group", "-Zzstd", "-z6", "--build", str(root), str(package)]
        subprocess.run(build, check=True)
    tarball = out / f"{name}.tar.gz"
    with tarfile.open(tarball, "w:gz", compresslevel=1) as archive:
        archive.add(
            frozen,
            arcname=name,
            filter=_owned_by_root,
        )
    for made in (package, tarball):
        print(f"{made}: {made.stat().st_size / 1e6:,.0f} MB")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
