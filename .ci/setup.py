"""Prepares `.venv` for `make run` and `make test`, with only Python's standard library.

The steps, each reported in a plain line: the Python version; missing system packages (installed by apt-get if
permitted, otherwise named in a command to run); the virtual environment; the Python packages at the versions in
constraints.txt. A stamp in `.venv` makes the next run return at once until one of those inputs changes.

Outside `.venv` it changes only system packages, and those only by apt-get.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
STAMP = VENV / "cret-desktop-setup.json"

PYTHONS = [(3, 11), (3, 12), (3, 13)]
EXTRAS = {
    "run": ["starter", "demo"],
    "test": ["starter", "demo", "training", "docs", "dev", "installer"],
    "installer": ["starter", "demo", "installer"],
}
# The last step of `make installer`, as a command to run by hand.
CLEAN_SYSTEM = "sudo .ci/installer/check_linux.sh dist/cret-desktop_*_amd64.deb build/check"
DISK_GB = 13  # 7 GB of packages in .venv, up to 4 GB in pip's cache, and space to unpack

# Programs that a goal starts, with the Debian package of each.
PROGRAMS = {
    "run": {},
    "test": {"Xvfb": "xvfb", "strace": "strace"},  # a window on a screen, and libraries that decoders open
    "installer": {"dpkg-deb": "dpkg", "debootstrap": "debootstrap", "unshare": "util-linux"},
}

# Shared libraries that the wheels of PySide6 and OpenCV need from the system, with the Debian package of each.
# Without them an import fails, even without a window.
IMPORT_LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libX11.so.6": "libx11-6",
    "libbrotlidec.so.1": "libbrotli1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libdrm.so.2": "libdrm2",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libpulse.so.0": "libpulse0",
    "libxcb.so.1": "libxcb1",
    "libxkbcommon.so.0": "libxkbcommon0",
}
# Without these only a window on a screen and its video player fail.
SCREEN_LIBRARIES = {
    "libX11-xcb.so.1": "libx11-xcb1",
    "libXext.so.6": "libxext6",
    "libXrandr.so.2": "libxrandr2",
    "libwayland-client.so.0": "libwayland-client0",
    "libwayland-cursor.so.0": "libwayland-cursor0",
    "libwayland-egl.so.1": "libwayland-egl1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-glx.so.0": "libxcb-glx0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}


class SetupError(Exception):
    """An error reported in one sentence to whoever ran `make`."""


def main(goal: str) -> None:
    _use_a_supported_python()
    extras = EXTRAS[goal]
    if goal == "installer":
        _foretell_the_clean_system()
    inputs = _inputs_digest()
    installed = _installed_extras(inputs)
    if installed.issuperset(extras):
        if list(_missing_programs(goal)):  # another goal, which needs none of them, may have created .venv completely
            _ensure_system_packages(goal)
        print("Setup: .venv is up to date.", flush=True)
        return
    _say(f"Python {sys.version.split()[0]} at {sys.executable}")
    _ensure_system_packages(goal)
    _ensure_venv()
    _install_python_packages(extras)
    STAMP.write_text(json.dumps({"inputs": inputs, "extras": sorted(installed.union(extras))}), encoding="utf-8")
    _say("done; the next run skips all this")


def _say(line: str) -> None:
    print(f"Setup: {line}.", flush=True)


def _use_a_supported_python() -> None:
    """Replace this process by one with a supported Python if this one is too old or too new. Raises: SetupError."""
    if sys.version_info[:2] in PYTHONS:
        return
    for major, minor in PYTHONS:
        other = shutil.which(f"python{major}.{minor}")
        if other:
            os.execv(other, [other, *sys.argv])
    version = ".".join(map(str, sys.version_info[:2]))
    raise SetupError(f"CRET Desktop needs Python 3.11, 3.12 or 3.13, and this is {version}: install one of them.")


def _inputs_digest() -> str:
    """Return the digest of all inputs of `.venv`, including its path: a moved environment is broken."""
    digest = hashlib.sha256()
    for part in (
        (ROOT / "pyproject.toml").read_bytes(),
        (ROOT / "constraints.txt").read_bytes(),
        sys.version.encode(),
        os.fsencode(VENV),
    ):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


def _installed_extras(inputs: str) -> set[str]:
    """Return the extras installed earlier from the same inputs; none if the stamp is absent or incomplete."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return set()
    return set(stamp["extras"]) if stamp["inputs"] == inputs else set()


# System packages


def _missing_build_packages() -> Iterator[str]:
    """Yield the missing packages that the virtual environment and the compilation of hnswlib need."""
    python = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        yield f"{python}-venv"
    if not shutil.which("g++"):
        yield "g++"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        yield f"{python}-dev"


def _missing_libraries(libraries: dict[str, str]) -> Iterator[str]:
    for name, package in libraries.items():
        try:
            ctypes.CDLL(name)
        except OSError:
            yield package


def _missing_programs(goal: str) -> Iterator[str]:
    if not sys.platform.startswith("linux"):
        return
    places = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"  # only root's path contains debootstrap
    for program, package in PROGRAMS[goal].items():
        if not shutil.which(program, path=places):
            yield package


def _foretell_the_clean_system() -> None:
    """Warn, before half an hour of freezing, that the last step will need an administrator, if it will."""
    if not sys.platform.startswith("linux"):
        raise SetupError("this makes Linux packages; docs/building.md has the steps for other systems.")
    if _as_root() is None:
        _say(
            "the last step, the package in a clean system, needs root, which this account is not. The packages are "
            f"made all the same; then run: {CLEAN_SYSTEM}"
        )


def _ensure_system_packages(goal: str) -> None:
    if not sys.platform.startswith("linux"):
        if not (shutil.which("c++") or shutil.which("cl")):
            raise SetupError("hnswlib is compiled here: install a C++ compiler (on macOS: xcode-select --install).")
        return
    needed = list(_missing_build_packages()) + list(_missing_libraries(IMPORT_LIBRARIES))
    needed += list(_missing_programs(goal))
    for_a_screen = list(_missing_libraries(SCREEN_LIBRARIES))
    if not needed and not for_a_screen:
        _say("no system package is missing")
        return
    packages = " ".join([*needed, *for_a_screen])
    _say(f"system packages missing: {packages}")
    if not shutil.which("apt-get"):
        raise SetupError(f"install what your system calls these Debian packages, then try again: {packages}")
    as_root = _as_root()
    if as_root is not None:
        _apt_get_install(as_root, [*needed, *for_a_screen])
        return
    command = f"apt-get update && apt-get install -y --no-install-recommends {packages}"
    if needed:
        raise SetupError(f"these packages need an administrator; run this as root, then try again:\n\n    {command}\n")
    _say(f"only a window on a screen needs them; to have one, run as root: {command}\nSetup: going on without")


def _as_root() -> list[str] | None:
    """Return the command prefix for running as root without a password, or None if that is impossible."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0:
        return ["sudo", "-n"]
    return None


def _apt_get_install(as_root: list[str], packages: list[str]) -> None:
    apt_get = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]
    before = _installed_system_packages()
    _run([*apt_get, "update"], "apt-get update failed: check the network, then try again.", quiet=True)
    _run(
        [*apt_get, "install", "-y", "--no-install-recommends", *packages],
        "apt-get could not install the packages above: see its last lines.",
        quiet=True,
    )
    for package in sorted(_installed_system_packages() - before):
        print(f"  installed {package}", flush=True)


def _installed_system_packages() -> set[str]:
    listing = subprocess.run(
        ["dpkg-query", "--show", "--showformat", "${db:Status-Abbrev}${Package} ${Version}\n"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {line[2:].strip() for line in listing.stdout.splitlines() if line.startswith("ii")}


# Python packages


def _ensure_venv() -> None:
    if _venv_is_usable():
        return
    _say("making .venv anew, as it is of another Python or another folder" if VENV.exists() else "making .venv")
    _run([sys.executable, "-m", "venv", "--clear", str(VENV)], "the virtual environment could not be made.")


def _venv_is_usable() -> bool:
    """Return whether it runs, uses this Python, and was created at this path (its scripts contain the path)."""
    try:
        made_by = (VENV / "pyvenv.cfg").read_text(encoding="utf-8")
        asked = subprocess.run(
            [str(VENV_PYTHON), "-c", "import pip, sys; print(sys.version)"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return False
    return asked.stdout.strip() == sys.version.strip() and f"{VENV}\n" in made_by


def _install_python_packages(extras: list[str]) -> None:
    free_gb = shutil.disk_usage(ROOT).free / 1e9
    if free_gb < DISK_GB:
        _say(f"only {free_gb:.0f} GB are free on this disk and about {DISK_GB} GB are needed: this may fail")
    _say("installing Python packages; the first time 3 to 4 GB are downloaded (torch with CUDA), for several minutes")
    command = [str(VENV_PYTHON), "-m", "pip", "install", "--disable-pip-version-check"]
    if not sys.stdout.isatty():
        command.append("--quiet")
    # Relative, because pip misinterprets a folder name with a space or a bracket.
    command += ["--constraint", "constraints.txt", "--editable", f".[{','.join(extras)}]"]
    _run(command, "pip could not install the packages: see its last lines.")


def _run(command: list[str], failure: str, quiet: bool = False) -> None:
    """Run a command from the project's folder; `quiet` shows its output only if it fails. Raises: SetupError."""
    output = subprocess.PIPE if quiet else None
    done = subprocess.run(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT if quiet else None, text=True)
    if done.returncode != 0:
        if quiet:
            print(done.stdout, flush=True)
        raise SetupError(failure)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except SetupError as error:
        sys.exit(f"Setup: {error}")
