"""Reads pictures to search by, in a child process. A newer one of the same session cancels the previous one."""

from __future__ import annotations

from cret_desktop.domain.clips import Picture
from cret_desktop.engine import protocol
from cret_desktop.engine.handlers import Call, Route, routes
from cret_desktop.errors import DecoderFailed
from cret_desktop.library.searching.steps import Abandoned
from cret_desktop.media.still_picture import PictureReader


class PictureService:
    def __init__(self) -> None:
        self._reader = PictureReader()

    @routes(protocol.ReadPicture)
    def route(self, request: protocol.ReadPicture, call: Call) -> Route[Picture]:
        call.session.supersede(protocol.ReadPicture, call.token)
        return Route(request.lane, lambda: self._read(request, call))

    def _read(self, request: protocol.ReadPicture, call: Call) -> Picture:
        def wanted() -> bool:
            return not call.token.cancelled

        with call.token.calling(self._reader.stop):
            if not wanted():
                raise Abandoned
            try:
                if request.data is not None:
                    return self._reader.read(request.data, wanted=wanted)
                return self._reader.read_file(request.path, wanted)
            except DecoderFailed:
                if not wanted():
                    raise Abandoned from None
                raise
