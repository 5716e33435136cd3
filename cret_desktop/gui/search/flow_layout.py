"""A layout that fills row after row, like words in a paragraph; its last widget takes the rest of its row.

Qt has none. The search bar uses it for its chips and the line edit after them.
"""

from __future__ import annotations

from PySide6.QtCore import QMargins, QPoint, QRect, QSize, Qt
from PySide6.QtWidgets import QLayout, QLayoutItem, QWidget


class FlowLayout(QLayout):
    """Rows of widgets, each as high as its highest one. The last widget gets at least `least_last` pixels."""

    def __init__(self, parent: QWidget, spacing: int, least_last: int) -> None:
        super().__init__(parent)
        self._owner = parent
        self._items: list[QLayoutItem] = []
        self._least_last = least_last
        self.setSpacing(spacing)
        self.setContentsMargins(QMargins())

    def insert_widget(self, position: int, widget: QWidget) -> None:
        self.addWidget(widget)
        widget.show()  # at once, not at the next event: avoids flicker, and lets it take the focus
        self._items.insert(position, self._items.pop())
        self.invalidate()

    def addItem(self, item: QLayoutItem) -> None:
        self._items.append(item)

    def count(self) -> int:
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem:
        # Qt reads past the end to find it, and expects None; PySide's stubs do not declare that.
        return self._items[index] if 0 <= index < len(self._items) else None  # type: ignore[return-value]

    def takeAt(self, index: int) -> QLayoutItem:
        return self._items.pop(index) if 0 <= index < len(self._items) else None  # type: ignore[return-value]

    def expandingDirections(self) -> Qt.Orientation:
        return Qt.Orientation.Horizontal

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return self._place(QRect(0, 0, width, 0), move=False)

    def sizeHint(self) -> QSize:
        return QSize(self.minimumSize().width(), self.heightForWidth(max(self._owner.width(), self._least_last)))

    def minimumSize(self) -> QSize:
        heights = [item.minimumSize().height() for item in self._items]
        return QSize(self._least_last, max(heights, default=0))

    def setGeometry(self, rect: QRect) -> None:
        super().setGeometry(rect)
        self._place(rect, move=True)

    def _place(self, rect: QRect, move: bool) -> int:
        """Lay out within `rect`. Return the height used."""
        x, y, height = rect.x(), rect.y(), 0
        row: list[tuple[QLayoutItem, QRect]] = []

        def end_row() -> None:
            for item, place in row:
                if move:
                    item.setGeometry(place.translated(0, (height - place.height()) // 2))
            row.clear()

        for item in self._items:
            last = item is self._items[-1]
            size = item.sizeHint()
            width = min(self._least_last if last else size.width(), rect.width())
            if x > rect.x() and x + width > rect.right() + 1:
                end_row()
                x, y, height = rect.x(), y + height + self.spacing(), 0
            if last:
                width = rect.right() + 1 - x
            row.append((item, QRect(QPoint(x, y), QSize(width, size.height()))))
            x += width + self.spacing()
            height = max(height, size.height())
        end_row()
        return y + height - rect.y()
