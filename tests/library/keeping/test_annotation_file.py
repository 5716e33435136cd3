"""Annotations are exported to a file and imported elsewhere: nothing is lost, nothing is replaced."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cret_desktop.domain.clips import Sort
from cret_desktop.domain.records import Merged, SaidOfFile, SavedSearch
from cret_desktop.errors import UsageError
from cret_desktop.library.indexing.identity import apply_scan
from cret_desktop.library.keeping.annotation_file import as_csv, as_json, form_of, read
from cret_desktop.storage.sqlite.annotation_records import merge_records, read_records
from cret_desktop.storage.sqlite.annotations import Annotations
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.listing import Listing
from cret_desktop.storage.sqlite.scans import Scans
from tests.storage.samples import video
from tests.storage.sqlite.test_catalog import indexed

Written = Callable[[Sequence[SaidOfFile], Sequence[SavedSearch]], bytes]
FORMS = pytest.mark.parametrize("written", [as_json, as_csv])

lines = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]))
tags = lines.map(lambda text: " ".join(text.split())[:100].strip()).filter(bool)
paths = (
    st.binary(max_size=30)
    .filter(lambda name: b"\0" not in name)
    .map(lambda name: "/" + name.decode("utf-8", "surrogateescape"))
)
records = st.builds(
    SaidOfFile, paths, st.integers(0, 2**60), st.binary(max_size=16), st.booleans(),
    st.lists(tags, max_size=3).map(tuple), st.text(st.characters(codec="utf-8", exclude_characters="\0")),
)  # fmt: skip
searches = st.builds(SavedSearch, tags, lines, lines, st.sampled_from(Sort), st.booleans())


@FORMS
@given(said=st.lists(records, max_size=3), queries=st.lists(searches, max_size=3))
def test_what_is_written_reads_back(written: Written, said: list[SaidOfFile], queries: list[SavedSearch]) -> None:
    assert read(written(said, queries), "a file") == (said, queries)


@pytest.fixture
def catalogs(tmp_path: Path) -> Iterator[tuple[Catalog, Catalog]]:
    with Catalog.open(tmp_path / "1" / "catalog.sqlite") as one, Catalog.open(tmp_path / "2" / "catalog.sqlite") as two:
        yield one, two


def annotate(catalog: Catalog, file_id: int, tags: Sequence[str], note: str = "") -> None:
    annotations = Annotations(catalog)
    annotations.change_tags([file_id], tags, [])
    annotations.set_note(file_id, note)
    annotations.set_favourite([file_id], True)


def told(catalog: Catalog, file_id: int) -> tuple[bool, tuple[str, ...], str]:
    file = Listing(catalog).files([file_id])[file_id]
    return file.favourite, file.tags, file.note


@FORMS
def test_another_library_takes_it_in(catalogs: tuple[Catalog, Catalog], written: Written) -> None:
    one, two = catalogs
    renamed, _ = indexed(one, "before.mp4", 1, content=b"the same")
    unread = only_listed(one, "no video.mp4")
    gone, _ = indexed(one, "not over there.mp4", 1, content=b"elsewhere")
    nowhere = only_listed(one, "nowhere.mp4")
    for number, file_id in enumerate((renamed, unread, gone, nowhere)):
        annotate(one, file_id, [f"tag {number}", "Sea"], f"note {number}")
    Annotations(one).save_search(SavedSearch("dogs", "a dog", "snow", Sort.DATE, True))
    Annotations(one).save_search(SavedSearch("cats", "a cat", "", Sort.NAME, False))

    again, _ = indexed(two, "after.mp4", 1, content=b"the same")
    listed = only_listed(two, "no video.mp4")
    annotate(two, again, ["sea", "mine"], "my own note")
    Annotations(two).save_search(SavedSearch("dogs", "another dog", "", Sort.DATE, False))
    content = written(*read_records(one))
    assert merge_records(two, *read(content, "a file")) == Merged(
        files=2, waiting=1, unknown=1, notes_joined=1, searches=2
    )
    assert told(two, again) == (True, ("mine", "sea", "tag 0"), "my own note\n\nnote 0")
    assert told(two, listed) == (True, ("sea", "tag 1"), "note 1"), "a tag keeps its spelling"
    arrived, _ = indexed(two, "arrived.mp4", 1, content=b"elsewhere")
    assert told(two, arrived) == (True, ("sea", "tag 2"), "note 2")
    names = [(search.name, search.text) for search in Annotations(two).saved_searches()]
    assert names == [("cats", "a cat"), ("dogs", "another dog"), ("dogs (2)", "a dog")]
    before = read_records(two)
    once_more = merge_records(two, *read(content, "a file"))
    assert (once_more.notes_joined, once_more.searches) == (0, 0)
    assert read_records(two) == before


def only_listed(catalog: Catalog, name: str) -> int:
    """Add a file that was never indexed: it has no fingerprint."""
    root = catalog.add_root("/videos")
    path = f"/videos/{name}"
    apply_scan(Scans(catalog), root, [video(path)], [], within=path)
    return catalog.files(root.id)[path].id


def test_copies_get_each_their_own(catalogs: tuple[Catalog, Catalog]) -> None:
    one, two = catalogs
    for catalog in catalogs:
        ids = [indexed(catalog, name, 1, content=b"the same")[0] for name in ("a.mp4", "b.mp4")]
    for file_id, tag in zip(ids, ("of a", "of b"), strict=True):
        annotate(one, file_id, [tag])
    merge_records(two, *read_records(one))
    assert [told(two, file_id)[1] for file_id in ids] == [("of a",), ("of b",)]


def test_all_or_nothing(catalogs: tuple[Catalog, Catalog]) -> None:
    _, two = catalogs
    file_id, _ = indexed(two, "a.mp4", 1)
    said = [
        SaidOfFile("/videos/a.mp4", 100, b"", False, ("good",), "fine"),
        SaidOfFile("/videos/a.mp4", 100, b"", False, ("x" * 1000,), ""),
    ]
    with pytest.raises(UsageError, match="tag"):
        merge_records(two, said, [])
    assert told(two, file_id) == (False, (), "")


def test_spreadsheets_may_have_been_at_it() -> None:
    said = [SaidOfFile("=cmd()", 1, b"x", False, ("a", "b"), "-1")]
    content = as_csv(said, [])
    assert b",'-1," in content
    assert b"'=cmd()" in content
    semicolons = content.decode("utf-8-sig").replace(",", ";").encode()
    assert read(semicolons, "a file") == (said, [])


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{}", b"[1]", b"\xff\xfe\x00", b"a,b\n1,2\n", b"kind,path\nfile,x\n",
        json.dumps({"format": "CRET Desktop tags", "version": 99, "files": [], "saved_searches": []}).encode(),
        json.dumps({"format": "CRET Desktop tags", "files": [{"path": 3}], "saved_searches": []}).encode(),
    ],
)  # fmt: skip
def test_other_files_are_refused(content: bytes) -> None:
    with pytest.raises(UsageError, match="holiday"):
        read(content, "holiday.txt")


def test_the_ending_tells_the_form() -> None:
    assert [form_of(name) for name in ("a.json", "b.x.CSV")] == ["json", "csv"]
    with pytest.raises(UsageError, match="Unknown file type"):
        form_of("tags")
