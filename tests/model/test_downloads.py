"""Downloads from a hub on this computer: complete ones, resumed ones, refused ones."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch

from cret_desktop.cancellation import CancelToken
from cret_desktop.errors import DownloadCancelled, ModelError, StorageError
from cret_desktop.model import checkpoint, downloads, importing, pins, presets, trial
from cret_desktop.model.cret import CRET
from cret_desktop.model.downloads import Offer, Progress, Stage, download
from cret_desktop.model.encoder import Model
from tests.hub import Hub, serve
from tests.model import tiny
from training.pins import main as print_pins

NAME = "tiny-published"
WEIGHTS = "tiny/aligned/open_clip_model.safetensors"
TOKENIZER = "tiny/aligned/tokenizer.json"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    tiny.write_published(folder)
    return folder


@pytest.fixture
def hub(published: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The hub, with the files of a preset."""
    monkeypatch.setitem(presets.PRESETS, NAME, tiny.published)
    monkeypatch.setitem(downloads.OFFERS, NAME, Offer(1000, "Apache-2.0", "en"))
    monkeypatch.setattr(downloads, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(downloads, "ALLOW_LOOPBACK_HTTP", True)
    with serve(Hub()) as hub:
        hub.add("tiny/aligned", published)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        point_to(hub.url, monkeypatch)
        yield hub


def point_to(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the hub's client to another address, as HF_ENDPOINT does before the start."""
    template = f"{url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", url)
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


def left_over(models: Path) -> list[str]:
    return sorted(path.name for path in models.rglob("*") if path.is_file() and path.name != "lock")


@pytest.mark.parametrize("redirect", [False, True])
def test_what_arrives_is_the_model(hub: Hub, tmp_path: Path, redirect: bool) -> None:
    hub.redirect = redirect
    heard: list[Progress] = []
    manifest = download(NAME, tmp_path, heard.append)
    assert manifest.folder == tmp_path / NAME
    checkpoint.verify(manifest.folder)
    expected = tiny.fill(CRET(tiny.aligned())).state_dict()
    for name, tensor in checkpoint.load(manifest).state_dict().items():
        assert torch.equal(tensor, expected[name]), name
    assert Model(manifest, "cpu").text.encode(["a dog runs"]).globals.shape == (1, 16)
    assert [stage for stage in Stage if stage in [progress.stage for progress in heard]] == list(Stage)
    total = len(hub.files[WEIGHTS]) + len(hub.files[TOKENIZER])
    assert max(progress.done for progress in heard) == total
    assert {path.name for path in tmp_path.iterdir()} == {NAME, pins.RECORD}, "nothing else is left beside the model"
    asked = len(hub.asked)
    assert download(NAME, tmp_path).fingerprint == manifest.fingerprint
    assert len(hub.asked) == asked, "a model that is there is not asked for"


def test_what_was_downloaded_can_be_imported_where_there_is_no_network(hub: Hub, tmp_path: Path) -> None:
    manifest = download(NAME, tmp_path / "here")
    archive = shutil.make_archive(str(tmp_path / "model"), "zip", manifest.folder)
    taken_in = importing.import_model(Path(archive), tmp_path / "there")
    assert taken_in.fingerprint == manifest.fingerprint


def test_a_connection_that_is_cut_goes_on_where_it_was(hub: Hub, tmp_path: Path) -> None:
    hub.cut, hub.cuts = 5000, 3
    download(NAME, tmp_path)
    assert hub.fetched[:4] == ["bytes=0-", "bytes=5000-", "bytes=10000-", "bytes=15000-"]


def test_a_hub_that_gives_nothing_is_given_up_and_what_came_is_kept(hub: Hub, tmp_path: Path) -> None:
    hub.cut, hub.cuts = 5000, 1
    hub.digests = {}
    with pytest.raises(ModelError, match="cannot be reached"):  # 5,000 bytes once, then none
        _cut_to_nothing_after_the_first(hub, tmp_path)
    assert downloads.partial_bytes(NAME, tmp_path) == 5000
    hub.cuts = 0
    download(NAME, tmp_path)
    assert "bytes=5000-" in hub.fetched


def _cut_to_nothing_after_the_first(hub: Hub, models: Path) -> None:
    def listen(progress: Progress) -> None:
        if progress.stage is Stage.FETCHING:
            hub.cut, hub.cuts = 0, 100

    download(NAME, models, listen)


def test_cancelled_and_taken_up_by_another_run(hub: Hub, tmp_path: Path) -> None:
    hub.hold = 6000
    token, part = CancelToken(), threading.Event()

    def listen(progress: Progress) -> None:
        if progress.stage is Stage.FETCHING and progress.done:
            token.cancel()
            part.set()

    with pytest.raises(DownloadCancelled, match="can be continued"):
        download(NAME, tmp_path, listen, token)
    assert part.is_set()
    kept = downloads.partial_bytes(NAME, tmp_path)
    assert 0 < kept <= 6000
    assert not (tmp_path / NAME).exists()
    hub.hold = None
    download(NAME, tmp_path)
    assert f"bytes={kept}-" in hub.fetched


def test_a_server_that_cannot_begin_in_the_middle_begins_anew(hub: Hub, tmp_path: Path) -> None:
    hub.ranges = False
    hub.cut, hub.cuts = 5000, 1
    checkpoint.verify(download(NAME, tmp_path).folder)


def test_a_part_of_another_version_is_not_gone_on_with(hub: Hub, tmp_path: Path) -> None:
    parts = tmp_path / f".download-{NAME}"
    parts.mkdir()
    (parts / "0123456789abcdef-open_clip_model.safetensors.part").write_bytes(b"x" * 5000)
    download(NAME, tmp_path)
    assert set(hub.fetched) == {"bytes=0-"}


def test_files_that_are_checked_are_not_fetched_again(hub: Hub, tmp_path: Path) -> None:
    tokenizer = hub.files[TOKENIZER]
    hub.digests[TOKENIZER] = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(ModelError, match="is not the expected one"):
        download(NAME, tmp_path)
    hub.asked.clear()
    hub.digests.clear()
    download(NAME, tmp_path)
    assert [path for method, path, _ in hub.asked if method == "GET"] == [
        f"/tiny/aligned/resolve/{hub.commit}/tokenizer.json"
    ]
    assert hub.files[TOKENIZER] == tokenizer


def test_another_file_than_promised_is_deleted(hub: Hub, tmp_path: Path) -> None:
    hub.digests[WEIGHTS] = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(ModelError, match=r"open_clip_model\.safetensors is not the expected one"):
        download(NAME, tmp_path)
    assert left_over(tmp_path) == []
    assert not (tmp_path / NAME).exists()


def test_a_pinned_digest_is_believed_before_the_hub_s(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = hashlib.sha256(hub.files[WEIGHTS]).hexdigest()
    pinned = {f"hub:{WEIGHTS}": right}
    monkeypatch.setitem(downloads.OFFERS, NAME, Offer(1000, "Apache-2.0", "en", hub.commit, pinned))
    hub.files[WEIGHTS] = hub.files[WEIGHTS][:-1] + b"!"  # a mirror that serves another file and reports its digest
    with pytest.raises(ModelError, match="a different file than expected"):
        download(NAME, tmp_path)
    assert hub.fetched == []
    hub.digests[WEIGHTS] = right  # one that reports the original digest
    with pytest.raises(ModelError, match="is not the expected one"):
        download(NAME, tmp_path)
    hub.digests[WEIGHTS] = hashlib.sha1(b"blob %d\0" % len(hub.files[WEIGHTS]) + hub.files[WEIGHTS]).hexdigest()
    with pytest.raises(ModelError, match="a different file than expected"):  # one that reports a weaker digest
        download(NAME, tmp_path)
    assert left_over(tmp_path) == []


def test_small_files_are_checked_by_git_s_own_digest(hub: Hub, tmp_path: Path) -> None:
    content = hub.files[TOKENIZER]
    hub.digests[TOKENIZER] = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    download(NAME, tmp_path)
    shutil.rmtree(tmp_path / NAME)
    hub.files[TOKENIZER] = content[:-1] + b" "
    with pytest.raises(ModelError, match="is not the expected one"):
        download(NAME, tmp_path)


def test_a_hub_that_tells_no_digest_is_not_trusted(hub: Hub, tmp_path: Path) -> None:
    hub.digests[WEIGHTS] = "W-nothing-to-check-by"
    with pytest.raises(ModelError, match="no size and digest"):
        download(NAME, tmp_path)
    assert hub.fetched == []


def test_weights_of_another_model_do_not_become_this_one(hub: Hub, tmp_path: Path) -> None:
    hub.files[WEIGHTS] = hub.files[TOKENIZER]
    with pytest.raises(ModelError, match="contains no readable weights"):
        download(NAME, tmp_path)
    assert not (tmp_path / NAME).exists()


def test_a_model_that_is_gone_from_the_hub(hub: Hub, tmp_path: Path) -> None:
    hub.files.clear()
    with pytest.raises(ModelError, match="no longer available"):
        download(NAME, tmp_path)


def test_without_a_network(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"cannot be reached.*import the model"):
        download(NAME, tmp_path)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    point_to("http://127.0.0.1:9", monkeypatch)
    with pytest.raises(ModelError, match=r"127\.0\.0\.1:9 cannot be reached"):
        download(NAME, tmp_path)
    assert hub.asked == []


def test_no_room_is_told_before_anything_is_fetched(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(StorageError, match="Not enough space"):
        download(NAME, tmp_path)
    assert hub.fetched == []


def test_two_at_once_do_not_spoil_each_other(hub: Hub, tmp_path: Path) -> None:
    hub.hold = 1000
    fetching = threading.Event()
    first = threading.Thread(
        target=download, args=(NAME, tmp_path, lambda p: fetching.set() if p.stage is Stage.FETCHING else None)
    )
    first.start()
    fetching.wait(60)
    with pytest.raises(ModelError, match="already"):
        download(NAME, tmp_path)
    hub.go_on.set()
    first.join()
    assert (tmp_path / NAME).is_dir()


def planted(kind: str, place: Path, victim: Path, content: bytes) -> None:
    victim.write_bytes(b"precious")
    if kind == "link":
        place.symlink_to(victim)
    elif kind == "hard link":
        os.link(victim, place)
    elif kind == "link to nothing":
        place.symlink_to(victim.with_name("new"))
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.write_bytes(content[:-1] + b" ")


@pytest.mark.parametrize("kind", ["link", "hard link", "link to nothing", "pipe", "another content"])
@pytest.mark.parametrize("ending", ["", ".part"])
def test_what_was_planted_where_a_download_writes_is_neither_written_through_nor_believed(
    hub: Hub, tmp_path: Path, kind: str, ending: str
) -> None:
    content = hub.files[TOKENIZER]
    parts = tmp_path / "models" / f".download-{NAME}"
    parts.mkdir(parents=True)
    digest = hashlib.sha256(content).hexdigest()
    planted(kind, parts / f"{digest[:16]}-tokenizer.json{ending}", tmp_path / "victim", content)
    with contextlib.suppress(ModelError):  # a complete file with other content is found, deleted and reported
        download(NAME, tmp_path / "models")
    manifest = download(NAME, tmp_path / "models")
    assert (manifest.folder / checkpoint.TOKENIZER).read_bytes() == content
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert not (tmp_path / "new").exists()


def test_a_link_in_place_of_the_folder_of_parts_is_refused(hub: Hub, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "photo.jpg").write_bytes(b"precious")
    models = tmp_path / "models"
    models.mkdir()
    (models / f".download-{NAME}").symlink_to(elsewhere)
    with pytest.raises(StorageError, match="is a link"):
        download(NAME, models)
    downloads.discard_partial(NAME, models)
    assert [file.name for file in elsewhere.iterdir()] == ["photo.jpg"]
    assert (download(NAME, models).folder / checkpoint.WEIGHTS).stat().st_mode & 0o777 == 0o600 or os.name == "nt"


def test_only_this_person_enters_the_folder_of_parts(hub: Hub, tmp_path: Path) -> None:
    parts = tmp_path / f".download-{NAME}"
    parts.mkdir(mode=0o777)
    parts.chmod(0o777)
    modes = []
    download(NAME, tmp_path, lambda _: modes.append(parts.stat().st_mode & 0o777))
    assert set(modes) == {0o700}


def test_plain_http_is_refused_before_anything_is_asked(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "ALLOW_LOOPBACK_HTTP", False)
    with pytest.raises(ModelError, match="not encrypted"):
        download(NAME, tmp_path)
    monkeypatch.setattr(downloads, "ALLOW_LOOPBACK_HTTP", True)
    point_to("http://mirror.example", monkeypatch)
    with pytest.raises(ModelError, match=r"mirror\.example is not encrypted"):
        download(NAME, tmp_path)
    assert hub.asked == []


@pytest.mark.parametrize("place", ["http://mirror.example", "ftp://127.0.0.1", "file://"])
def test_no_redirect_leads_out_of_encryption(hub: Hub, tmp_path: Path, place: str) -> None:
    hub.redirect, hub.moved_to = True, place
    with pytest.raises(ModelError, match="not encrypted"):
        download(NAME, tmp_path)
    assert left_over(tmp_path) == []


def test_redirects_without_an_end(hub: Hub, tmp_path: Path) -> None:
    hub.endless = True
    with pytest.raises(ModelError, match="redirects without end"):
        download(NAME, tmp_path)
    assert len(hub.asked) < 20


def test_more_than_a_model_can_be_is_not_fetched(hub: Hub, tmp_path: Path) -> None:
    hub.sizes[WEIGHTS] = 10**11
    with pytest.raises(ModelError, match="announces 100000 MB"):
        download(NAME, tmp_path)
    hub.sizes[WEIGHTS] = len(hub.files[WEIGHTS]) - 1  # and no more than it announces
    with pytest.raises(ModelError, match=r"larger than the hub states|is not the expected one"):
        download(NAME, tmp_path)
    assert not (tmp_path / NAME).exists()


def test_another_content_than_the_first_time_is_refused_until_the_record_is_deleted(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = download(NAME, tmp_path)
    shutil.rmtree(first.folder)
    hub.files[TOKENIZER] = hub.files[TOKENIZER].replace(b"dog", b"god")
    hub.asked.clear()
    with pytest.raises(ModelError, match="a different file than expected"):
        download(NAME, tmp_path)
    assert hub.fetched == []
    (tmp_path / pins.RECORD).unlink()
    monkeypatch.setattr(trial, "_try", lambda *_: None)  # of another model than the other tests', which takes seconds
    assert download(NAME, tmp_path).fingerprint != first.fingerprint


def test_what_was_downloaded_once_is_asked_for_at_its_commit(hub: Hub, tmp_path: Path) -> None:
    first = download(NAME, tmp_path)
    shutil.rmtree(first.folder)
    hub.asked.clear()
    assert download(NAME, tmp_path).fingerprint == first.fingerprint
    assert {path.split("/")[4] for _, path, _ in hub.asked} == {hub.commit}
    shutil.rmtree(first.folder)
    hub.commit = "1" * 40  # the repository was recreated, and its old commits are gone
    with pytest.raises(ModelError, match="no longer available"):
        download(NAME, tmp_path)


@pytest.mark.parametrize(
    "content", ["[" * 10_000, "[]", '{"a": {"commit": 1}}', '{"a": {"commit": "", "files": {"b": "c"}}}']
)
def test_a_record_that_cannot_be_read_is_named(hub: Hub, tmp_path: Path, content: str) -> None:
    (tmp_path / pins.RECORD).write_text(content)
    with pytest.raises(ModelError, match=rf"{pins.RECORD}.*Delete it"):
        download(NAME, tmp_path)
    assert hub.asked == []


def test_the_pins_of_what_is_offered_can_be_printed(
    hub: Hub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    content = hub.files[TOKENIZER]
    hub.digests[TOKENIZER] = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    assert print_pins([NAME]) == 0
    printed = capsys.readouterr().out
    offers = ast.literal_eval(printed.strip().rstrip(",").replace(f'"{NAME}": Offer', ""))
    assert offers[3] == hub.commit
    assert offers[4] == {f"hub:{name}": hashlib.sha256(hub.files[name]).hexdigest() for name in (WEIGHTS, TOKENIZER)}
    monkeypatch.setitem(downloads.OFFERS, NAME, Offer(*offers))
    download(NAME, tmp_path)


def test_what_cannot_be_downloaded_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Train it, or import"):
        download("paper", tmp_path)
    with pytest.raises(ModelError, match="There is no model named"):
        download("nonsense", tmp_path)


def test_every_offer_is_a_preset_of_the_hub_and_its_size_is_that_of_its_weights() -> None:
    for name, offer in downloads.OFFERS.items():
        config = presets.preset(name)
        assert downloads.sources(config)
        with torch.device("meta"):
            model = CRET(config)
        assert sum(parameter.numel() for parameter in model.parameters()) == offer.parameters
