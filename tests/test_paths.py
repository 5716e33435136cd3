"""Which paths name another computer is told by their words, without a look at them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cret_desktop import paths
from cret_desktop.library.indexing import volumes
from cret_desktop.library.indexing.volumes import Mount, Volumes

NAMES = st.text("abcXYZ 19.-$", min_size=1, max_size=8)
PREFIXES = ("\\\\", "\\\\?\\UNC\\", "\\\\.\\UNC\\", "\\??\\UNC\\", "\\\\?\\GLOBALROOT\\Device\\Mup\\")


@given(st.sampled_from(PREFIXES), NAMES, NAMES, st.data())
def test_every_spelling_of_a_share_is_known(prefix: str, server: str, share: str, data: st.DataObject) -> None:
    path = f"{prefix}{server}\\{share}"
    mixed = "".join(data.draw(st.sampled_from("\\/")) if letter == "\\" else letter for letter in path)
    assert paths.names_another_computer(mixed, "win32")
    assert not paths.names_another_computer(mixed, "linux"), "elsewhere two slashes are one"


@given(st.sampled_from(("", "\\\\?\\", "\\\\.\\", "//?/")), st.sampled_from("CDz"), NAMES)
def test_drives_of_this_computer_are_not(prefix: str, letter: str, name: str) -> None:
    assert not paths.names_another_computer(f"{prefix}{letter}:\\{name}\\{name}", "win32")
    assert not paths.names_another_computer(f"{letter}:/{name}", "win32")
    assert not paths.names_another_computer(name, "win32")


def test_a_share_is_known_for_one_without_asking_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(kind: str) -> Callable[..., Any]:
        def asked(path: str, *_: Any, **__: Any) -> Any:
            raise AssertionError(f"{kind} of {path}")

        return asked

    known = Volumes(lambda: [Mount("C:\\", "volume", False)])
    monkeypatch.setattr(volumes, "names_another_computer", lambda path: paths.names_another_computer(path, "win32"))
    for name in ("stat", "lstat", "scandir", "listdir"):
        monkeypatch.setattr(os, name, refuse(name))
    monkeypatch.setattr(os.path, "realpath", refuse("realpath"))
    assert known.is_network("\\\\nas\\videos")
    assert known.is_network("//nas/videos")
    assert known.volume_of("\\\\nas\\videos") == ""
