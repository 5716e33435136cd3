"""The editor for the note of one video. Emits the text; never stores it."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QPlainTextEdit, QVBoxLayout, QWidget

from cret_desktop.domain.clips import LibraryFile
from cret_desktop.gui.appearance import formatting
from cret_desktop.gui.appearance.theme import SPACE


class NoteEditor(QDialog):
    """Signals: `written(str)` when it is closed with Save, or Ctrl+Enter; '' removes the note."""

    written = Signal(str)

    def __init__(self, file: LibraryFile, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Note"))
        self.resize(420, 260)
        heading = QLabel(self.tr("Note on {video}").format(video=formatting.file_name(file.path)), wordWrap=True)
        heading.setTextFormat(Qt.TextFormat.PlainText)
        heading.setProperty("kind", "heading")
        self.text = QPlainTextEdit(file.note)
        self.text.setAccessibleName(self.tr("Note"))
        self.text.setPlaceholderText(self.tr("Anything worth remembering; search finds these words too"))
        self.text.setTabChangesFocus(True)
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Save | QDialogButtonBox.StandardButton.Cancel)
        self._buttons.button(QDialogButtonBox.StandardButton.Save).setProperty("kind", "primary")
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE * 2, SPACE * 2, SPACE * 2, SPACE * 2)
        column.setSpacing(SPACE)
        column.addWidget(heading)
        column.addWidget(self.text, 1)
        column.addWidget(self._buttons)
        self.text.setFocus()
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)

    def accept(self) -> None:
        self.written.emit(self.text.toPlainText())
        super().accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        control = event.modifiers() & Qt.KeyboardModifier.ControlModifier
        if control and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.accept()
        else:
            super().keyPressEvent(event)
