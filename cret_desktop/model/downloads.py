"""Brings a preset's weights from the Hugging Face hub, or a mirror of it (HF_ENDPOINT), into the folder of models.

A download goes on where the last one stopped, is checked against the digest that the hub itself gives for the file,
and becomes a model of ours (`checkpoint.save`) before it takes its name: a model is there whole, or not at all.
Nothing here is ever called but at a person's word, and only the preset's own files are asked for.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from filelock import FileLock, Timeout

from cret_desktop.errors import DownloadCancelled, ModelError, StorageError
from cret_desktop.model import checkpoint
from cret_desktop.model.checkpoint import Manifest
from cret_desktop.model.config import CRETConfig
from cret_desktop.model.presets import preset

RETRIES = 4  # after each of which not one more byte had come
RETRY_SECONDS = 2.0
STALL_SECONDS = 10.0  # of silence, after which a connection is given up; so long may a cancellation take
TELL_SECONDS = 0.2
_PIECE = 1 << 18
_FLOAT32 = 4  # bytes
_SHA256 = re.compile(r"[0-9a-f]{64}")
_GIT_SHA1 = re.compile(r"[0-9a-f]{40}")  # of small files, which the hub keeps in git itself


@dataclass(frozen=True, slots=True)
class Offer:
    """What is known of a download before the hub is asked.

    parameters: of both towers; the files hold them in float32, and little besides.
    languages:  en, or many
    pinned:     sha256 by source, for mirrors that are not to be taken at their word
    """

    parameters: int
    licence: str
    languages: str
    pinned: Mapping[str, str] = field(default_factory=dict)

    @property
    def about_bytes(self) -> int:
        return self.parameters * _FLOAT32


OFFERS: dict[str, Offer] = {
    "pe-core-t16": Offer(69_546_112, "Apache-2.0", "en"),
    "pe-core-s16": Offer(87_188_224, "Apache-2.0", "en"),
    "pe-core-b16": Offer(447_660_544, "Apache-2.0", "en"),
    "pe-core-l14": Offer(671_138_816, "Apache-2.0", "en"),
    "siglip2-b32": Offer(376_856_064, "Apache-2.0", "many"),
    "siglip2-b16": Offer(375_187_968, "Apache-2.0", "many"),
}


class Stage(StrEnum):
    ASKING = "asking"  # the hub, for sizes and digests
    FETCHING = "fetching"
    CHECKING = "checking"
    BUILDING = "building"


@dataclass(frozen=True, slots=True)
class Progress:
    stage: Stage
    done: int = 0  # bytes
    total: int = 0


Listener = Callable[[Progress], object]


@dataclass(frozen=True, slots=True)
class _Remote:
    """A file as the hub describes it. `digest` is a sha256, or a git blob's sha1."""

    source: str
    url: str
    size: int
    digest: str


def sources(config: CRETConfig) -> list[str]:
    """What a preset needs from the hub, as `checkpoint.locate` names it."""
    wanted = {config.video.weights, config.text.weights, config.text.tokenizer}
    return sorted(source for source in wanted if source.startswith("hub:"))


def partial_bytes(name: str, models_folder: Path) -> int:
    """What an earlier download has left to go on from."""
    return _fetched(_parts_folder(name, models_folder))


def discard_partial(name: str, models_folder: Path) -> None:
    shutil.rmtree(_parts_folder(name, models_folder), ignore_errors=True)


def download(
    name: str, models_folder: Path, listener: Listener = lambda _: None, cancelled: threading.Event | None = None
) -> Manifest:
    """Fetches, checks and builds the model of a preset; returns what is there then. `listener` hears of it meanwhile.

    Raises: DownloadCancelled, after which the next call goes on; ModelError for what the hub does not give, gives
    wrongly or cannot be reached for; StorageError before anything is fetched where there is no room.
    """
    cancelled = cancelled or threading.Event()
    config = preset(name)
    if name not in OFFERS:
        raise ModelError(f"The model “{name}” cannot be downloaded: train it, or import one that somebody has trained.")
    target = models_folder / name
    if target.exists():
        return checkpoint.read_manifest(target)
    parts = _parts_folder(name, models_folder)
    try:
        parts.mkdir(parents=True, exist_ok=True)
        with _alone(parts, config):
            listener(Progress(Stage.ASKING))
            remotes = [_describe(source, config, OFFERS[name]) for source in sources(config)]
            _check_room(parts, remotes, config)
            files = _Fetching(parts, remotes, config, listener, cancelled).fetch()
            listener(Progress(Stage.BUILDING))
            _build(config, files, parts / "model", OFFERS[name])
            (parts / "model").rename(target)
    except OSError as error:
        raise StorageError(
            f"“{config.title}” could not be written to “{models_folder}”: {error.strerror or error}."
        ) from error
    discard_partial(name, models_folder)
    return checkpoint.read_manifest(target)


def _parts_folder(name: str, models_folder: Path) -> Path:
    return models_folder / f".download-{name}"


def _fetched(parts: Path) -> int:
    return sum(file.stat().st_size for file in parts.glob("*") if file.is_file())


@contextmanager
def _alone(parts: Path, config: CRETConfig) -> Iterator[None]:
    """Two downloads into one file would spoil it."""
    try:
        with FileLock(parts / "lock", timeout=0):
            yield
    except Timeout:
        raise ModelError(f"“{config.title}” is being downloaded already, by another window or command.") from None


def _describe(source: str, config: CRETConfig, offer: Offer) -> _Remote:
    """Asks the hub for a file's size and digest. Raises: ModelError."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    owner, repository, file = source.removeprefix("hub:").split("/", 2)
    url = hf_hub_url(f"{owner}/{repository}", file)
    with _understood(config, url):
        found = get_hf_file_metadata(url, token=False)  # what is asked for is public: nobody need be told who asks
    digest = offer.pinned.get(source) or (found.etag or "").lower()
    if found.size is None or not (_SHA256.fullmatch(digest) or _GIT_SHA1.fullmatch(digest)):
        raise ModelError(
            f"“{config.title}” was not downloaded: {url} tells no size and digest to check it by. Use another mirror."
        )
    return _Remote(source, url, found.size, digest)


def _check_room(parts: Path, remotes: list[_Remote], config: CRETConfig) -> None:
    """What was fetched and the model that is made of it lie beside each other for a moment."""
    needed = 2 * sum(remote.size for remote in remotes) - _fetched(parts)
    free = shutil.disk_usage(parts).free
    if needed > free:
        raise StorageError(
            f"There is no room for “{config.title}” in “{parts.parent}”: it needs {needed / 1e6:.0f} MB for a moment, "
            f"{free / 1e6:.0f} MB are free. Nothing was downloaded."
        )


class _Fetching:
    """The files of one model, one after the other."""

    def __init__(
        self, parts: Path, remotes: list[_Remote], config: CRETConfig, listener: Listener, cancelled: threading.Event
    ) -> None:
        self._parts = parts
        self._remotes = remotes
        self._config = config
        self._listener = listener
        self._cancelled = cancelled
        self._total = sum(remote.size for remote in remotes)
        self._before = 0  # bytes of the files that are done
        self._told = 0.0

    def fetch(self) -> dict[str, Path]:
        """-> the files by source, checked."""
        # What was begun belongs to one content: the name says which. Without `.part` it has been checked.
        files = {
            remote.source: self._parts / f"{remote.digest[:16]}-{Path(remote.source).name}" for remote in self._remotes
        }
        known = {*files.values(), *map(_part_of, files.values()), self._parts / "lock"}
        for old in self._parts.iterdir():  # of another version of the file
            if old.is_file() and old not in known:
                old.unlink()
        for remote in self._remotes:
            file = files[remote.source]
            if not file.exists():
                self._fetch(remote, _part_of(file))
                self._check(remote, _part_of(file))
                _part_of(file).rename(file)
            self._before += remote.size
        return files

    def _fetch(self, remote: _Remote, part: Path) -> None:
        failures = 0
        while (have := _size(part)) < remote.size:
            try:
                self._append(remote, part, have)
            except _network_errors() as error:
                failures = 0 if _size(part) > have else failures + 1
                if failures > RETRIES:
                    raise _unreachable(self._config, remote.url, error) from error
                self._cancelled.wait(RETRY_SECONDS)
            self._stop_if_cancelled()

    def _append(self, remote: _Remote, part: Path, have: int) -> None:
        """Fetches what is missing, or all of it from a server that cannot begin in the middle."""
        from huggingface_hub import get_session

        # Compressed on the way, a range would be one of other bytes.
        headers = {"Range": f"bytes={have}-", "Accept-Encoding": "identity"}
        with get_session().stream("GET", remote.url, headers=headers, timeout=STALL_SECONDS) as response:
            response.raise_for_status()
            goes_on = response.status_code == 206 and f"bytes {have}-" in response.headers.get("Content-Range", "")
            with part.open("ab" if goes_on else "wb") as file:
                for piece in response.iter_bytes():
                    if file.tell() + len(piece) > remote.size:
                        raise ModelError(f"“{remote.url}” is larger than the hub says it is: use another mirror.")
                    file.write(piece)
                    self._tell(Stage.FETCHING, file.tell())
                    self._stop_if_cancelled()

    def _check(self, remote: _Remote, part: Path) -> None:
        self._tell(Stage.CHECKING, remote.size, now=True)
        if _digest(part, remote) != remote.digest:
            part.unlink()
            raise ModelError(
                f"What came from {remote.url} is not the file that it should be, and was deleted. Download it again."
            )

    def _stop_if_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise DownloadCancelled(f"The download of “{self._config.title}” was stopped; it can go on from there.")

    def _tell(self, stage: Stage, done: int, now: bool = False) -> None:
        moment = time.monotonic()
        if now or moment - self._told > TELL_SECONDS:
            self._told = moment
            self._listener(Progress(stage, self._before + done, self._total))


def _part_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.part")


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _digest(file: Path, remote: _Remote) -> str:
    digest = hashlib.sha256()
    if len(remote.digest) != digest.digest_size * 2:
        digest = hashlib.sha1(b"blob %d\0" % remote.size, usedforsecurity=False)
    with file.open("rb") as stream:
        while piece := stream.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _build(config: CRETConfig, files: Mapping[str, Path], folder: Path, offer: Offer) -> None:
    """Makes a model's folder of the files. Raises: ModelError for weights that do not fit the preset."""
    from cret_desktop.model.transforms import Tokenizer

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    source = config.text.tokenizer
    tokenizer = files.get(source) or checkpoint.locate(source)
    if tokenizer.suffix == ".gz":  # CLIP's list of merges, as a tokenizer.json
        Tokenizer(tokenizer, config.text).save(folder / checkpoint.TOKENIZER)
        tokenizer = folder / checkpoint.TOKENIZER
    model = checkpoint.initialise(config, files=files)
    origins = ", ".join(source.removeprefix("hub:") for source in files)
    card = f"# {config.title}\n\nWeights: {origins} of the Hugging Face hub. Licence: {offer.licence}.\n"
    checkpoint.save(model, folder, tokenizer, card)


# --- what can go wrong on the way -------------------------------------------------------------------------------------


def _network_errors() -> tuple[type[Exception], ...]:
    import httpx2

    return (httpx2.TransportError, httpx2.HTTPStatusError, ConnectionError)


@contextmanager
def _understood(config: CRETConfig, url: str) -> Iterator[None]:
    """The hub's errors as one sentence that says what to do."""
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError

    unreachable: tuple[type[Exception], ...] = (*_network_errors(), HfHubHTTPError)
    try:
        yield
    except (EntryNotFoundError, RepositoryNotFoundError) as error:
        raise ModelError(
            f"“{config.title}” is not there any more: {url} was not found. Look for a newer version of CRET Desktop."
        ) from error
    except unreachable as error:
        raise _unreachable(config, url, error) from error


def _unreachable(config: CRETConfig, url: str, error: Exception) -> ModelError:
    host = url.split("/")[2]
    return ModelError(
        f"“{config.title}” cannot be downloaded: {host} cannot be reached ({_brief(error)}). Try again when this "
        "computer is online, or import the model from a folder that another computer has downloaded."
    )


def _brief(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0].rstrip(". ") or type(error).__name__
