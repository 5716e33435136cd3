"""Tags, notes, favourites and saved searches as a file for people and other programs: JSON, or CSV for spreadsheets.

Every written file can be read back. Pure functions between records and bytes; this module opens no file.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar

from cret_desktop.domain.clips import Sort
from cret_desktop.domain.records import SaidOfFile, SavedSearch
from cret_desktop.domain.tags import checked_tag
from cret_desktop.errors import UsageError
from cret_desktop.foreign import Unusable, is_text, read_json, reason_of, visible
from cret_desktop.library.exporting.spreadsheet import guarded, unguarded
from cret_desktop.messages import Message

FORMAT, VERSION = "CRET Desktop tags", 1
CSV_COLUMNS = (
    "kind", "path", "size", "fingerprint", "favourite", "tags", "note", "name", "text", "without", "sort", "reverse",
)  # fmt: skip
LARGEST = 2**28  # bytes of such a file; the annotations of a hundred thousand videos take a tenth of that
_LARGEST_SIZE = 2**63 - 1  # the largest file size in bytes that SQLite can store
_LONGEST_FINGERPRINT = 64  # bytes

T = TypeVar("T")
Records = tuple[list[SaidOfFile], list[SavedSearch]]


def as_json(said: Sequence[SaidOfFile], searches: Sequence[SavedSearch]) -> bytes:
    """Return JSON in UTF-8; bytes of a path that are not UTF-8 become JSON escapes (\\udcXX)."""
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


def as_csv(said: Sequence[SaidOfFile], searches: Sequence[SavedSearch]) -> bytes:
    """Return UTF-8 CSV with a byte order mark and `CSV_COLUMNS`: one row per file or search.

    The tags of a file are separate lines of one cell. Bytes of a path that are not UTF-8 are written unchanged. Text
    that a spreadsheet would take for a formula gets a leading apostrophe (`spreadsheet`).
    """
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, CSV_COLUMNS, restval="")
    table.writeheader()
    for s in said:
        row = {
            "kind": "file", "path": s.path, "size": str(s.size), "fingerprint": s.fingerprint.hex(),
            "favourite": "yes" if s.favourite else "no", "tags": "\n".join(s.tags), "note": s.note,
        }  # fmt: skip
        table.writerow({name: guarded(value) for name, value in row.items()})
    for q in searches:
        row = {
            "kind": "search", "name": q.name, "text": q.text, "without": q.without, "sort": q.sort.value,
            "reverse": "yes" if q.reverse else "no",
        }  # fmt: skip
        table.writerow({name: guarded(value) for name, value in row.items()})
    return text.getvalue().encode("utf-8-sig", "surrogateescape")


def read(content: bytes, name: str) -> Records:
    """Read the output of `as_json` or `as_csv`, possibly edited. Raises: UsageError if it is invalid."""
    try:
        # Not by the file's name: a spreadsheet or a mail program may have renamed it.
        return _read_json(content) if content.lstrip().startswith((b"{", b"[")) else _read_csv(content)
    except Exception as error:  # an untrusted file: any error is a defect of the file
        raise UsageError("tags.unreadable", file=visible(name), reason=reason_of(error)) from error


def form_of(path: str) -> Literal["json", "csv"]:
    """Return the format by the file extension. Raises: UsageError."""
    ending = path.rpartition(".")[2].lower()
    if ending not in ("json", "csv"):
        raise UsageError("tags.unknown-type", path=path)
    return "json" if ending == "json" else "csv"


def _read_json(content: bytes) -> Records:
    document = read_json(content)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise Unusable(Message("tags.other-program"))
    if not isinstance(document.get("version", 0), int) or document.get("version", 0) > VERSION:
        raise Unusable(Message("tags.newer"))
    files, searches = _field(document, "files", list), _field(document, "saved_searches", list)
    for row in (*files, *searches):
        if not isinstance(row, dict):
            raise Unusable(Message("tags.no-object"))
    return [_said(row, _field(row, "tags", list)) for row in files], [_search(row) for row in searches]


def _read_csv(content: bytes) -> Records:
    csv.field_size_limit(2**24)  # merged notes exceed the default limit
    text = content.decode("utf-8-sig", "surrogateescape")
    table = csv.DictReader(io.StringIO(text, newline=""), dialect=_dialect(text))
    if "kind" not in (table.fieldnames or ()):
        raise Unusable(Message("tags.no-kind"))
    said, searches = [], []
    for written in table:
        row: dict[str, Any] = {
            name: unguarded(value or "")
            for name, value in written.items()
            if name is not None  # beyond the columns
        }
        if row["kind"] == "file":
            said.append(_said(row | {"favourite": row.get("favourite") == "yes"}, row.get("tags", "").splitlines()))
        elif row["kind"] == "search":
            searches.append(_search(row | {"reverse": row.get("reverse") == "yes"}))
        else:
            raise Unusable(Message("tags.unknown-kind", kind=visible(row["kind"][:40])))
    return said, searches


def _dialect(text: str) -> type[csv.Dialect]:
    """Return a dialect with the separator of the header line: spreadsheets choose it by country."""

    class Written(csv.excel):
        delimiter = max(",;\t", key=text.partition("\n")[0].count)

    return Written


def _said(row: Mapping[str, Any], tags: Sequence[str]) -> SaidOfFile:
    path, note, size = _field(row, "path", str), _text(row, "note"), _whole(row.get("size"))
    try:
        os.fsencode(path)  # its bytes need not be UTF-8
        fingerprint = bytes.fromhex(_field(row, "fingerprint", str))
    except ValueError:
        raise Unusable(Message("tags.bad-file")) from None
    if len(fingerprint) > _LONGEST_FINGERPRINT:
        raise Unusable(Message("tags.long-fingerprint"))
    for tag in tags:
        if not is_text(tag):
            raise Unusable(Message("tags.bad-tag"))
    wanted = tuple(tag for tag in tags if tag.strip())
    for tag in wanted:
        checked_tag(tag)
    return SaidOfFile(path, size, fingerprint, _field(row, "favourite", bool), wanted, note)


def _search(row: Mapping[str, Any]) -> SavedSearch:
    name, text, without, sort = (_text(row, field) for field in ("name", "text", "without", "sort"))
    if not name.strip():
        raise Unusable(Message("tags.unnamed-search"))
    if sort not in set(Sort):
        raise Unusable(Message("tags.unknown-order", order=visible(sort[:40])))
    return SavedSearch(name, text, without, Sort(sort), _field(row, "reverse", bool))


def _field(row: Mapping[str, Any], name: str, kind: type[T]) -> T:
    value = row.get(name)
    if not isinstance(value, kind):
        raise Unusable(Message("tags.bad-field", name=name))
    return value


def _text(row: Mapping[str, Any], name: str) -> str:
    if not is_text(row.get(name)):
        raise Unusable(Message("tags.bad-text", name=name))
    return _field(row, name, str)


def _whole(value: object) -> int:
    """Return a size in bytes from a JSON number or a cell of digits. Raises: Unusable."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(_LARGEST_SIZE)):
        value = int(value)
    if type(value) is not int or not -1 <= value <= _LARGEST_SIZE:
        raise Unusable(Message("tags.bad-size"))
    return value
