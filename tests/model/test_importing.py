"""Foreign models: the accepted, the refused, and the absence of partial imports."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import random
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from cret_desktop.errors import ModelError, StorageError
from cret_desktop.model import checkpoint, foreign, trial
from cret_desktop.model.config import CRETConfig
from cret_desktop.model.cret import CRET
from cret_desktop.model.encoder import open_model
from cret_desktop.model.importing import import_model
from tests.model import tiny


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tokenizer = tiny.write_tokenizer(tmp_path / "tokenizer.source")
    model = tiny.fill(CRET(tiny.paper()))
    assert isinstance(model, CRET)
    return checkpoint.save(model, tmp_path / "given", tokenizer, "# Tiny\n").folder


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def pack(folder: Path, target: Path, inside: str = "") -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"{inside}{file.name}")
    return target


def refused(source: Path, models: Path, match: str) -> None:
    with pytest.raises(ModelError, match=match):
        import_model(source, models)
    assert not models.exists() or not list(models.iterdir())


@pytest.mark.parametrize("kind", ["folder", "zip", "zip of a folder"])
def test_a_model_comes_in_and_opens(folder: Path, models: Path, tmp_path: Path, kind: str) -> None:
    source = folder if kind == "folder" else pack(folder, tmp_path / "m.zip", "given/" if "of" in kind else "")
    manifest = import_model(source, models)
    assert manifest.folder == models / "tiny-paper"
    assert manifest.fingerprint == checkpoint.read_manifest(folder).fingerprint
    assert [entry.name for entry in models.iterdir()] == ["tiny-paper"]
    opened = open_model(str(manifest.folder), "cpu")
    assert opened.text.encode(["a dog"]).globals.shape == (1, manifest.config.width)


def test_again_changes_nothing_and_another_of_the_name_is_refused(
    folder: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "_try", lambda *_: None)
    first = import_model(folder, models)
    before = (first.folder / checkpoint.WEIGHTS).stat().st_mtime_ns
    assert import_model(folder, models) == first
    assert (first.folder / checkpoint.WEIGHTS).stat().st_mtime_ns == before
    other = tiny.fill(CRET(dataclasses.replace(tiny.paper(), mean=(0.5, 0.5, 0.5))))
    assert isinstance(other, CRET)
    checkpoint.save(other, folder, folder / checkpoint.TOKENIZER, "# Other\n")
    with pytest.raises(ModelError, match="another model “tiny-paper”"):
        import_model(folder, models)
    assert import_model(folder, models, name="second").folder == models / "second"


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "a\\b", "x" * 65])
def test_names_that_lead_elsewhere(folder: Path, models: Path, name: str) -> None:
    content = json.loads((folder / "config.json").read_text())
    content["config"]["name"] = name or " "
    (folder / "config.json").write_text(json.dumps(content))
    refused(folder, models, "cannot be the name of a model")


@pytest.mark.parametrize(
    "member", ["../config.json", "/config.json", "a/b/config.json", "evil.py", "pytorch_model.bin", "..\\config.json"]
)
def test_zip_members_that_are_no_part_of_a_model(folder: Path, models: Path, tmp_path: Path, member: str) -> None:
    (folder / checkpoint.CARD).unlink()
    source = pack(folder, tmp_path / "m.zip")
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr(member, "x")
    refused(source, models, "not part of a model|more than one")
    assert not (tmp_path / "config.json").exists()


def test_zip_bombs(folder: Path, models: Path, tmp_path: Path) -> None:
    with (folder / checkpoint.WEIGHTS).open("r+b") as weights:
        weights.truncate(0)
        weights.truncate(20 << 20)  # zeros, which compress to almost nothing
    refused(pack(folder, tmp_path / "m.zip"), models, "would unpack to 20971520")


def test_a_file_that_is_larger_than_described(folder: Path, models: Path) -> None:
    with (folder / checkpoint.WEIGHTS).open("ab") as weights:
        weights.write(b"more")
    refused(folder, models, "larger than")


def test_other_files_in_a_folder_stay_where_they_are(folder: Path, models: Path) -> None:
    (folder / "optimiser.safetensors").write_bytes(b"1")
    (folder / "run.sh").write_text("echo")
    assert {file.name for file in import_model(folder, models).folder.iterdir()} == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "README.md",
    }


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json"])
def test_what_is_missing_is_named(folder: Path, models: Path, file: str) -> None:
    (folder / file).unlink()
    refused(folder, models, f"these files are missing: {file}")


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json"])
def test_one_changed_byte_is_found(folder: Path, models: Path, file: str) -> None:
    content = bytearray((folder / file).read_bytes())
    content[-5] ^= 1
    (folder / file).write_bytes(content)
    refused(folder, models, "is not the file|damaged|no readable weights")


def test_a_file_that_is_no_zip(models: Path, tmp_path: Path) -> None:
    (tmp_path / "m.zip").write_bytes(b"PK\x03\x04 and nothing else")
    refused(tmp_path / "m.zip", models, "not a readable zip")
    with pytest.raises(ModelError, match="is not a model"):
        import_model(tmp_path / "nowhere", models)


def reseal(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Change config.json like an expert forger, with a matching fingerprint."""
    content = json.loads((folder / "config.json").read_text())
    change(content)
    with contextlib.suppress(ModelError):  # refused before its fingerprint is checked
        config, files = CRETConfig.from_json(content["config"]), checkpoint._records(content["files"])
        content["fingerprint"] = checkpoint._fingerprint(config, files)
    (folder / "config.json").write_text(json.dumps(content))
    return folder


def set_option(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["config"]["video"]["options"].update({name: value})


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (set_option("checkpoint_path", "/etc/passwd"), "checkpoint_path"),
        (set_option("pretrained_cfg_overlay", {"file": "x"}), "pretrained_cfg_overlay"),
        (set_option("img_size", {"a": 1}), "img_size"),
        (lambda content: content["config"]["video"].update(backbone="hf-hub:someone/model"), "not part of timm"),
        (lambda content: content["config"]["video"].update(backbone="local-dir:/tmp"), "not part of timm"),
        (
            lambda content: content["config"]["text"].update(vocabulary=10**12),
            r"config\.json” is not used: .*text\.vocabulary is 1000000000000",
        ),
        (
            lambda content: content["config"]["temporal"].update(layers=10**6),
            r"config\.json” is not used: .*temporal\.layers is 1000000,",
        ),
        (lambda content: content["files"]["model.safetensors"].update(size=1 << 50), "impossible sizes"),
        (lambda content: content["config"]["frames"].update(size=10**5), r"not used: .*frames\.size is 100000,"),
        (lambda content: content["config"]["text"].update(norm_eps=2.0), r"not used: .*text\.norm_eps"),
        (lambda content: content["config"].update(title="\x1b[2J"), "a name is too long or not printable"),
        (lambda content: content["files"]["model.safetensors"].update(size="1"), r"files\.model\.safetensors\.size"),
        (lambda content: content["files"]["model.safetensors"].update(size=1 << 60), "an impossible size"),
        (lambda content: content.update(files=[]), "it lists no files"),
        (lambda content: content.update(config=[]), "not an object"),
        (set_option("depths", [10**6]), "1000000 for “depths”"),
        (set_option("embed_dim", 10**9), "1000000000 for “embed_dim”"),
        (set_option("img_size", [[1], [2]]), "img_size"),
        (
            lambda content: content["files"].update({"../../secret": content["files"].pop("tokenizer.json")}),
            r"elsewhere .*secret",
        ),
        (lambda content: content["config"]["temporal"].update(layers=3), "do not fit the configuration"),
    ],
)
def test_configurations_that_lead_elsewhere_or_do_not_fit(
    folder: Path, models: Path, change: Callable[[dict[str, Any]], None], match: str
) -> None:
    refused(reseal(folder, change), models, match)


def test_a_network_that_nobody_can_build_is_no_fit(folder: Path) -> None:
    reseal(folder, lambda content: content["config"]["video"].update(backbone="no_such_network"))
    with pytest.raises(ModelError, match="cannot build “no_such_network”"):
        foreign.check_fits(checkpoint.read_manifest(folder))


@pytest.mark.parametrize(
    "content", ["[" * 100_000, '{"format": ' + "9" * 5000 + "}", '{"format": NaN}', "\ud800", "{}{}"]
)
def test_whatever_a_configuration_holds_is_one_sentence(folder: Path, models: Path, content: str) -> None:
    (folder / "config.json").write_bytes(content.encode("utf-8", "surrogatepass"))
    unusable = "it is not valid JSON|it is nested|it is not text|a number of|.* is not a number"
    refused(folder, models, rf"given/config\.json” is not used: ({unusable})")


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json", "README.md"])
def test_links_in_a_model_s_folder_are_not_followed(folder: Path, models: Path, tmp_path: Path, file: str) -> None:
    (folder / file).rename(tmp_path / "secret")
    (folder / file).symlink_to(tmp_path / "secret")
    refused(folder, models, f"its {re.escape(file)} is a link")


def test_a_pipe_in_a_model_s_folder_keeps_nobody_waiting(folder: Path, models: Path) -> None:
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")
    refused(folder, models, "these files are missing: config")
    with pytest.raises(ModelError, match="not a regular file"):
        checkpoint.read_manifest(folder)


def test_a_zip_that_is_damaged_anywhere_is_refused(folder: Path, models: Path, tmp_path: Path) -> None:
    whole = pack(folder, tmp_path / "m.zip").read_bytes()
    chance = random.Random(1)
    for _ in range(60):
        at = chance.randrange(len(whole))
        spoilt = tmp_path / "spoilt.zip"
        spoilt.write_bytes(whole[:at] + chance.randbytes(chance.choice((1, 2, 8))) + whole[at + 1 :])
        with contextlib.suppress(ModelError, StorageError):  # and nothing else
            import_model(spoilt, models)
    assert not models.exists() or {entry.name for entry in models.iterdir()} <= {"tiny-paper"}


def test_fitting_weights_of_another_model_are_found_by_their_digest(folder: Path, models: Path) -> None:
    tensors = {name: torch.zeros_like(tensor) for name, tensor in CRET(tiny.paper()).state_dict().items()}
    size = (folder / checkpoint.WEIGHTS).stat().st_size
    save_file(tensors, folder / checkpoint.WEIGHTS, metadata={"format": "pt", "digest": "0" * 64})
    assert (folder / checkpoint.WEIGHTS).stat().st_size <= size
    refused(folder, models, "is not the file")


def test_a_full_disk_is_told_before_anything_is_written(
    folder: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10))
    with pytest.raises(StorageError, match="Not enough space"):
        import_model(folder, models)
    assert not list(models.iterdir())
