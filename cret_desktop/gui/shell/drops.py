"""Dropped files and folders, as paths of this computer. Never opens any of them.

A file's URL can name another computer (`file://host/share/a.mp4`). Opening such a path makes Windows log in there, and
elsewhere it means a local file that was not dropped: none is accepted.
"""

from __future__ import annotations

import socket
import sys

from PySide6.QtCore import QMimeData, QUrl

from cret_desktop.gui.shell.other_programs import path_of


def local_paths(data: QMimeData) -> list[str]:
    """Return the files and folders of a drop that are on this computer, in its order."""
    return [_path(url) for url in data.urls() if url.isLocalFile() and not _elsewhere(url)]


def other_computer(data: QMimeData) -> str:
    """Return the first other computer that a file URL of a drop names; '' if there is none."""
    return next((_elsewhere(url) for url in data.urls() if url.isLocalFile() and _elsewhere(url)), "")


def _path(url: QUrl) -> str:
    here = QUrl(url)
    here.setHost("")
    path = path_of(here)
    return "/" + path.lstrip("/") if path.startswith("//") else path


def _elsewhere(url: QUrl) -> str:
    """Return the other computer that a file URL names, or ''."""
    host = url.host()
    if sys.platform == "win32":
        return host or (url.path().lstrip("/").partition("/")[0] if url.path().startswith("//") else "")
    # Some file managers of Linux name this computer.
    return "" if host in ("", "localhost", socket.gethostname().lower()) else host
