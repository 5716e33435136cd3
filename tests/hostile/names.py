"""File names that break programs, as bytes, because not all of them are text."""

from __future__ import annotations

import unicodedata

_WORD = "café Ǻ 한글"

NAMES: list[bytes] = [
    unicodedata.normalize("NFC", f"{_WORD}.mp4").encode(),
    unicodedata.normalize("NFD", f"{_WORD}.mp4").encode(),
    "👩‍👩‍👧‍👦🏳️‍🌈 emoji.mp4".encode(),
    "right \u202e4pm.exe.mp4".encode(),  # displayed right to left
    "عربى עברית.mp4".encode(),
    "zero\u200bwidth\ufeff.mp4".encode(),
    b"caf\xe9 latin-1.mp4",
    b"\xff\xfe\x80.mp4",
    b"half \xc3.mp4",
    b"surrogate \xed\xa0\x80.mp4",
    b"line\nbreak.mp4",
    b"tab\tand\rreturn.mp4",
    b"\x1b[31mloud\x1b]0;title\x07.mp4",
    b"bell\x07 backspace\x08 delete\x7f.mp4",
    b"'single' \"double\" `back`.mp4",
    b"'; DROP TABLE files; --.mp4",
    b'" OR 1=1 --.mp4',
    b"100% _like_ %s %n %d %(name)s {0} {name}.mp4",
    b'<b>bold</b> <img src="http:&#47;&#47;192.0.2.1&#47;x.png"> &amp; <script>.mp4',
    b"[link](file:etc) **bold** [blink]rich[\x2fblink].mp4".replace(b"\x2f", b"\\"),
    b"$(touch executed) `touch executed` ${HOME}.mp4",
    b"; touch executed; & touch executed | true > x.mp4",
    b"-rf.mp4",
    b"--help.mp4",
    b"-i http:.mp4",
    b"http:192.0.2.1.mp4",
    b"concat:a|b.mp4",
    b"pipe:0.mp4",
    b"frame%03d.mp4",
    b"*?[a-z].mp4",
    b" leading and trailing .mp4",
    b"dots... ....mp4",
    b"C:\\windows\\style.mp4",
    b"CON.mp4",
    b"x" * 251 + b".mp4",
    "é".encode() * 125 + b"x.mp4",
    "🎬".encode() * 62 + b".mp4",
    b"UPPER.MP4",
    b"no space at all.mp4.mp4",
    b"in:folder tag:x dur:>1.mp4",
]
