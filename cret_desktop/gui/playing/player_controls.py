"""The row under the seek bar: buttons of the player's commands, the clock, the marked range, sound.

Buttons use the page's actions, so that texts, keys and states are in one place. This module never plays anything.
"""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QAction, QFontDatabase, QFontMetrics, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QSlider, QToolButton, QVBoxLayout, QWidget

from cret_desktop.gui.appearance import formatting
from cret_desktop.gui.appearance.theme import SPACE, Theme

ICON = QSize(20, 20)
VOLUME_WIDTH = 72
ROOMY = 700  # a narrower row omits the volume slider and all numbers but the position; the keys remain


class CommandButton(QToolButton):
    """A button for an action, with an icon of its own. Space presses it, whatever else Space does on the page."""

    def __init__(self, action: QAction, icon: str, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._icon = icon
        self.setDefaultAction(action)
        self.setIconSize(ICON)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        self.setAccessibleName(action.text().replace("&", ""))
        self._paint()
        theme.changed.connect(self._paint)

    def show_icon(self, name: str) -> None:
        self._icon = name
        self._paint()

    def _paint(self) -> None:
        self.defaultAction().setIcon(self._theme.icon(self._icon))

    def event(self, event: QEvent) -> bool:
        if (
            event.type() == QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and event.key() == Qt.Key.Key_Space
        ):
            event.accept()
            return True
        return super().event(event)


class PlayerControls(QWidget):
    """Signals: `volume_changed(float)` in [0, 1], by the user."""

    volume_changed = Signal(float)

    def __init__(self, actions: Mapping[str, QAction], theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._actions = actions
        numbers = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        self._clock = QLabel(textFormat=Qt.TextFormat.PlainText)
        self._clock.setFont(numbers)
        self._clock.setMinimumWidth(QFontMetrics(numbers).horizontalAdvance("0:00.00 "))
        self._frame = QLabel(textFormat=Qt.TextFormat.PlainText)
        self._frame.setProperty("kind", "muted")
        self._speed = QLabel(textFormat=Qt.TextFormat.PlainText)
        self._speed.setProperty("kind", "heading")
        self._marks = QLabel(textFormat=Qt.TextFormat.PlainText)
        self._marks.setProperty("kind", "muted")
        self._volume = QSlider(Qt.Orientation.Horizontal)
        self._volume.setRange(0, 100)
        self._volume.setFixedWidth(VOLUME_WIDTH)
        self._volume.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._volume.setAccessibleName(self.tr("Volume"))
        self._volume.setToolTip(self.tr("Volume"))
        self._sound = self._button("mute", "sound")
        self._play = self._button("play_pause", "play")
        self._lay_out()
        self.set_playing(0)
        self._volume.valueChanged.connect(lambda value: self.volume_changed.emit(value / 100))

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        buttons.setSpacing(2)
        buttons.addWidget(self._button("previous_moment", "moment-previous"))
        buttons.addWidget(self._button("frame_back", "frame-back"))
        buttons.addWidget(self._play)
        buttons.addWidget(self._button("frame_forward", "frame-forward"))
        buttons.addWidget(self._button("next_moment", "moment-next"))
        buttons.addSpacing(SPACE)
        buttons.addWidget(self._clock)
        buttons.addSpacing(SPACE)
        buttons.addWidget(self._frame)
        buttons.addWidget(self._speed)
        buttons.addStretch(1)
        buttons.addWidget(self._marks)
        buttons.addSpacing(SPACE // 2)
        buttons.addWidget(self._button("mark_start", "mark-start"))
        buttons.addWidget(self._button("mark_end", "mark-end"))
        buttons.addWidget(self._button("clear_marks", "close"))
        buttons.addWidget(self._button("export_marked", "export"))
        buttons.addSpacing(SPACE)
        buttons.addWidget(self._button("repeat", "repeat"))
        buttons.addWidget(self._sound)
        buttons.addWidget(self._volume)
        buttons.addWidget(self._button("full_screen", "full-screen"))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(buttons)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def _button(self, command: str, icon: str) -> CommandButton:
        return CommandButton(self._actions[command], icon, self._theme)

    def show_time(self, position: float, duration: float, frame_length: float) -> None:
        place = formatting.exact_clock(position)
        self._clock.setText(f"{place} / {formatting.clock(duration)}" if self.width() >= ROOMY else place)
        self._frame.setText(self.tr("frame {number}").format(number=round(position / frame_length)))

    def set_playing(self, speed: int) -> None:
        """Show the speed as in `Playback`: signed, 0 while paused."""
        self._play.show_icon("pause" if speed else "play")
        self._speed.setText(f"{speed}\u00d7".replace("-", "\u2212") if speed not in (0, 1) else "")

    def show_marks(self, start: float | None, end: float | None) -> None:
        words = ""
        if start is not None and end is not None:
            words = self.tr("{start} to {end}, {length} s").format(
                start=formatting.exact_clock(start), end=formatting.exact_clock(end), length=f"{end - start:.2f}"
            )
        elif start is not None:
            words = self.tr("from {start}").format(start=formatting.exact_clock(start))
        elif end is not None:
            words = self.tr("to {end}").format(end=formatting.exact_clock(end))
        self._marks.setText(words)

    def show_sound(self, there: bool, volume: float, muted: bool) -> None:
        self._sound.show_icon("sound-off" if muted or not there else "sound")
        self._actions["mute"].setEnabled(there)
        self._volume.setEnabled(there)
        self._volume.blockSignals(True)
        self._volume.setValue(round(volume * 100))
        self._volume.blockSignals(False)

    def resizeEvent(self, event: QResizeEvent) -> None:
        roomy = event.size().width() >= ROOMY
        self._volume.setVisible(roomy)
        self._frame.setVisible(roomy)
        self._marks.setVisible(roomy)
        super().resizeEvent(event)
