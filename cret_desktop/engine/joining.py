"""Lets a client join the engine that another program of the same person runs on the same library.

Both ends prove that they hold the library's key, which is in this person's configuration and never crosses the socket.
Then the client sends its version and its requirements. A client that does not match is refused, and behaves as if
another program held the library. Only bytes cross the socket, never pickles.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from cret_desktop import paths
from cret_desktop.engine import codec, local_socket, protocol
from cret_desktop.errors import StorageError
from cret_desktop.messages import Message

if TYPE_CHECKING:
    from cret_desktop.engine.client import EngineConfig

log = logging.getLogger(__name__)

ANSWER_SECONDS = 10.0  # an engine that is still opening the library answers afterwards
LONGEST = 16 * 1024  # bytes of a message before a client is admitted
OWNER_ENDED = Message("joining.owner-ended")
ONLY_READS = Message("joining.only-reads")
_NONCE_BYTES = 32
_PURPOSE = b"cret-desktop: join a running engine"
_CLIENT, _ENGINE = b"client", b"engine"


class Refused(Exception):
    """Raised if the other end holds another key, or does not match."""


@dataclass(frozen=True, slots=True)
class Hello:
    """A client's version, and its requirements for an engine. Field types as in EngineConfig."""

    version: str
    read_only: bool
    model: str
    device: str
    leave_out: tuple[str, ...]
    clip_seconds: float
    thumbnail_width: int
    disk_budget: float

    @classmethod
    def of(cls, config: EngineConfig) -> Hello:
        return cls(
            paths.version(),
            config.read_only,
            config.model,
            config.device,
            config.leave_out,
            config.clip_seconds,
            config.thumbnail_width,
            config.disk_budget,
        )

    def misfit(self, engine: Hello) -> str:
        """Return the reason why an engine cannot serve this client, for the log; '' if it can.

        Indexing settings do not matter to a client that only reads.
        """
        if self.version != engine.version:
            return f"version {self.version} cannot join version {engine.version}"
        if (self.model, self.device) != (engine.model, engine.device):
            return "it needs another model or device"
        ours = (self.leave_out, self.clip_seconds, self.thumbnail_width, self.disk_budget)
        theirs = (engine.leave_out, engine.clip_seconds, engine.thumbnail_width, engine.disk_budget)
        return "" if self.read_only or ours == theirs else "it indexes with other settings"


def join(config: EngineConfig) -> tuple[Connection, protocol.EngineStarted] | None:
    """Join the engine that holds a library. Return None if there is none that this client may join."""
    if config.adopt:
        return None
    try:
        place = local_socket.address(config.library)
    except StorageError as error:  # an account without a home
        log.debug("no engine can be found: %s", error)
        return None
    connection = local_socket.connect(place)
    if connection is None:
        return None
    try:
        with local_socket.deadline(connection, ANSWER_SECONDS):
            _introduce(connection, _key(config.library), Hello.of(config))
            first = codec.Message(connection.recv_bytes()).event()
            if isinstance(first, protocol.EngineStarted):
                return connection, first
            reason: object = f"it said {type(first).__name__}"
    except (EOFError, OSError, Refused, codec.Undecodable) as error:
        reason = error or "it ended the connection"
    log.info("The engine that holds %s was not joined: %s", config.library, reason)
    connection.close()
    return None


def _key(library: Path) -> bytes:
    from cret_desktop.engine import adoption  # an engine dependency; imported only if there is an engine to join

    return adoption.key_in(library)


def _introduce(connection: Connection, key: bytes, hello: Hello) -> None:
    """Run the client's side of the handshake. Raises: Refused, EOFError, OSError."""
    theirs = connection.recv_bytes(LONGEST)
    ours = secrets.token_bytes(_NONCE_BYTES)
    connection.send_bytes(ours + _proof(key, _CLIENT, theirs, ours))
    if not hmac.compare_digest(connection.recv_bytes(LONGEST), _proof(key, _ENGINE, theirs, ours)):
        raise Refused("it does not hold the library's key")
    connection.send_bytes(msgspec.json.encode(hello))
    if reason := connection.recv_bytes(LONGEST):
        raise Refused(reason.decode("ascii", "replace"))


def admit(connection: Connection, key: bytes, engine: Hello) -> Hello:
    """Run the engine's side of the handshake; return the client's Hello. Raises: Refused, EOFError, OSError."""
    ours = secrets.token_bytes(_NONCE_BYTES)
    connection.send_bytes(ours)
    answer = connection.recv_bytes(LONGEST)
    theirs, proof = answer[:_NONCE_BYTES], answer[_NONCE_BYTES:]
    if not hmac.compare_digest(proof, _proof(key, _CLIENT, ours, theirs)):
        raise Refused("it does not hold the library's key")
    connection.send_bytes(_proof(key, _ENGINE, ours, theirs))
    try:
        hello = msgspec.json.decode(connection.recv_bytes(LONGEST), type=Hello)
    except (ValueError, RecursionError) as error:
        raise Refused("what it said cannot be read") from error
    misfit = hello.misfit(engine)
    connection.send_bytes(misfit.encode("ascii", "replace"))
    if misfit:
        raise Refused(misfit)
    return hello


def _proof(key: bytes, role: bytes, engine_nonce: bytes, client_nonce: bytes) -> bytes:
    """Return the proof of one end; replaying the other end's proof does not pass. Raises: Refused without a key."""
    if not key:
        raise Refused("there is no key of this library")
    of_joining = hmac.digest(key, _PURPOSE, hashlib.sha256)
    return hmac.digest(of_joining, b"\0".join((role, engine_nonce, client_nonce)), hashlib.sha256)
