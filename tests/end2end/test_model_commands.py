"""The `cret-desktop models …` commands, against a hub on this computer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest

from cret_desktop import cli, paths, settings
from cret_desktop.model import downloads, pins, presets
from tests.hub import Hub, serve
from tests.model import tiny

NAME = "tiny-published"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    tiny.write_published(tmp_path / "published")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setitem(presets.PRESETS, NAME, tiny.published)
    monkeypatch.setitem(downloads.OFFERS, NAME, downloads.Offer(10_000, "Apache-2.0", "en"))
    monkeypatch.setattr(downloads, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(downloads, "ALLOW_LOOPBACK_HTTP", True)
    with serve(Hub()) as hub:
        hub.add("tiny/aligned", tmp_path / "published")
        template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield hub


def state_of(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert cli.run(["models", "list", "--json"]) == 0
    (found,) = (model for model in json.loads(capsys.readouterr().out) if model["name"] == name)
    return str(found["state"])


def test_list_download_use_and_remove(hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert state_of(NAME, capsys) == "downloadable"
    assert hub.asked == []
    hub.cut, hub.cuts = 4000, 100
    digest = hub.digests["tiny/aligned/tokenizer.json"] = "0" * 64
    assert cli.run(["models", "download", NAME]) == 4, "what comes is not what it should be"
    assert state_of(NAME, capsys) == "partial", digest
    hub.digests.clear()
    assert cli.run(["models", "download", NAME]) == 0
    assert state_of(NAME, capsys) == "ready"
    assert cli.run(["models", "use", NAME]) == 0
    assert settings.load(settings.Settings, paths.settings_file())[0].model == NAME
    assert cli.run(["models", "remove", NAME]) == 4, "it is in use"
    assert cli.run(["models", "use", "pe-core-l14"]) == 4, "it is not here"
    assert cli.run(["models", "use", "starter"]) == 0
    assert cli.run(["models", "remove", NAME]) == 0
    assert state_of(NAME, capsys) == "downloadable"
    left = [file.name for file in (tmp_path / "data" / "CRET Desktop" / "models").iterdir()]
    assert left == [pins.RECORD], "what was downloaded is remembered, so that nothing else comes under its name"


def test_no_network_and_no_such_model(
    hub: Hub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert cli.run(["models", "download", NAME]) == 4
    said = " ".join(capsys.readouterr().err.split())
    assert "import the model from a folder" in said
    assert cli.run(["models", "download", "nonsense"]) == 4
    assert cli.run(["models", "remove", "starter"]) == 4
