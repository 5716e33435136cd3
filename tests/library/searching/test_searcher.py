from __future__ import annotations

import itertools
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cret_desktop.domain.clips import Features, Match, SearchAnswer, Sort
from cret_desktop.engine.assemble import make_searcher
from cret_desktop.errors import PathError, QueryError
from cret_desktop.library.experts import visual
from cret_desktop.library.searching.moments import Hit, merge
from cret_desktop.library.searching.query import parse
from cret_desktop.library.searching.searcher import Searcher
from cret_desktop.library.searching.steps import Abandoned
from cret_desktop.library_files import LibraryFiles
from cret_desktop.storage.sqlite.clips import Clips
from cret_desktop.storage.sqlite.embeddings import Embeddings
from cret_desktop.storage.vectors.vector_index import VectorIndex
from tests.fakes import COLOURS, KEY, fit_picture
from tests.library.conftest import REFERENCES, Bench, visual_of


def noting(
    note: Callable[[Sequence[str]], None], encode: Callable[[Sequence[str]], Features]
) -> Callable[[Sequence[str]], Features]:
    """Return `encode`, with `note` called first."""

    def noted(texts: Sequence[str]) -> Features:
        note(texts)
        return encode(texts)

    return noted


def test_every_colour_finds_its_own(bench: Bench) -> None:
    for colour in COLOURS:
        bench.write(f"{colour}.mp4", colour)
    bench.run()
    for colour in COLOURS:
        answer = bench.searcher.search(parse(f"a {colour} wall"), 3)
        assert answer.moments[0].path.endswith(f"{colour}.mp4")
        assert answer.moments[0].match is not Match.WEAK
        assert answer.confident
        assert set(answer.parts) == {
            "text", "filter", "words", "candidates", "rescore", "relevance", "moments", "files",
        }  # fmt: skip


def test_what_is_absent_gets_weak_answers_only(bench: Bench) -> None:
    for number in range(5):
        bench.write(f"{number}.mp4", "red green blue")
    bench.run()
    answer = bench.searcher.search(parse("pink"), 5)
    assert not answer.confident
    assert all(moment.match is Match.WEAK for moment in answer.moments)


def test_an_empty_library_answers_with_nothing(bench: Bench) -> None:
    assert set(bench.searcher.prepare()) == {"text tower", "calibration", "clips"}
    answer = bench.searcher.search(parse("red"), 5)
    assert answer.moments == ()
    assert not answer.confident


@pytest.mark.parametrize("typed", ["?!", "word " * 2_000, "in:", "foo:bar"])
def test_queries_that_cannot_be_searched_say_so(bench: Bench, typed: str) -> None:
    with pytest.raises(QueryError):
        bench.searcher.search(parse(typed), 5)


def test_preparing_leaves_nothing_to_load(bench: Bench) -> None:
    bench.write("a.mp4", "red")
    bench.run()
    bench.searcher.prepare()
    asked: list[int] = []
    encode = bench.model.text.encode
    bench.model.text.encode = noting(lambda texts: asked.append(len(texts)), encode)  # type: ignore[method-assign, assignment]
    assert bench.searcher.search(parse("red"), 1).moments
    assert asked == [1]


def test_limit_counts_videos_and_a_video_has_at_most_twenty_moments(bench: Bench) -> None:
    for name in "abc":
        bench.write(f"{name}.mp4", "red blue " * 20)
    bench.run()
    answer = bench.searcher.search(parse("red"), 2)
    assert [sum(m.file_id == file.id for m in answer.moments) for file in answer.files] == [20, 20]
    assert answer.total == 3
    rest = bench.searcher.search(parse("red"), 2, offset=2)
    assert len(rest.files) == 1
    assert rest.files[0] not in answer.files


@pytest.mark.parametrize("typed", ["red", "red in:odd", "red beach"])
def test_the_first_videos_are_those_of_the_whole_answer(bench: Bench, typed: str) -> None:
    """Results that are not shown are not evaluated; those shown must not depend on that."""
    for number in range(24):
        words = ["red blue", "blue red red", "green", "red green blue blue"][number % 4]
        bench.write(f"{'odd' if number % 2 else 'even'}/{'beach' if number % 5 == 0 else 'clip'} {number}.mp4", words)
    bench.run()
    whole = bench.searcher.search(parse(typed), 100)
    places = {file.id: place for place, file in enumerate(whole.files)}
    assert len(places) > 8
    for offset in (0, 3):
        part = bench.searcher.search(parse(typed), 3, offset=offset)
        assert [places[file.id] for file in part.files] == list(range(offset, offset + 3))
        assert list(part.moments) == [m for m in whole.moments if m.file_id in {file.id for file in part.files}]
        assert (part.confident, part.total) == (whole.confident, whole.total)


def test_a_search_that_nobody_waits_for_is_given_up(bench: Bench) -> None:
    bench.write("a.mp4", "red blue")
    bench.run()
    steps = iter([True, True, False])
    with pytest.raises(Abandoned):
        bench.searcher.search(parse("red"), 1, wanted_still=lambda: next(steps))
    assert next(steps, None) is None, "it went on after it was given up, or never asked"


def test_a_query_that_is_asked_again_is_not_encoded_again(bench: Bench) -> None:
    bench.write("a.mp4", "red blue")
    bench.run()
    bench.searcher.prepare()
    asked: list[Sequence[str]] = []
    encode = bench.model.text.encode
    bench.model.text.encode = noting(asked.append, encode)  # type: ignore[method-assign, assignment]
    answers = [bench.searcher.search(parse("red"), 1, sort=sort) for sort in (Sort.RELEVANCE, Sort.NAME)]
    assert answers[0].moments == answers[1].moments
    assert asked == [["red"]]


def test_reference_features_are_kept_and_used_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.write("a.mp4", "red")
    bench.run()
    first = bench.searcher.search(parse("red"), 1).moments[0].relevance
    again = make_searcher(
        bench.store,
        bench.index,
        bench.model,
        LibraryFiles(bench.folder),
        REFERENCES,
        fit_picture,
    )
    encoded: list[int] = []
    encode = bench.model.text.encode
    monkeypatch.setattr(bench.model.text, "encode", noting(lambda texts: encoded.append(len(texts)), encode))
    assert again.search(parse("red"), 1).moments[0].relevance == pytest.approx(first)
    assert encoded == [1]


def test_a_damaged_reference_file_is_made_anew(bench: Bench) -> None:
    bench.write("a.mp4", "red")
    bench.run()
    bench.searcher.encode_references()
    (stored,) = (bench.folder / "calibration").glob("*.npz")
    stored.write_bytes(b"not a zip")
    visual_of(bench.searcher)._calibrator._references = None
    assert bench.searcher.search(parse("red"), 1).moments


def test_more_clips_than_candidates_are_rescored_exactly(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visual, "CANDIDATES", 4)
    for number in range(20):
        bench.write(f"{number:02}.mp4", "blue green")
    bench.write("needle.mp4", "orange")
    bench.run()
    assert bench.found("orange", 1) == ["needle.mp4"]


def hit(clip_id: int, ordinal: int, shot: int, relevance: float, file_id: int = 1) -> Hit:
    from cret_desktop.domain.records import ClipRow

    row = ClipRow(clip_id, file_id, "v.mp4", ordinal, shot, ordinal * 10.0, ordinal * 10.0 + 10, "s", 4, 3, 0, (0.0,))
    return Hit(row, relevance, relevance, 0)


def test_neighbours_in_one_shot_are_one_moment() -> None:
    hits = [hit(3, 2, 0, 0.95), hit(2, 1, 0, 0.9), hit(4, 3, 0, 0.85), hit(9, 8, 0, 0.84)]
    assert [[h.clip.ordinal for h in group] for group in merge(hits)] == [[2, 3, 1], [8]]


def test_weak_hits_stay_apart() -> None:
    assert len(merge([hit(ordinal + 1, ordinal, 0, 0.2) for ordinal in range(3)])) == 3


def test_cuts_files_and_classes_are_notmerged_over() -> None:
    hits = [hit(1, 0, 0, 0.95), hit(2, 1, 1, 0.9), hit(3, 2, 1, 0.2), hit(4, 1, 1, 0.9, file_id=2)]
    assert len(merge(hits)) == 4


def test_scores_order_the_answer(bench: Bench) -> None:
    bench.write("a.mp4", "red orange yellow green blue white")
    bench.run()
    scores = [moment.score for moment in bench.searcher.search(parse("orange"), 10).moments]
    assert np.all(np.diff(scores) <= 0)


@pytest.mark.parametrize("hurt", ["b", "%"])
@pytest.mark.parametrize(
    "damage",
    [
        "globals = 'red'",
        "globals = x''",
        "globals = CAST(globals || x'0000' AS BLOB)",
        "globals = zeroblob(length(globals) * 100)",
        "globals = CAST(replace(hex(globals), '0', 'F') AS BLOB)",
        "centers = 5",
        "globals = :nan",
    ],
)
def test_clips_whose_embeddings_are_damaged_are_passed_over_and_the_others_found(
    bench: Bench, hurt: str, damage: str
) -> None:
    """As in an untrusted library: no value in a row is an error of a search."""
    for name, colour in (("a", "red"), ("b", "green"), ("c", "blue")):
        bench.write(f"{name}.mp4", colour)
    bench.run()
    with bench.catalog.write() as db:
        (size,) = db.execute("SELECT length(globals) FROM embeddings").fetchone()
        db.execute(
            f"UPDATE embeddings SET {damage} WHERE clip_id IN (SELECT c.id FROM clips c"
            " JOIN files f ON f.id = c.file_id WHERE CAST(f.path AS TEXT) LIKE :hurt || '.mp4')",
            {"nan": np.full(size // 2, np.nan, "<f2").tobytes(), "hurt": hurt},
        )
    info, embeddings = bench.model.info, Embeddings(bench.catalog)
    index = VectorIndex.open(bench.folder / "graphs", embeddings, info.fingerprint, info.width + 1, key=KEY)
    searcher = make_searcher(
        bench.store, index, bench.model, LibraryFiles(bench.folder / "new"), REFERENCES, fit_picture
    )
    searcher.prepare()
    sound = [] if hurt == "%" else ["a.mp4", "c.mp4"]
    assert sorted(Path(moment.path).name for moment in searcher.search(parse("blue"), 5).moments) == sound
    assert {Path(moment.path).name for moment in searcher.search(parse(""), 5, without="blue").moments} >= {"b.mp4"}
    for file in bench.catalog.files(bench.catalog.roots()[0].id).values():
        (stretch,) = searcher.filmstrip(file.id, parse("blue"))
        assert (stretch.relevance is not None) == (Path(file.path).name in sound)
        if Path(file.path).name in sound:
            assert len(searcher.search(parse(""), 5, like=stretch.clip_id).moments) == 1
        else:
            with pytest.raises(PathError):
                searcher.search(parse(""), 5, like=stretch.clip_id)
    index.close()


THREADS = 8


def test_searches_of_many_threads_answer_as_one_alone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """All start at once with a searcher that has loaded no clips; loading takes a moment, as in a large library."""
    for number, words in enumerate(itertools.product(COLOURS, repeat=2)):
        bench.write(f"{number}.mp4", " ".join(words))
    bench.run()
    queries = [*COLOURS, *(f"{colour} ext:mp4" for colour in COLOURS), "ext:mp4"]
    expected = {query: told(bench.searcher.search(parse(query), 20)) for query in queries}
    ids, files = visual_of(bench.searcher)._clip_files()
    read = Clips.clip_files

    def read_slowly(*arguments: Any) -> Any:
        found = read(*arguments)
        time.sleep(0.02)
        return found

    monkeypatch.setattr(Clips, "clip_files", read_slowly)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for _ in range(3):
            searcher = make_searcher(
                bench.store, bench.index, bench.model, LibraryFiles(bench.folder), REFERENCES, fit_picture
            )
            assert wrong_answers(searcher, expected) == []
            known_ids, known_files = visual_of(searcher)._clip_files()
            assert known_ids.tolist() == sorted(set(known_ids.tolist())) == ids.tolist()
            assert known_files.tolist() == files.tolist()
    finally:
        sys.setswitchinterval(before)


Told = list[tuple[str, float, float, float, int]]


def told(answer: SearchAnswer) -> Told:
    return [(m.path, m.start, m.score, m.relevance, m.best) for m in answer.moments]


def wrong_answers(searcher: Searcher, expected: dict[str, Told]) -> list[str]:
    """Search for all of these at once in each of many threads; return the queries with a wrong answer."""
    start = threading.Barrier(THREADS)
    queries = list(expected)

    def search(worker: int) -> list[str]:
        start.wait()
        order = queries[worker:] + queries[:worker]
        return [query for query in order if told(searcher.search(parse(query), 20)) != expected[query]]

    with ThreadPoolExecutor(THREADS) as pool:
        return [query for wrong in pool.map(search, range(THREADS)) for query in wrong]
