"""The library's location and size; backups, moving, tags as a file. Explains each action first.

Shows the state of `StorageController` and forwards the user's requests to it; decides nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING

from PySide6.QtCore import QStandardPaths, Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from cret_desktop.engine.protocol import CopyProgress
from cret_desktop.gui.appearance import formatting, i18n
from cret_desktop.gui.appearance.elided_label import ElidedLabel
from cret_desktop.gui.appearance.theme import SPACE, Theme
from cret_desktop.gui.library.storage_controller import StorageController
from cret_desktop.gui.shell import other_programs

if TYPE_CHECKING:
    from cret_desktop.domain.records import LibrarySize

_STEPS = 1000  # of the bar


class StorageDialog(QDialog):
    """Follows its controller while it is open."""

    def __init__(self, controller: StorageController, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._controller = controller
        self._theme = theme
        self.setWindowTitle(self.tr("Backup and storage"))
        self.resize(640, 520)
        self.place = ElidedLabel()
        self.size_line = QLabel(textFormat=Qt.TextFormat.PlainText, wordWrap=True)
        self.size_line.setProperty("kind", "muted")
        reveal = self._button(self.tr("Show in folder"), "folder", lambda: other_programs.open_file(controller.library))
        self.with_thumbnails = QCheckBox(self.tr("Include thumbnails"))
        self.with_thumbnails.setChecked(True)
        self.with_thumbnails.setToolTip(self.tr("Without them, a restored library rebuilds them from the videos"))
        self.back_up = self._button(self.tr("Back up\u2026"), "export", self._choose_backup)
        self.restore = self._button(self.tr("Restore\u2026"), "history", self._choose_restore)
        self.move_away = self._button(self.tr("Move\u2026"), "elsewhere", self._choose_move)
        self.use_other = self._button(self.tr("Use another\u2026"), "library", self._choose_other)
        self.export_tags = self._button(self.tr("Export\u2026"), "export", self._choose_export)
        self.import_tags = self._button(self.tr("Import\u2026"), "drop", self._choose_import)
        self.export_tags.setAccessibleName(self.tr("Export tags and notes"))
        self.import_tags.setAccessibleName(self.tr("Import tags and notes"))
        heading = QLabel(self.windowTitle())
        heading.setProperty("kind", "heading")
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE * 2, SPACE * 2, SPACE * 2, SPACE * 2)
        column.setSpacing(SPACE // 2)
        column.addWidget(heading)
        self._add_section(column, self.tr("Library location"), self.place, self.size_line, [reveal])
        words = QLabel(self.tr("Backs up the whole library, without your videos. Keep it on another disk."))
        self._add_section(column, self.tr("Backup"), words, self.with_thumbnails, [self.back_up, self.restore])
        words = QLabel(self.tr("For example to another disk. The library here is kept until you delete it."))
        self._add_section(column, self.tr("Location"), words, None, [self.move_away, self.use_other])
        words = QLabel(self.tr("One file, readable without this program. Importing it overwrites nothing."))
        caption = self.tr("Tags, notes, favourites and saved searches")
        self._add_section(column, caption, words, None, [self.export_tags, self.import_tags])
        column.addStretch()
        self.doing = QLabel(textFormat=Qt.TextFormat.PlainText)
        self.bar = QProgressBar(textVisible=False, maximum=_STEPS)
        self.bar.setAccessibleName(self.tr("Progress of the copy"))
        self.cancel = QPushButton(self.tr("Cancel"))
        self.cancel.setAccessibleName(self.tr("Cancel the copy"))
        self.cancel.clicked.connect(controller.cancel)
        self._working = QWidget()
        row = QHBoxLayout(self._working)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE)
        row.addWidget(self.doing)
        row.addWidget(self.bar, 1)
        row.addWidget(self.cancel)
        column.addWidget(self._working)
        self.outcome = QLabel(textFormat=Qt.TextFormat.PlainText, wordWrap=True)
        self.outcome.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.outcome.hide()
        column.addWidget(self.outcome)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        column.addWidget(buttons)
        self._connect_signals()
        self._show_state()

    def _connect_signals(self) -> None:
        self._controller.size_read.connect(self._show_size)
        self._controller.changed.connect(self._show_state)
        self._controller.progressed.connect(self._show_progress)
        self._controller.told.connect(self._show_outcome)
        self._controller.failed.connect(self._on_failed)

    # --- display ----------------------------------------------------------------------------------------------

    def _button(self, words: str, icon: str, press: Callable[[], object]) -> QPushButton:
        button = QPushButton(words)
        button.setAutoDefault(False)  # Enter elsewhere in the dialog must not start a copy
        button.clicked.connect(press)
        self._theme.give_icon(button, icon)
        return button

    def _add_section(
        self, column: QVBoxLayout, title: str, words: QLabel, more: QWidget | None, buttons: list[QPushButton]
    ) -> None:
        caption = QLabel(title)
        caption.setProperty("kind", "caption")
        caption.setContentsMargins(0, SPACE * 3 // 2, 0, 0)
        column.addWidget(caption)
        if not isinstance(words, ElidedLabel):
            words.setWordWrap(True)
            words.setProperty("kind", "muted")
        column.addWidget(words)
        if more is not None:
            column.addWidget(more)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        for button in buttons:
            row.addWidget(button)
        row.addStretch()
        column.addLayout(row)

    def _show_state(self) -> None:
        working = bool(self._controller.under_way)
        self._working.setVisible(working)
        self.doing.setText(self._controller.under_way)
        self.bar.setRange(0, 0)  # until the first progress report
        if working:
            self.outcome.hide()
        for button in (
            self.back_up, self.restore, self.move_away, self.use_other, self.export_tags, self.import_tags,
        ):  # fmt: skip
            button.setEnabled(not working)
        place = formatting.shown(self._controller.library)
        self.place.setText(place)
        self.place.setToolTip(formatting.tooltip(place))
        self._controller.read_size()

    def _show_size(self, size: LibrarySize) -> None:
        self.size_line.setText(
            self.tr(
                "{whole}: catalog {catalog}, thumbnails {thumbnails}, index {index}. {free} free on its disk."
            ).format(
                whole=formatting.download_size(size.whole),
                catalog=formatting.download_size(size.catalog),
                thumbnails=formatting.download_size(size.thumbnails),
                index=formatting.download_size(size.graphs),
                free=formatting.download_size(size.free),
            )
        )

    def _show_progress(self, progress: CopyProgress) -> None:
        self.bar.setRange(0, _STEPS)
        self.bar.setValue(round(_STEPS * progress.done / max(1, progress.total)))
        words = self.tr("{what}: {done} of {total}").format(
            what=self._controller.under_way,
            done=formatting.download_size(progress.done),
            total=formatting.download_size(progress.total),
        )
        self.doing.setText(words)

    def _on_failed(self, error: BaseException) -> None:
        self._show_outcome(i18n.said(error))

    def _show_outcome(self, sentence: str) -> None:
        self.outcome.setText(sentence)
        self.outcome.setAccessibleName(sentence)
        self.outcome.show()

    # --- actions ----------------------------------------------------------------------------------------------

    def _choose_backup(self) -> None:
        name = f"CRET Desktop {date.today().isoformat()}"
        self._choose_folder(
            self.tr("Where to put the backup"),
            lambda parent: self._controller.back_up(_free_name(parent, name), self.with_thumbnails.isChecked()),
        )

    def _choose_restore(self) -> None:
        self._choose_folder(self.tr("Choose the backup folder"), self._ask_to_restore)

    def _ask_to_restore(self, folder: str) -> None:
        self._ask(
            self.tr("Restore"),
            self.tr("Replace the library with \u201c{name}\u201d?").format(name=formatting.file_name(folder)),
            self.tr("It lacks what was typed and indexed since then. The current library is set aside, not deleted."),
            lambda: self._controller.restore(folder),
        )

    def _choose_move(self) -> None:
        self._choose_folder(self.tr("Where to move the library"), self._ask_to_move)

    def _ask_to_move(self, parent: str) -> None:
        folder = _free_name(parent, "CRET Desktop library")
        self._ask(
            self.tr("Move"),
            self.tr("Move the library to \u201c{name}\u201d?").format(name=formatting.file_name(parent)),
            self.tr(
                "It is copied to {folder} and used there. The library then needs that disk to be connected."
            ).format(folder=formatting.shown(folder)),
            lambda: self._controller.move(folder),
        )

    def _choose_other(self) -> None:
        self._choose_folder(self.tr("Choose the folder of a library"), self._use)

    def _use(self, folder: str) -> None:
        if os.path.isfile(os.path.join(folder, "catalog.sqlite")):
            self._controller.use(folder)
        else:
            self._show_outcome(
                self.tr("No library in {folder}. A library folder contains catalog.sqlite.").format(
                    folder=formatting.shown(folder)
                )
            )

    def _choose_export(self) -> None:
        dialog = self._file_dialog(self.tr("Export tags and notes"))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilters([self.tr("Complete (*.json)"), self.tr("For spreadsheets (*.csv)")])
        dialog.setDefaultSuffix("json")
        dialog.filterSelected.connect(lambda chosen: dialog.setDefaultSuffix("csv" if "csv" in chosen else "json"))
        dialog.selectFile(f"CRET Desktop {date.today().isoformat()}.json")
        dialog.fileSelected.connect(self._controller.export_tags)
        dialog.open()

    def _choose_import(self) -> None:
        dialog = self._file_dialog(self.tr("Import tags and notes"))
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilters([self.tr("Exported tags (*.json *.csv)"), self.tr("All files (*)")])
        dialog.fileSelected.connect(self._controller.import_tags)
        dialog.open()

    def _choose_folder(self, title: str, then: Callable[[str], object]) -> None:
        dialog = self._file_dialog(title)
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.fileSelected.connect(then)
        dialog.open()

    def _file_dialog(self, title: str) -> QFileDialog:
        dialog = QFileDialog(self, title)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        documents = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)
        dialog.setDirectory(documents if os.path.isdir(documents) else os.path.expanduser("~"))
        return dialog

    def _ask(self, yes: str, question: str, words: str, then: Callable[[], object]) -> None:
        box = QMessageBox(self)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setWindowTitle(self.windowTitle())
        box.setText(question)
        box.setInformativeText(words)
        box.addButton(yes, QMessageBox.ButtonRole.AcceptRole).clicked.connect(then)
        keep = box.addButton(QMessageBox.StandardButton.Cancel)
        box.setDefaultButton(keep)
        box.setEscapeButton(keep)
        box.open()


def _free_name(parent: str, name: str) -> str:
    """Return an unused path in a folder."""
    path, number = os.path.join(parent, name), 1
    while os.path.lexists(path):
        number += 1
        path = os.path.join(parent, f"{name} ({number})")
    return path
