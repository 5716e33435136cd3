"""The library's dialogs: add folders or files, remove a folder, adopt the library, show failures.

Every answer goes to the LibraryController. Nothing here blocks: dialogs are opened, not run.
"""

from __future__ import annotations

import os

from PySide6.QtCore import QObject, QStandardPaths, Qt, Signal
from PySide6.QtWidgets import QCheckBox, QFileDialog, QMessageBox, QWidget

from cret_desktop.engine.protocol import FailedFile, Folder
from cret_desktop.gui.appearance import formatting
from cret_desktop.gui.library.library_controller import LibraryController

FOLDERS_NAMED = 6


class LibraryDialogs(QObject):
    """Signals: `not_adopted()`, adoption was declined."""

    not_adopted = Signal()

    def __init__(self, library: LibraryController, window: QWidget) -> None:
        super().__init__(window)
        self._library = library
        self._window = window
        # The start folder of the next dialog: that of the last one, at first the system's folder for videos.
        kinds = (QStandardPaths.StandardLocation.MoviesLocation, QStandardPaths.StandardLocation.HomeLocation)
        places = (QStandardPaths.writableLocation(kind) for kind in kinds)
        self._place = next(filter(os.path.isdir, places), os.path.sep)  # some accounts have no home folder
        library.failures_ready.connect(self._show_failures)

    def choose_folder(self) -> None:
        dialog = QFileDialog(self._window, self.tr("Add a folder of videos"))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        self._open(dialog)

    def choose_files(self) -> None:
        dialog = QFileDialog(self._window, self.tr("Add videos"))
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        self._open(dialog)

    def _open(self, dialog: QFileDialog) -> None:
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setDirectory(self._place)
        dialog.directoryEntered.connect(self._keep_place)
        dialog.filesSelected.connect(self._library.add)
        dialog.open()

    def _keep_place(self, folder: str) -> None:
        self._place = folder

    def ask_to_remove(self, folder: Folder) -> None:
        question = QMessageBox(self._window)
        question.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        question.setTextFormat(Qt.TextFormat.PlainText)
        question.setWindowTitle(self.tr("Remove a folder"))
        question.setText(
            self.tr("Remove \u201c{name}\u201d from the library?").format(name=formatting.file_name(folder.path))
        )
        question.setInformativeText(
            self.tr(
                "Search will no longer find its {videos}. The files stay where they are. Add the folder again within "
                "30 days to restore everything."
            ).format(videos=formatting.videos(folder.files))
        )
        remove = question.addButton(self.tr("Remove"), QMessageBox.ButtonRole.DestructiveRole)
        keep = question.addButton(self.tr("Keep"), QMessageBox.ButtonRole.RejectRole)
        question.setDefaultButton(keep)
        question.setEscapeButton(keep)
        remove.clicked.connect(lambda: self._library.remove(folder.path))
        question.open()

    def ask_to_adopt(self) -> None:
        """Ask whether to adopt a library of another origin, and whether to index its folders."""
        status = self._library.status
        folders = [folder.path for folder in status.folders] if status is not None else []
        question = QMessageBox(self._window)
        question.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        question.setTextFormat(Qt.TextFormat.PlainText)
        question.setWindowTitle(self.tr("Adopt a library"))
        question.setText(self.tr("Adopt this library, so that it can be changed here?"))
        about = self.tr(
            "It was made on another computer or by someone else. Its catalog is checked and rebuilt; the current one "
            "is kept beside it."
        )
        follow = QCheckBox(self.tr("Index those of its folders that are on this computer"))
        if folders:
            named = "\n".join(folders[:FOLDERS_NAMED])
            more = self.tr("and %n more", "", len(folders) - FOLDERS_NAMED) if len(folders) > FOLDERS_NAMED else ""
            about += "\n\n" + self.tr("It names these folders:") + "\n" + "\n".join(filter(None, (named, more)))
            question.setCheckBox(follow)
        question.setInformativeText(about)
        adopt = question.addButton(self.tr("Adopt"), QMessageBox.ButtonRole.AcceptRole)
        leave = question.addButton(self.tr("Only search"), QMessageBox.ButtonRole.RejectRole)
        question.setDefaultButton(leave)
        question.setEscapeButton(leave)
        adopt.clicked.connect(lambda: self._library.adopt(bool(folders) and follow.isChecked()))
        question.rejected.connect(self.not_adopted)
        question.open()

    def _show_failures(self, failures: tuple[FailedFile, ...]) -> None:
        from cret_desktop.gui.library.failures_dialog import FailuresDialog  # rarely needed; imported on demand

        dialog = FailuresDialog(failures, self._window)
        dialog.retry_wanted.connect(self._library.retry_failures)
        dialog.open()
