"""The window, the engine and the player of video keep off the network."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from PySide6.QtCore import QObject
from pytestqt.qtbot import QtBot

from cret_desktop.app import Application
from cret_desktop.gui.playing.multimedia import make_playback
from tests.gui.conftest import WAIT


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Hears of every connection to its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture
def others() -> set[object]:
    """Sockets of the internet that this process has before the window: of other tests."""
    return set(psutil.Process().net_connections(kind="inet"))


def test_nothing_listens_on_a_network(others: set[object], indexed: Application) -> None:
    """Nor is anything connected: no process of ours has a socket of the internet."""
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    assert len(processes) > 1
    connections = [(process, set(process.net_connections(kind="inet")) - others) for process in processes]
    assert [(process, found) for process, found in connections if found] == []


@pytest.mark.parametrize(
    "script",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{url}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {url}\n",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><BaseURL>{url}</BaseURL><Period>'
        '<AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1"/></AdaptationSet></Period></MPD>',
    ],
    ids=["playlist", "concat", "manifest"],
)
def test_the_player_follows_nothing_to_the_network(
    qtbot: QtBot, tmp_path: Path, listener: socket.socket, script: str
) -> None:
    film = tmp_path / "film.mp4"
    film.write_text(script.format(url="http://{}:{}/film.ts".format(*listener.getsockname())))
    parent = QObject()
    playback = make_playback(False, parent)
    try:
        with qtbot.waitSignal(playback.failed, timeout=WAIT):
            playback.open(str(film), 0.0, play=False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    finally:
        playback.close()
        parent.deleteLater()
