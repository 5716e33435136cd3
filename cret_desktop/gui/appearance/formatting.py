"""How times, counts, rates and file names are written for people. Never touches a widget.

File names come from `os.fsdecode` and may hold anything: `shown` makes them safe to draw, `tooltip` safe as rich text.
"""

from __future__ import annotations

import html
import os
from math import ceil

from PySide6.QtCore import QCoreApplication, QDateTime, QLocale, QObject

from cret_desktop.domain.clips import LibraryFile, Match, Reason, Sort

translate = QCoreApplication.translate  # by this name lupdate finds the words outside of a QObject's class


def clock(seconds: float) -> str:
    """'0:42', '12:05', '1:02:03'. Fractions are dropped, as players do."""
    whole = max(0, int(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def roughly(seconds: float) -> str:
    """'about 5 min', 'about 2 h', 'about 3 days': how long something will still take, as far as anybody can know."""
    minutes = ceil(seconds / 60)
    if seconds < 60:
        return translate("formatting", "less than a minute")
    if minutes < 90:
        return translate("formatting", "about {count} min").format(count=minutes)
    if minutes < 36 * 60:
        return translate("formatting", "about {count} h").format(count=round(minutes / 60))
    return translate("formatting", "about {count} days").format(count=round(minutes / 1440))


def exact_clock(seconds: float) -> str:
    """'0:42.08', for a frame's place: hundredths are kept, what is smaller is dropped."""
    hundredths = max(0, int(seconds * 100 + 1e-6))
    return f"{clock(hundredths // 100)}.{hundredths % 100:02}"


def span(start: float, end: float) -> str:
    """'0:42–0:49'; an end that falls into the same second as the start gets the next one."""
    return f"{clock(start)}\u2013{clock(max(ceil(end), int(start) + 1))}"


def rate(seconds_per_second: float) -> str:
    return translate("formatting", "{rate}\u00d7 real time").format(rate=f"{seconds_per_second:.1f}")


class _Counts(QObject):
    """Numbers of things. In a class, because lupdate knows plural forms only from `self.tr` with a number.

    One has words of its own, so that English, which has no translation to take plural forms from, is right as well.
    """

    def videos(self, count: int) -> str:
        return self.tr("1 video") if count == 1 else self.tr("%n videos", "", count)

    def clips(self, count: int) -> str:
        return self.tr("1 clip") if count == 1 else self.tr("%n clips", "", count)

    def moments(self, count: int) -> str:
        return self.tr("1 moment") if count == 1 else self.tr("%n moments", "", count)

    def more_moments(self, count: int) -> str:
        return self.tr("+1 moment") if count == 1 else self.tr("+%n moments", "", count)

    def weaker_matches(self, count: int) -> str:
        return self.tr("1 weaker match") if count == 1 else self.tr("%n weaker matches", "", count)


_counts = _Counts()
videos = _counts.videos
clips = _counts.clips
moments = _counts.moments
more_moments = _counts.more_moments
weaker_matches = _counts.weaker_matches


def match(value: Match) -> str:
    return {
        Match.STRONG: translate("formatting", "Strong"),
        Match.POSSIBLE: translate("formatting", "Possible"),
        Match.WEAK: translate("formatting", "Weak"),
    }[value]


def sort(value: Sort) -> str:
    """An order, as it is chosen."""
    return {
        Sort.RELEVANCE: translate("formatting", "Best match"),
        Sort.NAME: translate("formatting", "Name"),
        Sort.DATE: translate("formatting", "Date"),
        Sort.LENGTH: translate("formatting", "Length"),
        Sort.SIZE: translate("formatting", "Size"),
    }[value]


def size(count: int) -> str:
    """'12.3 MB'."""
    return QLocale().formattedDataSize(count, 1, QLocale.DataSizeFormat.DataSizeTraditionalFormat)


def download_size(count: int) -> str:
    """'349 MB', '1.8 GB': in powers of ten and roughly, as sizes are told where things are downloaded."""
    return QLocale().formattedDataSize(count, 0 if count < 1e9 else 1, QLocale.DataSizeFormat.DataSizeSIFormat)


def date(seconds: float) -> str:
    """A day in the person's own way of writing it, from seconds since the epoch."""
    return QLocale().toString(QDateTime.fromSecsSinceEpoch(int(seconds)).date(), QLocale.FormatType.ShortFormat)


def resolution(file: LibraryFile) -> str:
    """'1080p', '4K': the name a person knows a picture's size by, upright pictures included; '' while unknown."""
    if file.width is None or file.height is None:
        return ""
    long, short = max(file.width, file.height), min(file.width, file.height)
    if long >= 7680:
        return "8K"
    return "4K" if long >= 3840 else f"{short}p"


def about(file: LibraryFile) -> str:
    """What is known of a file in one line: length, resolution, size, date."""
    length = "" if file.duration is None else clock(file.duration)
    return " \u00b7 ".join(part for part in (length, resolution(file), size(file.size), date(file.modified)) if part)


def state(file: LibraryFile) -> str:
    """What keeps a file from being watched or found; '' where nothing does."""
    if file.offline:
        return translate("formatting", "Offline")
    if file.missing:
        return translate("formatting", "Missing")
    if file.state == "pending":
        return translate("formatting", "Waiting")
    return translate("formatting", "Could not be read") if file.state == "failed" else ""


def reason(value: Reason) -> str:
    """What besides the picture speaks for a moment."""
    words = {
        "name": translate("formatting", "In the name: {text}"),
        "tag": translate("formatting", "Tag: {text}"),
        "note": translate("formatting", "In the note: {text}"),
        "subtitle": translate("formatting", "Subtitle: {text}"),
    }
    return words[value.kind].format(text=shown(value.text))


def shown(path: str) -> str:
    """A path or name that can be drawn: bytes that are not UTF-8 and control characters become visible marks."""
    text = os.fsencode(path).decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def file_name(path: str) -> str:
    """The last part of a path, as it is drawn."""
    return shown(os.path.basename(path.rstrip("/\\")) or path)


def tooltip(text: str) -> str:
    """Text for a tool tip, which Qt would otherwise render as markup where it looks like it."""
    return f'<p style="white-space: pre-wrap">{html.escape(text)}</p>'
