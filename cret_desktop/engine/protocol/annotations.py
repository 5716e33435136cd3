"""Tags, favourites, notes and saved searches."""

from __future__ import annotations

from dataclasses import dataclass

from cret_desktop.domain.clips import LibraryFile
from cret_desktop.domain.records import Merged, SavedSearch
from cret_desktop.engine.protocol.base import Lane, Request


@dataclass(frozen=True, slots=True)
class GetFile(Request[LibraryFile], lane=Lane.CONTROL):
    """Describe a file. Raises: PathError if the file has left the library."""

    file_id: int


@dataclass(frozen=True, slots=True)
class GetTags(Request[tuple[tuple[str, int], ...]], lane=Lane.CONTROL):
    """List every tag with its number of files, by name."""


@dataclass(frozen=True, slots=True)
class ChangeTags(Request[None], lane=Lane.CONTROL, change=True):
    """Add tags to files and remove others. Safe to repeat. Raises: QueryError for a bad tag."""

    file_ids: tuple[int, ...]
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SetFavourite(Request[None], lane=Lane.CONTROL, change=True):
    """Set or clear the favourite mark of files."""

    file_ids: tuple[int, ...]
    favourite: bool


@dataclass(frozen=True, slots=True)
class SetNote(Request[None], lane=Lane.CONTROL, change=True):
    """Replace a file's note; '' removes it. Raises: PathError, QueryError for a note that is too long."""

    file_id: int
    note: str


@dataclass(frozen=True, slots=True)
class GetSavedSearches(Request[tuple[SavedSearch, ...]], lane=Lane.CONTROL):
    """List the saved searches by name."""


@dataclass(frozen=True, slots=True)
class SaveSearch(Request[None], lane=Lane.CONTROL, change=True):
    """Save a search; one of the same name is replaced. Raises: QueryError for a bad name."""

    search: SavedSearch


@dataclass(frozen=True, slots=True)
class ForgetSearch(Request[None], lane=Lane.CONTROL, change=True):
    """Delete a saved search."""

    name: str


@dataclass(frozen=True, slots=True)
class ExportTags(Request[tuple[int, int]], lane=Lane.COPIES):
    """Write tags, notes, favourites and saved searches to a file, as JSON or CSV by its suffix.

    An existing file of that name is replaced. The reply counts the files and the saved searches written. Raises:
    UsageError, StorageError.
    """

    path: str


@dataclass(frozen=True, slots=True)
class ImportTags(Request[Merged], lane=Lane.COPIES, change=True):
    """Add the contents of an exported file to the library; nothing is replaced.

    Safe to repeat. Raises: UsageError, QueryError, StorageError; then nothing has changed.
    """

    path: str
