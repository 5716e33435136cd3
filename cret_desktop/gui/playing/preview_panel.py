"""A preview of a result: its clip, looped without sound, on top of the results.

It never takes the keyboard focus: arrow keys still move through the results, and the preview follows. It never changes
anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QRect, QSize, Qt, Signal
from PySide6.QtGui import QHideEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QToolButton, QVBoxLayout, QWidget

from cret_desktop.domain.clips import Match, Moment
from cret_desktop.gui.appearance import formatting
from cret_desktop.gui.appearance.elided_label import ElidedLabel
from cret_desktop.gui.appearance.theme import RADIUS, SPACE, Theme
from cret_desktop.gui.bridge.thumbnail_cache import Place, ThumbnailCache
from cret_desktop.gui.playing.multimedia import make_playback
from cret_desktop.gui.playing.video_surface import VideoSurface

if TYPE_CHECKING:
    from cret_desktop.gui.playing.playback import Playback

EDGE = SPACE * 3 // 2
SHARE, CRAMPED_SHARE = 0.72, 0.92  # of the covered widget, and of a small one
CRAMPED = 720
LARGEST = QSize(960, 660)
ROOMY = 560  # a narrower panel shows only the video's name
SHORTEST = 2.0  # seconds; a shorter clip is shown with the time after it


class PreviewPanel(QFrame):
    """Covers a part of `covered`, its parent.

    Signals: `open_wanted(Moment, float)` with the time that is shown; `closed()`.
    Attributes: `moment`, None while it is closed; `playback`, None until first shown.
    """

    open_wanted = Signal(object, float)
    closed = Signal()

    def __init__(self, theme: Theme, thumbnails: ThumbnailCache, covered: QWidget) -> None:
        super().__init__(covered)
        self._thumbnails = thumbnails
        self._covered = covered
        self.playback: Playback | None = None
        self.moment: Moment | None = None
        self.setProperty("kind", "preview")
        self.setAccessibleName(self.tr("Preview"))
        self.surface = VideoSurface(RADIUS)
        self.surface.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._name = ElidedLabel()
        self._name.setProperty("kind", "heading")
        self._about = QLabel(textFormat=Qt.TextFormat.PlainText)
        self._about.setProperty("kind", "muted")
        self._open = QPushButton(self.tr("Open in the player"))
        self._close = QToolButton()
        for button in (self._open, self._close):  # the focus stays with the results
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._close.setAccessibleName(self.tr("Close the preview"))
        self._close.setToolTip(self.tr("Close the preview (Space or Esc)"))
        theme.give_icon(self._close, "close")
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self._name, 1)
        row.addWidget(self._about)
        row.addWidget(self._open)
        row.addWidget(self._close)
        column = QVBoxLayout(self)
        column.setContentsMargins(EDGE, EDGE, EDGE, SPACE)
        column.setSpacing(SPACE)
        column.addWidget(self.surface, 1)
        column.addLayout(row)
        self._words = row
        # Works wherever the focus is, but only while the panel is visible: the results keep the focus.
        self._escape = QShortcut(QKeySequence(Qt.Key.Key_Escape), covered.window())
        self._escape.setEnabled(False)
        self.hide()
        self._connect_signals()

    def _connect_signals(self) -> None:
        self._escape.activated.connect(self.close_preview)
        self._close.clicked.connect(self.close_preview)
        self._open.clicked.connect(self._want_open)
        self.surface.clicked.connect(self._want_open)
        self._thumbnails.ready.connect(self._show_poster)
        self._covered.installEventFilter(self)

    def show_moment(self, moment: Moment) -> None:
        """Show another moment; its thumbnail is shown until the first frame arrives."""
        self.moment = moment
        browsed = moment.match is Match.BROWSED
        self._name.setText(formatting.file_name(moment.path))
        span = formatting.span(moment.start, moment.end)
        self._about.setText(span if browsed else f"{span} \u00b7 {formatting.match(moment.match)}")
        self._place()
        self.surface.clear()
        self._show_poster()
        self._escape.setEnabled(True)
        self.show()
        self.raise_()
        if self.playback is None:
            self.playback = make_playback(False, self)
            self.playback.frame_changed.connect(self.surface.show_frame)
            self.playback.failed.connect(self._about.setText)
        self.playback.open(moment.path, moment.start, play=True)
        self.playback.loop = (moment.start, max(moment.end, moment.start + SHORTEST))

    def close_preview(self) -> None:
        """Hide, and close the file. Safe to call twice."""
        if self.moment is not None:
            self.moment = None
            self._escape.setEnabled(False)
            self.hide()
            if self.playback is not None:
                self.playback.close()
            self.surface.clear()
            self.closed.emit()

    def _want_open(self) -> None:
        if self.moment is not None:
            shown = self.playback.position if self.playback is not None and self.surface.has_frame else None
            self.open_wanted.emit(self.moment, self.moment.start if shown is None else shown)

    def _show_poster(self, path: str = "") -> None:
        moment = self.moment
        if moment is None or not moment.thumbnails:
            return
        thumbnail = moment.thumbnails[moment.best]
        if path in ("", thumbnail.path):
            width, height = thumbnail.rect[2:]
            poster = self._thumbnails.picture(thumbnail, Place(QSize(width, height)))
            if poster is not None:
                self.surface.show_poster(poster)

    def _place(self) -> None:
        """Center over the covered widget, in the proportions of the video."""
        space = self._covered.rect()
        share = SHARE if space.width() >= CRAMPED else CRAMPED_SHARE
        most = QSize(int(space.width() * share), int(space.height() * SHARE)).boundedTo(LARGEST)
        around = QSize(2 * EDGE, EDGE + 2 * SPACE + self._words.sizeHint().height())
        picture = QSize(16, 9)
        if self.moment is not None and self.moment.thumbnails:
            picture = QSize(*self.moment.thumbnails[self.moment.best].rect[2:])
        picture.scale(most - around, Qt.AspectRatioMode.KeepAspectRatio)
        place = QRect(space.topLeft(), (picture + around).expandedTo(self.minimumSizeHint()))
        place.moveCenter(space.center())
        self._about.setVisible(place.width() >= ROOMY)
        self.setGeometry(place)

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        if not event.spontaneous():
            self.close_preview()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._covered and event.type() == QEvent.Type.Resize and self.isVisible():
            self._place()
        return False
