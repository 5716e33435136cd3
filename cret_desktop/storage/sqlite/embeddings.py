"""Embeddings by model, the index vectors derived from them, and the records of graphs built from those.

Implements the `GraphStore` of `storage.vectors.vector_index`. Caches no vector: every call reads. An untrusted catalog
may hold anything. Rows whose values no model of ours would write (wrong type or size, not finite) are skipped as if
missing; type and size are checked before the values are read.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from cret_desktop.domain.clip_vectors import index_vectors
from cret_desktop.domain.clips import Features, ModelInfo
from cret_desktop.domain.records import PICTURES
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.rows import BEHIND, GRAPH_COLUMNS, WITH_PICTURES, graph_manifest, parts
from cret_desktop.storage.vectors.manifest import GraphManifest

_MOST_BYTES = 2**20  # of one clip's frames: 256 of them, each 2,048 wide
_FEATURE = np.dtype("<f2")

log = logging.getLogger(__name__)


class Embeddings:
    """Reads and deletes the embeddings of one catalog. Raises: as every method of the catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._warned = False

    def record_model(self, info: ModelInfo) -> int:
        with self._catalog.write() as db:
            db.execute(
                "INSERT INTO models (fingerprint, name, width, centers) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (fingerprint) DO NOTHING",
                (info.fingerprint, info.name, info.width, info.centers),
            )
            return int(db.execute("SELECT id FROM models WHERE fingerprint = ?", (info.fingerprint,)).fetchone()[0])

    def count_behind(self, model: str) -> int:
        """Return the number of reachable files searchable with some model but not with this one (a fingerprint)."""
        row = self._catalog.reader().execute(
            f"SELECT count(*) FROM files f JOIN roots r ON r.id = f.root_id {WITH_PICTURES}"
            f" WHERE f.missing_since IS NULL AND NOT (r.offline OR f.away) AND {BEHIND}",
            {"version": model},
        )
        return int(row.fetchone()[0])

    def count_embedded(self) -> dict[str, int]:
        """Return the number of searchable clips by model fingerprint."""
        rows = self._catalog.reader().execute(
            "SELECT CAST(m.fingerprint AS BLOB), count(*) FROM embeddings e JOIN models m ON m.id = e.model_id"
            " JOIN clips c ON c.id = e.clip_id JOIN files f ON f.id = c.file_id"
            " WHERE f.missing_since IS NULL AND typeof(m.fingerprint) = 'text' AND length(m.fingerprint) < 1000"
            " GROUP BY m.id"
        )
        return {fingerprint.decode("utf-8", "replace"): count for fingerprint, count in rows}

    def embedding_bytes(self, model: str) -> int:
        """Return the size of a model's embeddings in bytes, those of missing files included."""
        # All embeddings of a model have one length: measuring each would read half the catalog.
        row = self._catalog.reader().execute(
            "SELECT (SELECT count(*) FROM embeddings WHERE model_id = m.id) * (SELECT length(globals) + length(centers)"
            " FROM embeddings WHERE model_id = m.id LIMIT 1) FROM models m WHERE m.fingerprint = ?",
            (model,),
        )
        found = row.fetchone()
        return int(found[0] or 0) if found else 0

    def remove_model(self, model: str) -> list[str]:
        """Delete a model's features (by fingerprint), and free their space; return its graphs' file names."""
        graphs = [graph.file for graph in self.graphs(model)]
        with self._catalog.write() as db:
            db.execute("DELETE FROM graphs WHERE model = ?", (model,))
            for statement in (
                f"UPDATE stages SET version = NULL WHERE stage = '{PICTURES}' AND version = ?",
                "DELETE FROM embeddings WHERE model_id = (SELECT id FROM models WHERE fingerprint = ?)",
            ):
                db.execute(statement, (model,))
        self._catalog.compact()
        return graphs

    def features(self, model: ModelInfo, ids: Sequence[int]) -> tuple[NDArray[np.int64], Features]:
        """Return (ids found [K], Features globals [K, M, D], centers [K, C, D] float32), in the order of `ids`."""
        frames, centers, width = model.frame_format.frames, model.centers, model.width
        condition = f"{_is_blob('globals')} = ? AND {_is_blob('centers')} = ?"
        sizes = (frames * width * _FEATURE.itemsize, centers * width * _FEATURE.itemsize)
        found: dict[int, tuple[bytes, bytes]] = {}
        damaged: list[int] = []
        for part in parts([i for i in ids if i > 0]):
            rows = self._catalog.reader().execute(
                f"SELECT e.clip_id, {condition}, iif({condition}, e.globals, NULL), iif({condition}, e.centers, NULL)"
                " FROM embeddings e JOIN models m ON m.id = e.model_id"
                f" WHERE m.fingerprint = ? AND e.clip_id IN ({','.join('?' * len(part))})",
                (*sizes * 3, model.fingerprint, *part),
            )
            for i, fitting, *blobs in rows:
                if fitting:
                    found[i] = (blobs[0], blobs[1])
                else:
                    damaged.append(i)
        order = np.array([int(i) for i in ids if int(i) in found], np.int64)
        features = Features(
            _floats((found[i][0] for i in order.tolist()), (len(order), frames, width)),
            _floats((found[i][1] for i in order.tolist()), (len(order), centers, width)),
        )
        whole = _finite(features.globals) & _finite(features.centers)
        if not whole.all():
            damaged += order[~whole].tolist()
            order, features = order[whole], Features(features.globals[whole], features.centers[whole])
        self._warn(damaged)
        return order, features

    def clip_ids(self, model: str) -> NDArray[np.int64]:
        """Return the ids of live clips that have embeddings of this model (a fingerprint), ascending; all above 0."""
        rows = self._catalog.reader().execute(
            "SELECT e.clip_id FROM embeddings e JOIN models m ON m.id = e.model_id JOIN clips c ON c.id = e.clip_id"
            " JOIN files f ON f.id = c.file_id WHERE m.fingerprint = ? AND f.missing_since IS NULL AND e.clip_id > 0"
            " ORDER BY e.clip_id",
            (model,),
        )
        return np.fromiter((i for (i,) in rows), np.int64)

    def vectors(self, model: str, width: int, *, ids: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the live clips of `ids`, ascending, and their index vectors [N, `width`], one wider than frames."""
        frame = (width - 1) * _FEATURE.itemsize
        size = _is_blob("globals")
        condition = f"({size} BETWEEN ? AND ? AND {size} % ? = 0)"
        labels = [np.empty(0, np.int64)]
        vectors = [np.empty((0, width), np.float32)]
        damaged: list[int] = []
        with self._catalog.guarded():
            for part in parts(sorted(i for i in ids if i > 0)):
                rows = self._catalog.reader().execute(
                    f"SELECT e.clip_id, iif({condition}, e.globals, NULL) FROM embeddings e"
                    " JOIN models m ON m.id = e.model_id JOIN clips c ON c.id = e.clip_id"
                    " JOIN files f ON f.id = c.file_id WHERE m.fingerprint = ? AND f.missing_since IS NULL"
                    f" AND e.clip_id IN ({','.join('?' * len(part))}) ORDER BY e.clip_id",
                    (frame, _MOST_BYTES, frame, model, *part),
                )
                alike: dict[int, list[tuple[int, bytes]]] = {}  # all of a model's have as many frames, unless foreign
                for i, blob in rows:
                    alike.setdefault(len(blob or b""), []).append((i, blob))
                damaged += [i for i, _ in alike.pop(0, [])]
                for length, clips in alike.items():
                    found = np.array([i for i, _ in clips], np.int64)
                    frames = np.frombuffer(b"".join(blob for _, blob in clips), _FEATURE)
                    made = index_vectors(frames.reshape(len(clips), length // frame, width - 1))
                    whole = np.isfinite(made[:, -1])
                    damaged += found[~whole].tolist()
                    labels.append(found[whole])
                    vectors.append(made[whole])
        self._warn(damaged)
        found = np.concatenate(labels)
        order = np.argsort(found)
        return found[order], np.concatenate(vectors)[order]

    def _warn(self, damaged: Sequence[int]) -> None:
        if damaged and not self._warned:
            self._warned = True
            log.warning("Clips are left out of searches: their embeddings are damaged (clip %d first)", damaged[0])

    # --- graph manifests (storage.vectors.vector_index.GraphStore) -------------------------------------------

    def graphs(self, model: str) -> list[GraphManifest]:
        rows = self._catalog.reader().execute(
            f"SELECT {GRAPH_COLUMNS} FROM graphs WHERE model = ? ORDER BY generation DESC", (model,)
        )
        return [manifest for row in rows if (manifest := graph_manifest(row)) is not None]

    def record_graph(self, manifest: GraphManifest) -> None:
        names = [f.name for f in fields(GraphManifest)]
        with self._catalog.write() as db:
            db.execute(
                f"INSERT INTO graphs ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
                tuple(getattr(manifest, name) for name in names),
            )

    def forget_graphs(self, model: str, *, but: Collection[int]) -> None:
        rows = self._catalog.reader().execute("SELECT generation FROM graphs WHERE model = ?", (model,))
        gone = {generation for (generation,) in rows} - set(but)
        if gone:
            with self._catalog.write() as db:
                db.executemany("DELETE FROM graphs WHERE generation = ?", [(generation,) for generation in gone])


def _is_blob(column: str) -> str:
    """Return SQL for the length of an embedding's blob, read from the row's header; -1 for any other type."""
    return f"iif(typeof(e.{column}) = 'blob', length(e.{column}), -1)"


def _floats(blobs: Iterable[bytes], shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.frombuffer(b"".join(blobs), _FEATURE).reshape(shape).astype(np.float32)


def _finite(features: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which of [N, M, D] are finite, judging by their sums: sums of float16 numbers do not overflow."""
    return np.asarray(np.isfinite(np.einsum("nmd->n", features)))
