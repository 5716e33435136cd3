"""What is dropped on the window, as paths of this computer. Never opens any of them.

A file's URL can name another computer (`file://host/share/a.mp4`). To look at such a path makes Windows log in there,
and elsewhere it means a file of ours that nobody has dropped: none is taken.
"""

from __future__ import annotations

import socket
import sys

from PySide6.QtCore import QMimeData, QUrl

from cret_desktop.gui.shell.other_programs import path_of


def local_paths(data: QMimeData) -> list[str]:
    """The files and folders of a drop that are this computer's, in its order."""
    return [_path(url) for url in data.urls() if url.isLocalFile() and not _elsewhere(url)]


def other_computer(data: QMimeData) -> str:
    """The first other computer that a file of a drop is said to lie on; '' where there is none."""
    return next((_elsewhere(url) for url in data.urls() if url.isLocalFile() and _elsewhere(url)), "")


def _path(url: QUrl) -> str:
    here = QUrl(url)
    here.setHost("")
    path = path_of(here)
    return "/" + path.lstrip("/") if path.startswith("//") else path


def _elsewhere(url: QUrl) -> str:
    """The other computer that a file's URL names, or ''."""
    host = url.host()
    if sys.platform == "win32":
        return host or (url.path().lstrip("/").partition("/")[0] if url.path().startswith("//") else "")
    # Some file managers of Linux name this computer.
    return "" if host in ("", "localhost", socket.gethostname().lower()) else host
