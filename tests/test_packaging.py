"""What a person installs: the built wheel works away from the source tree, and the core works without Qt."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Installation:
    """The wheel in an environment of its own, which borrows the dependencies of the one that runs the tests."""

    wheel: Path
    scripts: Path
    elsewhere: Path  # an empty folder, to run in

    def run(self, command: str, *arguments: str) -> str:
        done = subprocess.run(
            [self.scripts / command, *arguments],
            cwd=self.elsewhere,
            env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    folder = tmp_path_factory.mktemp("packaging")
    # Without --wheel the wheel is built from the source distribution, so that one is tried as well.
    _python("-m", "build", "--no-isolation", "--outdir", str(folder / "dist"), str(ROOT))
    (wheel,) = (folder / "dist").glob("*.whl")
    environment = folder / "environment"
    venv.create(environment, with_pip=False, symlinks=os.name != "nt")
    places = sysconfig.get_paths(vars={"base": str(environment), "platbase": str(environment)})
    # A path in a .pth file is only put on sys.path: our own editable install there stays without effect.
    borrowed = [path for path in sys.path if Path(path).name == "site-packages"]
    Path(places["purelib"], "borrowed.pth").write_text("\n".join(borrowed), encoding="utf-8")
    scripts = Path(places["scripts"])
    python = str(scripts / Path(sys.executable).name)
    _python("-m", "pip", "--python", python, "install", "--no-deps", "--no-index", "--quiet", str(wheel))
    (folder / "elsewhere").mkdir()
    return Installation(wheel, scripts, folder / "elsewhere")


def test_the_command_tells_its_version(installation: Installation) -> None:
    assert installation.run("cret-desktop", "--version").strip() == f"cret-desktop {_project()['version']}"


def test_both_commands_are_installed(installation: Installation) -> None:
    names = {path.stem for path in installation.scripts.iterdir()}
    assert {"cret-desktop", "cret-desktop-gui"} <= names


def test_every_resource_is_inside_the_package(installation: Installation) -> None:
    resources = ROOT / "resources"
    files = {path.relative_to(resources).as_posix(): path for path in resources.rglob("*") if path.is_file()}
    with zipfile.ZipFile(installation.wheel) as wheel:
        prefix = "cret_desktop/resources/"
        shipped = {name.removeprefix(prefix) for name in wheel.namelist() if name.startswith(prefix)}
        assert shipped == set(files)
        for name, path in files.items():
            assert wheel.read(prefix + name) == path.read_bytes()


def test_resources_are_found_where_the_wheel_was_installed(installation: Installation) -> None:
    code = "from cret_desktop.paths import resource; print(resource('licences', 'NOTICES.md').resolve(strict=True))"
    found = Path(installation.run(Path(sys.executable).name, "-c", code).strip())
    assert found.is_relative_to(installation.scripts.parent.resolve())


def test_the_trainer_is_installed(installation: Installation) -> None:
    code = "import pathlib, training; print(pathlib.Path(training.__file__).resolve())"
    found = Path(installation.run(Path(sys.executable).name, "-c", code).strip())
    assert found.is_relative_to(installation.scripts.parent.resolve())
    with zipfile.ZipFile(installation.wheel) as wheel:
        shipped = {name for name in wheel.namelist() if name.endswith(".py")}
    sources = {
        path.relative_to(ROOT).as_posix()
        for folder in ("cret_desktop", "training")
        for path in ROOT.glob(f"{folder}/**/*.py")
    }
    assert shipped == sources


def test_licences_are_in_the_metadata(installation: Installation) -> None:
    with zipfile.ZipFile(installation.wheel) as wheel:
        names = {name.split("/", 2)[2] for name in wheel.namelist() if ".dist-info/licenses/" in name}
    assert {"LICENSE", "resources/licences/NOTICES.md"} <= names


def test_the_constraints_pin_every_dependency() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {_canonical(line.split("==")[0]) for line in lines if not line.startswith("#")}
    project = _project()
    wanted = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    assert {_canonical(Requirement(requirement).name) for requirement in wanted} <= pinned


def open_to_change(workflow: str) -> list[str]:
    """What of a workflow may be another program tomorrow, though nothing here has changed; and credentials left about.

    Actions that are not named by a whole commit with the version beside it, packages that pip chooses, a checkout that
    leaves its token in the repository, permissions that are not given job by job.
    """
    found = []
    for line in workflow.splitlines():
        if named := re.search(r"(?<![\w-])[\"']?uses[\"']?\s*:\s*(.*)", line.split("#")[0]):
            pinned = r"[\w.-]+/[\w./-]+@[0-9a-f]{40}"
            if not (re.fullmatch(pinned, named[1].strip(" }\"'")) and re.search(r"#\s*v\d+\.\d+\.\d+\s*$", line)):
                found.append(line.strip())
    commands = "\n".join(line.split("#")[0] for line in workflow.splitlines()).replace("\\\n", " ")
    for command in re.findall(r"(?<![\w-])pip3?\s+[^\n;&|]*", commands):
        if re.search(r"\b(install|download|wheel)\b", command) and "-c constraints.txt" not in command:
            found.append(command.strip())
    if commands.count("actions/checkout@") != commands.count("persist-credentials: false"):
        found.append("persist-credentials")
    if not re.search(r"^permissions:\s*\{\}\s*$", commands, re.MULTILINE):
        found.append("permissions")
    return found


WORKFLOWS = ROOT / ".github" / "workflows"


@pytest.mark.parametrize("workflow", sorted(WORKFLOWS.iterdir()), ids=lambda path: path.name)
def test_workflows_use_what_is_pinned(workflow: Path) -> None:
    text = workflow.read_text(encoding="utf-8")
    assert open_to_change(text) == []
    assert text.count("uses:") >= 2, "the test sees them"
    assert text.count("pip install") >= 2


def test_a_release_has_checksums_and_attestations() -> None:
    text = (WORKFLOWS / "release.yml").read_text(encoding="utf-8")
    assert text.count("uses:") >= 5
    assert "SHA256SUMS" in text
    assert "actions/attest-build-provenance@" in text


def test_the_test_workflow_runs_the_steps_of_make_test() -> None:
    workflow = yaml.safe_load((WORKFLOWS / "test.yml").read_text(encoding="utf-8"))
    job = workflow["jobs"]["test"]
    assert {entry["system"] for entry in job["strategy"]["matrix"]["include"]} == {"linux", "windows", "macos"}
    steps = [line.strip() for step in job["steps"] for line in step.get("run", "").splitlines()]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(r"^test:\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert recipe
    wanted = [line.removeprefix("\t@$(VENV)/") for line in recipe[1].splitlines() if "$(VENV)/" in line]
    assert len(wanted) == 5
    assert [command for command in wanted if command not in steps] == []
    (install,) = (line for line in steps if ".[" in line)
    (extras,) = re.findall(r"\[([\w,]+)\]", install)
    assert extras.split(",") == _setup().EXTRAS["test"]


def test_hooks_run_programs_of_the_environment_and_fetch_nothing() -> None:
    settings = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = [hook for repository in settings["repos"] for hook in repository["hooks"]]
    assert {repository["repo"] for repository in settings["repos"]} == {"local"}
    assert {hook["language"] for hook in hooks} == {"system"}
    programs = {hook["entry"].split()[0] for hook in hooks}
    assert programs == {"ruff", "lint-imports", "mypy"}
    scripts = sysconfig.get_path("scripts")
    assert [program for program in programs if not shutil.which(program, path=scripts)] == []


@pytest.mark.parametrize("form", ["bug", "idea"])
def test_issue_forms_are_ones_that_the_site_takes(form: str) -> None:
    content = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / f"{form}.yml").read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= set(content)
    asked = [part for part in content["body"] if part["type"] != "markdown"]
    assert {part["type"] for part in asked} <= {"textarea", "input", "dropdown", "checkboxes"}
    assert all(part["attributes"]["label"] for part in asked)
    assert len({part["id"] for part in asked}) == len(asked)
    assert any(part.get("validations", {}).get("required") for part in asked)


def test_what_the_installer_lacks_is_installed_or_named_before_anything_is_frozen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    setup = _setup()
    installed: list[str] = []
    monkeypatch.setattr(setup, "_missing_libraries", lambda libraries: iter(()))
    monkeypatch.setattr(setup, "_missing_build_packages", lambda: iter(()))
    # As `make test` leaves it: all Python packages are there.
    monkeypatch.setattr(setup, "_installed_extras", lambda inputs: set(setup.EXTRAS["test"]))
    monkeypatch.setattr(setup, "_apt_get_install", lambda as_root, packages: installed.extend(packages))
    monkeypatch.setattr(shutil, "which", lambda program, path=None: None if program == "debootstrap" else program)
    for may in ([], ["sudo", "-n"]):
        monkeypatch.setattr(setup, "_as_root", lambda may=may: may)
        setup.main("installer")
    assert installed == ["debootstrap"] * 2
    monkeypatch.setattr(setup, "_as_root", lambda: None)
    with pytest.raises(setup.SetupError, match=r"apt-get install .*debootstrap"):
        setup.main("installer")
    assert "check_linux.sh" in capsys.readouterr().out, "and so is what an administrator runs in the end"


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    "line",
    [
        "- uses: actions/cache@v4",
        "- uses: actions/cache@main # v4.0.0",
        f"- uses: actions/cache@{COMMIT}",
        f"- uses: actions/cache@{COMMIT[:12]} # v4.0.0",
        f"- {{ name: x, uses: actions/cache@{COMMIT}0 }} # v4.0.0",
        "- 'uses' : docker://alpine:3",
        "- uses: ./local # v1.0.0",
        "run: pip install torch",
        "run: python -m pip install --upgrade pip # -c constraints.txt",
        "run: pip install -c constraints.txt a && pip3 install b",
        "run: pip install \\\n  torch",
        f"- uses: actions/checkout@{COMMIT} # v4.0.0",
        "permissions: write-all",
    ],
)
def test_what_is_not_pinned_is_found(line: str) -> None:
    sound = (
        f"permissions: {{}}\nsteps:\n- uses: actions/cache@{COMMIT} # v4.0.0\n- run: pip install -c constraints.txt a\n"
    )
    assert open_to_change(sound) == []
    changed = sound.replace("permissions: {}", line) if line.startswith("permissions") else sound + line
    assert len(open_to_change(changed)) == 1


def test_every_dependency_has_a_notice() -> None:
    notices = (ROOT / "resources" / "licences" / "NOTICES.md").read_text(encoding="utf-8")
    named = {
        _canonical(word) for line in notices.splitlines() if line.startswith("|") for word in line.split("|")[1].split()
    }
    assert {_canonical(Requirement(requirement).name) for requirement in _project()["dependencies"]} <= named


# What the core is used through: the rest of its tests run beside these in any case, and know no Qt either.
WITHOUT_QT = (
    *("tests/library/indexing/test_indexer.py", "tests/library/searching/test_searcher.py"),
    "tests/library/keeping/test_annotation_file.py",
    *("tests/storage/test_annotations.py", "tests/storage/test_clips.py", "tests/storage/test_scans.py"),
    *("tests/storage/vectors/test_vector_index.py", "tests/storage/sqlite/test_recovery.py"),
)


def test_the_core_passes_its_tests_without_qt(tmp_path: Path) -> None:
    (tmp_path / "without_qt.py").write_text('import sys\n\nsys.modules["PySide6"] = None\n', encoding="utf-8")
    options = ["-q", "-p", "without_qt", "-p", "no:pytest-qt", "-p", "no:xdist", "-p", "no:cacheprovider"]
    # pytest-qt's setting is unknown without the plugin, which would be an error.
    settings = ["-o", "addopts=", "-o", "filterwarnings="]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *settings, *WITHOUT_QT],
        cwd=ROOT,
        env=environment | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def _setup() -> Any:
    """The module .ci/setup.py, which no package holds."""
    spec = importlib.util.spec_from_file_location("setup_of_the_project", ROOT / ".ci" / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    setup = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(setup)
    return setup


def _python(*arguments: str) -> None:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def _project() -> dict[str, dict[str, list[str]]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project: dict[str, dict[str, list[str]]] = settings["project"]
    return project


def _canonical(name: str) -> str:
    return name.strip().lower().replace("_", "-")
