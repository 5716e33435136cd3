"""Clips, their features, and the text of files, whatever the back end."""

from __future__ import annotations

import numpy as np

from cret_desktop.domain.records import ClipFiles, Line, Sidecar
from cret_desktop.library.indexing.identity import apply_scan
from cret_desktop.library.ports import Store
from cret_desktop.messages import Message
from tests.storage.samples import MODEL, indexed, sprite, video

NONE_KNOWN = ClipFiles(np.empty(0, np.int64), np.empty(0, np.int64))


def test_a_reader_of_clips_is_given_those_that_were_added_since(store: Store) -> None:
    first, ids = indexed(store, "a.mp4", 2)
    known = store.clips.clip_files(NONE_KNOWN)
    assert (known.ids.tolist(), known.files.tolist()) == (sorted(ids), [first, first])
    assert store.clips.clip_files(known).ids.tolist() == known.ids.tolist()
    second, more = indexed(store, "b.mp4", 1)
    now = store.clips.clip_files(known)
    assert dict(zip(now.ids.tolist(), now.files.tolist(), strict=True)) == dict.fromkeys(ids, first) | {more[0]: second}
    assert np.all(np.diff(now.ids) > 0)
    assert len(known.ids) == 2, "what a reader holds does not change"


def test_clips_of_a_file_are_found_by_their_place(store: Store) -> None:
    file_id, ids = indexed(store, "a.mp4", 4)
    assert [clip.id for clip in store.clips.clips_of(file_id)] == ids
    assert [store.clips.clip_at(file_id, seconds).id for seconds in (-1.0, 0.0, 7.0, 99.0)] == [  # type: ignore[union-attr]
        ids[0], ids[0], ids[1], ids[3],
    ]  # fmt: skip
    assert [clip.id for clip in store.clips.spread_clips(file_id, 2)] == [ids[0], ids[3]]
    assert store.clips.clip_at(file_id + 1, 0.0) is None
    assert store.clips.spread_clips(file_id + 1, 2) == []
    assert {clip_id for clip_id, _ in store.clips.sample_clips(2)} < set(ids)


def test_a_missing_file_cannot_be_found_by_any_of_its_clips(store: Store) -> None:
    _, ids = indexed(store, "a.mp4", 2)
    (root,) = store.catalog.roots()
    store.texts.set_subtitles(store.clips.clips(ids)[ids[0]].file_id, [], [Line(0.0, 1.0, "good morning")], {})
    assert store.texts.count_lines(["morning"]) == 1
    assert apply_scan(store.scans, root, [], []).dropped_clips == ids
    assert len(store.features.clip_ids(MODEL.fingerprint)) == 0
    assert len(store.features.vectors(MODEL.fingerprint, MODEL.width + 1, ids=ids)[0]) == 0
    assert store.clips.sample_clips(9) == []
    assert store.texts.lines(["morning"], 9) == []
    assert store.texts.files(["a"], 9) == []
    assert set(store.clips.clips(ids)) == set(ids), "they are kept for its return"
    assert apply_scan(store.scans, root, [video("/videos/a.mp4")], []).restored_clips == ids
    assert store.features.clip_ids(MODEL.fingerprint).tolist() == ids


def test_words_are_found_where_they_stand(store: Store) -> None:
    beach, _ = indexed(store, "Café am Strand.mp4", 1)
    other, _ = indexed(store, "walk.mp4", 1)
    store.annotations.change_tags([other], ["Strand"], [])
    store.annotations.set_note(other, "we found a shell on the way back")
    found = {hit.file_id: hit for hit in store.texts.files(["strand"], 9)}
    assert {file_id: hit.columns for file_id, hit in found.items()} == {beach: ("name",), other: ("tags",)}
    assert [hit.file_id for hit in store.texts.files(["cafe", "str"], 9)] == [beach], "the last word may go on"
    assert store.texts.files(["caf", "strand"], 9) == [], "the others may not"
    assert "shell" in store.texts.files(["shell"], 9)[0].note
    assert store.texts.count_files(["strand"]) == 2
    assert len(store.texts.files(["strand"], 1)) == 1


REASON = Message("file.subtitles-unreadable", name="a.de.srt", reason=Message("os.permission-denied"))


def test_subtitles_are_replaced_as_a_whole(store: Store) -> None:
    file_id, _ = indexed(store, "a.mp4", 1)
    (root,) = store.catalog.roots()
    first, second = Sidecar("/videos/a.srt", 10, 1), Sidecar("/videos/a.de.srt", 20, 2)
    store.texts.set_subtitles(file_id, [first], [Line(1.0, 2.0, "hello there"), Line(3.0, 4.0, "goodbye")], {})
    assert store.texts.sidecars(root.id, ["/videos/a.mp4", "/videos/b.mp4"]) == {"/videos/a.mp4": (file_id, {first})}
    (hit,) = store.texts.lines(["hello"], 9)
    assert (hit.file_id, hit.start, hit.end, hit.text) == (file_id, 1.0, 2.0, "hello there")
    store.texts.set_subtitles(file_id, [second], [], {second.path: REASON})
    assert store.texts.lines(["hello"], 9) == []
    assert store.texts.sidecars(root.id, ["/videos/a.mp4"]) == {"/videos/a.mp4": (file_id, {second})}
    assert store.catalog.failures() == [(second.path, REASON)]
    assert store.queue.retry_failures() == 1
    assert store.texts.sidecars(root.id, ["/videos/a.mp4"]) == {"/videos/a.mp4": (file_id, set())}


def test_thumbnails_that_clips_show_can_be_replaced(store: Store) -> None:
    indexed(store, "a.mp4", 2)
    before = {shown.name: shown for shown in store.clips.shown_sprites()}
    assert before.keys() == {sprite(0), sprite(1)}
    assert {row.sprite for row in store.clips.thumbnails()} == before.keys()
    store.clips.swap_sprites([(sprite(0), type(before[sprite(0)])(sprite(7), 16, 9, 4))])
    now = {shown.name: shown.tile_width for shown in store.clips.shown_sprites()}
    assert now == {sprite(7): 16, sprite(1): 32}
