"""Exports of moments, one after the other (`engine.exports`)."""

from __future__ import annotations

from cret_desktop.engine import protocol
from cret_desktop.engine.exports import Exporter
from cret_desktop.engine.handlers import Call, handles
from cret_desktop.engine.lanes import WorkerLane
from cret_desktop.engine.sessions import Publish


class ExportService:
    def __init__(self, lane: WorkerLane, publish: Publish) -> None:
        self._lane = lane
        self._exporter = Exporter(publish)

    @handles(protocol.ExportClips)
    def export_clips(self, request: protocol.ExportClips, call: Call) -> protocol.Exported:
        return self._exporter.run(request, call.token)

    @handles(protocol.ExportList)
    def export_list(self, request: protocol.ExportList, call: Call) -> protocol.Exported:
        return self._exporter.run(request, call.token)

    @handles(protocol.CancelExport)
    def cancel(self, _: protocol.CancelExport, call: Call) -> None:
        self._lane.cancel(lambda other: other.session is call.session)
