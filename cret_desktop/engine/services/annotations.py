"""Tags, notes, favourites and saved searches. A change is on disk before its reply, and is sent to all clients."""

from __future__ import annotations

from cret_desktop.domain.clips import LibraryFile
from cret_desktop.domain.records import SavedSearch
from cret_desktop.engine import protocol
from cret_desktop.engine.assemble import OpenLibrary
from cret_desktop.engine.handlers import Call, handles
from cret_desktop.engine.protocol import LibraryPart
from cret_desktop.engine.sessions import Publish
from cret_desktop.errors import PathError


class AnnotationService:
    def __init__(self, library: OpenLibrary, publish: Publish) -> None:
        self._library = library
        self._annotations = library.annotations
        self._publish = publish

    @handles(protocol.GetFile)
    def file(self, request: protocol.GetFile, _: Call) -> LibraryFile:
        file = self._library.listing.files([request.file_id]).get(request.file_id)
        if file is None:
            raise PathError("library.video-gone")
        return file

    @handles(protocol.GetTags)
    def tags(self, _: protocol.GetTags, __: Call) -> tuple[tuple[str, int], ...]:
        return self._annotations.tags()

    @handles(protocol.ChangeTags)
    def change_tags(self, request: protocol.ChangeTags, _: Call) -> None:
        self._annotations.change_tags(request.file_ids, request.add, request.remove)
        self._publish(protocol.LibraryChanged.of(LibraryPart.TAGS))

    @handles(protocol.SetFavourite)
    def set_favourite(self, request: protocol.SetFavourite, _: Call) -> None:
        self._annotations.set_favourite(request.file_ids, request.favourite)
        self._publish(protocol.LibraryChanged.of(LibraryPart.FAVOURITES))

    @handles(protocol.SetNote)
    def set_note(self, request: protocol.SetNote, _: Call) -> None:
        self._annotations.set_note(request.file_id, request.note)
        self._publish(protocol.LibraryChanged.of(LibraryPart.NOTES))

    @handles(protocol.GetSavedSearches)
    def saved_searches(self, _: protocol.GetSavedSearches, __: Call) -> tuple[SavedSearch, ...]:
        return self._annotations.saved_searches()

    @handles(protocol.SaveSearch)
    def save_search(self, request: protocol.SaveSearch, _: Call) -> None:
        self._annotations.save_search(request.search)
        self._publish(protocol.LibraryChanged.of(LibraryPart.SAVED_SEARCHES))

    @handles(protocol.ForgetSearch)
    def forget_search(self, request: protocol.ForgetSearch, _: Call) -> None:
        self._annotations.forget_search(request.name)
        self._publish(protocol.LibraryChanged.of(LibraryPart.SAVED_SEARCHES))
