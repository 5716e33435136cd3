"""What the frozen app holds is read off the source, and what is dropped is noticed. Nothing is frozen here.

`make installer` freezes, and runs the same comparison and the self-test on what came out of it.
"""

from __future__ import annotations

import configparser
import importlib.util
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path
from types import CodeType, ModuleType

import pytest

from cret_desktop.model.presets import PRESETS

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".ci" / "installer"))
import check_archive  # noqa: E402
import contents  # noqa: E402

LINUX = ROOT / "resources" / "linux"


# --- modules ----------------------------------------------------------------------------------------------------------


def test_an_import_inside_a_function_is_found(tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text(
        "import json\n\ndef f():\n    import wave.inner as w\n    if w:\n        from colorsys import rgb_to_hls\n"
        "class C:\n    async def g(self):\n        from cret_desktop.model import tiny\n"
    )
    assert contents.lazy_imports(tmp_path) == [
        "colorsys",
        "cret_desktop.model",
        "cret_desktop.model.tiny",
        "wave.inner",
    ]


def test_every_lazy_import_of_the_app_is_a_module_that_is_there() -> None:
    names = contents.lazy_imports()
    assert "torch" in names
    assert "cret_desktop.gui.playing.trial" in names
    assert [name for name in names if importlib.util.find_spec(name) is None] == []


def test_nothing_that_the_app_imports_is_left_out() -> None:
    assert set(contents.LEFT_OUT_MODULES).isdisjoint([*contents.own_modules(), *contents.lazy_imports()])


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """All of the app's modules but one, and of its lazy imports those of others, as PyInstaller packs them."""
    from PyInstaller.archive.writers import ZlibArchiveWriter

    names = sorted({*contents.own_modules(), *contents.lazy_imports()} - {"cret_desktop.gui.playing.trial", "cv2"})
    code = compile("", "nothing", "exec")
    codes: dict[str, CodeType] = dict.fromkeys(names, code)
    file = tmp_path / "PYZ.pyz"
    ZlibArchiveWriter(str(file), [(name, "nothing.py", "PYMODULE") for name in names], codes)
    return file


def test_a_module_dropped_from_the_archive_is_noticed(archive: Path) -> None:
    from PyInstaller.archive.readers import ZlibArchiveReader

    found = ZlibArchiveReader(str(archive))
    assert check_archive.dropped_modules(found, []) == ["cret_desktop.gui.playing.trial", "cv2"]
    beside = ["cret_desktop/gui/playing/trial.py", "cv2/__init__.py"]  # some packages lie in the folder as they are
    assert check_archive.dropped_modules(found, beside) == []


# --- files ------------------------------------------------------------------------------------------------------------


def test_every_file_that_a_model_is_built_of_is_inside() -> None:
    """Weights and vocabularies lie in packages whose code the app never runs, or among the app's resources."""
    inside = {f"{folder}/{Path(file).name}" for file, folder in contents.data_files()}
    configs = [build() for build in PRESETS.values()]
    wanted = {source for c in configs for source in (c.video.weights, c.text.weights, c.text.tokenizer)}
    named = {source.removeprefix("package:") for source in wanted if source.startswith("package:")}
    shipped = {source.replace("app:", "cret_desktop/resources/", 1) for source in wanted if source.startswith("app:")}
    assert named
    assert shipped
    assert named | shipped <= inside


def test_every_resource_is_inside_but_the_installers_own() -> None:
    inside = {f"{folder}/{Path(file).name}" for file, folder in contents.data_files()}
    resources = {path.relative_to(ROOT) for path in (ROOT / "resources").rglob("*") if path.is_file()}
    theirs = {path for path in resources if path.parts[1] in contents.INSTALLERS_OWN}
    assert theirs
    assert {f"cret_desktop/{path.as_posix()}" for path in resources - theirs} <= inside
    assert not {f"cret_desktop/{path.as_posix()}" for path in theirs} & inside


def test_a_file_that_is_dropped_is_noticed(tmp_path: Path) -> None:
    for file, folder in contents.data_files():
        place = tmp_path / folder / Path(file).name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    assert check_archive.dropped_files(tmp_path) == []
    (tmp_path / "cret_desktop" / "resources" / "reference_queries.txt").unlink()
    assert check_archive.dropped_files(tmp_path) == ["cret_desktop/resources/reference_queries.txt"]


def test_the_licences_of_what_is_inside_come_with_it() -> None:
    table = contents.metadata_files([("av", "", ""), ("PySide6/QtCore.abi3.so", "", "")])
    names = {name.split(".dist-info")[0].rpartition("-")[0].lower() for name, _, _ in table}
    assert {"av", "cret_desktop", "pyside6_essentials"} <= names
    assert "torch" not in names
    assert all(Path(source).is_file() for _, source, _ in table)
    assert [name for name, _, _ in table if name.startswith("av-") and "LICENSE" in name.upper()]


@pytest.mark.skipif(shutil.which("readelf") is None, reason="binutils are not installed")
def test_no_library_that_is_linked_is_left_out() -> None:
    """It must be there to load torch at all, GPU or not, or to play a video."""
    spec = importlib.util.find_spec("torch")
    assert spec is not None
    packages = Path(str(spec.origin)).parent.parent
    roots = ["torch/lib/libtorch_python.so"]
    roots += [f"PySide6/Qt/plugins/{kind}.so" for kind in ("multimedia/libffmpegmediaplugin", "platforms/libqxcb")]
    there = {
        path.name: path
        for pattern in ("torch/lib/*.so*", "nvidia/*/lib/*.so*", "PySide6/Qt/lib/*.so*")
        for path in packages.glob(pattern)
    }
    waiting, linked = [packages / root for root in roots], set[Path]()
    while waiting:
        path = waiting.pop()
        linked.add(path)
        printed = subprocess.run(["readelf", "-d", path], capture_output=True, text=True, check=True).stdout
        needed = (there.get(name) for name in re.findall(r"\(NEEDED\).*\[(.+)\]", printed))
        waiting += {found for found in needed if found is not None} - linked
    assert {"libtorch_cpu.so", "libQt6Quick.so.6"} <= {path.name for path in linked}
    assert [path for path in linked if contents.is_left_out(path.relative_to(packages).as_posix())] == []
    assert contents.is_left_out("nvidia/cu13/lib/libcusolver.so.12")


def test_what_torchvision_loads_by_its_place_is_inside() -> None:
    """Without it no model is ever loaded; nothing but the self-test of a frozen app noticed."""
    assert [Path(file).stem for file, _ in contents.libraries_loaded_by_path()] != []


# --- Linux ------------------------------------------------------------------------------------------------------------


def test_the_desktop_file_starts_a_program_that_the_package_has() -> None:
    desktop = configparser.ConfigParser(interpolation=None)
    desktop.optionxform = str  # type: ignore[assignment,method-assign]
    desktop.read(LINUX / "cret-desktop.desktop", encoding="utf-8")
    entry = desktop["Desktop Entry"]
    assert entry["Exec"].split()[0] in contents.project()["gui-scripts"]
    assert (ROOT / "resources" / "icons" / f"{entry['Icon']}.svg").is_file()
    assert "inode/directory" in entry["MimeType"].split(";")
    component = ET.parse(LINUX / "org.cret.desktop.metainfo.xml").getroot()
    assert component.findtext("launchable") == "cret-desktop.desktop"
    assert component.findtext("project_license") == contents.project()["license"]
    programs = {binary.text for binary in component.iter("binary")}
    assert programs == {*contents.project()["scripts"], *contents.project()["gui-scripts"]}


@pytest.fixture
def linux() -> ModuleType:
    import linux

    return linux


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg is not installed")
def test_the_debian_package_holds_the_folder_and_nothing_of_a_home(linux: ModuleType, tmp_path: Path) -> None:
    frozen = tmp_path / "with spaces and ä" / "cret-desktop"
    (frozen / "_internal").mkdir(parents=True)
    for name in ("cret-desktop", "cret-desktop-gui"):
        (frozen / name).write_bytes(b"\x7fELF \0GLIBC_2.34\0 GLIBC_2.4\0")
    (frozen / "_internal" / "näme with spaces").write_text("x")
    linux.main(frozen, tmp_path / "out")
    package = next((tmp_path / "out").glob("*.deb"))
    fields = subprocess.run(["dpkg-deb", "-f", package], capture_output=True, text=True, check=True).stdout
    assert "libc6 (>= 2.34)" in fields
    assert f"Version: {contents.project()['version']}" in fields
    listed = subprocess.run(["dpkg-deb", "-c", package], capture_output=True, text=True, check=True).stdout
    assert "./opt/cret-desktop/_internal/n" in listed
    assert "./usr/bin/cret-desktop -> /opt/cret-desktop/cret-desktop" in listed
    assert all(line.split()[1] == "root/root" for line in listed.splitlines())
    assert {line.split()[5].split("/")[1] for line in listed.splitlines()} <= {"", "opt", "usr"}
    assert next((tmp_path / "out").glob("*.tar.gz")).stat().st_size


# --- Windows ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    """A frozen folder with what names may have: spaces, letters that are not English, a dollar sign."""
    frozen = tmp_path / "stäged folder"
    for name in (
        "cret-desktop.exe",
        "cret-desktop-gui.exe",
        "_internal/näme with $dollar.txt",
        "_internal/a b/c/d.dll",
    ):
        (frozen / name).parent.mkdir(parents=True, exist_ok=True)
        (frozen / name).write_text(name, encoding="utf-8")
    return frozen


def test_the_windows_installer_brings_and_removes_the_same_files(staged: Path) -> None:
    import windows

    brought, place = set(), ""
    for line in windows.payload(staged).splitlines():
        instruction, _, rest = line.partition(" ")
        if instruction == "SetOutPath":
            place = rest.strip('"')
        else:
            assert instruction == "File"
            name = Path(rest.strip('"')).name
            brought.add(f"{place}\\{name.replace('$', '$$')}")
    removed = re.findall(r'^Delete "(.+)"$', windows.removal(staged), re.MULTILINE)
    assert brought == set(removed)
    assert len(removed) == len(windows.files_of(staged)) == 4
    folders = re.findall(r'^RMDir "(.+)"$', windows.removal(staged), re.MULTILINE)
    assert folders == ["$INSTDIR\\_internal\\a b\\c", "$INSTDIR\\_internal\\a b", "$INSTDIR\\_internal"]
    assert "/r" not in windows.removal(staged), "what a person put there stays"


def test_what_nsis_cannot_pack_becomes_a_zip(staged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import windows

    monkeypatch.setattr(windows, "LARGEST", 10)
    made = windows.main(staged, tmp_path / "out")
    with zipfile.ZipFile(made) as archive:
        inside = {Path(name).relative_to(made.name.removesuffix("-cuda.zip")) for name in archive.namelist()}
    assert inside == set(windows.files_of(staged))


@pytest.mark.skipif(shutil.which("makensis") is None, reason="NSIS is not installed")
def test_the_windows_installer_compiles_and_holds_each_file(
    staged: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import windows

    monkeypatch.setattr(windows, "VERBOSITY", "-V4")
    made = windows.main(staged, tmp_path / "öut of it")
    told = re.findall(r'^File: "([^"]+)"', capfd.readouterr().out, re.MULTILINE)
    assert set(told) >= {path.name for path in windows.files_of(staged)}
    assert made.read_bytes()[:2] == b"MZ"
