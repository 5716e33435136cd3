"""A check of intact data finds nothing, and covers all of it in as many turns as there are shares."""

from __future__ import annotations

import zlib
from dataclasses import replace

from cret_desktop.domain.records import Line
from cret_desktop.library.ports import Store
from tests.storage.samples import INFO, MODEL, clip, indexed, sprite, video

JPEG = b"\xff\xd8 a strip \xff\xd9"


def fill(store: Store) -> int:
    """Add one video with two clips, their thumbnails, and three subtitle lines; return its id."""
    file_id, _ = indexed(store, "a.mp4", 2)
    made = [replace(clip(ordinal), sprite_checksum=zlib.crc32(JPEG)) for ordinal in range(2)]
    model = store.features.record_model(MODEL)
    store.queue.commit_file(file_id, video("/videos/a.mp4"), INFO, b"a.mp4", made, model)
    for ordinal in range(2):
        store.blobs.write(sprite(ordinal), JPEG)
    lines = [Line(float(number), number + 1.0, f"line {number}") for number in range(3)]
    store.texts.set_subtitles(file_id, [], lines, {})
    return file_id


def test_what_is_sound_is_found_so(store: Store) -> None:
    fill(store)
    report = store.checks.check(1.0)
    assert (report.damaged, report.unknown) == ((), 0)
    counted = {kind: report.checked[kind] for kind in ("embedding", "thumbnail", "subtitle")}
    assert counted == {"embedding": 2, "thumbnail": 2, "subtitle": 3}
    assert store.checks.mend(report) == []


def test_shares_in_turn_look_at_everything_once(store: Store) -> None:
    fill(store)
    whole = store.checks.check(1.0)
    parts = [store.checks.check(0.25, turn=turn) for turn in range(4)]
    assert {kind: sum(part.checked[kind] for part in parts) for kind in whole.checked} == whole.checked
    assert store.checks.check(0.25, turn=5).checked == parts[1].checked


def test_a_check_ends_when_it_is_told_to(store: Store) -> None:
    fill(store)
    assert sum(store.checks.check(1.0, stop=lambda: True).checked.values()) == 1


def test_a_thumbnail_that_was_drawn_again_has_its_own_checksum(store: Store) -> None:
    fill(store)
    store.blobs.write(sprite(0), JPEG + b"another")
    assert [damage.key for damage in store.checks.check(1.0).damaged] == [sprite(0)]
    store.clips.record_sprite(sprite(0), zlib.crc32(JPEG + b"another"))
    assert store.checks.check(1.0).damaged == ()
