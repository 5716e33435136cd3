"""Downloads a preset's weights from the Hugging Face hub, or a mirror (HF_ENDPOINT), into the folder of models.

A download resumes where the last one stopped. It is checked, converted by `checkpoint.save` and tried by `trial` before
it takes its final name, so a model is either complete or absent. Downloads start only at the user's request, and
request only the preset's own files.

The server of a file cannot vouch for it. `Offer.commit` and `Offer.pinned` name the expected files where they are
known. Otherwise the first download is trusted and recorded in `pins`, and later ones must have the same content. All
requests use TLS, and redirects to other schemes are refused.

Partial downloads are in a folder that only the user may enter. Files are opened without following links and are
checked before anything is written to them.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from filelock import FileLock, Timeout

from cret_desktop.cancellation import CancelToken
from cret_desktop.errors import DownloadCancelled, ModelError, StorageError
from cret_desktop.foreign import Unusable, reason_of
from cret_desktop.messages import Message
from cret_desktop.model import checkpoint, pins, trial
from cret_desktop.model.checkpoint import Manifest
from cret_desktop.model.config import CRETConfig
from cret_desktop.model.presets import preset

if TYPE_CHECKING:
    import httpx2

RETRIES = 4  # consecutive ones without a new byte
RETRY_SECONDS = 2.0
STALL_SECONDS = 10.0  # of silence before a connection is closed; a cancellation may take as long
TELL_SECONDS = 0.2
ALLOW_LOOPBACK_HTTP = False  # for a hub on this computer, as in tests
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_MOST_REDIRECTS = 5
_MOST_MORE = 1.25  # times the size of the weights in the offer
_MOST_BESIDE = 128 << 20  # bytes for a tokenizer, and for the names and shapes of weights
_PIECE = 1 << 18
_FLOAT32 = 4  # bytes
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SIZE = re.compile(r"[0-9]{1,15}")
_GIT_SHA1 = re.compile(r"[0-9a-f]{40}")  # of small files, which the hub stores in git itself


@dataclass(frozen=True, slots=True)
class Offer:
    """A model offered for download, as known without asking the hub.

    parameters: of both towers; the files are little more than these in float32.
    languages:  en, or many
    commit:     of the hub's repository; '' if not known
    pinned:     known sha256 by source; `python -m training.pins` prints both for anyone who can reach the hub
    """

    parameters: int
    licence: str
    languages: str
    commit: str = ""
    pinned: Mapping[str, str] = field(default_factory=dict)

    @property
    def about_bytes(self) -> int:
        return self.parameters * _FLOAT32

    @property
    def most_bytes(self) -> int:
        """Upper bound for all files together; a larger announced size is refused."""
        return int(self.about_bytes * _MOST_MORE) + _MOST_BESIDE


# Commits and digests are not known yet: they must come from the hub itself.
OFFERS: dict[str, Offer] = {
    "pe-core-t16": Offer(69_546_112, "Apache-2.0", "en"),
    "pe-core-s16": Offer(87_188_224, "Apache-2.0", "en"),
    "pe-core-b16": Offer(447_660_544, "Apache-2.0", "en"),
    "pe-core-l14": Offer(671_138_816, "Apache-2.0", "en"),
    "siglip2-b32": Offer(376_856_064, "Apache-2.0", "many"),
    "siglip2-b16": Offer(375_187_968, "Apache-2.0", "many"),
}


class Stage(StrEnum):
    ASKING = "asking"  # requesting sizes and digests from the hub
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
    """A file as the hub describes it. `digest` is a sha256 or a git blob's sha1; `pinned` is a sha256 or ''."""

    source: str
    url: str
    size: int
    digest: str
    pinned: str = ""
    commit: str = ""


def sources(config: CRETConfig) -> list[str]:
    """Return the hub files of a preset, as `checkpoint.locate` names them."""
    wanted = {config.video.weights, config.text.weights, config.text.tokenizer}
    return sorted(source for source in wanted if source.startswith("hub:"))


def partial_bytes(name: str, models_folder: Path) -> int:
    """Return the bytes of an unfinished download that can be resumed."""
    return _fetched(_parts_folder(name, models_folder))


def discard_partial(name: str, models_folder: Path) -> None:
    parts = _parts_folder(name, models_folder)
    if parts.is_symlink():  # the target of a link is not ours to delete
        parts.unlink()
    shutil.rmtree(parts, ignore_errors=True)


def download(
    name: str, models_folder: Path, listener: Listener = lambda _: None, token: CancelToken | None = None
) -> Manifest:
    """Download, check and build the model of a preset, or return the existing one. `listener` receives the progress.

    Raises: DownloadCancelled, after which the next call resumes; ModelError if the hub is unreachable or its files are
    missing or wrong; StorageError before the download if there is not enough space.
    """
    token = token or CancelToken()
    config = preset(name)
    if name not in OFFERS:
        raise ModelError("download.not-offered", name=name)
    target = models_folder / name
    if target.exists():
        return checkpoint.read_manifest(target)
    parts = _parts_folder(name, models_folder)
    offer = OFFERS[name]
    try:
        _private(parts)
        with _alone(parts, config):
            listener(Progress(Stage.ASKING))
            known = pins.known(models_folder, name).with_more(offer.commit, offer.pinned)
            remotes = _describe_all(config, offer, known)
            _check_room(parts, remotes, config)
            files = _Fetching(parts, remotes, config, listener, token).fetch()
            listener(Progress(Stage.BUILDING))
            _build(config, files, parts / "model", offer)
            trial.believed(checkpoint.read_manifest(parts / "model"), trial.Stage.WHOLE, target)
            arrived = {remote.source: _digest(files[remote.source]) for remote in remotes}
            pins.remember(models_folder, name, pins.Pin(known.commit or remotes[0].commit, arrived))
            (parts / "model").rename(target)
    except (OSError, Unusable) as error:
        raise StorageError(
            "download.not-written", title=config.title, folder=models_folder, reason=reason_of(error)
        ) from error
    discard_partial(name, models_folder)
    return checkpoint.read_manifest(target)


def ask_for_pin(config: CRETConfig, offer: Offer, folder: Path) -> pins.Pin:
    """Return the hub's pin of a preset; downloads small files into `folder`. Raises: ModelError, StorageError."""
    remotes = _describe_all(config, offer, pins.Pin(offer.commit))
    small = [remote for remote in remotes if not _SHA256.fullmatch(remote.digest)]
    fetched = _Fetching(folder, small, config, lambda _: None, CancelToken()).fetch()
    told = {remote.source: remote.digest for remote in remotes if remote not in small}
    return pins.Pin(remotes[0].commit, told | {source: _digest(file) for source, file in fetched.items()})


def _parts_folder(name: str, models_folder: Path) -> Path:
    return models_folder / f".download-{name}"


def _private(folder: Path) -> None:
    """Create the folder, or check that it is ours, and make it private. Raises: OSError, StorageError."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or not _is_ours(found):
        raise StorageError("download.foreign-folder", folder=folder)
    folder.chmod(0o700)


def _is_ours(found: os.stat_result) -> bool:
    return not hasattr(os, "getuid") or found.st_uid == os.getuid()


def _fetched(parts: Path) -> int:
    found = [file.lstat() for file in parts.glob("*")]
    return sum(file.st_size for file in found if stat.S_ISREG(file.st_mode))


@contextmanager
def _alone(parts: Path, config: CRETConfig) -> Iterator[None]:
    """Hold the lock of a partial download: two writers would corrupt it. Raises: ModelError."""
    try:
        with FileLock(parts / "lock", timeout=0):
            yield
    except Timeout:
        raise ModelError("download.running", title=config.title) from None


def _describe_all(config: CRETConfig, offer: Offer, known: pins.Pin) -> list[_Remote]:
    """Ask the hub for the files of one commit: the known one, else the first one it names. Raises: ModelError."""
    remotes: list[_Remote] = []
    commit = known.commit
    for source in sources(config):
        remotes.append(_describe(source, config, commit, known.files.get(source, "")))
        commit = commit or remotes[0].commit
    total = sum(remote.size for remote in remotes)
    if total > offer.most_bytes:
        raise ModelError(
            "download.wrong-size",
            title=config.title,
            host=_host(remotes[0].url),
            announced=total / 1e6,
            known=offer.about_bytes / 1e6,
        )
    return remotes


def _describe(source: str, config: CRETConfig, commit: str, pinned: str) -> _Remote:
    """Ask the hub for a file's size and digest. Raises: ModelError."""
    from huggingface_hub import constants, hf_hub_url
    from huggingface_hub.utils import hf_raise_for_status  # type: ignore[attr-defined]  # it is in its __all__

    owner, repository, file = source.removeprefix("hub:").split("/", 2)
    url = hf_hub_url(f"{owner}/{repository}", file, revision=commit or None)
    # The files are public, so no credentials are sent. The headers that describe a file are in the first response that
    # redirects away from the hub.
    with _understood(config, url), _asked("HEAD", url, config, leave_host=False) as response:
        if not response.is_redirect:
            hf_raise_for_status(response)
        headers = response.headers
    found = headers.get(constants.HUGGINGFACE_HEADER_X_LINKED_ETAG) or headers.get("ETag") or ""
    digest = found.removeprefix("W/").strip('"').lower()
    size = headers.get(constants.HUGGINGFACE_HEADER_X_LINKED_SIZE) or ""
    if not size and not response.is_redirect:
        size = headers.get("Content-Length") or ""
    named = (headers.get(constants.HUGGINGFACE_HEADER_X_REPO_COMMIT) or "").lower()
    if not _SIZE.fullmatch(size) or not (_SHA256.fullmatch(digest) or _GIT_SHA1.fullmatch(digest)):
        raise ModelError("download.no-digest", title=config.title, address=url)
    if pinned and _SHA256.fullmatch(digest) and digest != pinned:
        raise _changed(config, url)
    if not _GIT_SHA1.fullmatch(named):
        return _Remote(source, url, int(size), digest, pinned)
    # All files come from one commit, even if a newer one appears during the download.
    fixed = hf_hub_url(f"{owner}/{repository}", file, revision=commit or named)
    return _Remote(source, fixed, int(size), digest, pinned, named)


def _changed(config: CRETConfig, url: str) -> ModelError:
    return ModelError("download.other-file", title=config.title, address=url)


@contextmanager
def _asked(
    method: str, url: str, config: CRETConfig, headers: Mapping[str, str] | None = None, *, leave_host: bool = True
) -> Iterator[httpx2.Response]:
    """Yield the response at the end of a chain of checked redirects; its body is still unread.

    leave_host: follow redirects to other hosts; otherwise return the redirect. Raises: ModelError.
    """
    from huggingface_hub import get_session

    sent = {"Accept-Encoding": "identity", **(headers or {})}  # a range of a compressed response covers other bytes
    for _ in range(_MOST_REDIRECTS + 1):
        _check_address(url, config)
        with get_session().stream(method, url, headers=sent, timeout=STALL_SECONDS, follow_redirects=False) as response:
            target = urljoin(url, response.headers.get("Location", "")) if response.has_redirect_location else ""
            if not target or (not leave_host and _host(target) != _host(url)):
                yield response
                return
        url = target
    raise ModelError("download.redirects", title=config.title, host=_host(url))


def _check_address(url: str, config: CRETConfig) -> None:
    """Raise a ModelError for an unencrypted address, which an intermediary could answer."""
    parts = urlsplit(url)
    local = ALLOW_LOOPBACK_HTTP and parts.scheme == "http" and parts.hostname in _LOOPBACK
    if parts.scheme != "https" and not local:
        raise ModelError("download.not-encrypted", title=config.title, host=_host(url))


def _host(url: str) -> str:
    return urlsplit(url).netloc


def _check_room(parts: Path, remotes: list[_Remote], config: CRETConfig) -> None:
    """Check that there is space for the files and the model built from them at once. Raises: StorageError."""
    needed = 2 * sum(remote.size for remote in remotes) - _fetched(parts)
    free = shutil.disk_usage(parts).free
    if needed > free:
        raise StorageError(
            "download.no-space", title=config.title, folder=parts.parent, needed=needed / 1e6, free=free / 1e6
        )


class _Fetching:
    """Downloads the files of one model, one after the other."""

    def __init__(
        self, parts: Path, remotes: list[_Remote], config: CRETConfig, listener: Listener, token: CancelToken
    ) -> None:
        self._parts = parts
        self._remotes = remotes
        self._config = config
        self._listener = listener
        self._token = token
        self._total = sum(remote.size for remote in remotes)
        self._before = 0  # bytes of the finished files
        self._told = 0.0

    def fetch(self) -> dict[str, Path]:
        """Download and check the files; return them by source."""
        # The name of a file contains its digest, so a partial file belongs to one content.
        files = {
            remote.source: self._parts / f"{remote.digest[:16]}-{Path(remote.source).name}" for remote in self._remotes
        }
        known = {*files.values(), *map(_part_of, files.values()), self._parts / "lock"}
        for old in self._parts.iterdir():  # files of another version
            if old not in known and not stat.S_ISDIR(old.lstat().st_mode):
                old.unlink()
        for remote in self._remotes:
            file, part = files[remote.source], _part_of(files[remote.source])
            if _own_size(file) == remote.size:  # downloaded before; checked again, because the name proves nothing
                self._check(remote, file)
            else:
                file.unlink(missing_ok=True)
                self._fetch(remote, part)
                self._check(remote, part)
                part.rename(file)
            self._before += remote.size
        return files

    def _fetch(self, remote: _Remote, part: Path) -> None:
        failures = 0
        while (have := _own_size(part)) < remote.size:
            try:
                self._append(remote, part, have)
            except _network_errors() as error:
                failures = 0 if _own_size(part) > have else failures + 1
                if failures > RETRIES:
                    raise _unreachable(self._config, remote.url, error) from error
                self._token.wait(RETRY_SECONDS)
            self._stop_if_cancelled()

    def _append(self, remote: _Remote, part: Path, have: int) -> None:
        """Download the missing part, or everything if the server ignores the range."""
        with _asked("GET", remote.url, self._config, {"Range": f"bytes={have}-"}) as response:
            response.raise_for_status()
            goes_on = response.status_code == 206 and f"bytes {have}-" in response.headers.get("Content-Range", "")
            with _open_own(part, have if goes_on else 0) as file:
                for piece in response.iter_bytes():
                    if file.tell() + len(piece) > remote.size:
                        raise ModelError("download.larger", address=remote.url)
                    file.write(piece)
                    self._tell(Stage.FETCHING, file.tell())
                    self._stop_if_cancelled()

    def _check(self, remote: _Remote, file: Path) -> None:
        self._tell(Stage.CHECKING, remote.size, now=True)
        is_told = _digest(file, remote) == remote.digest
        if is_told and (not remote.pinned or _digest(file) == remote.pinned):
            return
        file.unlink()
        if is_told:
            raise _changed(self._config, remote.url)
        raise ModelError("download.damaged", address=remote.url)

    def _stop_if_cancelled(self) -> None:
        if self._token.cancelled:
            raise DownloadCancelled("download.stopped", title=self._config.title)

    def _tell(self, stage: Stage, done: int, now: bool = False) -> None:
        moment = time.monotonic()
        if now or moment - self._told > TELL_SECONDS:
            self._told = moment
            self._listener(Progress(stage, self._before + done, self._total))


def _part_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.part")


def _own_size(file: Path) -> int:
    """Return the size of a file that only we can have written; delete any other file of that name and return 0."""
    try:
        found = file.lstat()
    except FileNotFoundError:
        return 0
    if stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and _is_ours(found):
        return found.st_size
    file.unlink()
    return 0


def _open_own(file: Path, have: int) -> IO[bytes]:
    """Open for writing after the first `have` bytes, which are kept. Raises: OSError, Unusable."""
    if _own_size(file) != have:
        file.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    opened = os.fdopen(os.open(file, flags if have else flags | os.O_EXCL, 0o600), "wb")
    found = os.fstat(opened.fileno())
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_size != have:
        opened.close()
        raise Unusable(Message("download.file-changed", file=file))
    opened.seek(have)
    return opened


def _digest(file: Path, remote: _Remote | None = None) -> str:
    """Return the sha256, or the git blob's sha1 if the hub describes `remote` by one."""
    digest = hashlib.sha256()
    if remote is not None and not _SHA256.fullmatch(remote.digest):
        digest = hashlib.sha1(b"blob %d\0" % remote.size, usedforsecurity=False)
    with file.open("rb") as stream:
        while piece := stream.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _build(config: CRETConfig, files: Mapping[str, Path], folder: Path, offer: Offer) -> None:
    """Build a model's folder from the files. Raises: ModelError for weights that do not fit the preset."""
    from cret_desktop.model.transforms import Tokenizer

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    source = config.text.tokenizer
    tokenizer = files.get(source) or checkpoint.locate(source)
    if tokenizer.suffix == ".gz":  # CLIP's list of merges; convert it to a tokenizer.json
        Tokenizer(tokenizer, config.text).save(folder / checkpoint.TOKENIZER)
        tokenizer = folder / checkpoint.TOKENIZER
    model = checkpoint.initialise(config, files=files)
    origins = ", ".join(source.removeprefix("hub:") for source in files)
    card = f"# {config.title}\n\nWeights: {origins} of the Hugging Face hub. Licence: {offer.licence}.\n"
    checkpoint.save(model, folder, tokenizer, card)


# --- errors on the way ------------------------------------------------------------------------------------------------


def _network_errors() -> tuple[type[Exception], ...]:
    import httpx2

    return (httpx2.TransportError, httpx2.HTTPStatusError, ConnectionError)


@contextmanager
def _understood(config: CRETConfig, url: str) -> Iterator[None]:
    """Convert the hub's errors into one sentence that names the remedy."""
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError

    unreachable: tuple[type[Exception], ...] = (*_network_errors(), HfHubHTTPError)
    try:
        yield
    except (EntryNotFoundError, RepositoryNotFoundError) as error:
        raise ModelError("download.gone", title=config.title, address=url) from error
    except unreachable as error:
        raise _unreachable(config, url, error) from error


def _unreachable(config: CRETConfig, url: str, error: Exception) -> ModelError:
    host = url.split("/")[2]
    return ModelError("download.unreachable", title=config.title, host=host, reason=reason_of(error))
