"""The dialog for a bug, with details to copy into a report. Errors that the user can act on are banners instead."""

from __future__ import annotations

import platform
import traceback

from PySide6.QtCore import Qt, qVersion
from PySide6.QtGui import QFontDatabase, QGuiApplication
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QPlainTextEdit, QVBoxLayout, QWidget

from cret_desktop.errors import Defect
from cret_desktop.gui.appearance.theme import SPACE


class ErrorDialog(QDialog):
    def __init__(self, error: BaseException, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Something went wrong"))
        self.resize(640, 420)
        heading = QLabel(self.tr("Something went wrong"))
        heading.setProperty("kind", "heading")
        words = self.tr(
            "This is a fault in the program. Your library is safe on disk. The details below help to fix it; nothing "
            "is sent automatically."
        )
        self._details = QPlainTextEdit(describe(error), readOnly=True)
        self._details.setAccessibleName(self.tr("Details of the error"))
        self._details.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self._details.setTabChangesFocus(True)
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self._copy = self._buttons.addButton(self.tr("Copy details"), QDialogButtonBox.ButtonRole.ActionRole)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE * 2, SPACE * 2, SPACE * 2, SPACE * 2)
        column.setSpacing(SPACE)
        column.addWidget(heading)
        column.addWidget(QLabel(words, wordWrap=True))
        column.addWidget(self._details, 1)
        column.addWidget(self._buttons)
        self._connect_signals()

    def _connect_signals(self) -> None:
        self._buttons.rejected.connect(self.reject)
        self._copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self._details.toPlainText()))


def describe(error: BaseException) -> str:
    """Return the error, its traceback and the engine's, and the versions that a report needs."""
    system = f"{platform.system()} {platform.release()} · Python {platform.python_version()} · Qt {qVersion()}"
    details = f"\n{error.details}" if isinstance(error, Defect) else ""
    return f"{system}\n\n{''.join(traceback.format_exception(error))}{details}"
