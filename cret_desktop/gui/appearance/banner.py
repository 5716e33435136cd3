"""A message line inside the window, with an optional action. One at a time; never blocks, never logs."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QWidget

from cret_desktop.gui.appearance.theme import SPACE, Theme


class Banner(QFrame):
    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._act: Callable[[], object] | None = None
        self._mark_icon = "warning"
        self.setProperty("kind", "banner")
        self._mark = QLabel()
        self._text = QLabel(wordWrap=True, textFormat=Qt.TextFormat.PlainText)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._action = QPushButton()
        self._action.hide()
        self._close = QToolButton()
        self._close.setAccessibleName(self.tr("Close this message"))
        self._close.setToolTip(self.tr("Close this message"))
        theme.give_icon(self._close, "close")
        row = QHBoxLayout(self)
        row.setContentsMargins(SPACE * 3 // 2, SPACE, SPACE, SPACE)
        row.setSpacing(SPACE)
        row.addWidget(self._mark)
        row.addWidget(self._text, 1)
        row.addWidget(self._action)
        row.addWidget(self._close)
        self.hide()
        self._connect_signals()

    def _connect_signals(self) -> None:
        self._close.clicked.connect(self.hide)
        self._action.clicked.connect(self._on_action)
        self._theme.changed.connect(self._paint_mark)

    @property
    def text(self) -> str:
        return self._text.text()

    def say(self, text: str, action: str = "", act: Callable[[], object] | None = None) -> None:
        """Show a problem, with a button if there is an action."""
        self._show("warning", text, action, act)

    def tell(self, text: str, action: str = "", act: Callable[[], object] | None = None) -> None:
        """Show a success, with a button if there is an action such as undo."""
        self._show("check", text, action, act)

    def _show(self, mark: str, text: str, action: str, act: Callable[[], object] | None) -> None:
        self._mark_icon = mark
        self._text.setText(text)
        self.setAccessibleName(text)
        self._action.setText(action)
        self._action.setVisible(act is not None)
        self._act = act
        self._paint_mark()
        self.show()

    def _paint_mark(self) -> None:
        colors = self._theme.colors
        color = colors.danger if self._mark_icon == "warning" else colors.strong
        self._mark.setPixmap(self._theme.icon(self._mark_icon, color).pixmap(20, 20))

    def _on_action(self) -> None:
        self.hide()
        if self._act is not None:
            self._act()
