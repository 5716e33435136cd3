"""Tags, notes, favourites and saved searches as a file for people and other programs: JSON, or CSV for spreadsheets.

Whatever is written can be read back. Pure functions between records and bytes; this module opens no file.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from cret_desktop.clips import Sort
from cret_desktop.errors import UsageError
from cret_desktop.index.annotation_records import SaidOfFile, SavedQuery

FORMAT, VERSION = "CRET Desktop tags", 1
CSV_COLUMNS = (
    "kind", "path", "size", "fingerprint", "favourite", "tags", "note", "name", "text", "without", "sort", "reverse",
)  # fmt: skip
_SIGNS = ("=", "+", "-", "@", "\t", "\r", "'")  # what a spreadsheet would begin to reckon with, and their escape

Records = tuple[list[SaidOfFile], list[SavedQuery]]


def as_json(said: Sequence[SaidOfFile], searches: Sequence[SavedQuery]) -> bytes:
    """UTF-8; bytes of a path that are not are JSON's escapes (\\udcXX)."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "files": [
            {
                "path": s.path, "size": s.size, "fingerprint": s.fingerprint.hex(), "favourite": s.favourite,
                "tags": list(s.tags), "note": s.note,
            }
            for s in said
        ],
        "saved_searches": [
            {"name": q.name, "text": q.text, "without": q.without, "sort": q.sort.value, "reverse": q.reverse}
            for q in searches
        ],
    }  # fmt: skip
    return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode("utf-8", "backslashreplace")


def as_csv(said: Sequence[SaidOfFile], searches: Sequence[SavedQuery]) -> bytes:
    """UTF-8 with a byte order mark, `CSV_COLUMNS`, a row a file or search; tags stand one a line in their cell.

    Bytes of a path that are not UTF-8 are written as they are. A cell that a spreadsheet would take for a formula
    begins with an apostrophe.
    """
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, CSV_COLUMNS, restval="")
    table.writeheader()
    for s in said:
        row = {
            "kind": "file", "path": s.path, "size": str(s.size), "fingerprint": s.fingerprint.hex(),
            "favourite": "yes" if s.favourite else "no", "tags": "\n".join(s.tags), "note": s.note,
        }  # fmt: skip
        table.writerow({name: _escaped(value) for name, value in row.items()})
    for q in searches:
        row = {
            "kind": "search", "name": q.name, "text": q.text, "without": q.without, "sort": q.sort.value,
            "reverse": "yes" if q.reverse else "no",
        }  # fmt: skip
        table.writerow({name: _escaped(value) for name, value in row.items()})
    return text.getvalue().encode("utf-8-sig", "surrogateescape")


def read(content: bytes, name: str) -> Records:
    """What `as_json` or `as_csv` wrote, perhaps edited since. Raises: UsageError that says what is wrong with it."""
    try:
        # Not by the file's name: a spreadsheet or a mail program may have given it another.
        records = _read_json(content) if content.lstrip().startswith(b"{") else _read_csv(content)
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        raise UsageError(f"{name} does not hold what the export of tags writes: {error!r}.") from error
    return records


def form_of(path: str) -> Literal["json", "csv"]:
    """By the ending. Raises: UsageError."""
    ending = path.rpartition(".")[2].lower()
    if ending not in ("json", "csv"):
        raise UsageError(f"{path} tells no form. Give it a name that ends in .json or .csv.")
    return "json" if ending == "json" else "csv"


def _read_json(content: bytes) -> Records:
    document = json.loads(content)
    if document.get("format") != FORMAT or document.get("version", 0) > VERSION:
        raise ValueError("made by another program, or by a newer version of this one")
    return [_said(f, list(f["tags"])) for f in document["files"]], [_search(s) for s in document["saved_searches"]]


def _read_csv(content: bytes) -> Records:
    csv.field_size_limit(2**24)  # notes that were joined are longer than its own limit
    text = content.decode("utf-8-sig", "surrogateescape")
    table = csv.DictReader(io.StringIO(text, newline=""), dialect=_dialect(text))
    said, searches = [], []
    for written in table:
        row = {name: _unescaped(value or "") for name, value in written.items()}
        if row["kind"] == "file":
            said.append(_said(row | {"favourite": row["favourite"] == "yes"}, row["tags"].splitlines()))
        elif row["kind"] == "search":
            searches.append(_search(row | {"reverse": row["reverse"] == "yes"}))
        else:
            raise ValueError(f"a row of the kind {row['kind']!r}")
    if not said and not searches and "kind" not in (table.fieldnames or ()):
        raise ValueError("it has no column of the name kind")
    return said, searches


def _dialect(text: str) -> type[csv.Dialect]:
    """Spreadsheets write what separates columns as is the custom of the country."""

    class Written(csv.excel):
        delimiter = max(",;\t", key=text.partition("\n")[0].count)

    return Written


def _said(row: Mapping[str, Any], tags: Sequence[str]) -> SaidOfFile:
    if (
        not isinstance(row["path"], str)
        or not isinstance(row["note"], str)
        or not all(isinstance(t, str) for t in tags)
    ):
        raise TypeError("a path, a note or a tag is not a text")
    wanted = tuple(tag for tag in tags if tag.strip())
    return SaidOfFile(
        row["path"], int(row["size"]), bytes.fromhex(row["fingerprint"]), bool(row["favourite"]), wanted, row["note"]
    )


def _search(row: Mapping[str, Any]) -> SavedQuery:
    name, text, without = str(row["name"]), str(row["text"]), str(row["without"])
    if not name.strip():
        raise ValueError("a saved search without a name")
    return SavedQuery(name, text, without, Sort(row["sort"]), bool(row["reverse"]))


def _escaped(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_SIGNS) else cell


def _unescaped(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_SIGNS) else cell
