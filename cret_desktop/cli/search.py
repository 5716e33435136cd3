"""`cret-desktop search`: answers as a table, or as one JSON line per query."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from cret_desktop.cli.options import Device, Library, Model, reading
from cret_desktop.cli.terminal import cell, clock, err, out
from cret_desktop.domain.clips import Sort
from cret_desktop.engine import protocol
from cret_desktop.errors import QueryError, UsageError
from cret_desktop.foreign import reason_of, visible


def search(
    query: Annotated[
        str | None,
        typer.Argument(
            help="The moment to find. Operators limit it: in:FOLDER ext:mp4 dur:<30s res:4k date:2024 tag:NAME."
        ),
    ] = None,
    library: Library = None,
    device: Device = "",
    model: Model = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The maximum number of moments.")] = 20,
    source: Annotated[Path | None, typer.Option("--from", help="Read queries from this file, one per line.")] = None,
    without: Annotated[str, typer.Option(help="A description of what the moment must not show.")] = "",
    like: Annotated[Path | None, typer.Option(help="A picture to find similar moments by.")] = None,
    sort: Annotated[Sort, typer.Option(help="The sort order.")] = Sort.RELEVANCE,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line per query.")] = False,
) -> int:
    """Find moments that match a description. Works while another program indexes."""
    if (query is None) == (source is None) and (like is None or source is not None):
        raise UsageError("command.query-or-file")
    queries = _lines(source) if source is not None else [query or ""]
    status = 0
    began = time.perf_counter()
    with reading(library, device, model) as engine:
        loading = {"engine": round((time.perf_counter() - began) * 1000, 3)}
        loading |= engine.request(protocol.Prepare()).result()
        picture = engine.request(protocol.ReadPicture(str(like.absolute()))).result() if like is not None else None
        for text in queries:
            try:
                if not text.strip() and picture is None:  # the window lists all files then; a command needs a query
                    raise QueryError("command.empty-query")
                asked = protocol.Search(text, limit, without=without, like=picture, sort=sort)
                answer = engine.request(asked).result()
            except QueryError as error:
                if source is None:
                    raise
                status = error.exit_status
                err.say(f"cret-desktop: {error}", "red")
                if as_json:
                    print(json.dumps({"query": text, "error": str(error), "results": []}), flush=True)
                continue
            if as_json:
                print(json.dumps(_answer_json(text, answer, limit)), flush=True)
            else:
                _print_answer(answer, limit)
    if not as_json:
        parts = ", ".join(f"{name} {milliseconds / 1000:.1f} s" for name, milliseconds in loading.items())
        err.print(f"Before the first answer: {parts}.", style="dim")
    return status


def _lines(source: Path | None) -> list[str]:
    assert source is not None
    try:
        return source.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("command.queries-unreadable", source=source, reason=reason_of(error)) from error


def _answer_json(query: str, answer: protocol.SearchAnswer, limit: int) -> dict[str, Any]:
    return {
        "query": query,
        "model": answer.model,
        "took_ms": round(answer.took_ms, 2),
        "confident": answer.confident,
        "results": [moment.to_json() for moment in answer.moments[:limit]],
    }


def _print_answer(answer: protocol.SearchAnswer, limit: int) -> None:
    out.print()
    out.say(answer.query, "bold")
    if not answer.moments:
        if answer.searched:
            out.print("  No moment matches these conditions.")
        else:
            out.print("  Nothing is indexed with this model yet. Run `cret-desktop index FOLDER`.")
        return
    if not answer.confident:
        out.print("  Nothing matches well. The closest moments:")
    table = Table(box=None, padding=(0, 2, 0, 2), show_header=True, header_style="dim")
    for column in ("match", "from", "to"):
        table.add_column(column, no_wrap=True, justify="left" if column == "match" else "right")
    table.add_column("video", overflow="fold")
    for moment in answer.moments[:limit]:
        video = cell(moment.path)
        for reason in moment.reasons:
            video.append(f"\n{reason.kind}: ").append(visible(reason.text))
        table.add_row(moment.match.value, clock(moment.start), clock(moment.end), video)
    out.print(table)
    steps = ", ".join(f"{name} {milliseconds:.0f}" for name, milliseconds in answer.parts.items())
    out.print(f"  {answer.took_ms:.0f} ms ({steps})", style="dim")
