"""The page of the player: the picture, the places in it that match the query, and the controls.

It plays, steps and marks; all other actions (exporting, tagging, searching by a frame) are emitted as signals. The file
is closed as soon as the page is left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QHideEvent, QResizeEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from cret_desktop.domain.clips import LibraryFile, Moment, Stretch
from cret_desktop.engine.protocol import Passage
from cret_desktop.gui.appearance import formatting
from cret_desktop.gui.appearance.banner import Banner
from cret_desktop.gui.appearance.elided_label import ElidedLabel
from cret_desktop.gui.appearance.theme import SPACE, Theme
from cret_desktop.gui.bridge.thumbnail_cache import ThumbnailCache
from cret_desktop.gui.playing.multimedia import make_playback
from cret_desktop.gui.playing.player_controls import CommandButton, PlayerControls
from cret_desktop.gui.playing.seek_bar import SeekBar, SeekPicture
from cret_desktop.gui.playing.video_surface import VideoSurface
from cret_desktop.gui.search.pictures import to_picture
from cret_desktop.gui.settings.shortcuts import Shortcuts

if TYPE_CHECKING:
    from PySide6.QtMultimedia import QVideoFrame

    from cret_desktop.gui.playing.playback import Playback

VOLUME_STEP = 0.05
ROOMY = 620  # a narrower page shows only the video's name
QUIET_MS = 2500  # in full screen, controls hide if the pointer rests this long
SHORTEST = 0.25  # seconds: going back right after a moment's start means the moment before


class PlayerPage(QWidget):
    """Signals:
        left()  return to the results, by the user
        export_wanted(Passage), external_wanted(str), like_wanted(Picture)
        favourite_wanted(LibraryFile, bool), tags_wanted(LibraryFile)

    Attributes: `playback`, None until a video is first played; `moments` found in the video, by time; `marks`, the
    marked range's start and end, None if open.
    """

    left = Signal()
    export_wanted = Signal(object)
    external_wanted = Signal(str)
    like_wanted = Signal(object)
    favourite_wanted = Signal(object, bool)
    tags_wanted = Signal(object)

    def __init__(
        self, theme: Theme, thumbnails: ThumbnailCache, shortcuts: Shortcuts, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._theme = theme
        self.playback: Playback | None = None
        self._path = ""
        self._file: LibraryFile | None = None
        self.moments: list[Moment] = []
        self._starts: list[float] = []
        self.marks: tuple[float | None, float | None] = (None, None)
        self._volume, self._muted = 1.0, False
        self._home: QStackedWidget | None = None  # the page's parent while it fills the screen
        self._moving = False
        self._quiet = QTimer(self, singleShot=True, interval=QUIET_MS)
        self._build_actions(shortcuts)
        self._build(thumbnails)
        self._connect_signals()

    # --- building ---------------------------------------------------------------------------------------------

    def _build_actions(self, shortcuts: Shortcuts) -> None:
        slots: dict[str, Callable[..., object]] = {
            "player_back": self._back,
            "play_pause": lambda: self._player().toggle(),
            "play_faster": lambda: self._player().shuttle(1),
            "play_backwards": lambda: self._player().shuttle(-1),
            "frame_back": lambda: self._player().step(-1),
            "frame_forward": lambda: self._player().step(1),
            "previous_moment": lambda: self._go_to_moment(-1),
            "next_moment": lambda: self._go_to_moment(1),
            "mark_start": self._mark_start,
            "mark_end": self._mark_end,
            "clear_marks": lambda: self._set_marks(None, None),
            "export_marked": lambda: self.export_wanted.emit(self.passage()),
            "repeat": self._set_loop,
            "mute": lambda: self._set_sound(self._volume, not self._muted),
            "louder": lambda: self._set_sound(self._volume + VOLUME_STEP, False),
            "softer": lambda: self._set_sound(self._volume - VOLUME_STEP, False),
            "player_favourite": self._favour,
            "player_tags": self._tag,
            "like_frame": lambda: self.like_wanted.emit(to_picture(self.surface.image())),
            "player_elsewhere": self._open_elsewhere,
            "full_screen": self.set_full_screen,
        }
        self.actions_by_command = {id: shortcuts.action(self, id, slot) for id, slot in slots.items()}
        for id in ("repeat", "full_screen", "player_favourite"):
            self.actions_by_command[id].setCheckable(True)

    def _build(self, thumbnails: ThumbnailCache) -> None:
        theme, act = self._theme, self.actions_by_command
        self._name = ElidedLabel()
        self._name.setProperty("kind", "heading")
        self._about = QLabel(textFormat=Qt.TextFormat.PlainText)
        self._about.setProperty("kind", "muted")
        self._star = CommandButton(act["player_favourite"], "star", theme)
        self._head = QWidget()
        head = QHBoxLayout(self._head)
        head.setContentsMargins(0, 0, 0, 0)
        head.setSpacing(SPACE // 2)
        head.addWidget(CommandButton(act["player_back"], "back", theme))
        head.addSpacing(SPACE // 2)
        head.addWidget(self._name, 1)
        head.addWidget(self._about)
        head.addSpacing(SPACE)
        head.addWidget(self._star)
        head.addWidget(CommandButton(act["player_tags"], "tag", theme))
        head.addWidget(CommandButton(act["like_frame"], "similar", theme))
        head.addWidget(CommandButton(act["player_elsewhere"], "elsewhere", theme))

        self.word = Banner(theme)
        self.surface = VideoSurface()
        self.surface.setAccessibleName(self.tr("Video"))
        self._stage = QStackedWidget()
        self._stage.addWidget(self.surface)
        self._stage.addWidget(self._build_trouble())

        self.seek_bar = SeekBar(theme)
        self.seek_picture = SeekPicture(theme, thumbnails, self)
        self.controls = PlayerControls(act, theme)
        self._foot = QWidget()
        foot = QVBoxLayout(self._foot)
        foot.setContentsMargins(0, 0, 0, 0)
        foot.setSpacing(SPACE // 2)
        foot.addWidget(self.seek_bar)
        foot.addWidget(self.controls)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE * 2, 0, SPACE * 2, SPACE)  # the window leaves room above its pages
        column.setSpacing(SPACE)
        column.addWidget(self._head)
        column.addWidget(self.word)
        column.addWidget(self._stage, 1)
        column.addWidget(self._foot)
        self.setAutoFillBackground(True)

    def _build_trouble(self) -> QWidget:
        """Build the page for a video without a picture."""
        page = QWidget()
        self._trouble = QLabel(textFormat=Qt.TextFormat.PlainText, wordWrap=True)
        self._trouble.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._elsewhere = QPushButton(self.tr("Open in another program"))
        column = QVBoxLayout(page)
        column.setSpacing(SPACE * 2)
        column.addStretch()
        column.addWidget(self._trouble)
        column.addWidget(self._elsewhere, 0, Qt.AlignmentFlag.AlignCenter)
        column.addStretch()
        return page

    def _connect_signals(self) -> None:
        self.surface.clicked.connect(lambda: self._player().toggle())
        self.surface.double_clicked.connect(lambda: self.actions_by_command["full_screen"].trigger())
        self.surface.pointer_moved.connect(self._on_pointer)
        self._elsewhere.clicked.connect(self._open_elsewhere)
        self.seek_bar.sought.connect(lambda time: self._player().seek(time))
        self.seek_bar.pointed.connect(self._point)
        self.seek_bar.pointer_left.connect(self.seek_picture.hide)
        self.controls.volume_changed.connect(lambda volume: self._set_sound(volume, False))
        self._quiet.timeout.connect(self._hide_controls)

    def _player(self) -> Playback:
        if self.playback is None:
            self.playback = make_playback(True, self)
            self.playback.opened.connect(self._on_opened)
            self.playback.frame_changed.connect(self._on_frame)
            self.playback.speed_changed.connect(self._on_speed)
            self.playback.failed.connect(self.show_trouble)
            self.playback.inexact.connect(self._tell_inexact)
        return self.playback

    # --- display ----------------------------------------------------------------------------------------------

    def open(self, path: str, at: float) -> None:
        """Play a video from the frame that starts at `at`. Its other data follows when available."""
        self._path = path
        self._file = None
        self.moments, self._starts = [], []
        self._name.setText(formatting.file_name(path))
        self._about.clear()
        self.surface.clear()
        self._stage.setCurrentWidget(self.surface)
        self.word.hide()
        self.set_stretches(())
        self.set_moments(())
        self._set_marks(None, None)
        self.actions_by_command["repeat"].setChecked(False)
        self._offer(False)
        self._player().open(path, at, play=True)
        self.surface.setFocus()

    def close_video(self) -> None:
        """Close the file, and leave full screen."""
        self.set_full_screen(False)
        self._quiet.stop()
        self.seek_picture.hide()
        if self.playback is not None:
            self.playback.close()

    def set_file(self, file: LibraryFile) -> None:
        """Show the library's data about the video."""
        if file.path != self._path:
            return
        self._file = file
        self._about.setText(formatting.about(file))
        self._star.show_icon("star-filled" if file.favourite else "star")
        for id in ("player_favourite", "player_tags"):
            self.actions_by_command[id].setEnabled(True)
        self.actions_by_command["player_favourite"].setChecked(file.favourite)
        if file.width and file.height:
            self.surface.set_proportions(file.width, file.height)

    def set_stretches(self, stretches: Sequence[Stretch]) -> None:
        """Set the clips of the video in order of time, with their relevance if there is a query."""
        self.seek_bar.set_stretches(stretches)
        self.seek_picture.set_stretches(stretches)
        if not self.moments:
            shots = {stretch.shot: stretch.start for stretch in reversed(stretches)}
            self._starts = sorted(shots.values())

    def set_moments(self, moments: Sequence[Moment]) -> None:
        """Set the moments found in this video. Without any, the commands step from shot to shot."""
        self.moments = sorted(moments, key=lambda moment: moment.start)
        self.seek_bar.set_moments(self.moments)
        if self.moments:
            self._starts = [moment.start for moment in self.moments]

    def show_trouble(self, words: str) -> None:
        """Show, in place of the picture, why there is none."""
        self._trouble.setText(words)
        self.word.hide()
        self._stage.setCurrentIndex(1)
        self._offer(False)
        self._elsewhere.setFocus()

    @property
    def trouble(self) -> str:
        """The text in place of the picture, '' if the picture is shown."""
        return self._trouble.text() if self._stage.currentIndex() == 1 else ""

    def passage(self) -> Passage:
        """Return the marked range; without marks the shown moment, or else the shown shot."""
        start, end = self.marks
        playback = self._player()
        if start is None and end is None:
            return Passage(self._path, *self._around(playback.position))
        return Passage(self._path, start or 0.0, playback.duration if end is None else end)

    def _around(self, time: float) -> tuple[float, float]:
        for moment in self.moments:
            if moment.start <= time < moment.end:
                return moment.start, moment.end
        bounds = [0.0, *self._starts, self._player().duration]
        start = max(bound for bound in bounds if bound <= time)
        return start, min((bound for bound in bounds if bound > time), default=bounds[-1])

    def _offer(self, there: bool) -> None:
        """Enable the commands whose picture or library data is available."""
        always = ("player_back", "full_screen", "player_elsewhere", "mute", "louder", "softer")
        for id, action in self.actions_by_command.items():
            known = id not in ("player_favourite", "player_tags") or self._file is not None
            action.setEnabled(id in always or (there and known))
        self.seek_bar.setEnabled(there)

    def _tell_inexact(self) -> None:
        self.word.say(
            self.tr("This file has no seek index: moments are shown approximately, not to the frame."),
            self.tr("Open in another program"),
            self._open_elsewhere,
        )

    # --- signals of the player --------------------------------------------------------------------------------

    def _on_opened(self) -> None:
        playback = self._player()
        self.seek_bar.set_duration(playback.duration)
        self._offer(True)
        self._set_sound(self._volume, self._muted)

    def _on_frame(self, frame: QVideoFrame) -> None:
        playback = self._player()
        self.surface.show_frame(frame)
        self.seek_bar.set_time(playback.position)
        self.controls.show_time(playback.position, playback.duration, playback.frame_length)

    def _on_speed(self) -> None:
        speed = self._player().speed
        self.controls.set_playing(speed)
        self.surface.smooth = not speed
        self.surface.update()
        self._on_pointer()

    def _point(self, time: float, x: int) -> None:
        self.seek_picture.show_at(time, self.seek_bar.mapTo(self, QPoint(x, -SPACE // 2)))

    # --- commands ---------------------------------------------------------------------------------------------

    def _back(self) -> None:
        if self.is_full_screen:
            self.set_full_screen(False)
        else:
            self.left.emit()

    def _go_to_moment(self, direction: int) -> None:
        playback = self._player()
        here = playback.position
        if direction > 0:
            later = [start for start in self._starts if start > here + playback.frame_length / 2]
            target = later[0] if later else None
        else:
            grace = SHORTEST if playback.playing else playback.frame_length / 2
            earlier = [start for start in self._starts if start < here - grace]
            target = earlier[-1] if earlier else 0.0
        if target is not None:
            playback.seek(target, at_start=True)

    def _mark_start(self) -> None:
        here, end = self._player().position, self.marks[1]
        self._set_marks(here, end if end is not None and end > here else None)

    def _mark_end(self) -> None:
        # The shown frame belongs to the range.
        here, start = self._player().position + self._player().frame_length, self.marks[0]
        self._set_marks(start if start is not None and start < here else None, here)

    def _set_marks(self, start: float | None, end: float | None) -> None:
        self.marks = start, end
        self.seek_bar.set_marks(start, end)
        self.controls.show_marks(start, end)
        if self.playback is not None and self.playback.loop is not None:
            self._set_loop(True)

    def _set_loop(self, on: bool) -> None:
        playback = self._player()
        passage = self.passage()
        playback.loop = (passage.start, passage.end) if on else None

    def _set_sound(self, volume: float, muted: bool) -> None:
        self._volume, self._muted = min(max(volume, 0.0), 1.0), muted
        playback = self._player()
        playback.set_sound(self._volume, muted)
        self.controls.show_sound(playback.has_sound, self._volume, muted)

    def _favour(self, on: bool) -> None:
        if self._file is not None:
            self.favourite_wanted.emit(self._file, on)

    def _tag(self) -> None:
        if self._file is not None:
            self.tags_wanted.emit(self._file)

    def _open_elsewhere(self) -> None:
        if self.playback is not None:
            self.playback.pause()
        self.external_wanted.emit(self._path)

    # --- full screen ------------------------------------------------------------------------------------------

    @property
    def is_full_screen(self) -> bool:
        return self._home is not None

    def set_full_screen(self, on: bool) -> None:
        """Fill the screen, or return to the stack of pages."""
        if on == self.is_full_screen:
            return
        self._moving = True
        if on:
            stack = self.parentWidget()
            assert isinstance(stack, QStackedWidget)
            self._home = stack
            self.setParent(None, Qt.WindowType.Window)
            self.setWindowTitle(self._name.text())
            self.showFullScreen()
        else:
            stack, self._home = self._home, None
            assert stack is not None
            stack.addWidget(self)  # takes it as a child again
            stack.setCurrentWidget(self)
            stack.window().activateWindow()
        self._moving = False
        self.actions_by_command["full_screen"].setChecked(on)
        self.surface.setFocus()
        self._on_pointer()

    def _on_pointer(self) -> None:
        self._show_controls()
        if self.is_full_screen and self.playback is not None and self.playback.playing:
            self._quiet.start()

    def _show_controls(self) -> None:
        self._quiet.stop()
        self._head.show()
        self._foot.show()
        self.surface.unsetCursor()

    def _hide_controls(self) -> None:
        if self._foot.underMouse() or self._head.underMouse():
            return
        self._head.hide()
        self._foot.hide()
        self.seek_picture.hide()
        self.surface.setCursor(Qt.CursorShape.BlankCursor)

    def closeEvent(self, event: QCloseEvent) -> None:
        event.ignore()
        self.set_full_screen(False)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._about.setVisible(event.size().width() >= ROOMY)
        super().resizeEvent(event)

    def hideEvent(self, event: QHideEvent) -> None:
        self.seek_picture.hide()
        if not event.spontaneous() and not self._moving and self.playback is not None:
            self.playback.pause()  # a window closed to the tray keeps indexing, but not playing
        super().hideEvent(event)
