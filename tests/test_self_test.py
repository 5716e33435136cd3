"""The self-test tells the truth: all works where all works, and a part that is broken is named. It leaves nothing."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest

from cret_desktop import self_test
from cret_desktop.cli import run
from cret_desktop.engine.client import EngineClient
from cret_desktop.errors import CretError
from cret_desktop.media.sample_clips import FORMATS
from tests.traps import TrappedFolder


def test_all_of_it_works_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.mkdir()
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("HOME", str(home))
    for kind in ("CACHE", "CONFIG", "DATA", "STATE"):
        monkeypatch.delenv(f"XDG_{kind}_HOME", raising=False)
    trapped = TrappedFolder(tmp_path / "trapped", tmp_path / "marks")
    monkeypatch.chdir(trapped.path)
    status = run(["self-test", "--json", "--device", "cpu"])
    assert trapped.sprung() == []
    report = json.loads(capfd.readouterr().out)
    failed = {part["part"]: part["words"] for part in report["parts"] if not part["ok"]}
    assert failed == {}
    assert status == 0
    assert report["ok"] is True
    parts = {part["part"] for part in report["parts"]}
    assert {f"decoding {codec}" for codec in FORMATS} <= parts
    assert {"search by words", "search by picture", "thumbnails", "window", "playing", "exporting a clip"} <= parts
    assert {"importing a model", "doctor"} <= parts
    assert list(temporary.iterdir()) == []
    assert [path for path in home.rglob("*") if "cret" in path.name.lower()] == []


def test_one_part_that_fails_is_named_and_fails_the_whole(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    findings = [
        self_test.Finding("window", True, "opened", 1.0),
        self_test.Finding("playing", False, "No frame came within 30 s.", 30.0),
    ]
    monkeypatch.setattr(self_test, "run", lambda device: iter(findings))
    assert run(["self-test"]) == 1
    told = capfd.readouterr().out
    assert "FAILED playing" in told
    assert told.strip().splitlines()[-1] == "playing failed."
    assert run(["self-test", "--json"]) == 1
    assert json.loads(capfd.readouterr().out)["ok"] is False


def test_a_part_whose_process_dies_is_a_finding() -> None:
    finding = self_test._tried("dying", lambda: str(self_test._in_child(os._exit, 3)))
    assert not finding.ok
    assert "terminated abruptly" in finding.words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (CretError("reason.said", text="Said."), "Said."),
        (KeyError("name"), "KeyError: 'name'"),
        (OSError("x"), "OSError: x"),
    ],
)
def test_why_it_failed_is_said(error: Exception, words: str) -> None:
    def fail() -> str:
        raise error

    assert self_test._tried("part", fail).words == words


def test_a_codec_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    trial = self_test._Trial(tmp_path, "cpu")
    (tmp_path / "vidéos of the self-test" / "vp9.webm").write_bytes(b"this is no video" * 100)
    reasons: dict[str, str] = {}
    with EngineClient(trial._config) as engine:
        trial._index(engine, reasons)
    assert list(reasons) == ["vp9"]
    assert reasons["vp9"]
