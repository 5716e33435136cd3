from __future__ import annotations

import os

import pytest

from cret_desktop.library.indexing.exclude import left_out


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*.gif", "a/b/Cat.GIF", True),
        ("Proxies", "2024/proxies", True),
        ("Proxies/", "proxies", True),
        ("Proxies", "2024/my proxies", False),
        ("2019/Raw*", "2019/Raw 1", True),
        ("/2019/Raw*", "2019/raw", True),
        ("2019/Raw*", "older/2019/Raw 1", False),
        ("2019\\Raw", "2019/raw", True),
        ("take [12].mp4", "x/take 2.mp4", True),
        ("take?.mp4", "take10.mp4", False),
        ("(a|b)+", "a", False),
        ("", "a", False),
    ],
)
def test_patterns(pattern: str, path: str, expected: bool) -> None:
    root = os.path.abspath(os.sep + "videos")
    assert left_out(root, [pattern, "nothing of the kind"])(os.path.join(root, *path.split("/"))) is expected


def test_no_patterns_leave_nothing_out() -> None:
    assert not left_out("/videos", [])("/videos/a.mp4")
