"""Loads QtMultimedia, and FFmpeg with it, when a video is first watched: no window waits for it before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QLoggingCategory, QObject

if TYPE_CHECKING:
    from cret_desktop.gui.playing.playback import Playback


def make_playback(audible: bool, parent: QObject) -> Playback:
    """A player without a face; `audible` where it may bring sound."""
    # Loading it lists every library that the machine may lack, and every stream. What matters comes as signals.
    QLoggingCategory.setFilterRules("qt.multimedia.*=false")
    from cret_desktop.gui.playing.playback import Playback

    return Playback(audible, parent)
