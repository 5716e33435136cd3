"""Exports of clips and lists of moments for other programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cret_desktop.engine.protocol.base import Lane, Request
from cret_desktop.messages import Message


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage of a video to export, in seconds on the player's clock."""

    path: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Exported:
    """The result of an export: the files written, notes on them, and the passages that failed with their reasons.

    Nothing is ever overwritten: a file may get another name than requested, with " (2)" in it.
    """

    paths: tuple[str, ...]
    notes: tuple[Message, ...] = ()
    failed: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class ExportClips(Request[Exported], lane=Lane.EXPORTS):
    """Write each passage as a video file of its own into `folder`.

    `copy` keeps the source's packets and begins at the keyframe at or before the start; `exact` re-encodes and is
    frame-accurate. `handles` are seconds added on either side if the source has them. ExportProgress events are sent
    meanwhile. Raises: ExportError if nothing could be written, ExportCancelled; complete files stay.
    """

    passages: tuple[Passage, ...]
    folder: str
    mode: Literal["copy", "exact"] = "copy"
    handles: float = 0.0


@dataclass(frozen=True, slots=True)
class ExportList(Request[Exported], lane=Lane.EXPORTS):
    """Write the passages as a list for other programs. Raises: ExportError, ExportCancelled."""

    passages: tuple[Passage, ...]
    path: str
    form: Literal["csv", "edl", "fcpxml"]
    title: str = ""


@dataclass(frozen=True, slots=True)
class CancelExport(Request[None], lane=Lane.CONTROL):
    """Stop this session's exports, under way and waiting. Unfinished files are deleted."""
