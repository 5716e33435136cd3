"""Annotations stay with their file, whatever the back end."""

from __future__ import annotations

import time

import pytest

from cret_desktop.domain.clips import LibraryFile, Sort
from cret_desktop.domain.records import PICTURES, SavedSearch
from cret_desktop.domain.tags import LONGEST_TAG
from cret_desktop.errors import PathError, QueryError
from cret_desktop.library.indexing.identity import apply_scan
from cret_desktop.library.ports import Store
from cret_desktop.messages import Message
from tests.storage.samples import MODEL, indexed, video


def told(store: Store, file_id: int) -> tuple[bool, tuple[str, ...], str]:
    file: LibraryFile = store.listing.files([file_id])[file_id]
    return file.favourite, file.tags, file.note


def annotate(store: Store, file_id: int) -> None:
    annotations = store.annotations
    annotations.set_favourite([file_id], True)
    annotations.change_tags([file_id], ["Family", "Zoo"], [])
    annotations.set_note(file_id, "grandma waves at 0:12")


ANNOTATED = (True, ("Family", "Zoo"), "grandma waves at 0:12")


def test_tags_are_one_whatever_their_case_and_spaces(store: Store) -> None:
    (a, _), (b, _) = indexed(store, "a.mp4", 1), indexed(store, "b.mp4", 1)
    annotations = store.annotations
    annotations.change_tags([a, b, 999], ["Summer  2024", "éclair"], [])
    annotations.change_tags([b], ["summer 2024", "Éclair", "beach"], [])
    assert annotations.tags() == (("beach", 1), ("Summer 2024", 2), ("éclair", 2))
    annotations.change_tags([a, b], [], ["SUMMER 2024", "not there"])
    assert annotations.tags() == (("beach", 1), ("éclair", 2))
    annotations.change_tags([a], ["summer 2024"], [])
    assert told(store, a)[1] == ("summer 2024", "éclair"), "a tag that nothing had is spelt anew"


@pytest.mark.parametrize("bad", ["", "  ", "x" * (LONGEST_TAG + 1)])
def test_bad_tags_change_nothing(store: Store, bad: str) -> None:
    file_id, _ = indexed(store, "a.mp4", 1)
    with pytest.raises(QueryError, match="characters"):
        store.annotations.change_tags([file_id], ["good", bad], [])
    assert store.annotations.tags() == ()


def test_a_note_for_a_file_that_is_gone_is_not_lost_in_silence(store: Store) -> None:
    with pytest.raises(PathError, match="no longer in the library"):
        store.annotations.set_note(7, "hello")


def test_annotations_live_through_indexing_again_absence_and_changes(store: Store) -> None:
    file_id, _ = indexed(store, "a.mp4", 2)
    annotate(store, file_id)
    root = store.catalog.roots()[0]
    apply_scan(store.scans, root, [], [])
    assert told(store, file_id) == ANNOTATED
    assert store.annotations.tags() == (), "what is not there is not counted"
    apply_scan(store.scans, root, [video("/videos/a.mp4", size=777)], [])
    assert told(store, file_id) == ANNOTATED
    ((again, file),) = store.stages.due(PICTURES, MODEL.fingerprint, root.id)
    store.queue.fail_file(again, file, Message("file.no-frame"))
    assert (again, told(store, again)) == (file_id, ANNOTATED)


def test_annotations_move_with_a_file_that_was_never_indexed(store: Store) -> None:
    root = store.catalog.add_root("/videos")
    apply_scan(store.scans, root, [video("/videos/old.mp4")], [])
    ((file_id, old),) = store.stages.due(PICTURES, MODEL.fingerprint, root.id)
    annotate(store, file_id)
    apply_scan(store.scans, root, [], [])
    assert told(store, file_id) == ANNOTATED
    moved = type(old)("/videos/new/name.mp4", old.size, old.mtime_ns, old.device, old.inode)
    assert apply_scan(store.scans, root, [moved], []).moved == 1
    assert store.listing.files([file_id])[file_id].path == moved.path
    assert told(store, file_id) == ANNOTATED


def test_annotations_wait_for_a_folder_that_was_removed(store: Store) -> None:
    file_id, _ = indexed(store, "a.mp4", 1, content=b"the same")
    annotate(store, file_id)
    store.catalog.remove_root(store.catalog.roots()[0].id)
    assert store.annotations.tags() == ()
    store.queue.purge(time.time() + 1)
    other, _ = indexed(store, "b.mp4", 1, content=b"another")
    again, _ = indexed(store, "renamed meanwhile.mp4", 1, content=b"the same")
    assert told(store, other) == (False, (), "")
    assert told(store, again) == ANNOTATED
    annotations = store.annotations
    annotations.set_note(again, "")
    indexed(store, "c.mp4", 1, content=b"the same")
    assert told(store, again)[2] == "", "given back once, and then the person's to change"


def test_saved_searches(store: Store) -> None:
    annotations = store.annotations
    annotations.save_search(SavedSearch("Holidays  in France", "beach in:France", "rain", Sort.DATE, True))
    annotations.save_search(SavedSearch("birthdays", "cake"))
    annotations.save_search(SavedSearch("birthdays", "candles"))
    assert annotations.saved_searches() == (
        SavedSearch("birthdays", "candles", "", Sort.RELEVANCE, False),
        SavedSearch("Holidays in France", "beach in:France", "rain", Sort.DATE, True),
    )
    annotations.forget_search("birthdays")
    assert [search.name for search in annotations.saved_searches()] == ["Holidays in France"]
    with pytest.raises(QueryError, match="name"):
        annotations.save_search(SavedSearch(" ", "x"))
