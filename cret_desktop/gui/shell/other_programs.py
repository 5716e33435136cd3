"""Actions on a file outside the window: open it, show it in the file manager, copy its path.

Paths go to other programs as URLs or arguments, never through a shell.
"""

from __future__ import annotations

import ntpath
import os
import sys
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

from PySide6.QtCore import QMimeData, QProcess, QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication

from cret_desktop import environment
from cret_desktop.gui.appearance import formatting

OUR_COPY = "application/x-cret-desktop-paths"  # marks paths that this app copied


def file_url(path: str) -> QUrl:
    """Return the URL of a path; on Linux also of one that is not UTF-8, which QUrl.fromLocalFile does not support."""
    if sys.platform == "win32":
        return QUrl.fromLocalFile(path)
    return QUrl.fromEncoded(b"file://" + quote_from_bytes(os.fsencode(path)).encode("ascii"))


def path_of(url: QUrl) -> str:
    """Return the path of a file's URL, the inverse of `file_url`."""
    if sys.platform == "win32":
        return url.toLocalFile()
    encoded = url.toEncoded(QUrl.ComponentFormattingOption.FullyEncoded | QUrl.UrlFormattingOption.RemoveScheme)
    return os.fsdecode(unquote_to_bytes(bytes(encoded.data()).removeprefix(b"//")))


def open_file(path: str) -> bool:
    """Open a file in the system's default program, a folder in the file manager. Return whether that succeeded."""
    return open_url(file_url(path))


def open_url(url: QUrl) -> bool:
    """Open a file or a page in the system's default program. Return whether that succeeded."""
    with environment.of_other_programs():
        return QDesktopServices.openUrl(url)


def open_with(path: str, program: str) -> bool:
    """Open a file in the user's chosen program, or in the system's if it is ''. Return whether that succeeded."""
    if not program:
        return open_file(path)
    if sys.platform == "darwin" and program.endswith(".app"):
        return _start("/usr/bin/open", ["-a", program, path])
    return _start(program, [path])


def reveal(path: str) -> bool:
    """Select a file in the file manager, or open its folder if that is not supported. Return whether that succeeded."""
    if sys.platform == "win32":
        return _start(ntpath.join(_windows_folder(), "explorer.exe"), ["/select,", os.path.normpath(path)])
    if sys.platform == "darwin":
        return _start("/usr/bin/open", ["-R", path])
    from PySide6.QtDBus import QDBusConnection, QDBusMessage  # rarely needed; imported on demand

    bus = QDBusConnection.sessionBus()
    if bus.isConnected() and bus.interface().isServiceRegistered("org.freedesktop.FileManager1").value():
        place = "org.freedesktop.FileManager1"
        message = QDBusMessage.createMethodCall(place, "/org/freedesktop/FileManager1", place, "ShowItems")
        message.setArguments([[bytes(file_url(path).toEncoded().data()).decode("ascii")], ""])
        return bus.send(message)
    return open_file(os.path.dirname(path))


def _start(program: str, arguments: list[str]) -> bool:
    with environment.of_other_programs():
        return QProcess.startDetached(program, arguments)[0]


def _windows_folder() -> str:
    """Return the Windows folder from an API: a bare name is also searched in the current folder."""
    import ctypes

    name = ctypes.create_unicode_buffer(260)
    windows: Any = vars(ctypes)["windll"]  # on Windows only
    windows.kernel32.GetSystemWindowsDirectoryW(name, len(name))
    return name.value


def copy_paths(paths: Sequence[str]) -> None:
    """Copy paths to the clipboard: as text, one per line, and as files for a file manager."""
    data = QMimeData()
    data.setText("\n".join(formatting.shown(path) for path in paths))
    data.setUrls([file_url(path) for path in paths])
    data.setData(OUR_COPY, b"1")
    QGuiApplication.clipboard().setMimeData(data)


def leave_clipboard() -> None:
    """Reduce copied paths to their text. Call it at exit.

    Qt frees the clipboard after Python has ended, and content made by Python crashes it then.
    """
    clipboard = QGuiApplication.clipboard()
    data: QMimeData | None = clipboard.mimeData()  # None if the platform has no clipboard
    if data is not None and data.hasFormat(OUR_COPY):
        clipboard.setText(clipboard.text())
