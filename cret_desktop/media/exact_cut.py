"""Cuts a frame-accurate passage out of a video by decoding and re-encoding it: H.264 (or HEVC) in MP4.

The clip holds every picture that is on the screen at some time between the marks, at its own time: variable rates are
preserved. Size, pixel aspect ratio, rotation, colours and, if the encoder supports it, the pixel format are the
source's (an odd size loses a line, which 4:2:0 cannot have). HDR is preserved as 10-bit HEVC with its transfer and
primaries. Sound is cut to the sample: AAC if the source is already lossy, else ALAC. This module never touches the
source and never overwrites a file.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.codec.context import Flags
from av.container import OutputContainer
from av.stream import Stream
from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream
from numpy.typing import NDArray

from cret_desktop.errors import BadFile, ExportError
from cret_desktop.media.cutter import (
    TRAILING_SECONDS,
    Cut,
    CutClip,
    CutSource,
    Tick,
    closing,
    open_cut,
    packets_from_keyframe,
    writing,
)
from cret_desktop.media.probe import decode_packet
from cret_desktop.messages import Message

_H264, _HEVC = "libx264", "libx265"
_QUALITY = {
    _H264: {"crf": "16", "preset": "fast"},
    _HEVC: {"crf": "16", "preset": "fast", "x265-params": "log-level=none"},
}
_HDR_TRANSFERS = (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)
_LOSSLESS_SOUND = ("pcm_", "flac", "alac", "wavpack", "tta", "ape", "truehd", "mlp")
_AAC_BITS_PER_CHANNEL = 128_000  # per second
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
_MOST_CHANNELS = 8
# A picture that lasts longer than this many frames (as in a screen recording) is itself cut at the marks.
_LONG_PICTURE = 1.5
_GAP_SECONDS = 0.005  # a smaller gap in the sound is a rounding error of a container's clock


def cut_exactly(cut: Cut, folder: Path, tick: Tick) -> CutClip:
    """Write the clip into `folder` (an empty one). Raises: BadFile, ExportError."""
    with open_cut(cut, ("audio",)) as (source, streams):
        path = folder / "clip.mp4"
        with writing(folder):
            container = av.open(str(path), "w", format="mp4")
            with closing(container):
                recording = _Recording(source, streams, container)
                recording.run(tick)
        return CutClip(path, recording.start, tuple(recording.notes))


class _Recording:
    """Decodes from the keyframe on and encodes the part that belongs to the clip.

    A picture is `_pending` until the next one determines its duration. Sound is `_held` until the first picture
    determines the clip's start, and near its end until the last one determines the clip's end.
    """

    def __init__(self, source: CutSource, streams: list[Stream], container: OutputContainer) -> None:
        self._source = source
        self._streams = streams
        self._container = container
        self._pending: av.VideoFrame | None = None
        self._held: list[tuple[Stream, av.AudioFrame]] = []
        self._clock = _Clock()
        self._film: _Film | None = None
        self._sounds: dict[int, _Sound] = {}
        self._ended = False
        self.start = source.start
        self.notes: list[Message] = []
        source.video.stream.thread_type = "AUTO"

    def run(self, tick: Tick) -> None:
        """Write the whole clip. Raises: BadFile if no picture between the marks can be decoded."""
        picture = self._source.video.stream
        for packet in packets_from_keyframe(self._source, self._streams, tick):
            time = self._source.time(packet)
            tick(self._source.progress(time))
            if packet.stream is not picture:
                self._take_sounds(packet.stream, _decode_sound(packet))
            elif not self._ended:
                self._take_pictures(decode_packet(self._source.video, packet))
            elif time > self._source.end + TRAILING_SECONDS:
                break  # sound that ended before the pictures is not waited for
            if self._ended and all(sound.full for sound in self._sounds.values()):
                break
        if not self._ended:
            self._take_pictures(decode_packet(self._source.video, None))
            self._end_with_file()
        for sound in self._sounds.values():
            sound.finish()
        if self._film is not None:
            self._film.finish()

    def _take_pictures(self, frames: list[av.VideoFrame]) -> None:
        for frame in frames:
            frame.pts = self._clock.timestamp(frame)
            if frame.pts is None or self._ended or (self._pending and frame.pts <= (self._pending.pts or 0)):
                continue
            time = self._source.video.seconds(frame.pts)
            if self._pending is not None and time > self._source.start + self._source.slack:
                self._record(self._pending, frame.pts)
            if time >= self._source.end - self._source.slack:
                self._end(time)
            else:
                self._pending = frame

    def _end_with_file(self) -> None:
        if self._pending is None:
            raise BadFile("export.no-frame-there")
        pts = self._pending.pts or 0
        length = self._pending.duration or round(self._source.frame_seconds / self._source.video.time_base)
        self._record(self._pending, pts + length)
        self._end(self._source.video.seconds(pts + length))

    def _record(self, frame: av.VideoFrame, until: int) -> None:
        """Write one picture, shown until that timestamp; the first one opens the clip."""
        assert frame.pts is not None
        if self._film is None:
            shown = self._source.video.seconds(frame.pts)
            self.start = self._source.start if self._is_long(self._source.start - shown) else shown
            self._open(frame)
        assert self._film is not None
        if self._is_long(self._source.video.seconds(until) - self._source.end):
            until = self._timestamp(self._source.end)
        self._film.write(frame, until)

    def _end(self, time: float) -> None:
        self._ended = True
        if self._film is None:
            raise BadFile("export.no-frame-there")
        end = self._source.end if self._is_long(time - self._source.end) else time
        for sound in self._sounds.values():
            sound.set_end(end)
        self._write_held()

    def _open(self, frame: av.VideoFrame) -> None:
        self._film = _Film(self._source, frame, self._timestamp(self.start), self._container, self.notes)
        self._film.stream.metadata.update(self._source.timecode_metadata(self.start))
        for stream in self._streams:
            if isinstance(stream, AudioStream):
                self._sounds[stream.index] = _Sound(stream, self.start, self._container)
        self._write_held()

    def _take_sounds(self, stream: Stream, frames: list[av.AudioFrame]) -> None:
        earliest = self._source.start - _LONG_PICTURE * self._source.frame_seconds
        self._held += [(stream, frame) for frame in frames if self._sound_time(frame, at_end=True) > earliest]
        if self._film is not None:
            self._write_held()

    def _write_held(self) -> None:
        late: list[tuple[Stream, av.AudioFrame]] = []
        for stream, frame in self._held:
            if self._ended or self._sound_time(frame, at_end=True) <= self._source.end:
                self._sounds[stream.index].write(frame, self._sound_time(frame))
            else:
                late.append((stream, frame))
        self._held = late

    def _sound_time(self, frame: av.AudioFrame, at_end: bool = False) -> float:
        time = float((frame.pts or 0) * (frame.time_base or Fraction(1, frame.sample_rate))) - self._source.video.start
        return time + frame.samples / frame.sample_rate if at_end else time

    def _is_long(self, seconds: float) -> bool:
        return seconds > _LONG_PICTURE * self._source.frame_seconds

    def _timestamp(self, seconds: float) -> int:
        return round((seconds + self._source.video.start) / self._source.video.time_base)


class _Clock:
    """Chooses the more reliable of a picture's two timestamps: in some files the presentation times are decoding times.

    Pictures leave the decoder in the order of presentation, so the kind that goes backwards more often is the wrong one
    (FFmpeg's `guess_correct_pts`).
    """

    def __init__(self) -> None:
        self._faults = [0, 0]  # of presentation times, of decoding times
        self._last: list[int | None] = [None, None]

    def timestamp(self, frame: av.VideoFrame) -> int | None:
        times = (frame.pts, frame.dts)
        for kind, time in enumerate(times):
            last = self._last[kind]
            if time is not None:
                self._faults[kind] += last is not None and time <= last
                self._last[kind] = time
        presented, decoded = times
        if decoded is None or (presented is not None and self._faults[0] <= self._faults[1]):
            return presented
        return decoded


class _Film:
    """The video track of the clip; `zero` is its start as a timestamp in the source."""

    def __init__(
        self, source: CutSource, frame: av.VideoFrame, zero: int, container: OutputContainer, notes: list[Message]
    ) -> None:
        self._container = container
        self._zero = zero
        self._time_base = source.video.time_base
        encoder = _encoder(frame, notes)
        self._format = _pixel_format(frame.format, encoder)
        even = not self._format.startswith(("yuv444", "yuvj444", "gray"))
        self._size = (frame.width & ~1, frame.height & ~1) if even else (frame.width, frame.height)
        stream = container.add_stream(encoder, rate=source.facts.rate, options=dict(_QUALITY[encoder]))
        self.stream = cast(VideoStream, stream)
        self.stream.width, self.stream.height = self._size
        self.stream.pix_fmt = self._format
        self.stream.time_base = self._time_base
        context: Any = self.stream.codec_context
        context.time_base = self._time_base
        context.flags |= Flags.frame_duration
        context.thread_type = "AUTO"
        if aspect := source.video.stream.sample_aspect_ratio or source.video.stream.codec_context.sample_aspect_ratio:
            context.sample_aspect_ratio = aspect
        self._was_rgb = frame.format.is_rgb
        context.colorspace = Colorspace.ITU709 if self._was_rgb else frame.colorspace
        context.color_range = ColorRange.MPEG if self._was_rgb else frame.color_range
        context.color_primaries, context.color_trc = frame.color_primaries, frame.color_trc
        if encoder == _HEVC:
            context.codec_tag = "hvc1"  # required by Apple's players
        if matrix := _display_matrix(frame):
            self.stream.set_display_matrix(matrix)

    def write(self, frame: av.VideoFrame, until: int) -> None:
        assert frame.pts is not None
        pts = max(0, frame.pts - self._zero)
        if (frame.format.name, (frame.width, frame.height)) != (self._format, self._size):
            width, height = self._size
            how: dict[str, Any] = {"width": width, "height": height, "format": self._format}
            if self._was_rgb:
                how |= {"dst_colorspace": Colorspace.ITU709, "dst_color_range": ColorRange.MPEG}
            frame = frame.reformat(**how)
        frame.pts, frame.time_base, frame.duration = pts, self._time_base, max(1, until - self._zero - pts)
        frame.pict_type = PictureType.NONE  # otherwise the encoder repeats the source's choice
        self._container.mux(self.stream.encode(frame))

    def finish(self) -> None:
        self._container.mux(self.stream.encode(None))


class _Sound:
    """One sound track, with sample 0 at the start of the clip. Gaps are filled with silence, to keep sound in sync."""

    def __init__(self, source: AudioStream, start: float, container: OutputContainer) -> None:
        self._container = container
        self._start = start
        self._end: int | None = None
        self._next: int | None = None  # the next sample; below 0 before the clip begins
        lossless = source.codec_context.name.startswith(_LOSSLESS_SOUND)
        channels = min(source.codec_context.channels, _MOST_CHANNELS)
        layout = source.layout.name if source.layout.name in _LAYOUTS.values() else _LAYOUTS[max(1, channels)]
        self._rate = source.codec_context.sample_rate
        if not lossless and self._rate not in _AAC_RATES:
            self._rate = 48000
        self._target = container.add_stream("alac" if lossless else "aac", rate=self._rate)
        self._target.layout = layout
        if lossless:
            deep = source.codec_context.format.bits > 16
            self._target.format = "s32p" if deep else "s16p"
        else:
            self._target.bit_rate = _AAC_BITS_PER_CHANNEL * channels
        if language := source.metadata.get("language"):
            self._target.metadata["language"] = language
        self._layout, self._format = layout, self._target.format.name
        self._resampler = av.AudioResampler(format=self._format, layout=layout, rate=self._rate)

    @property
    def full(self) -> bool:
        """Whether all sound of the clip has been written."""
        return self._end is not None and self._next is not None and self._next >= self._end

    def set_end(self, time: float) -> None:
        self._end = round((time - self._start) * self._rate)

    def write(self, frame: av.AudioFrame, time: float) -> None:
        at = round((time - self._start) * self._rate)
        if self._next is None:
            self._next = min(at, 0)
        gap = at - self._next
        frame.pts = None  # times are tracked here, because a resampler would close the gaps
        samples = [part.to_ndarray() for part in self._resampler.resample(frame)]
        if not samples:
            return
        track = np.concatenate(samples, axis=1)
        if gap > _GAP_SECONDS * self._rate:
            self._encode(np.zeros((track.shape[0], gap), track.dtype))
        elif gap < -_GAP_SECONDS * self._rate:
            track = track[:, -gap:]
        self._encode(track)

    def _encode(self, track: NDArray[Any]) -> None:
        """Encode [channels, samples] from `_next` on; samples outside the clip are dropped."""
        assert self._next is not None
        first, after = max(0, -self._next), track.shape[1]
        if self._end is not None:
            after = min(after, self._end - self._next)
        position, self._next = self._next + first, self._next + track.shape[1]
        if after > first:
            kept = np.ascontiguousarray(track[:, first:after])
            frame = av.AudioFrame.from_ndarray(kept, format=self._format, layout=self._layout)
            frame.sample_rate, frame.pts, frame.time_base = self._rate, position, Fraction(1, self._rate)
            self._container.mux(self._target.encode(frame))

    def finish(self) -> None:
        self._container.mux(self._target.encode(None))


def _decode_sound(packet: av.Packet[AudioStream]) -> list[av.AudioFrame]:
    """Return the decoded sound, none for a damaged packet."""
    try:
        return [frame for frame in packet.decode() if frame.pts is not None]
    except av.FFmpegError:
        return []


def _encoder(frame: av.VideoFrame, notes: list[Message]) -> str:
    """Return the name of the encoder. Raises: ExportError if there is none."""
    if frame.color_trc in _HDR_TRANSFERS:
        if _has_encoder(_HEVC):
            return _HEVC
        notes.append(Message("export.hdr"))
    if not _has_encoder(_H264):
        raise ExportError("export.no-h264")
    return _H264


def _has_encoder(name: str) -> bool:
    try:
        av.Codec(name, "w")
    except ValueError:
        return False
    return True


def _pixel_format(source: av.VideoFormat, encoder: str) -> str:
    """Return the source's pixel format, else the encoder's nearest in depth and chroma."""
    known = {known.name for known in av.Codec(encoder, "w").video_formats or ()}
    if source.name in known and encoder == _H264:
        return source.name
    depth = "10le" if source.components[0].bits > 8 or encoder == _HEVC else ""
    if len(source.components) < 3 and not source.has_palette:
        return f"gray{depth}"
    side = 64  # any even number: only its ratio to the chroma size counts
    if source.is_rgb or source.has_palette or source.chroma_width(side) == side:
        return f"yuv444p{depth}"
    return f"yuv422p{depth}" if source.chroma_height(side) == side else f"yuv420p{depth}"


def _display_matrix(frame: av.VideoFrame) -> list[int] | None:
    try:
        matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # as in `thumbnails.Orientation`: PyAV does not know a kind of side data
        return None
    return np.frombuffer(bytes(matrix), np.int32).tolist() if matrix is not None else None
