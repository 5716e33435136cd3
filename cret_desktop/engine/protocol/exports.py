"""Clips and lists of moments for other programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cret_desktop.engine.protocol.base import Lane, Request
from cret_desktop.messages import Message


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a video to take out of the app, in seconds on the player's clock."""

    path: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Exported:
    """What came of an export: the files written, what to know of them, and what is missing and why.

    Nothing is ever overwritten: a file may have another name than was asked for, with " (2)" in it.
    """

    paths: tuple[str, ...]
    notes: tuple[Message, ...] = ()
    failed: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class ExportClips(Request[Exported], lane=Lane.EXPORTS):
    """Write each passage as a video file of its own into `folder`.

    `copy` keeps the source's packets and begins at the keyframe at or before the start; `exact` re-encodes and is
    frame-accurate. `handles` are seconds added on either side where the source has them. ExportProgress events come
    meanwhile. Raises: ExportError where nothing could be written, ExportCancelled; what was whole by then stays.
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
    """Stop this session's exports, under way and waiting. Half-written files are deleted."""
