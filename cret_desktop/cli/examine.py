"""Reports on the library and the app: `cret-desktop status`, `doctor`, `self-test`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from cret_desktop import paths
from cret_desktop.cli.options import Device, Library, engine_config, reading
from cret_desktop.cli.terminal import clock, out
from cret_desktop.engine import protocol
from cret_desktop.messages import render


def status(
    library: Library = None,
    device: Device = "",
    failures: Annotated[bool, typer.Option("--failures", help="List the failed files with their reasons.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Show the library's folders and the state of indexing."""
    with reading(library, device) as engine:
        found = engine.request(protocol.GetStatus()).result()
        failed = engine.request(protocol.GetFailures()).result() if failures else ()
    if as_json:
        print(json.dumps(_status_json(found, failed if failures else None)))
        return 0
    out.say(f"Library  {found.library}")
    out.say(f"Model    {found.model}")
    out.print(f"Holds    {found.files} files, {found.clips} clips, {clock(found.seconds)} of video")
    out.print(f"Waiting  {found.pending} files\nFailed   {found.failed} files")
    for folder in found.folders:
        state = "  (not available)" if folder.offline else ""
        out.say(f"  {folder.path}: {folder.files} files, {folder.clips} clips{state}")
    for item in failed:
        out.say(f"{item.path}: {render(item.reason)}")
    return 0


def _status_json(found: protocol.LibraryStatus, failed: Iterable[protocol.FailedFile] | None) -> dict[str, Any]:
    result: dict[str, Any] = {
        "library": found.library,
        "model": found.model,
        "files": found.files,
        "clips": found.clips,
        "seconds": round(found.seconds, 3),
        "failed": found.failed,
        "pending": found.pending,
        "folders": [
            {"path": f.path, "files": f.files, "clips": f.clips, "failed": f.failed, "offline": f.offline}
            for f in found.folders
        ],
    }
    if failed is not None:
        result["failures"] = [{"path": item.path, "reason": render(item.reason)} for item in failed]
    return result


def doctor(library: Library = None, device: Device = "") -> int:
    """Print information for a bug report: versions, devices, codecs, models, library state. Nothing private."""
    from cret_desktop.engine import doctor as examiner

    config = engine_config(library, device)
    for what, finding in examiner.report(config.library, config.device):
        out.say(f"{what:<20} {finding}")
    return 0


def self_test(
    device: Device = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Test every part of the app on generated clips. Takes a minute and leaves nothing behind."""
    from cret_desktop import self_test as trial

    found = []
    for finding in trial.run(engine_config(None, device).device):
        found.append(finding)
        if not as_json:
            state = "ok" if finding.ok else "FAILED"
            out.say(f"{state:<7}{finding.part:<20}{finding.words}")
    failed = [finding.part for finding in found if not finding.ok]
    if as_json:
        parts = [dataclasses.asdict(finding) for finding in found]
        print(json.dumps({"version": paths.version(), "ok": not failed, "parts": parts}))
    else:
        out.say(f"{', '.join(failed)} failed." if failed else "Everything works.")
    return 1 if failed else 0
