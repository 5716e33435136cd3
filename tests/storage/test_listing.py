"""Filters and sort orders, whatever the back end."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import pytest

from cret_desktop.domain.clips import Sort, VideoFile, VideoInfo
from cret_desktop.domain.filters import STATES, Filters
from cret_desktop.domain.records import PICTURES
from cret_desktop.library.indexing.identity import apply_scan
from cret_desktop.library.ports import Store
from cret_desktop.library.searching.query import operator_text, parse
from tests.storage.samples import MODEL, clip


@dataclass
class Made:
    name: str
    duration: float
    size: tuple[int, int]
    day: str
    bytes_: int


FILES = [
    Made("/videos/Summer trip/Beach 2.MOV", 20, (1920, 1080), "2024-05-17", 30),
    Made("/videos/Summer trip/Beach 10.mp4", 90, (1080, 1920), "2024-08-01", 20),
    Made("/videos/Winter/Ärger im Schnee.mkv", 400, (4096, 2160), "2023-01-05", 10),
    Made("/videos/Winter/old/summer_house_1.mp4", 4000, (640, 480), "2019-12-31", 50),
    Made("/other/single.mp4", 61, (1280, 720), "2022-02-02", 40),
]


@pytest.fixture
def filled(store: Store) -> Store:
    """A store with five indexed files in two roots."""
    roots = {"/videos": store.catalog.add_root("/videos"), "/other": store.catalog.add_root("/other/single.mp4")}
    model = store.features.record_model(MODEL)
    for root in roots.values():
        seen = [
            VideoFile(f.name, f.bytes_, int(datetime.fromisoformat(f.day).timestamp() * 1e9), 1, 0)
            for f in FILES
            if f.name.startswith(root.path)
        ]
        apply_scan(store.scans, root, seen, [])
        for file_id, file in store.stages.due(PICTURES, MODEL.fingerprint, root.id):
            made = next(f for f in FILES if f.name == file.path)
            info = VideoInfo(made.duration, *made.size, 25.0, "h264", "mp4")
            store.queue.commit_file(file_id, file, info, made.name.encode(), [clip(0), clip(1)], model)
    return store


def names(store: Store, typed: str, sort: Sort = Sort.NAME, reverse: bool = False) -> list[str]:
    listing = store.listing
    filters = parse(typed).filters
    ids = listing.page(filters, sort, reverse, 100, 0)
    assert listing.count(filters) == len(ids)
    assert sorted(listing.admitted(filters).tolist()) == sorted(ids)
    files = listing.files(ids)
    return [os.path.splitext(os.path.basename(files[i].path))[0] for i in ids]


B2, B10, SNOW, HOUSE, SINGLE = "Beach 2", "Beach 10", "Ärger im Schnee", "summer_house_1", "single"


@pytest.mark.skipif(sys.platform == "win32", reason="the paths are POSIX ones")
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", [SNOW, B2, B10, SINGLE, HOUSE]),
        ("in:summer", [B2, B10]),
        ('in:"summer tr"', [B2, B10]),
        ("in:/videos/Winter", [SNOW, HOUSE]),
        ("in:/videos/Win", []),
        ("in:/videos", [SNOW, B2, B10, HOUSE]),
        ("in:/", [SNOW, B2, B10, SINGLE, HOUSE]),
        ("in:/other/single.mp4", [SINGLE]),
        ("in:winter -in:old", [SNOW]),
        ("in:/nowhere in:winter", [SNOW, HOUSE]),
        ("ext:mov", [B2]),
        ("ext:mkv,MOV", [SNOW, B2]),
        ("-ext:mp4", [SNOW, B2]),
        ("dur:<1m", [B2]),
        ("dur:1m-10m", [SNOW, B10, SINGLE]),
        ("dur:>1h", [HOUSE]),
        ("res:1080p", [B2, B10]),
        ("res:4k", [SNOW]),
        ("res:<=720p", [SINGLE, HOUSE]),
        ("date:2024", [B2, B10]),
        ("date:2022-02..2024-05", [SNOW, B2, SINGLE]),
        ("tag:Sea", [B2, B10]),
        ("tag:sea tag:best", [B10]),
        ("tag:sea -tag:best", [B2]),
        ("is:tagged", [B2, B10]),
        ("-is:tagged is:favourite", [SNOW]),
        ("is:noted", [HOUSE]),
        ("is:offline", [SINGLE]),
        ("is:pending", []),
        ("is:failed", []),
        ('"arger schnee"', []),
        ('"arger im schn"', [SNOW]),
        ('"house"', [HOUSE]),
        ("tag:sea dur:>1m ext:mp4 in:summer", [B10]),
    ],
)
def test_operators_pick_files(filled: Store, typed: str, expected: list[str]) -> None:
    ids = {file.path: file.id for root in filled.catalog.roots() for file in filled.catalog.files(root.id).values()}
    annotations = filled.annotations
    annotations.change_tags([ids[FILES[0].name], ids[FILES[1].name]], ["Sea"], [])
    annotations.change_tags([ids[FILES[1].name]], ["Best"], [])
    annotations.set_favourite([ids[FILES[2].name]], True)
    annotations.set_note(ids[FILES[3].name], "a note")
    filled.catalog.set_offline(next(r.id for r in filled.catalog.roots() if r.path.startswith("/other")), True)
    assert names(filled, typed) == expected


@pytest.mark.skipif(sys.platform == "win32", reason="the paths are POSIX ones")
def test_orders(filled: Store) -> None:
    assert names(filled, "", Sort.DATE) == [B10, B2, SNOW, SINGLE, HOUSE] == names(filled, "", Sort.RELEVANCE)
    assert names(filled, "", Sort.DATE, reverse=True) == [HOUSE, SINGLE, SNOW, B2, B10]
    assert names(filled, "", Sort.LENGTH) == [HOUSE, SNOW, B10, SINGLE, B2]
    assert names(filled, "", Sort.SIZE) == [HOUSE, SINGLE, B2, B10, SNOW]
    listing = filled.listing
    whole = listing.page(Filters(), Sort.NAME, False, 10, 0)
    assert [i for at in range(5) for i in listing.page(Filters(), Sort.NAME, False, 1, at)] == whole
    assert listing.ordered(set(whole[1:]), Sort.NAME, True) == whole[:0:-1]
    assert listing.page(Filters(), Sort.NAME, False, 10, 0, without=whole[:2]) == whole[2:]


@pytest.mark.skipif(sys.platform == "win32", reason="names that are not UTF-8 are POSIX's")
def test_names_that_are_not_text_are_listed_and_found(store: Store) -> None:
    folder = "/videos " + os.fsdecode(b"\xfe")
    root = store.catalog.add_root(folder)
    path = f"{folder}/caf{os.fsdecode(bytes([0xE9]))} one.mp4"
    apply_scan(store.scans, root, [VideoFile(path, 1, 1, 1, 1)], [])
    file_id = store.catalog.files(root.id)[path].id
    assert [f.path for f in store.listing.files([file_id]).values()] == [path]
    for typed in ('"one"', operator_text("in", folder), "ext:mp4"):
        assert store.listing.admitted(parse(typed).filters).tolist() == [file_id], typed


def test_a_missing_file_is_told_of_but_not_listed(filled: Store) -> None:
    root = filled.catalog.roots()[-1]
    gone = {row.id for row in filled.catalog.files(root.id).values()}
    apply_scan(filled.scans, root, [], [])
    listing = filled.listing
    assert gone.isdisjoint(listing.admitted(Filters()).tolist())
    assert all(listing.files([i])[i].missing for i in gone)


def test_counting_sees_every_change(store: Store) -> None:
    """Also in threads that have counted before."""
    with ThreadPoolExecutor(1) as other:
        root = store.catalog.add_root("/videos")
        counts = []
        for count in (0, 2, 3, 1):
            seen = [VideoFile(f"/videos/{number}.mp4", 1, 1, 1, number) for number in range(count)]
            apply_scan(store.scans, root, seen, [])
            here, there = store.listing.count(Filters()), other.submit(store.listing.count, Filters()).result()
            counts.append((here, there, store.listing.count(Filters())))
        assert counts == [(n, n, n) for n in (0, 2, 3, 1)]


def test_every_state_that_can_be_asked_for_is_known_to_the_store(filled: Store) -> None:
    for state in STATES:
        having, lacking = Filters(states=(state,)), Filters(not_states=(state,))
        assert filled.listing.count(having) + filled.listing.count(lacking) == len(FILES)
