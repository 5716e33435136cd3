"""Every error a user can meet: a code of the catalog of messages, with the values that its sentence names.

CretError
├── UsageError            a request that cannot be carried out as asked (exit 2)
│   ├── QueryError            an empty query, an unknown operator
│   └── PathError             a path that is missing or holds nothing to index
├── LibraryError          the library as a whole (exit 3)
│   ├── LibraryLocked         another program is writing to it
│   ├── LibraryTooNew         made by a newer version
│   ├── LibraryMissing        no library there
│   ├── LibraryStrange        made by somebody else, and not adopted
│   └── LibraryDamaged        the catalog cannot be read
├── ModelError            weights missing, foreign or unfit (exit 4)
│   └── DownloadCancelled     the person stopped it; it can go on
├── StorageError          disk full, read-only, permission (exit 5)
│   └── CopyCancelled         the person stopped the copying of a library; nothing of it is left
├── EngineError           the engine process ended or does not answer (exit 6)
│   └── Defect                a mistake in the program, with its traceback
├── ExportError           a clip or a list could not be written (exit 7)
│   └── ExportCancelled       the person stopped it
└── MediaError            one video file; never ends a run
    ├── BadFile               will not decode until it changes
    └── DecoderFailed         a decoder process died or stalled; worth one more try

`str(error)` is the English sentence, for logs and the terminal; the window renders `error.message` in its own language.
This module never formats a traceback and never decides what is shown.
"""

from __future__ import annotations

from cret_desktop.messages import Message, Param, render


class CretError(Exception):
    """Base of all errors that carry a message meant for a person.

    Raised with a code and its parameters, or with a message that is there already.
    """

    exit_status = 1

    def __init__(self, code: str | Message, /, **params: Param) -> None:
        self.message = code if isinstance(code, Message) else Message(code, **params)
        super().__init__(self.message)  # the arguments that pickle gives to a copy

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
    """A mistake in the engine. `details` is its traceback, for a report."""

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
    """A store failed on a defect of this program, not on its disk or its content. No CretError: it has a traceback."""


class ValueRefused(StoreFault):
    """A store cannot keep a value that it was given."""
