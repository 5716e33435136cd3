"""`cret-desktop export`: moments as clips or lists."""

from __future__ import annotations

import math
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer

from cret_desktop.cli.terminal import bar, err, out
from cret_desktop.engine import protocol
from cret_desktop.errors import UsageError
from cret_desktop.foreign import Unusable, read_json, reason_of, visible
from cret_desktop.messages import Message, render

_LATEST = 1e9  # seconds; beyond any video


class ExportForm(StrEnum):
    CLIPS = "clips"
    CSV = "csv"
    EDL = "edl"
    FCPXML = "fcpxml"


def export(
    form: Annotated[ExportForm, typer.Argument(help="The output format: video clips, or a list for other programs.")],
    moments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH@START-END...", help="Seconds or H:MM:SS.mmm: walk.mp4@12.5-20 or walk.mp4@1:02-1:09."
        ),
    ] = None,
    target: Annotated[
        Path, typer.Option("--to", help="The folder for clips, or the file for a list. Overwrites nothing.")
    ] = Path(),
    source: Annotated[
        Path | None,
        typer.Option("--from", help="Read moments from the output of `search --json`; - for standard input."),
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Re-encode the clips to be frame-accurate.")] = False,
    handles: Annotated[float, typer.Option(min=0, max=600, help="Seconds added before and after each clip.")] = 0.0,
) -> int:
    """Export moments as video clips, copied from the last keyframe before, or as a CSV, EDL or FCPXML list."""
    from cret_desktop.engine.exports import Exporter

    if (not moments) == (source is None):
        raise UsageError("command.name-moments")
    passages = tuple(_passage(text) for text in moments or ()) if source is None else _found_passages(source)
    place = str(target.absolute())
    request: protocol.ExportClips | protocol.ExportList
    if form is ExportForm.CLIPS:
        request = protocol.ExportClips(passages, place, "exact" if exact else "copy", handles)
    else:
        if target.is_dir():
            place = os.path.join(place, f"Moments.{form.value}")
        request = protocol.ExportList(passages, place, cast(Literal["csv", "edl", "fcpxml"], form.value))
    with bar() as show:
        exported = Exporter(lambda event: show(event.done, 1.0, visible(os.path.basename(event.path)))).run(request)
    for path in exported.paths:
        out.say(path)
    for note in exported.notes:
        err.say(render(note), "dim")
    for reason in exported.failed:
        err.say(render(reason), "yellow")
    return 1 if exported.failed else 0


def _passage(text: str) -> protocol.Passage:
    path, _, span = text.rpartition("@")
    start, _, end = span.partition("-")
    try:
        passage = protocol.Passage(os.path.abspath(path), _to_seconds(start), _to_seconds(end))
    except ValueError:
        path = ""
    if not path or passage.end <= passage.start:
        raise UsageError("command.not-a-moment", text=text)
    return passage


def _to_seconds(text: str) -> float:
    """Return the seconds of '12.5', '1:02' or '1:02:03.5'. Raises: ValueError."""
    seconds = 0.0
    for part in text.split(":"):
        seconds = seconds * 60 + float(part)
    if not 0 <= seconds < math.inf:
        raise ValueError(text)
    return seconds


def _found_passages(source: Path) -> tuple[protocol.Passage, ...]:
    """Return the moments of all answers, in their order."""
    try:
        lines = (sys.stdin.read() if source == Path("-") else source.read_text(encoding="utf-8")).splitlines()
        answers = [read_json(line) for line in lines if line.strip()]
        found = [_moment_of(moment) for answer in answers for moment in _results(answer)]
    except Exception as error:  # an untrusted file: any error is a defect of the file
        raise UsageError("command.not-answers", source=source, reason=reason_of(error)) from error
    if not found:
        raise UsageError("command.no-moments", source=source)
    return tuple(found)


def _results(answer: object) -> list[Any]:
    """Return the moments of one answer. Raises: ValueError."""
    results = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(results, list) or not all(isinstance(found, dict) for found in results):
        raise Unusable(Message("command.line-not-an-answer"))
    return results


def _moment_of(found: dict[str, Any]) -> protocol.Passage:
    """Return one moment of an answer as a passage. Raises: ValueError."""
    path, start, end = found.get("path"), found.get("start"), found.get("end")
    if not isinstance(path, str) or not path or "\0" in path:
        raise Unusable(Message("command.moment-without-path"))
    os.fsencode(path)
    if not isinstance(start, int | float) or not isinstance(end, int | float) or not 0 <= start <= end <= _LATEST:
        raise Unusable(Message("command.moment-without-times"))
    return protocol.Passage(path, float(start), float(end))
