"""Roots and scans: file records follow the scanned files, whatever the back end."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cret_desktop.domain.clips import VideoFile
from cret_desktop.domain.records import PICTURES, Root, ScanResult
from cret_desktop.library.indexing.identity import apply_scan, may_be_known
from cret_desktop.library.ports import Store
from cret_desktop.messages import Message
from tests.storage.conftest import BACK_ENDS
from tests.storage.samples import INFO, MODEL, clip, indexed, sprite, video


def test_a_removed_root_comes_back_as_it_was_until_it_is_purged(store: Store) -> None:
    embeddings, changes = store.features, store.queue
    _, ids = indexed(store, "a.mp4", 2)
    (root,) = store.catalog.roots()
    for _ in range(2):
        assert not store.catalog.was_removed(root.path)
        assert store.catalog.remove_root(root.id) == ids
        assert store.catalog.was_removed(root.path)
        assert (store.catalog.roots(), store.catalog.counts(MODEL.fingerprint)) == ([], [])
        assert len(embeddings.clip_ids(MODEL.fingerprint)) == 0
        assert apply_scan(store.scans, root, [], []).missing == 0, "a look that was under way changes nothing"
        assert store.catalog.restore_root(root.path) == ids
        assert embeddings.clip_ids(MODEL.fingerprint).tolist() == ids
    assert store.catalog.restore_root(root.path) is None, "it is there already"
    store.catalog.remove_root(root.id)
    assert changes.purge(time.time() + 1) == (ids, [sprite(0), sprite(1)])
    assert store.catalog.restore_root(root.path) is None
    assert not store.catalog.was_removed(root.path), "it is forgotten"
    assert (store.catalog.roots(), store.features.embedding_bytes(MODEL.fingerprint)) == ([], 0)


@pytest.mark.parametrize("added", ["/videos", "/", "/videos/inner"])
def test_what_was_removed_is_taken_up_by_the_root_that_is_added_over_it(store: Store, added: str) -> None:
    _, ids = indexed(store, "inner/a.mp4", 1)
    (root,) = store.catalog.roots()
    file = next(iter(store.catalog.files(root.id).values()))
    annotations = store.annotations
    annotations.set_note(file.id, "mine")
    missing = [("/videos/gone.mp4", Message("file.is-folder"))]
    apply_scan(store.scans, root, [video(file.path)], missing)
    store.catalog.remove_root(root.id)
    now = store.catalog.add_root(added)
    seen = apply_scan(store.scans, now, [video(file.path)], [])
    assert (seen.restored, seen.restored_clips, seen.added) == (1, ids, 0)
    assert [
        (r.path, f.path) for r in store.catalog.roots() for f in store.catalog.files(r.id).values() if not f.missing
    ] == [(added, "/videos/inner/a.mp4")]
    assert store.listing.files([file.id])[file.id].note == "mine"


def test_moved_files_are_those_whose_old_place_is_empty(store: Store, tmp_path: Path) -> None:
    changes = store.queue
    root = store.catalog.add_root(str(tmp_path))
    old, new = str(tmp_path / "old.mp4"), str(tmp_path / "new.mp4")
    apply_scan(store.scans, root, [video(old)], [])
    ((file_id, file),) = store.stages.due(PICTURES, MODEL.fingerprint, root.id)
    changes.commit_file(file_id, file, INFO, b"content", [clip(0)], store.features.record_model(MODEL))
    assert store.scans.content_sizes() == {video(new).size}
    result = apply_scan(store.scans, root, [video(new)], [], contents={new: b"content"})
    assert (result.moved, result.missing, result.added) == (1, 0, 0)
    assert store.stages.due(PICTURES, MODEL.fingerprint, root.id) == []
    assert list(store.catalog.files(root.id)) == [new]


def test_problems_are_listed_once_and_leave_with_their_cause(store: Store) -> None:
    root = store.catalog.add_root("/videos")
    assert apply_scan(store.scans, root, [], [("/videos/dir.mp4", Message("file.is-folder"))]).new_problems == 1
    assert apply_scan(store.scans, root, [], [("/videos/dir.mp4", Message("file.is-folder"))]).new_problems == 0
    assert store.catalog.failures() == [("/videos/dir.mp4", Message("file.is-folder"))]
    apply_scan(store.scans, root, [], [])
    assert store.catalog.failures() == []


def test_a_root_taken_up_meanwhile_is_left_alone(store: Store) -> None:
    inner = store.catalog.add_root("/videos/inner")
    outer = store.catalog.add_root("/videos")
    result = apply_scan(store.scans, inner, [video("/videos/inner/a.mp4")], [])
    assert result.added == 0
    assert [r.path for r in store.catalog.roots()] == [outer.path]


def test_absorbed_roots_keep_their_files(store: Store) -> None:
    for place in ("/videos/one", "/videos/two/b.mp4"):
        root = store.catalog.add_root(place)
        path = place if place.endswith(".mp4") else f"{place}/a.mp4"
        apply_scan(store.scans, root, [video(path)], [])
    outer = store.catalog.add_root("/videos")
    assert sorted(store.catalog.files(outer.id)) == ["/videos/one/a.mp4", "/videos/two/b.mp4"]
    assert [r.path for r in store.catalog.roots()] == ["/videos"]
    assert store.catalog.add_root("/videos/one").path == "/videos"
    assert store.catalog.add_root("/videos-other").path == "/videos-other"


@dataclass(frozen=True)
class On:
    content: bytes
    mtime_ns: int
    inode: int


DISKS = st.dictionaries(
    st.sampled_from([f"/videos/{folder}{name}.mp4" for folder in ("", "a/") for name in "xyz"]),
    # Contents of one size have distinct times: a change that keeps size and time is undetectable.
    st.builds(
        lambda content, time, inode: On(content, 10 * content[0] + time, inode),
        st.sampled_from([b"a", b"b", b"long"]),
        st.integers(1, 2),
        st.integers(1, 4),
    ),
    max_size=5,
)


def scan(store: Store, root: Root, disk: dict[str, On]) -> ScanResult:
    """Scan a disk in memory as the indexer does; all new files are indexed."""
    seen = [VideoFile(path, len(on.content), on.mtime_ns, 1, on.inode) for path, on in sorted(disk.items())]
    known = store.catalog.files(root.id)
    contents = {f.path: disk[f.path].content for f in may_be_known(seen, known, store.scans.content_sizes())}
    result = apply_scan(store.scans, root, seen, [], contents=contents)
    model = store.features.record_model(MODEL)
    for file_id, file in store.stages.due(PICTURES, MODEL.fingerprint, root.id):
        store.queue.commit_file(file_id, file, INFO, disk[file.path].content, [clip(0)], model)
    return result


@pytest.mark.parametrize("back_end", BACK_ENDS)
@settings(max_examples=40, deadline=None)
@given(st.lists(DISKS, min_size=1, max_size=4))
def test_whatever_is_seen_the_catalog_has_it_and_a_second_look_changes_nothing(
    back_end: str, disks: list[dict[str, On]]
) -> None:
    with TemporaryDirectory() as folder, BACK_ENDS[back_end](Path(folder)) as store:
        root = store.catalog.add_root("/videos")
        for disk in disks:
            scan(store, root, disk)
            rows = store.catalog.files(root.id)
            assert {path: row.fingerprint for path, row in rows.items() if not row.missing} == {
                path: on.content for path, on in disk.items()
            }
            again = scan(store, root, disk)
            assert replace(again, unchanged=0) == ScanResult()
            assert again.unchanged == len(disk)
            assert store.catalog.files(root.id) == rows


@pytest.mark.parametrize("back_end", BACK_ENDS)
@settings(max_examples=40, deadline=None)
@example(  # a content reappears under the name of another one that also has a note
    [
        {"/videos/x.mp4": On(b"b", 981, 1), "/videos/y.mp4": On(b"a", 971, 1)},
        {"/videos/x.mp4": On(b"a", 971, 1)},
        {"/videos/x.mp4": On(b"b", 981, 1)},
    ]
)
@given(st.lists(DISKS, min_size=2, max_size=4))
def test_a_note_is_at_a_file_of_its_content_or_waits_for_it(back_end: str, disks: list[dict[str, On]]) -> None:
    with TemporaryDirectory() as folder, BACK_ENDS[back_end](Path(folder)) as store:
        root = store.catalog.add_root("/videos")
        scan(store, root, disks[0])
        for path, row in store.catalog.files(root.id).items():
            store.annotations.set_note(row.id, path)
        for disk in disks[1:]:
            scan(store, root, disk)
        said, _ = store.annotations.records()
        notes = [line for record in said for line in record.note.splitlines()]  # some notes are joined
        assert {*notes} >= disks[0].keys(), "no note is lost"
