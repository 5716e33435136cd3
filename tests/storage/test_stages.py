"""The queue of each stage: done, failed, retried and repeated independently, with one owner at a time."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

from cret_desktop.domain.filters import Filters
from cret_desktop.domain.records import PICTURES, StageCounts
from cret_desktop.library.indexing.identity import apply_scan
from cret_desktop.library.ports import Store
from cret_desktop.messages import Message
from tests.storage.samples import INFO, MODEL, clip, indexed, video

SPEECH = "speech"  # a fictitious second stage
SILENT = Message("file.said", text="Nothing is said in it.")
LONG = 600.0  # seconds of a lease that does not expire during a test


def due(store: Store, version: str = "1", stage: str = SPEECH, owner: str | None = None) -> list[str]:
    return [
        file.path.rpartition("/")[2]
        for root in store.catalog.roots()
        for _, file in store.stages.due(stage, version, root.id, owner=owner)
    ]


@pytest.fixture
def ids(store: Store) -> dict[str, int]:
    """Three videos whose pictures are indexed."""
    return {name: indexed(store, name, 2)[0] for name in ("a.mp4", "b.mp4", "c.mp4")}


def searchable(store: Store) -> int:
    return len(store.features.clip_ids(MODEL.fingerprint))


def test_a_file_waits_for_a_stage_that_is_new(store: Store, ids: dict[str, int]) -> None:
    assert due(store) == ["a.mp4", "b.mp4", "c.mp4"], "in the order of their paths"
    assert due(store, MODEL.fingerprint, PICTURES) == []
    (root,) = store.catalog.roots()
    assert [i for i, _ in store.stages.due(SPEECH, "1", root.id, "/videos/b.mp4")] == [ids["b.mp4"]]


def test_a_stage_is_done_on_its_own(store: Store, ids: dict[str, int]) -> None:
    assert store.stages.finish(SPEECH, "1", ids["a.mp4"])
    assert due(store) == ["b.mp4", "c.mp4"]
    store.queue.index_again([ids["b.mp4"]])
    assert due(store, MODEL.fingerprint, PICTURES) == ["b.mp4"]
    assert due(store) == ["b.mp4", "c.mp4"]
    assert searchable(store) == 6


def test_a_stage_fails_and_is_retried_on_its_own(store: Store, ids: dict[str, int]) -> None:
    assert store.stages.fail(SPEECH, ids["a.mp4"], SILENT)
    assert due(store) == ["b.mp4", "c.mp4"]
    assert store.catalog.failures() == [("/videos/a.mp4", SILENT)]
    (file,) = store.listing.files([ids["a.mp4"]]).values()
    assert (file.state, file.reason) == ("indexed", None), "the file's state is that of its pictures"
    assert searchable(store) == 6
    assert store.stages.retry(PICTURES) == 0
    assert store.stages.retry(SPEECH) == 1
    assert due(store) == ["a.mp4", "b.mp4", "c.mp4"]
    assert store.catalog.failures() == []


def test_all_stages_that_failed_are_retried_at_once(store: Store, ids: dict[str, int]) -> None:
    store.stages.fail(SPEECH, ids["a.mp4"], SILENT)
    store.queue.fail_file(ids["a.mp4"], video("/videos/a.mp4"), Message("file.no-frame"))
    store.stages.fail(SPEECH, ids["b.mp4"], SILENT)
    assert [path for path, _ in store.catalog.failures()] == ["/videos/a.mp4", "/videos/a.mp4", "/videos/b.mp4"]
    assert store.queue.retry_failures() == 2, "files, not stages"
    assert due(store, MODEL.fingerprint, PICTURES) == ["a.mp4"]
    assert due(store) == ["a.mp4", "b.mp4", "c.mp4"]


def test_a_stage_is_done_again_alone_when_its_version_changes(store: Store, ids: dict[str, int]) -> None:
    for file_id in ids.values():
        store.stages.finish(SPEECH, "1", file_id)
    assert due(store) == []
    assert due(store, "2") == ["a.mp4", "b.mp4", "c.mp4"]
    assert due(store, MODEL.fingerprint, PICTURES) == []
    store.stages.finish(SPEECH, "2", ids["b.mp4"])
    assert due(store, "2") == ["a.mp4", "c.mp4"]
    assert searchable(store) == 6
    assert {file.state for file in store.listing.files(ids.values()).values()} == {"indexed"}


def test_a_file_that_changed_waits_for_every_stage(store: Store, ids: dict[str, int]) -> None:
    for file_id in ids.values():
        store.stages.finish(SPEECH, "1", file_id)
    (root,) = store.catalog.roots()
    apply_scan(store.scans, root, [video("/videos/b.mp4", size=7)], [], within="/videos/b.mp4")
    assert due(store) == due(store, MODEL.fingerprint, PICTURES) == ["b.mp4"]


def test_a_root_that_is_indexed_again_waits_for_every_stage(store: Store, ids: dict[str, int]) -> None:
    for file_id in ids.values():
        store.stages.finish(SPEECH, "1", file_id)
    (root,) = store.catalog.roots()
    assert store.queue.index_root_again(root.id) == 3
    assert due(store) == due(store, MODEL.fingerprint, PICTURES) == ["a.mp4", "b.mp4", "c.mp4"]


def test_a_copy_waits_for_the_stages_that_no_model_of_pictures_does(store: Store, ids: dict[str, int]) -> None:
    store.stages.finish(SPEECH, "1", ids["a.mp4"])
    (root,) = store.catalog.roots()
    seen = [video(f"/videos/{name}") for name in (*ids, "copy.mp4")]
    apply_scan(store.scans, root, seen, [], contents={"/videos/copy.mp4": b"a.mp4"})
    assert due(store, MODEL.fingerprint, PICTURES) == []
    assert due(store) == ["b.mp4", "c.mp4", "copy.mp4"]


def test_what_cannot_be_reached_or_is_no_file_waits_for_nothing(store: Store, ids: dict[str, int]) -> None:
    (root,) = store.catalog.roots()
    apply_scan(
        store.scans, root, [video("/videos/a.mp4"), video("/videos/c.mp4")],
        [("/videos/pipe", Message("file.is-folder"))],
    )  # fmt: skip
    assert due(store) == ["a.mp4", "c.mp4"]
    assert store.catalog.failures() == [("/videos/pipe", Message("file.is-folder"))]
    assert store.queue.retry_failures() == 0
    assert not store.stages.finish(SPEECH, "1", 999), "no such file"
    assert not store.stages.fail(SPEECH, 999, SILENT)
    assert ids["b.mp4"] in store.listing.files(ids.values()), "missing, and not forgotten"


def test_counts_are_those_of_a_stage(store: Store, ids: dict[str, int]) -> None:
    assert store.stages.counts(SPEECH, "1") == StageCounts(3, 0, 0, 3 * INFO.duration)
    store.stages.finish(SPEECH, "1", ids["a.mp4"])
    store.stages.fail(SPEECH, ids["b.mp4"], SILENT)
    assert store.stages.counts(SPEECH, "1") == StageCounts(1, 1, 1, INFO.duration)
    assert store.stages.counts(SPEECH, "2") == StageCounts(2, 0, 1, 2 * INFO.duration)
    assert store.stages.counts(PICTURES, MODEL.fingerprint) == StageCounts(0, 3, 0, 0.0)
    assert store.stages.counts(PICTURES, "another") == StageCounts(3, 0, 0, 3 * INFO.duration)


def test_an_empty_library_has_nothing_to_count(store: Store) -> None:
    assert store.stages.counts(SPEECH, "1") == StageCounts(0, 0, 0, 0.0)


def test_what_is_incomplete_is_listed_though_it_is_done(store: Store, ids: dict[str, int]) -> None:
    assert store.stages.finish(SPEECH, "1", ids["a.mp4"], SILENT)
    assert store.catalog.failures() == [("/videos/a.mp4", SILENT)]
    assert store.stages.finish(SPEECH, "2", ids["a.mp4"])
    assert store.catalog.failures() == []


def test_a_file_that_is_forgotten_leaves_no_stage_behind(store: Store, ids: dict[str, int]) -> None:
    store.stages.finish(SPEECH, "1", ids["a.mp4"])
    (root,) = store.catalog.roots()
    store.catalog.remove_root(root.id)
    store.queue.purge(time.time() + 1)
    again, _ = indexed(store, "a.mp4", 1)
    assert again not in ids.values()
    assert due(store) == ["a.mp4"]


# --- leases -----------------------------------------------------------------------------------------------------------


def test_two_owners_never_hold_one_stage(store: Store, ids: dict[str, int]) -> None:
    first, second, third = ids.values()
    assert store.stages.claim(SPEECH, "1", [first, second], "desk", LONG) == [first, second]
    assert store.stages.claim(SPEECH, "1", [first, second, third], "attic", LONG) == [third]
    assert (due(store, owner="attic"), due(store, owner="desk")) == (["c.mp4"], ["a.mp4", "b.mp4"])
    assert due(store) == [], "nor does one who says no name get them"
    assert due(store, "another", PICTURES) == ["a.mp4", "b.mp4", "c.mp4"], "stages are claimed each on its own"


def test_only_the_owner_ends_a_stage(store: Store, ids: dict[str, int]) -> None:
    file_id = ids["a.mp4"]
    store.stages.claim(SPEECH, "1", [file_id], "desk", LONG)
    assert not store.stages.finish(SPEECH, "1", file_id, owner="attic")
    assert not store.stages.fail(SPEECH, file_id, SILENT, owner="attic")
    assert not store.stages.finish(SPEECH, "1", file_id)
    assert store.catalog.failures() == []
    assert store.stages.finish(SPEECH, "1", file_id, owner="desk")
    assert "a.mp4" not in due(store)
    assert store.stages.claim(SPEECH, "1", [file_id], "attic", LONG) == [], "it is done"
    assert store.stages.claim(SPEECH, "2", [file_id], "attic", LONG) == [file_id]


def test_a_lease_that_ran_out_can_be_claimed(store: Store, ids: dict[str, int]) -> None:
    file_id = ids["a.mp4"]
    assert store.stages.claim(SPEECH, "1", [file_id], "desk", 0.2) == [file_id]
    assert store.stages.claim(SPEECH, "1", [file_id], "attic", LONG) == []
    time.sleep(0.3)
    assert "a.mp4" in due(store, owner="attic")
    assert store.stages.claim(SPEECH, "1", [file_id], "attic", LONG) == [file_id]
    assert not store.stages.finish(SPEECH, "1", file_id, owner="desk"), "the one who came too late"
    assert store.stages.claim(SPEECH, "1", [file_id], "desk", LONG) == []


def test_a_lease_is_renewed_by_its_owner(store: Store, ids: dict[str, int]) -> None:
    file_id = ids["a.mp4"]
    store.stages.claim(SPEECH, "1", [file_id], "desk", 0.2)
    assert store.stages.claim(SPEECH, "1", [file_id], "desk", LONG) == [file_id]
    time.sleep(0.3)
    assert store.stages.claim(SPEECH, "1", [file_id], "attic", LONG) == []


def test_what_is_given_back_is_free(store: Store, ids: dict[str, int]) -> None:
    store.stages.claim(SPEECH, "1", list(ids.values()), "desk", LONG)
    assert store.stages.release("attic") == 0
    assert store.stages.release("desk") == 3
    assert due(store) == ["a.mp4", "b.mp4", "c.mp4"]


def test_a_file_stays_searchable_while_it_is_claimed(store: Store, ids: dict[str, int]) -> None:
    assert store.stages.claim(PICTURES, "another", list(ids.values()), "desk", LONG) == list(ids.values())
    assert searchable(store) == 6
    assert store.listing.count(Filters(states=("pending",))) == 0
    assert store.stages.claim(PICTURES, MODEL.fingerprint, list(ids.values()), "desk", LONG) == [], "these are done"


def test_owners_that_claim_at_once_share_the_work(store: Store) -> None:
    root = store.catalog.add_root("/videos")
    files = [video(f"/videos/{number}.mp4") for number in range(40)]
    apply_scan(store.scans, root, files, [])
    given: Counter[int] = Counter()
    lock = threading.Lock()

    def work(owner: str) -> None:
        for file_id, _ in store.stages.due(SPEECH, "1", root.id, owner=owner):
            for mine in store.stages.claim(SPEECH, "1", [file_id], owner, LONG):
                with lock:
                    given[mine] += 1
                assert store.stages.finish(SPEECH, "1", mine, owner=owner)

    owners = [threading.Thread(target=work, args=(name,)) for name in ("desk", "attic", "cellar")]
    for owner in owners:
        owner.start()
    for owner in owners:
        owner.join()
    assert sorted(given.values()) == [1] * 40
    assert due(store) == []


def test_what_is_committed_is_held_by_nobody(store: Store) -> None:
    root = store.catalog.add_root("/videos")
    apply_scan(store.scans, root, [video("/videos/a.mp4")], [])
    ((file_id, file),) = store.stages.due(PICTURES, MODEL.fingerprint, root.id)
    model = store.features.record_model(MODEL)
    store.stages.claim(PICTURES, MODEL.fingerprint, [file_id], "desk", LONG)
    store.queue.commit_file(file_id, file, INFO, b"a", [clip(0)], model)
    assert store.stages.release("desk") == 0
