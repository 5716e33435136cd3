"""Loads QtMultimedia, and FFmpeg with it, when a video is first played: it does not delay the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QLoggingCategory, QObject

if TYPE_CHECKING:
    from cret_desktop.gui.playing.playback import Playback


def make_playback(audible: bool, parent: QObject) -> Playback:
    """Return a player without widgets; `audible` ones may play sound."""
    # Loading it logs every missing library, and every stream. Errors arrive as signals.
    QLoggingCategory.setFilterRules("qt.multimedia.*=false")
    from cret_desktop.gui.playing.playback import Playback

    return Playback(audible, parent)
