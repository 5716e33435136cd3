"""Tries an untrusted model in a separate process before it is used.

Loading a tokenizer and building a network run untrusted numbers through libraries that are not hardened against them:
they may panic, abort, exhaust memory or never return. So both happen first in a child with bounded memory, time and
files. If the child dies, the app reports one sentence and continues. A passed trial is recorded by the digest of the
model's files, in the user's data folder, and is repeated only when they change.

There are two stages. `WORDS` loads the tokenizer and tokenizes difficult texts (half a second, no torch). `WHOLE` also
builds the network, loads the weights and encodes those texts and a frame. A model passes `WHOLE` when it is imported or
downloaded, and before it indexes. `WORDS` is enough before a search, which checks the model's numbers itself.

Models shipped with the app are not tried. This module does not judge a model's quality.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
from enum import StrEnum
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from cret_desktop import paths
from cret_desktop.child_process import ChildLimits, ChildProcess, bound_memory, end_with_parent
from cret_desktop.errors import ModelError, StorageError
from cret_desktop.foreign import reason_of
from cret_desktop.messages import Message
from cret_desktop.model import bounded_json, checkpoint, foreign, tokenizer_file
from cret_desktop.model.checkpoint import Manifest

log = logging.getLogger(__name__)

RULES = 1  # version of the trial's checks; increase it when they become stricter, and every model is tried again
SECONDS = {"words": 30.0, "whole": 150.0}  # of processor time; an honest model takes a tenth of it
_SLOWER = 4  # ratio of wall-clock time to processor time, on a busy computer
_SECONDS_PER_GB = 60.0  # extra time for large weights
_MORE_MEMORY = 2 << 30  # bytes beyond those of the loaded libraries
_START_MEMORY = 8 << 30  # resident, where it is only watched from outside: more than a loaded torch needs
_LOOK_SECONDS = 0.05
_END_SECONDS = 1.0  # from the end of its pipe to its own
_LONGEST_ANSWER = 1 << 16
_MOST_REMEMBERED = 500
_LARGEST_RECORD = 1 << 20

PROBES = (
    "a dog runs on the beach",
    "",
    " ",
    "a",
    "A" * 2000,
    "a " * 2000,
    "é" * 500,
    "東京タワーの前で踊る人々",
    "مرحبا بالعالم",
    "नमस्ते दुनिया",
    "👩‍👩‍👧‍👦🏳️‍🌈😀" * 50,
    "\x00\x01\x07\x1b[0m\r\n\t",
    "\u202e\u200d\ufeff\ufffd\ufdfa\u0345",
    "z\u0335\u0321" * 300,
    "!?.,;:'\"()[]{}<>|\\/@#$%^&*_+-=~`" * 20,
    "[UNK] [CLS] <unk> <s> </s> <pad> <|endoftext|> <start_of_text>",
    "1234567890" * 100,
    "𐍈𝔘𝔫𝔦𝔠𝔬𝔡𝔢",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
)


class Stage(StrEnum):
    WORDS = "words"
    WHOLE = "whole"


def believed(manifest: Manifest, stage: Stage, source: Path | None = None) -> bytes:
    """Return the content of the model's tokenizer after the model has passed the stage, now or earlier.

    source: the path that the user named, if it is not the model's folder.
    Raises: ModelError, one sentence that names the model, if it fails.
    """
    if is_ours(manifest.folder):
        return checkpoint.tokenizer_file(manifest).read_bytes()
    source = source or manifest.folder
    foreign.check(manifest, source)
    if checkpoint.read_manifest(manifest.folder) != manifest:
        raise ModelError("model.reopened", source=source)
    content = _tokenizer(manifest.folder)
    digest = _digest(manifest.folder, content)
    enough = (stage, Stage.WHOLE)
    if _passed.get(digest) not in enough and _remembered().get(digest) not in enough:
        _try(manifest, stage, source, digest)
        _passed[digest] = stage.value
        _remember(digest, stage)
    return content


def is_ours(folder: Path) -> bool:
    """Return whether a model ships with the app."""
    return folder.parent == paths.resource("models")


def _tokenizer(folder: Path) -> bytes:
    file = folder / checkpoint.TOKENIZER
    try:
        return bounded_json.read_bytes(file, tokenizer_file.LARGEST)
    except FileNotFoundError as error:
        raise ModelError("model.file-missing", file=file) from error
    except OSError as error:
        raise ModelError("model.unreadable", file=file, reason=reason_of(error)) from error


def _digest(folder: Path, tokenizer: bytes) -> str:
    """Return the digest of the tokenizer and the configuration, which contains the digest of its weights."""
    config = bounded_json.read_bytes(folder / checkpoint.CONFIG, checkpoint.LARGEST_CONFIG)
    total = hashlib.blake2b(digest_size=32)
    for part in (str(RULES).encode(), config, tokenizer):
        total.update(len(part).to_bytes(8, "little") + part)
    return total.hexdigest()


# Earlier trials

_passed: dict[str, str] = {}  # in this process, by digest


def _record_file() -> Path:
    return paths.data_folder() / "tried-models.json"


def _remembered() -> dict[str, str]:
    """Return the passed stage by digest; empty if the record is absent or unreadable, so that trials are repeated."""
    try:
        file = _record_file()
        content = bounded_json.parse(bounded_json.read_bytes(file, _LARGEST_RECORD), file)
    except FileNotFoundError:
        return {}
    except (ModelError, StorageError, OSError) as error:
        log.warning("which models were tried cannot be read, so they are tried again: %s", error)
        return {}
    known = content.items() if isinstance(content, dict) else ()
    return {digest: stage for digest, stage in known if isinstance(stage, str)}


def _remember(digest: str, stage: Stage) -> None:
    kept = {known: passed for known, passed in _remembered().items() if known != digest}
    newest = [*[*kept.items()][-_MOST_REMEMBERED:], (digest, stage.value)]
    try:
        file = _record_file()
        if file.parent.is_dir():  # do not create the user's data folder for this alone
            bounded_json.replace(file, dict(newest))
    except (StorageError, OSError) as error:
        log.warning("that a model was tried cannot be kept, so it will be tried again: %s", error)


# The parent process


def _try(manifest: Manifest, stage: Stage, source: Path, digest: str) -> None:
    """Try the model in a child process. Raises: ModelError."""
    weights = manifest.files[checkpoint.WEIGHTS].size if stage is Stage.WHOLE else 0
    seconds = SECONDS[stage] + _SECONDS_PER_GB * weights / 1e9
    more = _MORE_MEMORY + 3 * weights + 10 * manifest.files[checkpoint.TOKENIZER].size
    limits = ChildLimits(start_seconds=_SLOWER * seconds, memory_bytes=_START_MEMORY + more)
    given = (str(manifest.folder), stage, more, seconds)
    with ChildProcess("cret-trial", _run_child, *given, limits=limits, only_answers=True) as child:
        answer = _answer(child)
        if not answer:
            child.wait(_END_SECONDS)
    reason = answer if isinstance(answer, Message) else None
    if not answer and child.exit_status is not None:
        reason = Message("model.trial-ended", status=str(child.exit_status))
    elif reason is None and answer != digest:
        reason = Message("model.trial-changed")
    if reason is not None:
        raise ModelError("model.tried", source=source, reason=reason.mapped(bounded_json.brief))


def _answer(child: ChildProcess) -> str | Message:
    """Return the digest of the tried files, or the reason for refusal; '' if the child ended without an answer."""
    while not child.poll(_LOOK_SECONDS):
        if child.has_stalled:
            return Message("model.trial-slow")
        if child.is_oversized:
            return Message("model.trial-memory")
    try:
        found = bounded_json.parse(child.receive(_LONGEST_ANSWER), "answer")
        if not isinstance(found, dict):
            return ""
        return Message.from_json(found["refused"]) if "refused" in found else str(found.get("digest", ""))
    except (EOFError, OSError, ModelError, ValueError):  # the child has ended, or was made to send something else
        return ""


# The child process


def _run_child(pipe: Connection, folder: str, stage: Stage, more: int, seconds: float) -> None:
    end_with_parent()
    # Panics print pages of addresses, which are useless in a log or a terminal.
    with open(os.devnull, "r+b") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    answer: dict[str, Any]
    try:
        answer = {"digest": _examine(Path(folder), stage, more, seconds)}
    except BaseException as error:  # noqa: BLE001 - a panic of a library is none of Python's exceptions
        reason = bounded_json.reason_in(error) if isinstance(error, ModelError) else reason_of(error)
        answer = {"refused": reason.mapped(bounded_json.brief).to_json()}
    pipe.send_bytes(json.dumps(answer).encode())


def _examine(folder: Path, stage: Stage, more: int, seconds: float) -> str:
    """Return the digest of the tried files. Raises: ModelError, or whatever the libraries raise."""
    if stage is Stage.WHOLE:
        import timm  # noqa: F401 - loaded before memory is bounded
        import torch  # noqa: F401
    import tokenizers  # noqa: F401

    _bound(more, seconds)
    manifest = checkpoint.read_manifest(folder)
    foreign.check(manifest)
    content = _tokenizer(folder)
    digest = _digest(folder, content)
    _try_words(manifest, content)
    if stage is Stage.WHOLE:
        foreign.check_fits(manifest)
        _try_numbers(manifest, content)
    return digest


def _bound(more: int, seconds: float) -> None:
    """Limit this process's privileges and resources; the parent also watches its time and memory on every system."""
    bound_memory(more)
    if sys.platform == "win32":
        return
    import resource

    for kind, limit in (
        (resource.RLIMIT_CPU, int(seconds) + 1),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),  # it has nothing to write
    ):
        _, hardest = resource.getrlimit(kind)
        wanted = limit if hardest == resource.RLIM_INFINITY else min(limit, hardest)
        resource.setrlimit(kind, (wanted, wanted))


def _try_words(manifest: Manifest, content: bytes) -> None:
    from cret_desktop.model.words import Words

    words = Words(content, manifest.folder / checkpoint.TOKENIZER, manifest.config.text)
    together = words.ids(PROBES)
    if not together[0]:
        raise ModelError("tokenizer.no-words", text=PROBES[0])
    for text, expected in zip(PROBES, together, strict=True):
        if words.ids([text]) != [expected]:
            raise ModelError("tokenizer.random")


def _try_numbers(manifest: Manifest, content: bytes) -> None:
    import torch

    from cret_desktop.model.transforms import Tokenizer, normalise_pixels
    from cret_desktop.model.words import Words

    config, file = manifest.config, manifest.folder / checkpoint.TOKENIZER
    tokenizer = Tokenizer(file, config.text, tried=content)
    found = Words(content, file, config.text, tried=True).ids(PROBES)
    texts = [text for text, ids in zip(PROBES, found, strict=True) if ids]
    model = checkpoint.load(manifest)
    frame = torch.full((1, 1, config.frames.size, config.frames.size, 3), 128, dtype=torch.uint8)
    with torch.inference_mode():
        said = model.encode_text(*tokenizer(texts))
        seen = model.encode_video(normalise_pixels(frame, config.mean, config.std))
    centers = config.correspondence.centers
    for is_text, tensors, shapes in (
        (True, said, ((len(texts), config.width), (len(texts), centers, config.width))),
        (False, seen, ((1, 1, config.width), (1, centers, config.width))),
    ):
        for tensor, shape in zip(tensors, shapes, strict=True):
            if tuple(tensor.shape) != shape or not bool(torch.isfinite(tensor).all()):
                found_shape = str(list(tensor.shape))
                if is_text:
                    raise ModelError("model.trial-texts", shape=found_shape)
                raise ModelError("model.trial-frames", shape=found_shape)
