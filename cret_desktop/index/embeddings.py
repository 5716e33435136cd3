"""Embeddings by model, the index vectors that follow from them, and the records of the graphs built of those.

What `index.vector_index` knows of the catalog (its `GraphStore`). Never holds a vector: every call reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from cret_desktop.clips import Features, ModelInfo
from cret_desktop.index.catalog import Catalog
from cret_desktop.index.rows import BEHIND, GraphManifest, parts


class Embeddings:
    """Reads and forgets the embeddings of one catalog. Raises: as every method of the catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def record_model(self, info: ModelInfo) -> int:
        with self._catalog.write() as db:
            db.execute(
                "INSERT INTO models (fingerprint, name, width, centers) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (fingerprint) DO NOTHING",
                (info.fingerprint, info.name, info.width, info.centers),
            )
            return int(db.execute("SELECT id FROM models WHERE fingerprint = ?", (info.fingerprint,)).fetchone()[0])

    def count_behind(self, model: str) -> int:
        """Files that can be reached and are searchable with some model, though not with this one (a fingerprint)."""
        row = self._catalog.reader().execute(
            "SELECT count(*) FROM files f JOIN roots r ON r.id = f.root_id LEFT JOIN models m ON m.id = f.model_id"
            f" WHERE f.missing_since IS NULL AND NOT (r.offline OR f.away) AND {BEHIND}",
            (model, model),
        )
        return int(row.fetchone()[0])

    def count_embedded(self) -> dict[str, int]:
        """Clips that can be searched, by the fingerprint of the model."""
        return dict(
            self._catalog.reader().execute(
                "SELECT m.fingerprint, count(*) FROM embeddings e JOIN models m ON m.id = e.model_id"
                " JOIN clips c ON c.id = e.clip_id JOIN files f ON f.id = c.file_id"
                " WHERE f.missing_since IS NULL GROUP BY m.id"
            )
        )

    def embedding_bytes(self, model: str) -> int:
        """What a model's embeddings take up, of missing files as well."""
        # All of a model's are of one length: to read each one's would be to read half the catalog.
        row = self._catalog.reader().execute(
            "SELECT (SELECT count(*) FROM embeddings WHERE model_id = m.id) * (SELECT length(globals) + length(centers)"
            " FROM embeddings WHERE model_id = m.id LIMIT 1) FROM models m WHERE m.fingerprint = ?",
            (model,),
        )
        found = row.fetchone()
        return int(found[0] or 0) if found else 0

    def remove_model(self, model: str) -> list[str]:
        """Forget what a model (a fingerprint) has made, and give its space back; returns its graphs' file names."""
        graphs = [graph.file for graph in self.graphs(model)]
        with self._catalog.write() as db:
            db.execute("DELETE FROM graphs WHERE model = ?", (model,))
            for statement in (
                "UPDATE files SET model_id = NULL WHERE model_id = (SELECT id FROM models WHERE fingerprint = ?)",
                "DELETE FROM embeddings WHERE model_id = (SELECT id FROM models WHERE fingerprint = ?)",
            ):
                db.execute(statement, (model,))
        self._catalog.compact()
        return graphs

    def features(self, model: ModelInfo, ids: Sequence[int]) -> tuple[NDArray[np.int64], Features]:
        """-> (ids found [K], Features globals [K, M, D], centers [K, C, D] float32), in the order of `ids`."""
        found: dict[int, tuple[bytes, bytes]] = {}
        for part in parts(ids):
            rows = self._catalog.reader().execute(
                "SELECT e.clip_id, e.globals, e.centers FROM embeddings e JOIN models m ON m.id = e.model_id"
                f" WHERE m.fingerprint = ? AND e.clip_id IN ({','.join('?' * len(part))})",
                (model.fingerprint, *part),
            )
            found.update((i, (g, c)) for i, g, c in rows)
        order = [int(i) for i in ids if int(i) in found]
        frames = model.frame_format.frames
        globals_ = np.frombuffer(b"".join(found[i][0] for i in order), "<f2").reshape(-1, frames, model.width)
        centers = np.frombuffer(b"".join(found[i][1] for i in order), "<f2").reshape(
            len(order), model.centers, model.width
        )
        return np.asarray(order, np.int64), Features(globals_.astype(np.float32), centers.astype(np.float32))

    def clip_ids(self, model: str) -> NDArray[np.int64]:
        """Ids of the live clips that have embeddings of this model (a fingerprint), ascending."""
        rows = self._catalog.reader().execute(
            "SELECT e.clip_id FROM embeddings e JOIN models m ON m.id = e.model_id JOIN clips c ON c.id = e.clip_id"
            " JOIN files f ON f.id = c.file_id WHERE m.fingerprint = ? AND f.missing_since IS NULL ORDER BY e.clip_id",
            (model,),
        )
        return np.fromiter((i for (i,) in rows), np.int64)

    def vectors(self, model: str, *, ids: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Those of `ids` that are live, ascending, and their index vectors [N, D + 1]."""
        db = self._catalog.reader()
        row = db.execute("SELECT id, width FROM models WHERE fingerprint = ?", (model,)).fetchone()
        if row is None:
            return np.empty(0, np.int64), np.empty((0, 0), np.float32)
        model_id, width = row
        labels: list[int] = []
        vectors: list[NDArray[np.float32]] = [np.empty((0, width + 1), np.float32)]
        for part in parts(sorted(ids)):
            rows = db.execute(
                "SELECT e.clip_id, e.globals FROM embeddings e JOIN clips c ON c.id = e.clip_id"
                " JOIN files f ON f.id = c.file_id WHERE e.model_id = ? AND f.missing_since IS NULL"
                f" AND e.clip_id IN ({','.join('?' * len(part))}) ORDER BY e.clip_id",
                (model_id, *part),
            ).fetchall()
            if rows:
                labels += [i for i, _ in rows]
                frames = np.frombuffer(b"".join(g for _, g in rows), "<f2").reshape(len(rows), -1, width)
                vectors.append(_index_vectors(frames))
        return np.asarray(labels, np.int64), np.concatenate(vectors)

    # --- graph manifests (index.vector_index.GraphStore) ------------------------------------------------------

    def graphs(self, model: str) -> list[GraphManifest]:
        columns = ", ".join(f.name for f in fields(GraphManifest))
        rows = self._catalog.reader().execute(
            f"SELECT {columns} FROM graphs WHERE model = ? ORDER BY generation DESC", (model,)
        )
        return [GraphManifest(*row) for row in rows]

    def record_graph(self, manifest: GraphManifest) -> None:
        names = [f.name for f in fields(GraphManifest)]
        with self._catalog.write() as db:
            db.execute(
                f"INSERT INTO graphs ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
                tuple(getattr(manifest, name) for name in names),
            )

    def forget_graph(self, generation: int) -> None:
        with self._catalog.write() as db:
            db.execute("DELETE FROM graphs WHERE generation = ?", (generation,))


def _index_vectors(frames: NDArray[np.float16]) -> NDArray[np.float32]:
    """Frame features [N, M, D] of length at most 1 -> unit vectors [N, D + 1]: the mean, and what it lacks to length 1.

    Their cosine with a query's `query_vector` orders clips exactly as <t, mean> does; by the mean's direction alone,
    clips whose frames differ (short means) would come out too high.
    """
    mean = frames.mean(axis=1, dtype=np.float32)
    mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1.0)
    lacking = np.sqrt(np.maximum(1.0 - np.square(mean).sum(axis=1, keepdims=True), 0.0))
    vectors = np.concatenate([mean, lacking], axis=1)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def query_vector(text: NDArray[np.float32]) -> NDArray[np.float32]:
    """A text's features [D] -> [D + 1], to search an index of `Embeddings.vectors` with."""
    return np.append(text, np.float32(0.0))
