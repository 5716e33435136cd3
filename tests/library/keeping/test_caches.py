"""Caches beside the catalog: any content of their files is valid or rebuilt, and never blocks."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cret_desktop.library.indexing.estimate import Pace, keep_pace, read_pace
from cret_desktop.library.searching.calibrator import Calibrator
from cret_desktop.library_files import LibraryFiles
from cret_desktop.messages import render
from cret_desktop.settings import Settings, load, save
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.store import SqliteStore
from tests.fakes import INFO, ColourModel
from tests.library.conftest import REFERENCES, Bench

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(10**400) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
ODD_TEXTS = [
    "",
    "{",
    "[" * 200_000,
    '{"a":' * 200_000,
    "9" * 5000,
    '{"model": {"speed": ' + "9" * 5000 + ', "space": 1}}',
    "null",
]


@settings(deadline=None)
@given(st.binary(max_size=200) | values.map(lambda value: json.dumps({"model": value}).encode()))
def test_any_pace_is_one_or_none(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    library = LibraryFiles(tmp_path_factory.getbasetemp())
    (library.root / "pace.json").write_bytes(content)
    assert isinstance(read_pace(library, "model"), Pace | None)
    keep_pace(library, "model", Pace(2.0, 3.0))
    assert read_pace(library, "model") == Pace(2.0, 3.0)


@pytest.mark.parametrize("text", ODD_TEXTS, ids=lambda text: text[:8])
def test_odd_files_of_every_record(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pace.json"
    path.write_text(text, encoding="utf-8")
    assert read_pace(LibraryFiles(tmp_path), "model") is None
    record, told = load(Settings, path)
    assert record == Settings()
    assert told is not None
    assert str(path) in render(told)
    assert "\n" not in render(told)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_values_of_a_record_are_survived_and_written_again(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    names = [name for name in Settings.__dataclass_fields__ if name != "unknown"]
    written = data.draw(st.dictionaries(st.sampled_from([*names, "of a newer version"]), values, max_size=4))
    path = tmp_path_factory.getbasetemp() / "record.json"
    path.write_text(json.dumps(written), encoding="utf-8")
    record, _ = load(Settings, path)
    save(record, path)
    again, told = load(Settings, path)
    assert (repr(again), told) == (repr(record), None)  # NaN equals nothing


# --- calibration ----------------------------------------------------------------------------------------------------


def whole() -> dict[str, np.ndarray]:
    features = ColourModel().text.encode(REFERENCES)
    return {"texts": np.array(REFERENCES), "globals": features.globals, "centers": features.centers}


def npz(arrays: dict[str, np.ndarray], packed: bool = False) -> bytes:
    written = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(written, **arrays)  # type: ignore[arg-type]
    return written.getvalue()


def lying(header: str) -> bytes:
    """Return `whole` with another header of its globals."""
    said = header.encode().ljust(117) + b"\n"
    written = io.BytesIO(npz(whole()))
    with zipfile.ZipFile(written) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    members["globals.npy"] = (
        b"\x93NUMPY\x01\x00" + len(said).to_bytes(2, "little") + said + members["globals.npy"][128:]
    )
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return made.getvalue()


SPOILT = {
    "nothing": b"",
    "no zip": b"\x93NUMPY",
    "half": npz(whole())[:700],
    "without an array": npz({"texts": np.array(REFERENCES)}),
    "other texts": npz(whole() | {"texts": np.array(["another"] * len(REFERENCES))}),
    "not finite": npz(whole() | {"globals": np.full_like(whole()["globals"], np.nan)}),
    "too large values": npz(whole() | {"globals": np.full_like(whole()["globals"], 3e38)}),
    "another width": npz(whole() | {"globals": np.zeros((len(REFERENCES), 3), np.float32)}),
    "another type": npz(whole() | {"globals": whole()["globals"].astype(np.complex64)}),
    "objects": npz(whole() | {"globals": np.array([{"a": 1}], object)}),
    "a bomb": npz(whole() | {"more": np.zeros(1_000_000)}, packed=True),
    "a shape beyond all memory": lying("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }"),
    "a header without end": lying("(" * 100),
    "by columns": lying(f"{{'descr': '<f4', 'fortran_order': True, 'shape': ({len(REFERENCES)}, {INFO.width}), }}"),
}


@pytest.mark.parametrize("content", SPOILT.values(), ids=SPOILT)
def test_a_calibration_that_does_not_read_is_made_again(bench: Bench, content: bytes) -> None:
    bench.write("a.mp4", "red")
    bench.run()
    file = bench.folder / "calibration" / f"{INFO.fingerprint}.npz"
    file.parent.mkdir()
    file.write_bytes(content)
    assert bench.found("red") == ["a.mp4"]
    with np.load(file, allow_pickle=False) as made:
        assert np.array_equal(made["globals"], whole()["globals"])


def test_one_that_reads_is_not_made_again(bench: Bench) -> None:
    folder, library = bench.folder / "calibration", LibraryFiles(bench.folder)
    Calibrator(bench.store, bench.model, REFERENCES, library).references()
    before = (folder / f"{INFO.fingerprint}.npz").stat().st_mtime_ns
    bench.model.text.encode = pytest.fail  # type: ignore[method-assign, assignment]
    Calibrator(bench.store, bench.model, REFERENCES, library).references()
    assert (folder / f"{INFO.fingerprint}.npz").stat().st_mtime_ns == before


@settings(max_examples=25, deadline=None)
@given(cut=st.integers(0, 20_000), flipped=st.integers(0, 20_000), byte=st.integers(0, 255))
def test_cut_or_flipped_anywhere_it_is_whole_in_the_end(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flipped: int, byte: int
) -> None:
    library = tmp_path_factory.mktemp("library")
    (library / "calibration").mkdir()
    content = bytearray(npz(whole()))
    content[flipped % len(content)] = byte
    (library / "calibration" / f"{INFO.fingerprint}.npz").write_bytes(content[: cut or None])
    with Catalog.open(library / "catalog.sqlite") as catalog:
        features = Calibrator(SqliteStore(catalog), ColourModel(), REFERENCES, LibraryFiles(library)).references()
    assert features.globals.shape == (len(REFERENCES), INFO.width)
    assert np.isfinite(features.globals).all()
