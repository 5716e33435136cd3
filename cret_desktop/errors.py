"""Every error that can reach the user: a code of the message catalog, with the values of its sentence.

CretError
├── UsageError            a request that cannot be carried out as given (exit 2)
│   ├── QueryError            an empty query, an unknown operator
│   └── PathError             a path that is missing or contains nothing to index
├── LibraryError          the library as a whole (exit 3)
│   ├── LibraryLocked         another program is writing to it
│   ├── LibraryTooNew         made by a newer version
│   ├── LibraryMissing        no library at this path
│   ├── LibraryStrange        made by another user or on another computer; not adopted
│   └── LibraryDamaged        the catalog cannot be read
├── ModelError            weights missing, of an unknown format or unsuitable (exit 4)
│   └── DownloadCancelled     cancelled by the user; it can be resumed
├── StorageError          disk full, read-only, permission (exit 5)
│   └── CopyCancelled         copying a library was cancelled by the user; nothing of the copy is left
├── EngineError           the engine process ended or does not answer (exit 6)
│   └── Defect                a bug in the program, with its traceback
├── ExportError           a clip or a list could not be written (exit 7)
│   └── ExportCancelled       cancelled by the user
└── MediaError            one video file; never ends an indexing run
    ├── BadFile               cannot be decoded until it changes
    └── DecoderFailed         a decoder process died or stalled; worth one retry

`str(error)` is the English sentence, for logs and the terminal; the window renders `error.message` in its own language.
This module never formats a traceback and never decides what is shown.
"""

from __future__ import annotations

from cret_desktop.messages import Message, Param, render


class CretError(Exception):
    """Base class of all errors with a message for the user.

    Takes a code and its parameters, or a complete message.
    """

    exit_status = 1

    def __init__(self, code: str | Message, /, **params: Param) -> None:
        self.message = code if isinstance(code, Message) else Message(code, **params)
        super().__init__(self.message)  # the arguments that pickle passes to a copy

    def __str__(self) -> str:
        return render(self.message)


class UsageError(CretError):
    exit_status = 2


class QueryError(UsageError):
    pass


class PathError(UsageError):
    pass


class LibraryError(CretError):
    exit_status = 3


class LibraryLocked(LibraryError):
    pass


class LibraryTooNew(LibraryError):
    pass


class LibraryMissing(LibraryError):
    pass


class LibraryStrange(LibraryError):
    pass


class LibraryDamaged(LibraryError):
    pass


class ModelError(CretError):
    exit_status = 4


class DownloadCancelled(ModelError):
    pass


class StorageError(CretError):
    exit_status = 5


class CopyCancelled(StorageError):
    pass


class EngineError(CretError):
    exit_status = 6


class Defect(EngineError):
    """A bug in the engine. `details` is its traceback, for a report."""

    def __init__(self, code: str | Message, /, details: str = "", **params: Param) -> None:
        super().__init__(code, **params)
        self.details = details


class ExportError(CretError):
    exit_status = 7


class ExportCancelled(ExportError):
    pass


class MediaError(CretError):
    pass


class BadFile(MediaError):
    pass


class DecoderFailed(MediaError):
    pass


def of_kind(name: str, message: Message) -> CretError | None:
    """Return an error of the class of that name, as another process has met it; None where it is none of these."""
    kind = globals().get(name)
    return kind(message) if isinstance(kind, type) and issubclass(kind, CretError) else None


class StoreFault(Exception):
    """A store failed because of a bug in this program, not its disk or content. Not a CretError: it has a traceback."""


class ValueRefused(StoreFault):
    """A store cannot keep a value that it was given."""
