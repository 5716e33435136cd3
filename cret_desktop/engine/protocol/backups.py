"""Backups of the library, restoring and moving."""

from __future__ import annotations

from dataclasses import dataclass

from cret_desktop.domain.records import Contents, LibrarySize
from cret_desktop.engine.protocol.base import Lane, Request


@dataclass(frozen=True, slots=True)
class GetLibrarySize(Request[LibrarySize], lane=Lane.COPIES):
    """Measure the library on disk. Stats every thumbnail, which takes seconds in a large library."""


@dataclass(frozen=True, slots=True)
class BackUpLibrary(Request[Contents], lane=Lane.COPIES):
    """Copy the library to `folder`, which must not exist yet. The reply describes the copy.

    CopyProgress events are sent meanwhile, as in the next two. Raises: PathError, StorageError, LibraryDamaged,
    CopyCancelled; then nothing of the copy is left.
    """

    folder: str
    thumbnails: bool = True


@dataclass(frozen=True, slots=True)
class RestoreLibrary(Request[Contents], lane=Lane.COPIES):
    """Copy a backup; the next start of the engine puts it in the library's place and sets the old one aside.

    Restart the engine after the reply. Raises: LibraryMissing, LibraryTooNew, LibraryDamaged, PathError, StorageError,
    CopyCancelled.
    """

    folder: str


@dataclass(frozen=True, slots=True)
class MoveLibrary(Request[Contents], lane=Lane.COPIES):
    """Copy the library to `folder`, which must not exist yet, and accept no more changes here.

    Restart the engine on the copy after the reply. The library here stays. Raises: as BackUpLibrary; then changes are
    accepted again.
    """

    folder: str


@dataclass(frozen=True, slots=True)
class CancelCopy(Request[None], lane=Lane.CONTROL):
    """Stop this session's copying, under way and waiting. Nothing of the copy is left. The reply comes at once."""
