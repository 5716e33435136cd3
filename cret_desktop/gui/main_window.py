"""The window: lays its parts out and connects them. What happens is decided by the two controllers.

It opens before the engine has started and never waits for it, not even when it closes.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPoint, QSize, Qt, Signal
from PySide6.QtGui import (
    QAction,
    QActionGroup,
    QCloseEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QKeySequence,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QFileDialog,
    QFrame,
    QLabel,
    QMainWindow,
    QMenu,
    QMessageBox,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from cret_desktop.clips import Moment
from cret_desktop.engine.protocol import (
    EngineLost,
    EngineStarted,
    FailedFile,
    Folder,
    IndexFinished,
    LibraryStatus,
    SearchAnswer,
)
from cret_desktop.gui import actions, wording
from cret_desktop.gui.banner import Banner
from cret_desktop.gui.engine_bridge import EngineBridge
from cret_desktop.gui.error_dialog import ErrorDialog, is_defect
from cret_desktop.gui.failures_dialog import FailuresDialog
from cret_desktop.gui.library_controller import LibraryController
from cret_desktop.gui.library_panel import LibraryPanel
from cret_desktop.gui.progress_line import ProgressLine
from cret_desktop.gui.results_model import ResultsModel
from cret_desktop.gui.results_view import ResultsView
from cret_desktop.gui.search_bar import SearchBar
from cret_desktop.gui.search_controller import SearchController
from cret_desktop.gui.start_page import StartPage
from cret_desktop.gui.theme import SPACE, Scheme, Theme
from cret_desktop.gui.thumbnail_cache import ThumbnailCache
from cret_desktop.library.progress import IndexProgress

PANEL_WIDTH = 232


class DropCover(QFrame):
    """Lies over `covered` while something that can be added is dragged over the window."""

    def __init__(self, theme: Theme, covered: QWidget, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._covered = covered
        self.setProperty("kind", "drop")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._icon = QLabel(alignment=Qt.AlignmentFlag.AlignCenter)
        words = QLabel(self.tr("Drop to add to the library"), alignment=Qt.AlignmentFlag.AlignCenter)
        words.setProperty("kind", "title")
        column = QVBoxLayout(self)
        column.setSpacing(SPACE * 2)
        column.addStretch()
        column.addWidget(self._icon)
        column.addWidget(words)
        column.addStretch()
        self.hide()

    def cover(self) -> None:
        self._icon.setPixmap(self._theme.icon("drop", self._theme.colors.accent).pixmap(64, 64))
        self.setGeometry(self._covered.geometry())
        self.raise_()
        self.show()


class MainWindow(QMainWindow):
    """Signals: `closing()` when a person has closed the window."""

    closing = Signal()

    def __init__(self, bridge: EngineBridge, theme: Theme) -> None:
        super().__init__()
        self._bridge = bridge
        self._theme = theme
        self._shown_query = ""
        self.setWindowTitle(self.tr("CRET Desktop"))
        self.setMinimumSize(560, 400)
        self.resize(1280, 800)
        self.setAcceptDrops(True)
        self.thumbnails = ThumbnailCache(self)
        self.search = SearchController(bridge, self)
        self.library = LibraryController(bridge, self)
        self._build()
        self._build_actions()
        self._connect_signals()
        self.search_bar.setFocus()

    def _build(self) -> None:
        self.search_bar = SearchBar(self._theme)
        self.banner = Banner(self._theme)
        self.start_page = StartPage(self._theme)
        self.results_line = QLabel(textFormat=Qt.TextFormat.PlainText, wordWrap=True)
        self.results_line.setProperty("kind", "muted")
        self.results_line.setContentsMargins(SPACE, 0, SPACE, SPACE // 2)
        self.results = ResultsView(ResultsModel(self), self._theme, self.thumbnails)
        self.library_panel = LibraryPanel(self._theme)
        self.progress_line = ProgressLine(self._theme)

        results_page = QWidget()
        column = QVBoxLayout(results_page)
        column.setContentsMargins(SPACE, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.results_line)
        column.addWidget(self.results, 1)
        self._results_page = results_page
        self._pages = QStackedWidget()
        self._pages.addWidget(self.start_page)
        self._pages.addWidget(results_page)

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

        self._splitter = QSplitter(Qt.Orientation.Horizontal, childrenCollapsible=False, handleWidth=1)
        self._splitter.addWidget(self.library_panel)
        self._splitter.addWidget(middle)
        self._splitter.setStretchFactor(1, 1)
        self._splitter.setSizes([PANEL_WIDTH, self.width() - PANEL_WIDTH])
        centre = QWidget()
        column = QVBoxLayout(centre)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._splitter, 1)
        column.addWidget(self.progress_line)
        self.setCentralWidget(centre)
        self.drop_cover = DropCover(self._theme, centre, self)

    def _build_actions(self) -> None:
        library = self.menuBar().addMenu(self.tr("&Library"))
        self._add = self._action(
            library, self.tr("&Add folder\u2026"), self.choose_folder, QKeySequence.StandardKey.Open
        )
        self._action(library, self.tr("&Look for new videos"), self.library.refresh, QKeySequence.StandardKey.Refresh)
        self._action(library, self.tr("&Videos that could not be read\u2026"), self.library.read_failures)
        library.addSeparator()
        self._action(library, self.tr("&Quit"), self.close, QKeySequence.StandardKey.Quit)
        view = self.menuBar().addMenu(self.tr("&View"))
        self._action(view, self.tr("&Search"), self.focus_search, QKeySequence.StandardKey.Find)
        panel = self._action(view, self.tr("&Folders"), self.library_panel.setVisible, "F9")
        panel.setCheckable(True)
        panel.setChecked(True)
        view.addSeparator()
        schemes = QActionGroup(self)
        words = {
            Scheme.SYSTEM: self.tr("Colours of the s&ystem"),
            Scheme.LIGHT: self.tr("L&ight"),
            Scheme.DARK: self.tr("&Dark"),
        }
        for scheme, text in words.items():
            action = self._action(view, text, lambda _checked, scheme=scheme: self._theme.set_scheme(scheme))
            action.setCheckable(True)
            action.setChecked(scheme is self._theme.scheme)
            schemes.addAction(action)

    def _action(
        self,
        menu: QMenu,
        text: str,
        act: Callable[..., object],
        shortcut: QKeySequence.StandardKey | str | None = None,
    ) -> QAction:
        action = menu.addAction(text)
        if shortcut is not None:
            action.setShortcut(QKeySequence(shortcut))
        action.triggered.connect(act)
        return action

    def _connect_signals(self) -> None:
        self._bridge.started.connect(self._on_started)
        self._bridge.start_failed.connect(self._on_start_failed)
        self._bridge.locked_out.connect(self._on_locked_out)
        self._bridge.lost.connect(self._on_lost)
        self._bridge.progressed.connect(self._on_progress)
        self._bridge.finished.connect(self._on_finished)

        self.search_bar.searched.connect(self.search.search)
        self.search_bar.left_downwards.connect(self._focus_results)
        self.search.answered.connect(self._on_answer)
        self.search.cleared.connect(self._on_cleared)
        self.search.slow.connect(self._on_slow)
        self.search.failed.connect(self._on_search_failed)

        self.library.status_changed.connect(self._on_status)
        self.library.failed.connect(self.show_error)
        self.library.failures_ready.connect(self._show_failures)

        self.start_page.add_wanted.connect(self.choose_folder)
        self.library_panel.add_wanted.connect(self.choose_folder)
        self.library_panel.remove_wanted.connect(self._ask_to_remove)
        self.library_panel.refresh_wanted.connect(lambda path: self.library.refresh([path]))
        self.library_panel.open_wanted.connect(actions.open_file)
        self.library_panel.failures_wanted.connect(self.library.read_failures)
        self.progress_line.pause_wanted.connect(self.library.pause)
        self.progress_line.cancel_wanted.connect(self.library.cancel)

        self.results.opened.connect(self._open_moment)
        self.results.menu_wanted.connect(self._show_moment_menu)

    # --- the engine -------------------------------------------------------------------------------------------

    def _on_started(self, started: EngineStarted) -> None:
        if started.restarted:
            self.banner.hide()

    def _on_locked_out(self) -> None:
        self.banner.say(
            self.tr(
                "Another program is writing to this library. You can search it; "
                "to add or remove folders, close the other program and start again."
            )
        )

    def _on_start_failed(self, error: BaseException) -> None:
        if is_defect(error):
            self.show_error(error)
        else:
            self.banner.say(str(error), self.tr("Try again"), self._bridge.open)

    def _on_lost(self, lost: EngineLost) -> None:
        self.progress_line.hide()
        self.banner.say(lost.message)

    # --- searching --------------------------------------------------------------------------------------------

    def focus_search(self) -> None:
        self.search_bar.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.search_bar.selectAll()

    def _focus_results(self) -> None:
        if self._pages.currentWidget() is self._results_page and self.results.model().rowCount():
            self.results.setFocus()
            if not self.results.currentIndex().isValid():
                self.results.setCurrentIndex(self.results.model().index(0, 0))

    def _on_answer(self, answer: SearchAnswer) -> None:
        if not answer.searched:
            line = self.tr("Nothing has been indexed yet that \u201c{query}\u201d could be found in.")
        elif not answer.moments:
            line = self.tr("Nothing in the library matches \u201c{query}\u201d.")
        elif not answer.confident:
            line = self.tr("Nothing matches \u201c{query}\u201d well. The nearest moments, all weak:")
        else:
            line = self.tr("Moments for \u201c{query}\u201d, best first")
        self.results_line.setText(line.format(query=_short(answer.query)))
        self.results.show_moments(answer.moments, answer.confident, keep_place=answer.query == self._shown_query)
        self._shown_query = answer.query
        self._pages.setCurrentWidget(self._results_page)

    def _on_cleared(self) -> None:
        self._shown_query = ""
        self.results.show_moments(())
        self._pages.setCurrentWidget(self.start_page)

    def _on_slow(self) -> None:
        self.results_line.setText(self.tr("Searching\u2026"))
        self._pages.setCurrentWidget(self._results_page)

    def _on_search_failed(self, error: BaseException) -> None:
        if is_defect(error):
            self.show_error(error)
            return
        self.results_line.setText(str(error))
        self.results.show_moments(())
        self._pages.setCurrentWidget(self._results_page)

    # --- the library ------------------------------------------------------------------------------------------

    def choose_folder(self) -> None:
        dialog = QFileDialog(self, self.tr("Add a folder of videos"))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.fileSelected.connect(lambda path: self.library.add([path]))
        dialog.open()

    def _on_status(self, status: LibraryStatus) -> None:
        self.library_panel.show_status(status)
        self.start_page.show_status(status)

    def _on_progress(self, progress: IndexProgress) -> None:
        self.progress_line.show_progress(progress)

    def _on_finished(self, finished: IndexFinished) -> None:
        self.progress_line.show_finished(finished)
        if finished.error:
            self.banner.say(finished.error, self.tr("Try again"), self.library.refresh)

    def _ask_to_remove(self, folder: Folder) -> None:
        question = QMessageBox(self)
        question.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        question.setTextFormat(Qt.TextFormat.PlainText)
        question.setIcon(QMessageBox.Icon.Question)
        question.setWindowTitle(self.tr("Remove a folder"))
        question.setText(
            self.tr("Remove \u201c{name}\u201d from the library?").format(name=wording.file_name(folder.path))
        )
        question.setInformativeText(
            self.tr("Search will no longer find its {videos}. The files themselves stay where they are.").format(
                videos=wording.videos(folder.files)
            )
        )
        remove = question.addButton(self.tr("Remove"), QMessageBox.ButtonRole.DestructiveRole)
        keep = question.addButton(self.tr("Keep"), QMessageBox.ButtonRole.RejectRole)
        question.setDefaultButton(keep)
        question.setEscapeButton(keep)
        remove.clicked.connect(lambda: self.library.remove(folder.path))
        question.open()

    def _show_failures(self, failures: tuple[FailedFile, ...]) -> None:
        dialog = FailuresDialog(failures, self)
        dialog.retry_wanted.connect(self.library.retry_failures)
        dialog.open()

    # --- moments ----------------------------------------------------------------------------------------------

    def moment_menu(self, moment: Moment) -> QMenu:
        """What can be done with a result."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(self.tr("Open in player"), lambda: self._open_moment(moment))
        menu.addAction(self.tr("Show in folder"), lambda: actions.reveal(moment.path))
        menu.addAction(self.tr("Copy path"), lambda: actions.copy_path(moment.path))
        return menu

    def _open_moment(self, moment: Moment) -> None:
        if not actions.open_file(moment.path):
            self.banner.say(
                self.tr("\u201c{name}\u201d could not be opened: no program is set for such files.").format(
                    name=wording.file_name(moment.path)
                )
            )

    def _show_moment_menu(self, moment: Moment, position: QPoint) -> None:
        self.moment_menu(moment).popup(position)

    # --- errors -----------------------------------------------------------------------------------------------

    def show_error(self, error: BaseException) -> None:
        """A sentence in the window; for a defect, with the way to its details."""
        if is_defect(error):
            self.banner.say(str(error), self.tr("Details\u2026"), lambda: self.show_details(error))
        else:
            self.banner.say(str(error))

    def show_details(self, error: BaseException) -> None:
        ErrorDialog(error, self).open()

    # --- the window itself ------------------------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if actions.dropped_paths(event.mimeData()):
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            self.drop_cover.cover()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self.drop_cover.hide()

    def dropEvent(self, event: QDropEvent) -> None:
        self.drop_cover.hide()
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        self.library.add(actions.dropped_paths(event.mimeData()))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self.drop_cover.isVisible():
            self.drop_cover.cover()

    def closeEvent(self, event: QCloseEvent) -> None:
        event.accept()
        self.closing.emit()

    def sizeHint(self) -> QSize:
        return QSize(1280, 800)


def _short(query: str, most: int = 80) -> str:
    query = wording.shown(query)
    return query if len(query) <= most else f"{query[: most - 1]}\u2026"
