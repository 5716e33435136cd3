"""The query language: parses typed text into words for the encoders and operators for the catalog. Pure.

Operators may appear anywhere between the words; several narrow the search together:
  in:FOLDER        an absolute path, or words that start words of folder names; several: any of them
  ext:mp4,mov      any of these extensions
  dur:<30s         also >2m, >=1h, 1m-5m, 1:30-2:00; a single length means about that long
  res:>=1080p      also 4k, hd, 720p-1080p; a single size means that class, upright videos included
  date:2024        modification date: also 2024-05, 2024-05-17, 2024-05..2024-08, >=2023, 7d (the last
                   seven days; w, m and y for weeks, months and years), today, yesterday
  tag:NAME         several: all of them
  is:STATE         offline, favourite, failed, pending, noted, tagged
  "WORDS"          in the file's name

`-` before in:, ext:, tag: and is: negates them. Values with spaces are quoted (in:"Summer trip"), a quote inside is
doubled. Text that only resembles an operator stays words: a colon after a capital (Mission:Impossible), after digits
(12:30), before a space (note: this) or before a slash (https://…), and quotes that are typographic (“Stop”) or part of
a sentence (a sign with "Stop", and a tree). Any other unknown operator is an error.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import Literal

from cret_desktop.domain.filters import STATES, Bounds, Filters
from cret_desktop.domain.tags import fold_tag
from cret_desktop.errors import QueryError
from cret_desktop.foreign import escaped, visible
from cret_desktop.messages import Message

LONGEST = 2_000  # characters; text encoders read some 60 words, so more than this is a mistake
OPERATORS = ("in", "ext", "dur", "res", "date", "tag", "is")
POSSIBLE = "in:FOLDER ext:mp4 dur:<30s res:>=1080p date:2024-05 tag:NAME is:favourite"
_A_FOLDER = Message("query.a-folder")
NEGATABLE = frozenset({"in", "ext", "tag", "is"})

_OPERATOR = re.compile(r"(-?)([a-z]{2,12}):(?=[^\s/\\])")
_KNOWN = re.compile(rf"(-?)({'|'.join(OPERATORS)}):", re.IGNORECASE)
_HALVES = re.compile("[\ud800-\udfff]")  # lone surrogates: from terminals, not text, and unknown to every model
_LINES_BY_NAME = {"hd": 720, "fhd": 1080, "uhd": 2160, "4k": 2160, "8k": 4320}
_ABOUT_DURATION = 0.1
_ABOUT_LINES = 0.08  # 1088 lines and 2048 x 1080 are 1080p, 4096 x 2160 is 4k
_CLOCK = re.compile(r"(?:(\d{1,4}):)?(\d{1,4}):(\d\d?(?:\.\d+)?)", re.ASCII)
_LENGTH = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?:in)?)?(?:(\d+(?:\.\d+)?)s?)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Token:
    """A part of the typed text, `typed[start:end]`.

    words: `value` as typed. name: `value` without its quotes. operator: `operator` and its `value` without quotes.
    `problem`: the reason if the part is invalid, else None.
    """

    kind: Literal["words", "name", "operator"]
    value: str
    start: int
    end: int
    operator: str = ""
    negative: bool = False
    problem: Message | None = None


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    """A query, parsed once. `text` goes to the text encoder, and may be empty; `filters` to the catalog."""

    text: str
    filters: Filters = field(default_factory=Filters)


def parse(typed: str, today: date | None = None) -> ParsedQuery:
    """Return the parsed query. Raises: QueryError for an invalid query.

    `today` is the base of relative dates; by default the day of the call.
    """
    if len(typed) > LONGEST:
        raise QueryError("query.too-long", count=len(typed), most=LONGEST)
    words: list[str] = []
    filters = Filters()
    for token in tokens(typed, today):
        if token.problem is not None:
            raise QueryError(token.problem)
        if token.kind == "words":
            words.append(token.value)
        elif token.kind == "name":
            filters = replace(filters, names=(*filters.names, token.value))
        else:
            filters = _READERS[token.operator](filters, token.value, token.negative, today or date.today())
    text = " ".join(words)
    if filters != Filters() and not _is_searchable(text):
        text = ""  # a full stop left behind an operator
    return ParsedQuery(_words(text), filters)


def tokens(typed: str, today: date | None = None) -> tuple[Token, ...]:
    """Return the parts of the typed text, in order, for chips. Never raises: an invalid part has a `problem`."""
    return tuple(_checked(token, today or date.today()) for token in _split(typed))


def to_text(parts: Iterable[Token]) -> str:
    """Return a text that `tokens` splits into these parts, apart from their positions."""
    return " ".join(map(_written, parts))


def operator_text(operator: str, value: str, negative: bool = False) -> str:
    """Return an operator as typed, its value quoted if necessary: ("in", "a b") -> 'in:"a b"'."""
    quoted = operator not in OPERATORS or not value or value[0] == '"' or any(c.isspace() for c in value)
    return f"{'-' if negative else ''}{operator}:{_quoted(value) if quoted else value}"


# --- splitting ------------------------------------------------------------------------------------------------------


def _split(typed: str) -> Iterator[Token]:
    at, words_from, words_to = 0, -1, -1
    while at < len(typed):
        if typed[at].isspace():
            at += 1
            continue
        token = _special(typed, at)
        if token is None:
            end = at
            while end < len(typed) and not typed[end].isspace():
                end += 1
            words_from = at if words_from < 0 else words_from
            words_to = at = end
            continue
        if words_from >= 0:
            yield Token("words", typed[words_from:words_to], words_from, words_to)
            words_from = -1
        yield token
        at = token.end
    if words_from >= 0:
        yield Token("words", typed[words_from:words_to], words_from, words_to)


def _special(typed: str, at: int) -> Token | None:
    """Return the operator or the quoted words that begin at `at`, else None."""
    if typed[at] == '"':
        value, end = _read_quoted(typed, at)
        stands_alone = end == len(typed) or typed[end].isspace()
        return Token("name", value, at, end) if stands_alone else None
    match = _KNOWN.match(typed, at) or _OPERATOR.match(typed, at)
    if match is None:
        return None
    begin = match.end()
    if typed.startswith('"', begin):
        value, end = _read_quoted(typed, begin)
    else:
        end = begin
        while end < len(typed) and not typed[end].isspace():
            end += 1
        value = typed[begin:end]
    return Token("operator", value, at, end, match[2].lower(), bool(match[1]))


def _read_quoted(typed: str, at: int) -> tuple[str, int]:
    """Return the value of the quotes that open at `at`, and their end; unclosed quotes reach to the end of the text."""
    value: list[str] = []
    at += 1
    while at < len(typed):
        if typed.startswith('""', at):
            at += 1
        elif typed[at] == '"':
            return "".join(value), at + 1
        value.append(typed[at])
        at += 1
    return "".join(value), at


def _written(token: Token) -> str:
    if token.kind == "words":
        return token.value
    if token.kind == "name":
        return _quoted(token.value)
    return operator_text(token.operator, token.value, token.negative)


def _quoted(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'


# --- meaning --------------------------------------------------------------------------------------------------------


class _BadValue(ValueError):
    """An invalid value of an operator. `wanted` names a valid one, as a part of a sentence."""

    def __init__(self, wanted: Message) -> None:
        super().__init__(wanted)
        self.wanted = wanted


def _checked(token: Token, today: date) -> Token:
    if token.kind == "words":
        return token
    if token.kind == "name":
        return token if _has_words(token.value) else replace(token, problem=Message("query.empty-name"))
    reader = _READERS.get(token.operator)
    if reader is None:
        problem = Message("query.unknown-operator", operator=token.operator, possible=POSSIBLE)
        return replace(token, problem=problem)
    if token.negative and token.operator not in NEGATABLE:
        return replace(token, problem=Message("query.not-negatable", operator=token.operator))
    try:
        reader(Filters(), token.value, token.negative, today)
    except _BadValue as error:
        if not token.value:
            problem = Message("query.value-missing", operator=token.operator, wanted=error.wanted)
        else:
            given = visible(token.value)
            problem = Message("query.bad-value", operator=token.operator, wanted=error.wanted, given=given)
        return replace(token, problem=problem)
    return token


def _folder(filters: Filters, value: str, negative: bool, today: date) -> Filters:
    if not os.path.isabs(value) and not _has_words(value):
        raise _BadValue(_A_FOLDER)
    try:
        os.fsencode(value)
    except UnicodeEncodeError:  # no folder can have this name
        raise _BadValue(_A_FOLDER) from None
    if negative:
        return replace(filters, not_folders=(*filters.not_folders, value))
    return replace(filters, folders=(*filters.folders, value))


def _suffix(filters: Filters, value: str, negative: bool, today: date) -> Filters:
    suffixes = tuple(part.strip().lstrip(".").lower() for part in value.split(","))
    if not all(suffixes):
        raise _BadValue(Message("query.an-ending"))
    if negative:
        return replace(filters, not_suffixes=(*filters.not_suffixes, *suffixes))
    return replace(filters, suffixes=(*filters.suffixes, *suffixes))


def _tag(filters: Filters, value: str, negative: bool, today: date) -> Filters:
    tag = fold_tag(value)
    if not tag:
        raise _BadValue(Message("query.a-tag"))
    if negative:
        return replace(filters, not_tags=(*filters.not_tags, tag))
    return replace(filters, tags=(*filters.tags, tag))


def _state(filters: Filters, value: str, negative: bool, today: date) -> Filters:
    state = value.lower().replace("favorite", "favourite")
    if state not in STATES:
        raise _BadValue(Message("query.a-state", states=", ".join(STATES)))
    if negative:
        return replace(filters, not_states=(*filters.not_states, state))
    return replace(filters, states=(*filters.states, state))


def _duration(filters: Filters, value: str, negative: bool, today: date) -> Filters:
    bounds = _bounds(
        value,
        lambda one: _about(_seconds(one), _ABOUT_DURATION),
        lambda one: Bounds(_seconds(one), _just_after(_seconds(one))),
        Message("query.a-length"),
    )
    return replace(filters, duration=filters.duration.within(bounds))


def _resolution(filters: Filters, value: str, negative: bool, today: date) -> Filters:
    def one_class(text: str) -> Bounds:
        return _about(_lines(text), _ABOUT_LINES)

    bounds = _bounds(value, one_class, one_class, Message("query.a-size"))
    return replace(filters, lines=filters.lines.within(bounds))


def _date(filters: Filters, value: str, negative: bool, today: date) -> Filters:
    def period(text: str) -> Bounds:
        return _period(text, today)

    bounds = _bounds(value, period, period, Message("query.a-date"), "..")
    return replace(filters, modified=filters.modified.within(bounds))


_READERS: dict[str, Callable[[Filters, str, bool, date], Filters]] = {
    "in": _folder,
    "ext": _suffix,
    "dur": _duration,
    "res": _resolution,
    "date": _date,
    "tag": _tag,
    "is": _state,
}


def _bounds(
    value: str, alone: Callable[[str], Bounds], at: Callable[[str], Bounds], wanted: Message, dash: str = "-"
) -> Bounds:
    """Parse `<x`, `<=x`, `>x`, `>=x`, `x-y`, `x..y` or `x`. `at` returns the range of values that count as x."""
    try:
        comparison = re.match(r"[<>]=?", value)
        if comparison:
            stretch = at(value[comparison.end() :])
            match comparison[0]:
                case "<":
                    return Bounds(high=stretch.low)
                case "<=":
                    return Bounds(high=stretch.high)
                case ">":
                    return Bounds(low=stretch.high)
                case _:
                    return Bounds(low=stretch.low)
        for separator in ("..", dash):
            first, found, last = value.partition(separator)
            if found:
                low, high = at(first).low, at(last).high
                if low is not None and high is not None and low >= high:
                    raise ValueError(value)
                return Bounds(low, high)
        return alone(value)
    except (ValueError, OverflowError):
        raise _BadValue(wanted) from None


def _about(value: float, tolerance: float) -> Bounds:
    return Bounds(value * (1 - tolerance), value * (1 + tolerance))


def _just_after(value: float) -> float:
    return value + 1e-3  # lengths have millisecond precision


def _seconds(text: str) -> float:
    """Parse "90", "90s", "1.5m", "1h05m", "1:30" or "1:02:03". Raises: ValueError."""
    text = text.strip().lower()
    match = _CLOCK.fullmatch(text) or _LENGTH.fullmatch(text)
    if not match or not text:
        raise ValueError(text)
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def _lines(text: str) -> float:
    text = text.strip().lower()
    if text in _LINES_BY_NAME:
        return float(_LINES_BY_NAME[text])
    if not re.fullmatch(r"\d{2,5}p?", text, re.ASCII):
        raise ValueError(text)
    return float(text.rstrip("p"))


def _period(text: str, today: date) -> Bounds:
    """Return the period of a date expression, in seconds since the epoch in local time. Raises: ValueError."""
    text = text.strip().lower()
    first, after = _days(text, today)
    return Bounds(_midnight(first), _midnight(after))


def _days(text: str, today: date) -> tuple[date, date]:
    """Return the first day, and the first one after the period. Raises: ValueError."""
    tomorrow = today + timedelta(days=1)
    if text == "today":
        return today, tomorrow
    if text == "yesterday":
        return today - timedelta(days=1), today
    if match := re.fullmatch(r"(?:last ?)?(\d{1,4})([dwmy])", text, re.ASCII):
        number = int(match[1])
        if match[2] in "dw":
            return today - timedelta(days=number * (7 if match[2] == "w" else 1) - 1), tomorrow
        months = today.year * 12 + today.month - 1 - number * (12 if match[2] == "y" else 1)
        return date(months // 12, months % 12 + 1, min(today.day, 28)), tomorrow
    match = re.fullmatch(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?", text, re.ASCII)
    if match is None:
        raise ValueError(text)
    year, month, day = (int(part) if part else 0 for part in match.groups())
    if day:
        return date(year, month, day), date(year, month, day) + timedelta(days=1)
    if month:
        return date(year, month, 1), date(year + month // 12, month % 12 + 1, 1)
    return date(year, 1, 1), date(year + 1, 1, 1)


def _midnight(day: date) -> float:
    return datetime.combine(day, time()).timestamp()


# --- words ----------------------------------------------------------------------------------------------------------


def _words(typed: str) -> str:
    text = " ".join(unicodedata.normalize("NFC", _HALVES.sub(" ", typed)).split())
    if typed.strip() and not _is_searchable(text):
        raise QueryError("query.no-words", query=visible(text or typed, escaped))
    return _spell_out_symbols(text)


def _is_searchable(text: str) -> bool:
    return _has_words(text) or any(unicodedata.category(c) == "So" for c in text)


def _has_words(text: str) -> bool:
    return any(unicodedata.category(c)[0] in "LN" for c in text)


def _spell_out_symbols(text: str) -> str:
    """Replace pictographs by their Unicode names ("🐕" -> "dog"), as text encoders are trained on words."""
    out = []
    for c in text:
        if unicodedata.category(c) == "So":
            out.append(f" {unicodedata.name(c, '').lower()} ")
        elif unicodedata.category(c) in ("Cf", "Mn", "Sk") and ord(c) > 0x2000:  # joiners, variants, skin tones
            continue
        else:
            out.append(c)
    return " ".join("".join(out).split())
