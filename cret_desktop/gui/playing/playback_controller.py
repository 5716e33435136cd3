"""Controls the preview and the player, and requests their data from the engine.

Moments come from the shown answer; the filmstrip and the file's details from the engine. This module never lays
anything out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from cret_desktop import errors
from cret_desktop.domain.clips import LibraryFile, Moment, Picture
from cret_desktop.engine.protocol import GetFile, GetFilmstrip, LibraryChanged, LibraryPart, SearchAnswer
from cret_desktop.gui.bridge.engine_bridge import EngineBridge, is_defect
from cret_desktop.gui.playing.preview_panel import PreviewPanel

if TYPE_CHECKING:
    from cret_desktop.gui.playing.player_page import PlayerPage


class PlaybackController(QObject):
    """Signals: `opened()` show the player page, `left()` show the previous page; `failed(Exception)`.

    `build_page` is called once, when a video is first played.
    """

    opened = Signal()
    left = Signal()
    failed = Signal(object)

    def __init__(
        self,
        bridge: EngineBridge,
        build_page: Callable[[], PlayerPage],
        preview: PreviewPanel,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._build_page = build_page
        self._page: PlayerPage | None = None
        self._preview = preview
        self._text, self._like = "", None  # type: str, Picture | int | None
        self._answer: SearchAnswer | None = None
        self._moment: Moment | None = None  # shown by the player
        self._connect_signals()

    def _connect_signals(self) -> None:
        self._preview.open_wanted.connect(self.play)
        self._bridge.library_changed.connect(self._on_library_changed)

    @property
    def is_watching(self) -> bool:
        """Whether the player page is open."""
        return self._moment is not None

    def set_answer(self, answer: SearchAnswer, text: str, like: Picture | int | None) -> None:
        """Set the answer and its query: the player steps through the moments of its file."""
        self._answer, self._text, self._like = answer, text, like

    def update_files(self, files: Sequence[LibraryFile]) -> None:
        """Show files with the user's latest tags and favourites."""
        if self._page is not None:
            for file in files:
                self._page.set_file(file)

    # --- the preview ------------------------------------------------------------------------------------------

    def preview(self, moment: Moment) -> None:
        """Open the preview of a moment, or close it if it already shows that moment."""
        if moment == self._preview.moment:
            self._preview.close_preview()
        else:
            self._preview.show_moment(moment)

    def follow(self, moment: Moment | None) -> None:
        """Follow a change of the current row: an open preview shows the new row's moment, if it has one."""
        if self._preview.moment is not None and moment is not None and moment != self._preview.moment:
            self._preview.show_moment(moment)

    # --- the player -------------------------------------------------------------------------------------------

    def play(self, moment: Moment, at: float) -> None:
        """Open the player at a time of the moment's file."""
        self._preview.close_preview()
        if self._page is None:
            self._page = self._build_page()
            self._page.left.connect(self.leave)
        page, self._moment = self._page, moment
        self.opened.emit()
        page.open(moment.path, at)
        if self._answer is not None and not self._answer.browsed:
            page.set_moments([found for found in self._answer.moments if found.file_id == moment.file_id])
        self._ask_file()
        self._bridge.request(
            GetFilmstrip(moment.file_id, self._text, self._like),
            lambda stretches: page.set_stretches(stretches) if moment is self._moment else None,
            self._on_failure,
        )

    def leave(self) -> None:
        """Return to the results. Safe to call if nothing is open."""
        self._preview.close_preview()
        if self._page is not None and self._moment is not None:
            self._moment = None
            self._page.close_video()
            self.left.emit()

    def close(self) -> None:
        """Close every file: the window closes."""
        self._moment = None
        self._preview.close_preview()
        if self._page is not None:
            self._page.close_video()

    def _on_library_changed(self, changed: LibraryChanged) -> None:
        parts = (LibraryPart.FILES, LibraryPart.FOLDERS, LibraryPart.TAGS, LibraryPart.NOTES, LibraryPart.FAVOURITES)
        if changed.touches(*parts):
            self._ask_file()

    def _ask_file(self) -> None:
        page, moment = self._page, self._moment
        if page is not None and moment is not None:
            self._bridge.request(
                GetFile(moment.file_id),
                lambda file: page.set_file(file) if moment is self._moment else None,
                self._on_failure,
            )

    def _on_failure(self, error: BaseException) -> None:
        # Removed files and a lost engine are reported elsewhere; the video plays on without their data.
        if not isinstance(error, errors.CretError) or is_defect(error):
            self.failed.emit(error)
