"""Mutates foreign files by their structure: none may end a run or take more than a few seconds.

Run with `python -m tests.hostile.fuzz --count 10000 --seed 1 [--only subtitles]`. An input follows from a seed (a real
file of its kind) and a number, so that it can be reproduced. Inputs run in a child with bounded memory. An input that
raises anything but an error for people, hangs or ends the child is saved and named.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import io
import json
import multiprocessing
import random
import re
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from cret_desktop.child_process import bound_memory
from cret_desktop.cli.export import _found_passages
from cret_desktop.domain.clips import Sort
from cret_desktop.domain.records import SaidOfFile, SavedSearch
from cret_desktop.errors import CretError
from cret_desktop.library.indexing import subtitles
from cret_desktop.library.indexing.estimate import Pace, keep_pace, read_pace
from cret_desktop.library.keeping import annotation_file
from cret_desktop.library.searching import query
from cret_desktop.library.searching.calibrator import Calibrator
from cret_desktop.library_files import LibraryFiles
from cret_desktop.settings import Settings, load, save
from cret_desktop.storage.sqlite.annotation_records import merge_records
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.store import SqliteStore
from tests.fakes import INFO, ColourModel

SECONDS = 5.0  # that an input may take
MEMORY = 4 << 30  # bytes that a child may take
START_SECONDS = 120.0  # for a child to import its modules, on a busy machine
MOST = 1 << 20  # bytes of an input
MOST_TOLD = 50  # number of faults that are reported and saved
ELSEWHERE = ("tests.hostile.fuzz_models", "tests.hostile.planted")  # more modules with TARGETS, if they exist

Mutator = Callable[[random.Random, bytes], bytes]


@dataclass(frozen=True)
class Target:
    """The reader of one kind of file. `run` may raise a CretError; anything else is a fault.

    `mutators` know the structure of such files; each changes a seed or an earlier mutator's output.
    """

    name: str
    seeds: tuple[bytes, ...]
    run: Callable[[bytes], object]
    mutators: tuple[Mutator, ...] = field(default_factory=lambda: (mutated_bytes, mutated_text))


@dataclass(frozen=True)
class Fault:
    target: str
    number: int
    what: str


@dataclass
class Outcome:
    """The outcome of a target: inputs run, total time, and the slowest input (its seconds and number)."""

    inputs: int = 0
    seconds: float = 0.0
    slowest: tuple[float, int] = (0.0, 0)
    refused: int = 0  # inputs that ended with an error for people
    faults: list[Fault] = field(default_factory=list)


def input_of(target: Target, seed: int, number: int) -> bytes:
    """Return the input of these numbers; always the same bytes."""
    chance = random.Random(f"{seed} {target.name} {number}")
    content = chance.choice(target.seeds)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        content = chance.choice(target.mutators)(chance, content)[:MOST]
    return content


# --- mutators -------------------------------------------------------------------------------------------------------

NUMBERS = (
    "0", "-1", "9" * 400, "9" * 5000, "1e999", "-1e999", "1e-400", "NaN", "Infinity", "18446744073709551616",
    "9223372036854775808", "0x7fffffff", "\u0663", "2147483648", "1_0", "00", "",
)  # fmt: skip
PIECES = (
    "&#", "&#x", "&#xD800;", "&#1114112;", "&", "&amp", "-->", "<", "<v ", ">", "{\\", "}", "\n\n", "\r", "\t", "\0",
    "\x1b[2J", "\u202e", "\u2028", "\x85", "\ufeff", "'", '"', '""', ",", ";", "[", "]", "{", "}", ":", "\\ud800",
    "\\u0000", "=cmd|' /C calc'!A0", "'=", "%s%n", "../../", "e\u0301", "\U0001f415", "NaN", "true", "null", "in:",
    "tag:", "dur:<", '"a b"', "date:", "res:",
)  # fmt: skip
BYTES = (
    b"\xff",
    b"\xfe\xff",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\x00",
    b"\xed\xa0\x80",
    b"\x80",
    b"\xf4\x90\x80\x80",
    b"PK\x03\x04",
)


def mutated_bytes(chance: random.Random, content: bytes) -> bytes:
    """Flip, cut, repeat or fill bytes, regardless of their meaning."""
    at = chance.randrange(len(content) + 1)
    to = min(len(content), at + chance.choice((1, 2, 8, 64, 1024)))
    match chance.randrange(7):
        case 0:
            return content[:at] + bytes([chance.randrange(256)]) + content[to:]
        case 1:
            return content[:at] + content[to:]
        case 2:
            return content[:at] + content[at:to] * chance.choice((2, 10, 1000, 20_000)) + content[to:]
        case 3:
            return content[:at]
        case 4:
            return content[:at] + chance.choice(BYTES) * chance.choice((1, 2, 1000)) + content[at:]
        case 5:
            return content[at:] + content[:at]
        case _:
            return content[:at] + chance.randbytes(to - at) + content[to:]


def mutated_text(chance: random.Random, content: bytes) -> bytes:
    """Change lines, numbers and typical pieces of a text format."""
    text = content.decode("utf-8", "surrogateescape")
    match chance.randrange(6):
        case 0:
            numbers = list(re.finditer(r"\d+", text))
            if numbers:
                found = chance.choice(numbers)
                text = text[: found.start()] + chance.choice(NUMBERS) + text[found.end() :]
        case 1:
            at = chance.randrange(len(text) + 1)
            piece = chance.choice(PIECES) + chance.choice(("", chance.choice(NUMBERS)))
            text = text[:at] + piece * chance.choice((1, 1, 2, 50, 20_000)) + text[at:]
        case 2:
            lines = text.split("\n")
            chance.shuffle(lines)
            text = "\n".join(lines)
        case 3:
            lines = text.split("\n")
            at = chance.randrange(len(lines))
            times = min(chance.choice((0, 2, 5000)), MOST // (len(lines[at]) + 1))
            text = "\n".join(lines[:at] + [lines[at]] * times + lines[at + 1 :])
        case 4:
            return text.encode(chance.choice(("utf-16", "utf-16-be", "utf-32", "latin-1", "utf-7")), "replace")
        case _:
            at = chance.randrange(len(text) + 1)
            text = text[:at] + "".join(chance.choice(PIECES) for _ in range(200)) + text[at:]
    return text.encode("utf-8", "surrogateescape")


def mutated_json(chance: random.Random, content: bytes) -> bytes:
    """Change values' types, remove or repeat names, or nest deeply, anywhere in the tree."""
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        return mutated_text(chance, content)
    if chance.random() < 0.15:
        depth = chance.choice((100, 2_000, 200_000))
        opening, closing = chance.choice((("[", "]"), ('{"a":', "}")))
        return (opening * depth + "1" + closing * chance.choice((depth, 0))).encode()
    places = list(_places(tree))
    if places:
        holder, key = chance.choice(places)
        match chance.randrange(4):
            case 0:
                del holder[key]
            case 1:
                holder[key] = _odd_value(chance)
            case 2 if isinstance(holder, dict):
                holder[chance.choice(PIECES)] = holder[key]
            case _:
                holder[key] = [holder[key]] * chance.choice((0, 1, 20))
    else:
        tree = _odd_value(chance)
    text = json.dumps(tree, ensure_ascii=chance.random() < 0.7)
    if chance.random() < 0.1:
        text = re.sub(r'"(\w+)":', r'"\1": 1, "\1":', text, count=1)
    return text.encode("utf-8", "surrogatepass")


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    for key in list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ():
        yield tree, key
        yield from _places(tree[key])


def _odd_value(chance: random.Random) -> Any:
    return chance.choice(
        (None, True, 0, -1, 2**63, 2**64, 10**400, 1e308, float("nan"), float("inf"), "", "\ud800", "\0", "a" * 100_000,
         [], {}, [[]], {"": 0}, "=1+1", "\n", "../x", 0.5)
    )  # fmt: skip


def mutated_arrays(chance: random.Random, content: bytes) -> bytes:
    """Change names, shapes, types, values or compression of an .npz, remove arrays, or falsify a header."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except Exception:  # noqa: BLE001 - one that was mutated before
        return mutated_bytes(chance, content)
    if not arrays:
        return mutated_bytes(chance, content)
    name = chance.choice(sorted(arrays))
    array = arrays[name]
    written = io.BytesIO()
    match chance.randrange(9):
        case 0:
            arrays[name] = array[: len(array) // 2] if array.ndim else array
        case 1:
            kinds = ("<f8", "<f2", "<i8", ">f4", "<U5", "S3", "<c8", "?", "<M8[s]", [("a", "<f4")])
            arrays[name] = np.zeros(array.shape, chance.choice(kinds))
        case 2:
            if array.dtype.kind == "f" and array.size:
                spoilt = array.copy()
                spoilt.flat[chance.randrange(array.size)] = chance.choice((np.nan, np.inf, -np.inf, 3e38, -0.0))
                arrays[name] = spoilt
        case 3:
            del arrays[name]
        case 4:
            arrays[name] = array.reshape(-1)[None]
        case 5:
            arrays[chance.choice(("x", "../x", "texts.npy", ""))] = array
        case 6:
            np.savez_compressed(written, **arrays)
            return written.getvalue()
        case 7:
            np.savez(written, **(arrays | {name: np.array([{"a": 1}, None], object)}))
            return written.getvalue()
        case _:
            return _with_header(chance, arrays, name)
    np.savez(written, **arrays)
    return written.getvalue()


def _with_header(chance: random.Random, arrays: dict[str, Any], name: str) -> bytes:
    shape = chance.choice(
        ("(1099511627776,)", "(-1,)", "(1,)*9999", "((((", "(" * 3000, "(10,'a')", "(4294967296,4294967296)")
    )
    kind = chance.choice(("'<f4'", "'|O'", "'<U999999999'", "'<f4,<f4'", "[('a','<f4')]", "'V2147483647'", "1"))
    header = (
        f"{{'descr': {kind}, 'fortran_order': {chance.choice(('False', 'True', '3'))}, 'shape': {shape}, }}\n".encode()
    )
    version = chance.choice((b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x09"))
    size = len(header).to_bytes(2 if version == b"\x01\x00" else 4, "little")
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as packed:
        for other, array in arrays.items():
            if other == name:
                packed.writestr(
                    f"{name}.npy", b"\x93NUMPY" + version + size + header + bytes(chance.choice((0, 64, 60_000)))
                )
            else:
                with packed.open(f"{other}.npy", "w") as member:
                    np.lib.format.write_array(member, array)
    return written.getvalue()


# --- targets --------------------------------------------------------------------------------------------------------


@cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="cret-fuzz-")


def _file(name: str, content: bytes) -> Path:
    path = Path(_scratch().name, name)
    path.write_bytes(content)
    return path


def read_subtitles(content: bytes) -> None:
    for line in subtitles.parse(subtitles._decoded(content)):
        assert 0 <= line.start <= line.end < 4e6, line
        assert 0 < len(line.text.encode()) <= 4 * subtitles.LONGEST_LINE
        assert not any(letter < " " or "\x7f" <= letter < "\xa0" for letter in line.text), line


@cache
def _catalog() -> Catalog:
    return Catalog.open(Path(_scratch().name, "catalog.sqlite"))


def read_tags(content: bytes) -> None:
    said, searches = annotation_file.read(content, "tags")
    for written in (annotation_file.as_json, annotation_file.as_csv):
        assert annotation_file.read(written(said, searches), "again") == (said, searches), written.__name__
    merge_records(_catalog(), said[:20], searches[:20])


def read_answers(content: bytes) -> None:
    for passage in _found_passages(_file("answers.jsonl", content)):
        assert 0 <= passage.start <= passage.end < np.inf


def read_calibration(content: bytes) -> None:
    Path(_scratch().name, "calibration").mkdir(exist_ok=True)
    calibrator = Calibrator(SqliteStore(_catalog()), ColourModel(), REFERENCES, LibraryFiles(_scratch().name))
    _file(f"calibration/{INFO.fingerprint}.npz", content)
    features = calibrator.references()
    assert features.globals.shape == (len(REFERENCES), INFO.width)
    assert np.isfinite(features.globals).all()


def read_a_pace(content: bytes) -> None:
    pace = read_pace(LibraryFiles(_file("pace.json", content).parent), "model")
    assert pace is None or (0 < pace.speed < 1e6 and 0 <= pace.space < 1e12)


def read_settings(content: bytes) -> None:
    path = _file("settings.json", content)
    settings, _ = load(Settings, path)
    save(settings, path)
    assert load(Settings, path) == (settings, None)


def read_query(content: bytes) -> None:
    query.parse(content.decode("utf-8", "surrogateescape")).text.encode()


REFERENCES = ("a street", "a red car in the snow", "two people talk")

SUBTITLES = (
    b"1\n00:00:01,500 --> 00:00:03,000\n<i>Good morning,</i>\n{\\an8}Zo\xc3\xab &amp; Max!\n\n2\n"
    b"00:01:02,000 --> 00:01:04,250 X1:100\nWhere is the Eiffel Tower? &#8222;Here&#x201c;\n",
    b"WEBVTT - a title\n\nNOTE a comment --> none\n\nintro\n00:01.500 --> 00:03.000 align:start position:0%\n"
    b"<v Anna>Good <00:02.000>morning</v>\n\n01:00:02.000 --> 01:00:03.000\nlater\n",
    "1\r\n00:00:09,000 --> 00:00:10,000\r\nГде «музей»?\r\n\r\n".encode("utf-16"),
)


def _tag_files() -> tuple[bytes, ...]:
    said = [
        SaidOfFile("/videos/a.mp4", 1000, b"\x01" * 16, True, ("sea", "\u00c4rger", "-5\u00b0"), "=1+1\ncold; -5"),
        SaidOfFile("", 0, b"\x02" * 16, False, ("x",), ""),
        SaidOfFile("/videos/\udcff.mp4", 7, b"", False, (), "a note"),
    ]
    searches = [SavedSearch("dogs", "a dog in:beach", "snow", Sort.DATE, True)]
    return annotation_file.as_json(said, searches), annotation_file.as_csv(said, searches)


def _calibration() -> bytes:
    features, written = ColourModel().text.encode(REFERENCES), io.BytesIO()
    np.savez(written, texts=np.array(REFERENCES), globals=features.globals, centers=features.centers)
    return written.getvalue()


def _pace() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        keep_pace(LibraryFiles(folder), "model", Pace(12.5, 40_000.0))
        return Path(folder, "pace.json").read_bytes()


def _settings() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "settings.json")
        save(
            Settings(leave_out=("*.gif",), disk_budget=2.5, shortcuts={"play": ("Space",)}, unknown={"new": [1]}), path
        )
        return path.read_bytes()


_ANSWERS = (
    b'{"query": "a dog", "model": "M", "took_ms": 3.2, "confident": true, "results": [{"path": "/v/a.mp4", '
    b'"start": 1.5, "end": 9.25, "score": 0.4, "relevance": 0.5, "match": "strong", "thumbnail": null, '
    b'"reasons": []}]}\n',
)
_QUERIES = (
    b"a dog on a beach",
    b'in:"Summer trip" ext:mp4,mov dur:<30s -tag:family "holiday" res:>=1080p date:2024-05..2024-08',
    b"dur:1h05m is:favourite date:7d res:4k note: this Mission:Impossible 12:30",
)  # fmt: skip

JSON = (mutated_json, mutated_json, mutated_text, mutated_bytes)
TARGETS = (
    Target("subtitles", SUBTITLES, read_subtitles),
    Target("tags", _tag_files(), read_tags, JSON),
    Target("calibration", (_calibration(),), read_calibration, (mutated_arrays, mutated_arrays, mutated_bytes)),
    Target("pace", (_pace(),), read_a_pace, JSON),
    Target("settings", (_settings(),), read_settings, JSON),
    Target("answers", _ANSWERS, read_answers, JSON),
    Target("queries", _QUERIES, read_query),
)


def all_targets() -> dict[str, Target]:
    found = list(TARGETS)
    for module in ELSEWHERE:
        if importlib.util.find_spec(module) is not None:
            found += importlib.import_module(module).TARGETS
    return {target.name: target for target in found}


# --- running --------------------------------------------------------------------------------------------------------


def try_input(target: Target, content: bytes) -> str:
    """Return '' if the input was read, 'refused' for an error for people, otherwise the fault."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.run(content)
    except CretError as error:
        told = str(error)
        return "refused" if told and told.isprintable() else f"no sentence: {told!r}"
    except BaseException as error:  # noqa: BLE001 - these are the faults to find
        return "".join(traceback.format_exception(error)[-3:])
    return ""


def _run_child(pipe: Connection, name: str, seed: int, numbers: Sequence[int]) -> None:
    target = all_targets()[name]
    bound_memory(MEMORY)
    pipe.send(("ready", 0, 0.0, ""))
    for number in numbers:
        content = input_of(target, seed, number)
        pipe.send(("begun", number, 0.0, ""))
        began = time.perf_counter()
        found = try_input(target, content)
        pipe.send(("done", number, time.perf_counter() - began, found))


def run_target(target: Target, count: int, seed: int, seconds: float = SECONDS) -> Outcome:
    """Run `count` inputs for at most `seconds` each; a child that hangs or crashes is replaced."""
    outcome, began = Outcome(), time.monotonic()
    left = list(range(count))
    while left:
        ours, theirs = multiprocessing.get_context("spawn").Pipe(duplex=False)
        child = multiprocessing.get_context("spawn").Process(
            target=_run_child, args=(theirs, target.name, seed, left), daemon=True
        )
        child.start()
        theirs.close()
        at, wait = left[0], START_SECONDS
        try:
            while left:
                if not ours.poll(wait):
                    outcome.faults.append(Fault(target.name, at, f"it hangs for more than {wait:g} s"))
                    break
                kind, at, took, found = ours.recv()
                # The time to make an input does not count.
                wait = seconds if kind == "begun" else START_SECONDS
                if kind == "done":
                    left.remove(at) if left[0] != at else left.pop(0)
                    outcome.inputs += 1
                    outcome.slowest = max(outcome.slowest, (took, at))
                    outcome.refused += found == "refused"
                    if found not in ("", "refused"):
                        outcome.faults.append(Fault(target.name, at, found))
                    if left:
                        at = left[0]
        except EOFError:
            child.join()
            outcome.faults.append(Fault(target.name, at, f"it ended the child (exit code {child.exitcode})"))
        finally:
            ours.close()
            child.kill()
            child.join()
        left = [number for number in left if number > at] if left else []
    outcome.seconds = time.monotonic() - began
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    targets = all_targets()
    parser.add_argument("--count", type=int, default=10_000, help="inputs of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=sorted(targets), action="append", help="this kind; may be given again")
    parser.add_argument("--out", type=Path, default=Path("fuzz-faults"), help="where inputs that fail are written")
    options = parser.parse_args()
    faults: list[Fault] = []
    _say(f"{'':14}{'inputs':>9}{'refused':>9}{'seconds':>9}{'slowest':>10}  input")
    for target in [targets[name] for name in options.only or targets if name != "planted"]:
        outcome = run_target(target, options.count, options.seed)
        took, number = outcome.slowest
        _say(
            f"{target.name:14}{outcome.inputs:9}{outcome.refused:9}{outcome.seconds:9.1f}{took * 1000:8.0f} ms"
            f"  {options.seed}-{number}"
        )
        faults += outcome.faults
    for fault in faults[:MOST_TOLD]:
        options.out.mkdir(parents=True, exist_ok=True)
        saved = options.out / f"{fault.target}-{options.seed}-{fault.number}"
        saved.write_bytes(input_of(targets[fault.target], options.seed, fault.number))
        _say(f"FAULT {saved}: {fault.what.strip()}")
    _say(f"FAILED: {len(faults)} inputs" if faults else "ok")
    return 1 if faults else 0


def _say(text: str) -> None:
    sys.stdout.write(text.encode("utf-8", "backslashreplace").decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    # By name: children look up their targets in the module that they import.
    sys.exit(importlib.import_module("tests.hostile.fuzz").main())
