"""Models are tried in a child: dying, hanging, memory-hungry and lying ones, and the cases without a trial."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from cret_desktop import paths
from cret_desktop.errors import ModelError
from cret_desktop.model import checkpoint, trial
from cret_desktop.model.checkpoint import Manifest
from cret_desktop.model.cret import CRET
from cret_desktop.model.encoder import open_model
from cret_desktop.model.trial import Stage
from tests.model import children, tiny


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Manifest:
    """A model from elsewhere, for a user without earlier trials."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(trial, "_passed", {})
    paths.data_folder().mkdir(parents=True)
    tokenizer = tiny.write_tokenizer(tmp_path / "tokenizer.source")
    model = tiny.fill(CRET(tiny.paper()))
    assert isinstance(model, CRET)
    return checkpoint.save(model, tmp_path / "given", tokenizer, "# Tiny\n")


class Tried:
    """Counts the children started."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stages: list[Stage] = []
        real = trial._try

        def counting(manifest: Manifest, stage: Stage, source: Path, digest: str) -> None:
            self.stages.append(stage)
            real(manifest, stage, source, digest)

        monkeypatch.setattr(trial, "_try", counting)


def with_tokenizer(saved: Manifest, change: dict[str, Any]) -> Manifest:
    """Return the model with another tokenizer and a matching manifest, as its maker would publish it."""
    file = saved.folder / checkpoint.TOKENIZER
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    return checkpoint.write_manifest(saved.folder, saved.config)


def test_a_model_is_tried_once_and_again_when_it_has_changed(saved: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = Tried(monkeypatch)
    for _ in range(2):
        assert open_model(str(saved.folder), "cpu").text.encode(["a dog"]).globals.shape == (1, 24)
        trial._passed.clear()  # as in another process
    assert tried.stages == [Stage.WORDS]
    changed = with_tokenizer(saved, {"normalizer": None})
    open_model(str(changed.folder), "cpu").text.encode(["a dog"])
    assert tried.stages == [Stage.WORDS] * 2
    hostile = with_tokenizer(saved, {"normalizer": {"type": "Prepend", "prepend": "a" * 17}})
    for _ in range(2):  # a failed trial is not remembered
        with pytest.raises(ModelError, match=r"given” was tested and is not used: its tokenizer has a Prepend"):
            open_model(str(hostile.folder), "cpu").text.encode(["a dog"])
    assert tried.stages == [Stage.WORDS] * 4


def test_what_was_tried_whole_is_tried_for_words_as_well(saved: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = Tried(monkeypatch)
    assert trial.believed(saved, Stage.WHOLE) == (saved.folder / checkpoint.TOKENIZER).read_bytes()
    model = open_model(str(saved.folder), "cpu")
    model.text.encode(["a dog"])
    model.video.encode(tiny.frames(saved.config, clips=1))
    model.video.release()
    assert tried.stages == [Stage.WHOLE]


def test_numbers_that_cannot_be_compared_are_found(saved: Manifest) -> None:
    model = tiny.fill(CRET(tiny.paper()))
    assert isinstance(model, CRET)
    assert model.text is not None
    model.text.token_embedding.weight.data[4:] = float("nan")
    spoilt = checkpoint.save(model, saved.folder, saved.folder / checkpoint.TOKENIZER, "")
    with pytest.raises(ModelError, match=r"was tested and is not used: its texts become"):
        trial.believed(spoilt, Stage.WHOLE)
    with pytest.raises(ModelError, match="cannot encode these words"):
        open_model(str(spoilt.folder), "cpu").text.encode(["a dog"])


def test_models_of_our_own_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = Tried(monkeypatch)
    assert open_model("starter", "cpu").text.encode(["a dog"]).globals.shape == (1, 768)
    assert tried.stages == []


@pytest.mark.parametrize("content", [b"", b"[" * 10_000, b"[]", b'{"a": 1}', b"\xff", b"9" * 5000, None])
def test_a_record_that_cannot_be_read_is_no_record(
    saved: Manifest, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    monkeypatch.setattr(trial, "_try", lambda *_: None)
    record = paths.data_folder() / "tried-models.json"
    if content is None:
        record.mkdir()
    else:
        record.write_bytes(content)
    assert trial._remembered() == {}
    trial.believed(saved, Stage.WORDS)
    assert list(trial._remembered().values()) == ([] if content is None else ["words"])


def test_no_folder_is_made_for_the_record(saved: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = Tried(monkeypatch)
    paths.data_folder().rmdir()
    for _ in range(2):
        trial.believed(saved, Stage.WORDS)
    assert tried.stages == [Stage.WORDS], "this process knows"
    assert not paths.data_folder().exists()


def test_the_record_is_the_person_s_own_and_not_written_through_a_link(
    saved: Manifest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(trial, "_try", lambda *_: None)
    (tmp_path / "victim").write_text("precious")
    record = paths.data_folder() / "tried-models.json"
    record.symlink_to(tmp_path / "victim")
    trial.believed(saved, Stage.WORDS)
    assert (tmp_path / "victim").read_text() == "precious"
    assert not record.is_symlink()
    assert record.stat().st_mode & 0o077 == 0
    assert [file.name for file in record.parent.iterdir()] == [record.name]


def test_a_configuration_that_was_not_imported_is_held_to_the_same(saved: Manifest) -> None:
    """`models use FOLDER` and `--model FOLDER` bypass the import."""
    content = json.loads((saved.folder / "config.json").read_text())
    content["config"]["video"]["options"]["checkpoint_path"] = "/etc/passwd"
    config = type(saved.config).from_json(content["config"])
    checkpoint.write_manifest(saved.folder, config)
    with pytest.raises(ModelError, match="checkpoint_path"):
        open_model(str(saved.folder))


def test_what_changes_between_opening_and_use_is_not_used(saved: Manifest) -> None:
    model = open_model(str(saved.folder), "cpu")
    with_tokenizer(saved, {"normalizer": None})
    with pytest.raises(ModelError, match="has changed since it was opened"):
        model.text.encode(["a dog"])


@pytest.mark.parametrize(
    ("child", "match"),
    [
        (children.dying, r"the test process ended \(-9\)"),
        (children.hanging, "did not finish"),
        (children.ending_without_a_word, r"the test process ended \(0\)"),
        (children.chattering, "the test process ended"),
        (children.lying, "changed during the test"),
        (children.nesting, "the test process ended"),
        (children.growing, "more memory"),
    ],
)
def test_whatever_becomes_of_the_child_is_one_sentence(
    saved: Manifest, monkeypatch: pytest.MonkeyPatch, child: object, match: str
) -> None:
    monkeypatch.setattr(trial, "_run_child", child)
    if child is children.hanging:
        monkeypatch.setitem(trial.SECONDS, "words", 0.5)
    if child is children.growing:
        monkeypatch.setattr(trial, "_START_MEMORY", 0)
        monkeypatch.setattr(trial, "_MORE_MEMORY", 128 << 20)
    with pytest.raises(ModelError, match=rf"given” was tested and is not used: .*{match}"):
        trial.believed(saved, Stage.WORDS)
    assert trial._remembered() == {}


def test_the_child_gets_neither_memory_nor_files_nor_privileges(
    saved: Manifest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(trial, "_run_child", children.asking_for_too_much)
    expected = {"linux": "memory=MemoryError file=OSError privileges=1", "darwin": "memory=allowed file=OSError"}
    with pytest.raises(ModelError, match=expected.get(sys.platform, "memory=allowed")):
        trial.believed(saved, Stage.WORDS)
