"""Playback of one video: opening, playing, frame-exact seeking, shuttling. The only module that loads QtMultimedia.

Import it when a video is first shown, not before: it loads FFmpeg. Times are seconds on the player's clock (`clips`);
Qt also counts from the container's start, so no offset is needed. This module never draws, and opens only the given
file.
"""

from __future__ import annotations

import os
import time
from math import inf

from PySide6.QtCore import QLoggingCategory, QObject, QTimer, QUrl, Signal
from PySide6.QtMultimedia import QAudioOutput, QMediaPlayer, QtAudio, QVideoFrame, QVideoSink

from cret_desktop.gui.appearance import formatting
from cret_desktop.gui.playing.frame_aim import FrameAim
from cret_desktop.gui.shell import other_programs

FASTEST = 8
LOUDEST_SPEED = 2  # faster than this, sound is noise
REWIND_MS = 40  # between two pictures in reverse
PATIENCE_MS = 4000  # until a seek that shows no picture is abandoned
USUAL_LENGTH = 0.04  # seconds per frame if the file does not specify it
Status = QMediaPlayer.MediaStatus


class Playback(QObject):
    """A player without widgets. `audible` ones play sound if the file and the machine have it.

    Attributes: `position`, the start of the shown frame; `duration`; `frame_length`, nominal seconds per frame;
    `speed`, signed, 0 while paused; `loop`, (start, end) to repeat, or None.

    Signals:
        opened()  the duration and the frame rate are known
        frame_changed(QVideoFrame)  another picture; `position` has its time
        inexact()  seeking in this file is only approximate; emitted once
        speed_changed()  played, paused, shuttled or reached the end
        failed(str)  a sentence; the file has been closed
    """

    opened = Signal()
    frame_changed = Signal(object)
    inexact = Signal()
    speed_changed = Signal()
    failed = Signal(str)

    def __init__(self, audible: bool, parent: QObject | None = None) -> None:
        super().__init__(parent)
        # The backend logs every missing library and every stream that it opens. Errors arrive as signals.
        QLoggingCategory.setFilterRules("qt.multimedia.*=false")
        self._player = QMediaPlayer(self)
        self._sink = QVideoSink(self)
        self._player.setVideoSink(self._sink)
        self._audible = audible
        self._output: QAudioOutput | None = None
        self._muted, self._volume = False, 1.0
        self._rewind = QTimer(self, interval=REWIND_MS)
        self._patience = QTimer(self, singleShot=True, interval=PATIENCE_MS)
        self._forget()
        self._connect_signals()

    def _forget(self) -> None:
        self._path = ""
        self._loaded = False
        self._aim: FrameAim | None = None
        self._next: tuple[float, bool] | None = None  # the newest seek, if one is still pending
        self._play_then = False
        self._at_end = False
        self._rewound = 0.0
        self._inexact = False
        self.position = 0.0
        self.duration = 0.0
        self.frame_length = USUAL_LENGTH
        self.speed = 0
        self.loop: tuple[float, float] | None = None

    def _connect_signals(self) -> None:
        self._sink.videoFrameChanged.connect(self._on_frame)
        self._player.mediaStatusChanged.connect(self._on_status)
        self._player.errorOccurred.connect(self._on_error)
        self._rewind.timeout.connect(self._rewind_on)
        self._patience.timeout.connect(self._give_up)

    # --- one file ---------------------------------------------------------------------------------------------

    def open(self, path: str, at: float, play: bool) -> None:
        """Show the frame that starts at `at`, then play or pause. `opened` or `failed` follows."""
        self.close()
        self._path = path
        self._next = (at, True)
        self._play_then = play
        self._player.setSource(other_programs.file_url(path))

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        self._rewind.stop()
        self._patience.stop()
        self._player.setSource(QUrl())  # first: the player emits signals until it is gone
        self._forget()

    @property
    def is_open(self) -> bool:
        return self._loaded

    @property
    def is_seeking(self) -> bool:
        """Whether a picture has been requested and has not arrived."""
        return self._aim is not None

    # --- playing ----------------------------------------------------------------------------------------------

    @property
    def playing(self) -> bool:
        return self.speed != 0

    def play(self, speed: int = 1) -> None:
        """Play at a speed of -8 to 8, but not 0. At the end, start again."""
        if not self._loaded:
            return
        if self._aim is not None:  # show the picture before playing, so that the moment itself is visible
            self._play_then = True
            return
        if self._at_end and speed > 0:
            self._at_end = False
            self._player.setPosition(round((self.loop[0] if self.loop else 0.0) * 1000))
        self._set_speed(speed)
        if speed > 0:
            self._player.setPlaybackRate(speed)
            self._player.play()
        else:  # the backend stops at negative rates: reverse playing is a series of seeks
            self._player.pause()
            self._rewound = time.monotonic()
            self._rewind.start()

    def pause(self) -> None:
        self._play_then = False
        if self.playing:
            self._set_speed(0)
            self._player.pause()

    def toggle(self) -> None:
        self.pause() if self.playing else self.play()

    def shuttle(self, direction: int) -> None:
        """Start in that direction (J: -1, L: 1); each further call doubles the speed, up to 8 times."""
        same = self.speed * direction > 0
        self.play(direction * min(abs(self.speed) * 2, FASTEST) if same else direction)

    @property
    def muted(self) -> bool:
        return self._muted

    def set_sound(self, volume: float, muted: bool) -> None:
        """Set the sound; `volume` in [0, 1] is perceived loudness, not amplitude."""
        self._volume, self._muted = min(max(volume, 0.0), 1.0), muted
        self._give_sound()

    @property
    def volume(self) -> float:
        return self._volume

    @property
    def has_sound(self) -> bool:
        return self._output is not None and self._player.hasAudio()

    # --- seeking ----------------------------------------------------------------------------------------------

    def seek(self, to: float, at_start: bool = False) -> None:
        """Show the frame current at `to`; `at_start` if a frame of the file is known to start there."""
        if not self._loaded:
            self._next = (to, at_start)
            return
        to = min(max(to, 0.0), self.duration)
        self._at_end = False
        if self.speed > 0:
            self._player.setPosition(FrameAim(to, self.frame_length, at_start).position)
        elif self._aim is not None:
            self._next = (to, at_start)  # one picture at a time; of the seeks in between only the newest counts
        else:
            self._take_aim(FrameAim(to, self.frame_length, at_start))

    def step(self, frames: int) -> None:
        """Pause and show the frame after (1) or before (-1) the shown one."""
        self.pause()
        if not self._loaded or self._aim is not None:
            return
        if frames < 0:
            self.seek(self.position - 2 * self.frame_length / 3 if self.position > 0 else 0.0)
        elif self.position + self.frame_length < self.duration:
            self._take_aim(FrameAim.after(self.position, self.frame_length))

    def _take_aim(self, aim: FrameAim) -> None:
        self._aim = aim
        self._patience.start()
        self._try_again(aim)

    def _try_again(self, aim: FrameAim) -> None:
        self._player.setPosition(aim.position)
        if self._player.playbackState() != QMediaPlayer.PlaybackState.PausedState:
            self._player.pause()

    def _settle(self) -> None:
        """Continue after a seek has shown its picture or was abandoned."""
        self._aim = None
        self._patience.stop()
        if self._next is not None:
            to, at_start = self._next
            self._next = None
            self.seek(to, at_start)
        elif self._play_then:
            self._play_then = False
            self.play()

    def _give_up(self) -> None:
        if not self._sink.videoFrame().isValid() and self.position == 0.0:
            self._fail(self.tr("no frame could be decoded"))
        else:
            self._settle()

    def _rewind_on(self) -> None:
        if self._aim is not None:
            return
        now = time.monotonic()
        to = self.position + self.speed * (now - self._rewound)
        self._rewound = now
        start = self.loop[0] if self.loop else 0.0
        if to <= start:
            self._set_speed(0)
            to = start
        self.seek(to)

    # --- signals of the player --------------------------------------------------------------------------------

    def _on_frame(self, frame: QVideoFrame) -> None:
        if not frame.isValid() or not self._loaded:
            return
        start = frame.startTime() / 1e6
        if frame.endTime() > frame.startTime():
            self.frame_length = (frame.endTime() - frame.startTime()) / 1e6
        if self._aim is not None and not self._aim.judge(start):
            self._try_again(self._aim)
        elif self.speed > 0 and self.loop is not None and start + self.frame_length / 2 >= self.loop[1]:
            self.seek(self.loop[0], at_start=True)
        else:
            self.position = start
            self.frame_changed.emit(frame)
            if self._aim is not None:
                if not self._inexact and self._aim.misses(start):
                    self._inexact = True
                    self.inexact.emit()
                self._settle()

    def _on_status(self, status: QMediaPlayer.MediaStatus) -> None:
        if status is Status.LoadedMedia and not self._loaded:
            self._on_loaded()
        elif status is Status.EndOfMedia and self._loaded:
            self._on_end()

    def _on_loaded(self) -> None:
        if not self._player.hasVideo():
            self._fail(self.tr("it has no video that can be decoded here"))
            return
        self._loaded = True
        self.duration = self._player.duration() / 1000
        rate = self._player.metaData().value(self._player.metaData().Key.VideoFrameRate)
        if rate:
            self.frame_length = 1 / rate
        if self._audible and self._player.hasAudio() and self._output is None:
            self._output = QAudioOutput(self)
            self._player.setAudioOutput(self._output)
        self._give_sound()
        self.opened.emit()
        to, at_start = self._next or (0.0, True)
        self._next = None
        self.seek(to, at_start)

    def _on_end(self) -> None:
        if self._aim is not None:  # a seek behind the last frame
            if self._aim.judge(inf):
                self._settle()
            else:
                self._try_again(self._aim)
            return
        if self.loop is not None and self.playing:
            self._player.setPosition(FrameAim(self.loop[0], self.frame_length, at_start=True).position)
            self._player.play()
            return
        self._at_end = True
        self._set_speed(0)

    def _on_error(self, _: QMediaPlayer.Error, text: str) -> None:
        self._fail(text)

    def _fail(self, reason: str) -> None:
        path = self._path
        if not path:
            return
        self.close()
        name = formatting.file_name(path)
        if os.path.exists(path):
            words = self.tr("\u201c{name}\u201d cannot be played here ({reason}). Try another program.")
        else:
            words = self.tr("\u201c{name}\u201d was not found. If it is on a drive, connect that drive.")
        self.failed.emit(words.format(name=name, reason=reason))

    def _set_speed(self, speed: int) -> None:
        if speed >= 0:
            self._rewind.stop()
        if speed != self.speed:
            self.speed = speed
            self._give_sound()
            self.speed_changed.emit()

    def _give_sound(self) -> None:
        if self._output is not None:
            scale = QtAudio.VolumeScale
            self._output.setMuted(self._muted or self.speed > LOUDEST_SPEED)
            self._output.setVolume(
                QtAudio.convertVolume(self._volume, scale.LogarithmicVolumeScale, scale.LinearVolumeScale)
            )
