"""Indexing commits a file completely or not at all, whatever the back end."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from cret_desktop.domain.records import PICTURES
from cret_desktop.errors import ValueRefused
from cret_desktop.library.ports import Store
from tests.storage.samples import INFO, MODEL, clip, indexed, sprite, video


def test_a_committed_file_reads_back(store: Store) -> None:
    embeddings = store.features
    _, ids = indexed(store, "a.mp4", 3)
    rows = store.clips.clips(ids)
    assert [rows[i].ordinal for i in ids] == [0, 1, 2]
    assert rows[ids[1]].path == "/videos/a.mp4"
    assert rows[ids[1]].times == (1.0, 2.0, 3.0, 4.0)
    found, features = embeddings.features(MODEL, [ids[2], 999, ids[0]])
    assert list(found) == [ids[2], ids[0]]
    assert features.globals.shape == (2, 4, 8)
    assert features.centers.shape == (2, 2, 8)
    assert features.globals[0] == pytest.approx(clip(2).globals, abs=2e-3)
    labels, vectors = embeddings.vectors(MODEL.fingerprint, MODEL.width + 1, ids=ids)
    assert list(labels) == ids == list(embeddings.clip_ids(MODEL.fingerprint))
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_indexing_again_keeps_ids_where_clips_stand_where_they_stood(store: Store) -> None:
    changes = store.queue
    file_id, ids = indexed(store, "a.mp4", 3)
    model = store.features.record_model(MODEL)
    again, gone, _ = changes.commit_file(
        file_id, video("/videos/a.mp4"), INFO, b"a.mp4", [clip(i, seed=1) for i in range(3)], model
    )
    assert (again, gone) == (ids, [])
    other, gone, sprites = changes.commit_file(
        file_id, video("/videos/a.mp4"), INFO, b"other content", [clip(0)], model
    )
    assert gone == ids
    assert set(other).isdisjoint(ids), "ids are never used again"
    assert sprites == [sprite(1), sprite(2)]


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    embeddings = store.features
    file_id, _ = indexed(store, "a.mp4", 2)
    broken = [clip(0), clip(0)]  # the same ordinal twice
    with pytest.raises(ValueRefused):
        store.queue.commit_file(file_id, video("/videos/a.mp4"), INFO, b"x", broken, embeddings.record_model(MODEL))
    assert len(embeddings.clip_ids(MODEL.fingerprint)) == 2


def test_of_two_models_each_knows_what_it_lacks(store: Store) -> None:
    """Clips embedded by a model are not repeated, whichever model indexed last; without the model, all wait again."""
    changes, embeddings = store.queue, store.features
    other = replace(MODEL, fingerprint="another")
    indexed(store, "a.mp4", 2)
    indexed(store, "b.mp4", 1)
    (root,) = store.catalog.roots()
    assert (embeddings.count_behind(MODEL.fingerprint), embeddings.count_behind("another")) == (0, 2)
    ((file_id, file), *_) = store.stages.due(PICTURES, "another", root.id)
    changes.commit_file(file_id, file, INFO, b"a.mp4", [clip(0), clip(1)], embeddings.record_model(other))
    assert embeddings.count_embedded() == {MODEL.fingerprint: 3, "another": 2}
    assert (embeddings.count_behind(MODEL.fingerprint), embeddings.count_behind("another")) == (0, 1)
    assert store.stages.due(PICTURES, MODEL.fingerprint, root.id) == []
    assert embeddings.embedding_bytes("another") * 3 == embeddings.embedding_bytes(MODEL.fingerprint) * 2 > 0
    embeddings.remove_model("another")
    assert embeddings.count_embedded() == {MODEL.fingerprint: 3}
    assert (embeddings.count_behind(MODEL.fingerprint), embeddings.count_behind("another")) == (0, 2)
    assert embeddings.embedding_bytes("another") == 0


def test_another_model_waits_beside_the_old_one(store: Store) -> None:
    indexed(store, "a.mp4", 2)
    root = store.catalog.roots()[0]
    assert store.stages.due(PICTURES, MODEL.fingerprint, root.id) == []
    assert [f.path for _, f in store.stages.due(PICTURES, "another", root.id)] == ["/videos/a.mp4"]
    assert [c.pending for c in store.catalog.counts("another")] == [1]
    assert [c.pending for c in store.catalog.counts(MODEL.fingerprint)] == [0]
    assert len(store.features.clip_ids(MODEL.fingerprint)) == 2


def test_readers_never_see_half_a_file(store: Store) -> None:
    """A reader in parallel with the writer sees a file with all its clips or with none."""
    counts: set[int] = set()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            counts.add(len(store.features.clip_ids(MODEL.fingerprint)))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(20):
        indexed(store, f"{number:02}.mp4", 5)
    stop.set()
    reader.join()
    assert {count % 5 for count in counts} == {0}
