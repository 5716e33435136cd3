"""Formulas in CSV: no cell begins like one, however the file is parsed, and every value reads back unchanged."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cret_desktop.domain.clips import Sort
from cret_desktop.domain.records import SaidOfFile, SavedSearch
from cret_desktop.library.exporting.spreadsheet import guarded, unguarded
from cret_desktop.library.exporting.timelines import Edit
from cret_desktop.library.exporting.timelines import as_csv as moments_as_csv
from cret_desktop.library.keeping.annotation_file import as_csv, read
from tests.library.exporting.test_timelines import source

cells = (
    st.text() | st.text(st.sampled_from("=+-@\t\r\n;,'\" a\uff1d\ufeff\u200b\x00")) | st.text(st.sampled_from("'\t= "))
)
# Characters that spreadsheets skip before they check whether a cell is a formula.
FORMULA = re.compile('[\\s\\x00-\\x20"\u200b\ufeff]*[=+\\-@\uff1d\uff0b\uff0d\uff20]')


@given(cells)
def test_a_cell_reads_back_and_begins_no_formula(cell: str) -> None:
    written = guarded(cell)
    assert unguarded(written) == cell
    assert written.replace("'", "") == cell.replace("'", ""), "nothing but apostrophes is added"
    for part in re.split("[;\t\r\n]", written):
        assert not FORMULA.match(part)
    assert not written.startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize(
    "cell", ["", "a=b", "12", "a dog - on a beach", "2024-05-17", "it's", "a, -b", "/videos/a-b.mp4"]
)
def test_what_is_no_formula_stays(cell: str) -> None:
    assert guarded(cell) == cell


NASTY = ["=cmd|' /C calc'!A0", "+1", "-2+3", "@SUM(1)", "\t=1", "\r=1", ' "=1', "'=1", "a;=1", "a\n=1", "\uff1d1"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("nasty", NASTY)
def test_no_formula_in_a_list_of_moments(nasty: str, delimiter: str) -> None:
    """An absolute path begins with no sign; its name, its reel, and text after a semicolon may."""
    edits = [Edit(source(path=f"/films/{nasty}.mov", reel=nasty), 1.0, 2.0)]
    _no_formula(moments_as_csv(edits), delimiter)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("nasty", NASTY)
def test_no_formula_in_a_file_of_tags(nasty: str, delimiter: str) -> None:
    tag = " ".join(nasty.split())
    said = [SaidOfFile(f"/films/{nasty}.mov", 3, b"\x01", True, (tag, f"b {tag}", tag), nasty)]
    searches = [SavedSearch(f"a {nasty}", nasty, nasty, Sort.NAME, False)]
    content = as_csv(said, searches)
    assert read(content, "tags.csv") == (said, searches)
    _no_formula(content, delimiter)


def _no_formula(content: bytes, delimiter: str) -> None:
    rows = list(
        csv.reader(io.StringIO(content.decode("utf-8-sig", "surrogateescape"), newline=""), delimiter=delimiter)
    )
    assert len(rows) > 1
    assert [cell for row in rows for cell in row if FORMULA.match(cell)] == []


def test_a_reel_that_is_no_text_is_written_all_the_same() -> None:
    assert "\ufffd" in moments_as_csv([Edit(source(reel="a\ud800"), 1.0, 2.0)]).decode("utf-8-sig")
