"""The main window: lays out its parts and connects them. Decisions are made by its controllers.

It opens before the engine has started and never waits for it, even on closing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDragLeaveEvent, QDropEvent, QGuiApplication, QResizeEvent
from PySide6.QtWidgets import QMainWindow, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from cret_desktop.engine.protocol import (
    DeviceLost,
    EngineLost,
    EngineStarted,
    IndexFinished,
    LibraryStatus,
    Search,
    SearchAnswer,
)
from cret_desktop.errors import LibraryStrange, ModelError
from cret_desktop.gui.annotations.annotation_dialogs import AnnotationDialogs
from cret_desktop.gui.annotations.annotations import Annotations
from cret_desktop.gui.appearance import formatting, i18n
from cret_desktop.gui.appearance.banner import Banner
from cret_desktop.gui.appearance.theme import SPACE, Theme
from cret_desktop.gui.bridge.engine_bridge import EngineBridge, is_defect
from cret_desktop.gui.bridge.thumbnail_cache import ThumbnailCache
from cret_desktop.gui.export.export_controller import ExportController
from cret_desktop.gui.export.export_line import ExportLine
from cret_desktop.gui.library.library_controller import LibraryController
from cret_desktop.gui.library.library_dialogs import LibraryDialogs
from cret_desktop.gui.library.library_panel import LibraryPanel
from cret_desktop.gui.library.progress_line import ProgressLine
from cret_desktop.gui.library.storage_controller import StorageController
from cret_desktop.gui.models.model_controller import STARTER, ModelController
from cret_desktop.gui.models.model_offer import ModelOffer
from cret_desktop.gui.playing.playback_controller import PlaybackController
from cret_desktop.gui.playing.preview_panel import PreviewPanel
from cret_desktop.gui.results.results_page import ResultsPage
from cret_desktop.gui.search.pictures import holds_picture
from cret_desktop.gui.search.saved_searches import SavedSearches
from cret_desktop.gui.search.search_bar import SearchBar
from cret_desktop.gui.search.search_controller import SearchController
from cret_desktop.gui.search.searching import Searching
from cret_desktop.gui.settings.preferences import Preferences
from cret_desktop.gui.settings.shortcuts import Shortcuts
from cret_desktop.gui.shell import drops, other_programs
from cret_desktop.gui.shell.dialogs import Everyday
from cret_desktop.gui.shell.drop_cover import DropCover
from cret_desktop.gui.shell.menus import build_menus
from cret_desktop.gui.shell.start_page import StartPage
from cret_desktop.messages import Message
from cret_desktop.settings import Settings

if TYPE_CHECKING:
    from cret_desktop.gui.playing.player_page import PlayerPage

PANEL_WIDTH = 232


class MainWindow(QMainWindow):
    """Signals: `closing()` when the user has closed the window, `quit_wanted()` to quit the app."""

    closing = Signal()
    quit_wanted = Signal()

    def __init__(self, bridge: EngineBridge, theme: Theme, preferences: Preferences, shortcuts: Shortcuts) -> None:
        super().__init__()
        self._bridge = bridge
        self._theme = theme
        self._preferences = preferences
        self._shortcuts = shortcuts
        self.setWindowTitle(self.tr("CRET Desktop"))
        self.setMinimumSize(560, 400)
        self.resize(1280, 800)
        self.setAcceptDrops(True)
        self.thumbnails = ThumbnailCache(self)
        self.search = SearchController(bridge, self)
        self.annotations = Annotations(bridge, self)
        self.library = LibraryController(bridge, self.annotations.stack, self)
        self.saved = SavedSearches(bridge, self)
        self._build()
        self.models = ModelController(bridge, preferences, self)
        self.storage = StorageController(bridge, self)
        self.everyday = Everyday(self, bridge, self._theme, preferences, shortcuts, self.models, self.storage)
        self.exports = ExportController(bridge, preferences, self.export_line, self)
        self.searching = Searching(bridge, self.search_bar, self.search, self.saved, self.thumbnails, theme, self)
        self.library_dialogs = LibraryDialogs(self.library, self)
        self.library_dialogs.not_adopted.connect(self._offer_adoption)
        self._strange = ""  # why the library is read-only
        self.annotation_dialogs = AnnotationDialogs(self.annotations, self)
        self._build_actions()
        self._connect_engine()
        self._connect_search()
        self._connect_library()
        self._connect_results()
        self._connect_playback()
        self._follow_settings(preferences.settings, preferences.settings)
        self.search_bar.setFocus()

    def _build(self) -> None:
        self.search_bar = SearchBar(self._theme)
        self.banner = Banner(self._theme)
        self.model_offer = ModelOffer(self._theme)
        self.start_page = StartPage(self._theme)
        self.results = ResultsPage(self._bridge, self._theme, self.thumbnails, self._shortcuts)
        self.results.put_above(self.model_offer)  # not above an empty library or a video, which show one thing only
        self.library_panel = LibraryPanel(self._theme)
        self.progress_line = ProgressLine(self._theme)
        self.export_line = ExportLine(self._theme)

        self._pages = QStackedWidget()
        self._pages.addWidget(self.start_page)
        self._pages.addWidget(self.results)
        self._under_player: QWidget = self.start_page

        head = QVBoxLayout()
        head.setContentsMargins(SPACE * 2, SPACE * 2, SPACE * 2, SPACE)
        head.setSpacing(SPACE)
        head.addWidget(self.search_bar)
        head.addWidget(self.banner)
        middle = QWidget()
        column = QVBoxLayout(middle)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(head)
        column.addWidget(self._pages, 1)

        self.splitter = QSplitter(Qt.Orientation.Horizontal, childrenCollapsible=False, handleWidth=1)
        self.splitter.addWidget(self.library_panel)
        self.splitter.addWidget(middle)
        self.splitter.setStretchFactor(1, 1)
        self.splitter.setSizes([PANEL_WIDTH, self.width() - PANEL_WIDTH])
        centre = QWidget()
        column = QVBoxLayout(centre)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.splitter, 1)
        column.addWidget(self.progress_line)
        column.addWidget(self.export_line)
        self.setCentralWidget(centre)
        self.preview = PreviewPanel(self._theme, self.thumbnails, self.results)
        self.playback = PlaybackController(self._bridge, lambda: self.player, self.preview, self)
        self.drop_cover = DropCover(self._theme, centre, self)

    def _build_actions(self) -> None:
        slots: dict[str, Callable[..., object]] = {
            "add_folder": self.library_dialogs.choose_folder,
            "add_files": self.library_dialogs.choose_files,
            "look_again": lambda: self.library.refresh(),
            "pause": self.library.toggle_pause,
            "failures": self.library.read_failures,
            "storage": self.everyday.show_storage,
            "models": self.everyday.show_models,
            "settings": self.everyday.show_settings,
            "close_window": self.close,
            "quit": lambda: self.quit_wanted.emit(),
            "undo": self.annotations.stack.undo,
            "redo": self.annotations.stack.redo,
            "search": self.focus_search,
            "paste_picture": self._paste_picture,
            "filters": self.searching.open_filters,
            "without": self.search_bar.without_button.toggle,
            "save_search": self.searching.save,
            "show_everything": self.search_bar.clear,
            "folders": lambda shown: self.library_panel.setVisible(shown),
            "shortcuts": self.everyday.show_shortcuts,
            "about": self.everyday.show_about,
        }
        self.actions_by_command = build_menus(self, self._shortcuts, slots)
        self.actions_by_command["folders"].setCheckable(True)
        self.actions_by_command["folders"].setChecked(True)
        for name, can, signal in (
            ("undo", self.annotations.stack.canUndo, self.annotations.stack.canUndoChanged),
            ("redo", self.annotations.stack.canRedo, self.annotations.stack.canRedoChanged),
        ):
            self.actions_by_command[name].setEnabled(can())
            signal.connect(self.actions_by_command[name].setEnabled)
        self._show_paused(self._bridge.paused)

    def _connect_engine(self) -> None:
        self._bridge.started.connect(self._on_started)
        self._bridge.start_failed.connect(self._on_start_failed)
        self._bridge.locked_out.connect(self._on_locked_out)
        self._bridge.lost.connect(self._on_lost)
        self._bridge.device_lost.connect(self._on_device_lost)
        self._bridge.progressed.connect(self.progress_line.show_progress)
        self._bridge.pause_changed.connect(self.progress_line.show_paused)
        self._bridge.pause_changed.connect(self._show_paused)
        self._bridge.finished.connect(self._on_finished)
        self._bridge.optimising.connect(self.progress_line.show_optimising)
        self._preferences.changed.connect(self._follow_settings)

    def _connect_search(self) -> None:
        self.search.answered.connect(self._on_answer)
        self.search.continued.connect(self.results.show_part)
        self.search.cleared.connect(self._on_cleared)
        self.search.slow.connect(self._on_slow)
        self.search.failed.connect(self._on_search_failed)
        self.search.changed.connect(self._on_wish)
        self.search_bar.left_downwards.connect(self.results.focus_results)
        self.searching.failed.connect(self.show_error)
        self.searching.sorted.connect(self.results.show_sort)
        self.everyday.history_cleared.connect(self.search_bar.history.clear)
        self.models.offered.connect(self.model_offer.show_offer)
        self.models.failed.connect(self.show_error)
        self.model_offer.wanted.connect(self.everyday.show_models)
        self.model_offer.declined.connect(self.models.decline)

    def _connect_library(self) -> None:
        panel, library, dialogs = self.library_panel, self.library, self.library_dialogs
        library.status_changed.connect(self._on_status)
        library.failed.connect(self.show_error)
        library.removed.connect(self._on_removed)
        self.everyday.told.connect(self.banner.tell)
        self.everyday.failed.connect(self.show_error)
        self.start_page.add_wanted.connect(dialogs.choose_folder)
        self.progress_line.pause_wanted.connect(library.toggle_pause)
        self.progress_line.cancel_wanted.connect(library.cancel)
        panel.add_wanted.connect(dialogs.choose_folder)
        panel.remove_wanted.connect(dialogs.ask_to_remove)
        panel.refresh_wanted.connect(lambda path: library.refresh([path]))
        panel.first_wanted.connect(library.index_first)
        panel.again_wanted.connect(library.index_again)
        panel.open_wanted.connect(other_programs.open_file)
        panel.failures_wanted.connect(library.read_failures)
        panel.everything_wanted.connect(self.search_bar.clear)
        panel.narrowed.connect(self.searching.narrow)
        panel.recalled.connect(self.searching.recall)
        panel.rename_wanted.connect(self.searching.rename)
        panel.forget_wanted.connect(self.saved.forget)
        self.saved.changed.connect(panel.model.set_saved)
        self.annotations.tags_changed.connect(panel.model.set_tags)
        self.annotations.tags_changed.connect(self.searching.set_tags)

    def _connect_results(self) -> None:
        results, selection = self.results, self.results.selection
        results.sort_changed.connect(self.search.order)
        results.part_wanted.connect(self.search.page)
        results.clear_filters_wanted.connect(self.searching.clear_filters)
        results.failed.connect(self.show_error)
        selection.external_wanted.connect(lambda moment: self._open_elsewhere(moment.path))
        selection.like_wanted.connect(self.searching.like_moment)
        selection.search_wanted.connect(self.searching.narrow_by)
        selection.favourite_wanted.connect(self.annotations.set_favourite)
        selection.tags_wanted.connect(self.annotation_dialogs.edit_tags)
        selection.note_wanted.connect(self.annotation_dialogs.edit_note)
        selection.export_wanted.connect(self.exports.export_moments)
        self.exports.failed.connect(self.show_error)
        self.annotations.files_changed.connect(results.update_files)
        self.annotations.failed.connect(self.show_error)

    @cached_property
    def player(self) -> PlayerPage:
        """The player, built when a video is first opened: it does not delay the window."""
        from cret_desktop.gui.playing.player_page import PlayerPage

        player = PlayerPage(self._theme, self.thumbnails, self._shortcuts)
        self._pages.addWidget(player)
        player.export_wanted.connect(self.exports.export_passage)
        player.external_wanted.connect(self._open_elsewhere)
        player.like_wanted.connect(self.searching.like_picture)
        player.favourite_wanted.connect(lambda file, on: self.annotations.set_favourite((file,), on))
        player.tags_wanted.connect(lambda file: self.annotation_dialogs.edit_tags((file,)))
        return player

    def _connect_playback(self) -> None:
        playback, selection = self.playback, self.results.selection
        playback.opened.connect(self._on_player_opened)
        playback.left.connect(self._on_player_left)
        playback.failed.connect(self.show_error)
        selection.opened.connect(playback.play)
        selection.preview_wanted.connect(playback.preview)
        self.results.rows.currentRowChanged.connect(lambda *_: playback.follow(self.results.current_moment()))
        self.search.changed.connect(lambda _: playback.leave())
        self.annotations.files_changed.connect(playback.update_files)

    def release(self) -> None:
        """End background work. The window is unusable afterwards."""
        self.playback.close()
        self.thumbnails.close()

    def _follow_settings(self, before: Settings, now: Settings) -> None:
        self.search_bar.history.enabled = now.history

    # --- the engine -------------------------------------------------------------------------------------------

    def _on_started(self, started: EngineStarted) -> None:
        if started.strange:
            self._strange = _in_words(started.notice)
            self._offer_adoption()
        elif started.notice:
            self.banner.say(_in_words(started.notice))
        elif started.restarted:
            self.banner.hide()
        self.actions_by_command["pause"].setEnabled(not started.read_only)

    def _offer_adoption(self) -> None:
        self.banner.say(self._strange, self.tr("Adopt\u2026"), self.library_dialogs.ask_to_adopt)

    def _show_paused(self, paused: bool) -> None:
        words = self.tr("R&esume indexing") if paused else self.tr("Paus&e indexing")
        self.actions_by_command["pause"].setText(words)

    def _on_locked_out(self) -> None:
        self.banner.say(
            self.tr(
                "Another program is writing to this library. You can search it. To add or remove folders, close the "
                "other program and restart this one."
            )
        )

    def _on_start_failed(self, error: BaseException) -> None:
        if is_defect(error):
            self.show_error(error)
        elif isinstance(error, LibraryStrange):
            self._strange = i18n.said(error)
            self._offer_adoption()
        elif isinstance(error, ModelError) and self._preferences.settings.model != STARTER:
            self.banner.say(i18n.said(error), self.tr("Use the starter model"), lambda: self.models.use(STARTER))
        else:
            self.banner.say(i18n.said(error), self.tr("Try again"), self._bridge.open)

    def _on_lost(self, lost: EngineLost) -> None:
        self.progress_line.show_lost()
        self.banner.say(i18n.said(lost.message))

    def _on_device_lost(self, lost: DeviceLost) -> None:
        self.banner.say(i18n.said(lost.message))

    # --- searching --------------------------------------------------------------------------------------------

    def focus_search(self) -> None:
        self.playback.leave()
        self.search_bar.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.search_bar.selectAll()

    def _paste_picture(self) -> None:
        data = QGuiApplication.clipboard().mimeData()
        if holds_picture(data):
            self.searching.take_picture(data)

    def _on_wish(self, wish: Search) -> None:
        self.library_panel.show_filters(self.search_bar.filters)

    def _on_answer(self, answer: SearchAnswer, keep_place: bool) -> None:
        ahead = self.annotations.learn(answer.files)
        self.results.set_query(self.search.text, self.search.like)
        self.playback.set_answer(answer, self.search.text, self.search.like)
        self.results.show_answer(answer, keep_place)
        self.results.update_files(ahead)
        self._show_page(self.results)

    def _on_cleared(self) -> None:
        self.results.clear()
        self._show_page(self.start_page)

    def _on_slow(self) -> None:
        self.results.show_searching()
        self._show_page(self.results)

    def _on_search_failed(self, error: BaseException) -> None:
        if is_defect(error):
            self.show_error(error)
            return
        self.results.show_failed(i18n.said(error))
        self._show_page(self.results)

    # --- the library ------------------------------------------------------------------------------------------

    def _on_status(self, status: LibraryStatus) -> None:
        self.library_panel.show_status(status)
        self.start_page.show_status(status)
        self.searching.set_status(status)
        self.models.set_status(status)

    def _on_finished(self, finished: IndexFinished) -> None:
        self.progress_line.show_finished(finished)
        if finished.error:
            self.banner.say(i18n.said(finished.error), self.tr("Try again"), self.library.refresh)

    def _on_removed(self, path: str) -> None:
        words = self.tr("Removed \u201c{name}\u201d").format(name=formatting.file_name(path))
        self.banner.tell(words, self.tr("Undo"), lambda: self.library.take_back(path))

    # --- moments ----------------------------------------------------------------------------------------------

    def _open_elsewhere(self, path: str) -> None:
        if not other_programs.open_with(path, self._preferences.settings.external_player):
            self.banner.say(
                self.tr("\u201c{name}\u201d could not be opened: no program is set for this file type.").format(
                    name=formatting.file_name(path)
                )
            )

    def _show_page(self, page: QWidget) -> None:
        """Show a page, or defer it while the player is open: an updated answer never interrupts playing."""
        if page is self.results and self._under_player is self.start_page and self.start_page.isVisible():
            self.search_bar.setFocus()  # the button that had it is gone; the next step is a search
        self._under_player = page
        if not self.playback.is_watching:
            self._pages.setCurrentWidget(page)

    def _on_player_opened(self) -> None:
        self.search_bar.hide()
        self._pages.setCurrentWidget(self.player)

    def _on_player_left(self) -> None:
        self.search_bar.show()
        self._pages.setCurrentWidget(self._under_player)
        if self._under_player is self.results:
            self.results.view.setFocus()

    # --- errors -----------------------------------------------------------------------------------------------

    def show_error(self, error: BaseException) -> None:
        """Show an error's sentence; for a bug, with a button for its details."""
        if is_defect(error):
            self.banner.say(i18n.said(error), self.tr("Details\u2026"), lambda: self.show_details(error))
        else:
            self.banner.say(i18n.said(error))

    def show_details(self, error: BaseException) -> None:
        from cret_desktop.gui.appearance.error_dialog import ErrorDialog  # rarely needed, with many imports

        ErrorDialog(error, self).open()

    # --- the window itself ------------------------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        data = event.mimeData()
        from_here = event.source() is not None  # results that are dragged out
        if not from_here and (holds_picture(data) or drops.local_paths(data) or drops.other_computer(data)):
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            self.drop_cover.cover(holds_picture(data))

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self.drop_cover.hide()

    def dropEvent(self, event: QDropEvent) -> None:
        self.drop_cover.hide()
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        data = event.mimeData()
        if holds_picture(data):
            self.searching.take_picture(data)
        elif paths := drops.local_paths(data):
            self.library.add(paths)
        if host := drops.other_computer(data):
            self.banner.say(
                self.tr(
                    "Files on another computer ({name}) cannot be dropped here. Use \u201cAdd folder\u201d in the "
                    "Library menu."
                ).format(name=formatting.shown(host))
            )

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.drop_cover.fit()

    def closeEvent(self, event: QCloseEvent) -> None:
        event.accept()
        self.closing.emit()

    def sizeHint(self) -> QSize:
        return QSize(1280, 800)


def _in_words(notice: tuple[Message, ...]) -> str:
    return " ".join(i18n.said(message) for message in notice)
