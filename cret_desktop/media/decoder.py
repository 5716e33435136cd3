"""Decodes one video file into clips: only keyframes where they are dense enough, every frame where they are not.

Decoding only keyframes costs a tenth of decoding all (measured in `tests/benchmarks/decoding.py`), so packets are taken
in *spans*, from one keyframe to the next. A span of at most 2.5 s is represented by its keyframe; it is decoded fully
only if its packets or its two ends suggest a hidden cut. Longer groups of pictures are always decoded fully, in one
*run* from end to end. Memory is bounded whatever the length: 2.5 s of packets and the pictures of `ClipSampler`.

Times are presentation times on the player's clock. This module runs in the decoders' processes; it never raises for a
bad file, its last event reports it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import av
import numpy as np
from av.video.stream import VideoStream

from cret_desktop.domain.clips import (
    USUAL_SAMPLING,
    ClipDecoded,
    DecodedClip,
    DecodeEvent,
    FileDecoded,
    FileFailed,
    FileOpened,
    FrameFormat,
    Sampling,
    VideoFile,
)
from cret_desktop.errors import BadFile
from cret_desktop.foreign import reason_of
from cret_desktop.media.frame_sampler import ClipSampler, SampledClip
from cret_desktop.media.probe import OpenVideo, Source, decode_packet, open_video, probe, read_packets
from cret_desktop.media.scan import video_file
from cret_desktop.media.shots import LOOKAHEAD, ShotDetector, suspicious
from cret_desktop.media.thumbnails import Orientation, Picture, Pictures, draw_sprite, fit_frame
from cret_desktop.messages import Message

MAX_KEYFRAME_SPACING = 2.5  # seconds; longer spans are decoded fully
MIN_KEYFRAME_SPACING = 0.5  # seconds; denser keyframes (all-intra video) are skipped
_MAX_HELD_BYTES = 256 << 20  # of packets in one span; 2.5 s at 800 Mbit/s
_MOST_READ = 8  # times its own size, and _MAX_HELD_BYTES: bounds a file that lists the same bytes repeatedly
_PARTIAL_SLACK = 0.5  # seconds by which a complete video may end early
_PARTIAL_SHARE = 0.01  # of the duration, in addition
Packet: TypeAlias = "av.Packet[VideoStream]"


def decode_file(
    file: VideoFile,
    frame_format: FrameFormat,
    on_progress: Callable[[], None] = lambda: None,
    sampling: Sampling = USUAL_SAMPLING,
    source: Source | None = None,
) -> Iterator[DecodeEvent]:
    """Yield FileOpened, ClipDecoded in the order of time, then FileDecoded; or FileFailed at any point.

    `on_progress` is called for every packet and frame, which shows that the decoder is alive. The file is read from
    `source` if given, else opened by its path.
    """
    try:
        with open_video(source or Source(file.path)) as video:
            yield from _FileDecoder(file, video, frame_format, on_progress, sampling).events()
    except BadFile as error:
        yield FileFailed(file, error.message)
    except MemoryError:
        yield FileFailed(file, Message("file.memory"))
    except av.FFmpegError as error:
        yield FileFailed(file, Message("file.frames-unreadable", reason=reason_of(error)))


def probe_file(file: VideoFile, source: Source | None = None) -> Iterator[DecodeEvent]:
    """Yield FileOpened, then FileDecoded without a clip; or FileFailed."""
    try:
        yield FileOpened(file, probe(source or Source(file.path)))
        yield FileDecoded(file, None, 0)
    except BadFile as error:
        yield FileFailed(file, error.message)
    except (MemoryError, av.FFmpegError) as error:
        yield FileFailed(file, Message("file.frames-unreadable", reason=reason_of(error)))


class _FileDecoder:
    """The state of decoding one file.

    `_held` is the current span, its keyframe first; `_opening` is that keyframe's picture if it was decoded separately.
    `_run` is set while the decoder has been fed everything up to `_held`; `_ended` is a run that ended at `_held`'s
    keyframe and whose last frames have not been checked for cuts yet.
    """

    def __init__(
        self,
        file: VideoFile,
        video: OpenVideo,
        frame_format: FrameFormat,
        on_progress: Callable[[], None],
        sampling: Sampling,
    ) -> None:
        self._file = file
        self._video = video
        self._frame_format = frame_format
        self._on_progress = on_progress
        self._tile_width = sampling.tile_width
        self._sampler = ClipSampler[Picture](frame_format.frames, sampling.clip_seconds)
        self._pictures: Pictures | None = None
        self._held: list[Packet] = []
        self._held_bytes = 0
        self._opening: av.VideoFrame | None = None
        self._run: _Run | None = None
        self._ended: _Run | None = None
        self._ready: list[DecodeEvent] = []
        self._end = 0.0
        self._frames_decoded = 0
        self._broken_off = False

    def events(self) -> Iterator[DecodeEvent]:
        for packet in self._packets():
            self._on_progress()
            self._take(packet)
            yield from self._give()
        self._close_tail()
        if self._pictures is None:
            raise BadFile("file.no-frame")
        self._emit(self._sampler.finish(self._end))
        if _changed(self._file):
            raise BadFile("file.changed")
        yield from self._give()
        yield FileDecoded(self._file, self._partial(), self._frames_decoded)

    def _packets(self) -> Iterator[Packet]:
        left = _MOST_READ * self._file.size + _MAX_HELD_BYTES
        try:
            for packet in read_packets(self._video.container, [self._video.stream]):
                left -= packet.size
                if left < 0:
                    self._broken_off = True
                    return
                if packet.size:  # the demuxer's last packet is empty, to drain the decoder
                    yield packet
        except av.MemoryError:
            raise
        except av.FFmpegError:
            self._broken_off = True  # the container is damaged from here on

    def _give(self) -> Iterator[DecodeEvent]:
        ready, self._ready = self._ready, []
        yield from ready

    # Packets -> spans -> keyframes or runs

    def _take(self, packet: Packet) -> None:
        time = self._packet_time(packet)
        if time is not None:
            self._end = max(self._end, time + self._packet_seconds(packet))
        if packet.is_keyframe and self._held and self._closes_span(packet):
            return
        if self._run is not None and not self._held and not packet.is_keyframe:
            self._feed(packet)
            return
        self._held.append(packet)
        self._held_bytes += packet.size
        if self._held_seconds() > MAX_KEYFRAME_SPACING or self._held_bytes > _MAX_HELD_BYTES:
            self._decode_held()

    def _closes_span(self, packet: Packet) -> bool:
        """Return whether the keyframe in `packet` ended the held span, and begins the next one."""
        if self._held_seconds(packet) < MIN_KEYFRAME_SPACING:
            return False
        if self._run is not None:
            self._end_run_at_held()
        elif self._opening is None:
            self._opening = self._decode_keyframe(self._held[0])
        closing = self._decode_keyframe(packet)
        if closing is None or self._opening is None:
            # Not decodable on its own: let the span grow until it is decoded fully.
            return False
        if self._looks_cut(self._opening, closing):
            self._decode_held()
            self._finish_run(closing)
        else:
            self._settle_ended()
            self._sample(self._opening)
            self._emit(self._sampler.settle(self._time(closing)))
            self._hold_nothing()
        self._held, self._held_bytes, self._opening = [packet], packet.size, closing
        return True

    def _looks_cut(self, opening: av.VideoFrame, closing: av.VideoFrame) -> bool:
        pictures = self._pictures_for(opening)
        return suspicious(
            [packet.size for packet in self._held],
            [packet.is_keyframe for packet in self._held],
            pictures.thumb(opening),
            pictures.thumb(closing),
        )

    def _decode_held(self) -> None:
        """Feed the held packets to the run, or to a new one. The run stays open."""
        if self._run is None:
            self._video.stream.codec_context.flush_buffers()
            # Continue a run that ended at the held keyframe: only later frames distinguish a flash from a cut.
            self._run, self._ended = self._ended or _Run(self._packet_time(self._held[0])), None
        for packet in self._held:
            self._feed(packet)
        self._hold_nothing()

    def _end_run_at_held(self) -> None:
        """End the run with the held keyframe and the pictures shown before it that depend on the run."""
        first = self._held[0]
        self._feed(first)
        for packet in self._held[1:]:
            if packet.pts is None or first.pts is None or packet.pts > first.pts:
                break
            self._feed(packet)
        self._finish_run(None)

    def _finish_run(self, following: av.VideoFrame | None) -> None:
        """Drain the decoder; `following` is the picture after the run if the run did not decode it itself."""
        run = self._run
        assert run is not None
        self._see(decode_packet(self._video, None))
        if following is not None and self._time(following) > run.last_time:
            self._sample(following)
            self._find_cuts(run, following)
        else:
            self._opening = run.last
        self._video.stream.codec_context.flush_buffers()
        self._run, self._ended = None, run

    def _settle_ended(self) -> None:
        """Check the last frames of the ended run on their own: no later frames will be decoded."""
        if self._ended is None:
            return
        for cut in self._ended.detector.finish():
            self._emit(self._sampler.cut(cut))
        self._emit(self._sampler.settle(self._ended.last_time))
        self._ended = None

    def _close_tail(self) -> None:
        if self._held or self._run is not None:
            self._decode_held()
            self._finish_run(None)
        self._settle_ended()

    def _hold_nothing(self) -> None:
        self._held, self._held_bytes, self._opening = [], 0, None

    # Packets -> frames

    def _decode_keyframe(self, packet: Packet) -> av.VideoFrame | None:
        # `skip_frame = NONKEY` is broken for HEVC in FFmpeg 7.1 and later and ignored by VP9; draining the decoder
        # after each keyframe works for every codec.
        context = self._video.stream.codec_context
        context.flush_buffers()
        frames = decode_packet(self._video, packet) + decode_packet(self._video, None)
        context.flush_buffers()
        self._on_progress()
        self._frames_decoded += len(frames)
        return frames[0] if frames and frames[0].pts is not None else None

    def _feed(self, packet: Packet) -> None:
        self._see(decode_packet(self._video, packet))

    def _see(self, frames: Sequence[av.VideoFrame]) -> None:
        """Process frames of a run, in the order of presentation."""
        run = self._run
        assert run is not None
        for frame in frames:
            self._on_progress()
            self._frames_decoded += 1
            # Pictures shown before the run's keyframe lack their references; and time never runs backwards.
            if frame.pts is None or self._time(frame) <= run.last_time:
                continue
            self._sample(frame)
            self._find_cuts(run, frame)

    def _find_cuts(self, run: _Run, frame: av.VideoFrame) -> None:
        time = self._time(frame)
        for cut in run.detector.push(time, self._pictures_for(frame).thumb(frame)):
            self._emit(self._sampler.cut(cut))
        run.last, run.last_time = frame, time
        run.recent = [*run.recent[-LOOKAHEAD:], time]
        self._emit(self._sampler.settle(run.recent[0]))

    # Frames -> clips

    def _sample(self, frame: av.VideoFrame) -> None:
        time = self._time(frame)
        pictures = self._pictures_for(frame)
        if self._sampler.wants(time):
            self._sampler.add(time, pictures.picture(frame))

    def _emit(self, clips: Sequence[SampledClip[Picture]]) -> None:
        for clip in clips:
            frames = np.stack([fit_frame(picture, self._frame_format) for picture in clip.pictures])
            sprite = draw_sprite(clip.pictures, clip.times, self._tile_width)
            decoded = DecodedClip(clip.ordinal, clip.shot, clip.start, clip.end, clip.times, frames, sprite)
            self._ready.append(ClipDecoded(self._file, decoded))

    def _pictures_for(self, frame: av.VideoFrame) -> Pictures:
        """Return the scalers, created from the first frame: only a decoded frame has the orientation."""
        if self._pictures is None:
            orientation = Orientation.of(frame)
            shown = self._video.shown_size(orientation)
            self._pictures = Pictures(shown, orientation, self._frame_format)
            self._ready.append(FileOpened(self._file, self._video.info(orientation)))
        return self._pictures

    # Times

    def _time(self, frame: av.VideoFrame) -> float:
        assert frame.pts is not None  # frames without a time are dropped after decoding
        return self._video.seconds(frame.pts)

    def _packet_time(self, packet: Packet) -> float | None:
        timestamp = packet.pts if packet.pts is not None else packet.dts
        return None if timestamp is None else self._video.seconds(timestamp)

    def _packet_seconds(self, packet: Packet) -> float:
        if packet.duration and packet.time_base:
            return float(packet.duration * packet.time_base)
        return 1 / self._video.frame_rate if self._video.frame_rate else 0.0

    def _held_seconds(self, until: Packet | None = None) -> float:
        first, last = self._packet_time(self._held[0]), self._packet_time(until or self._held[-1])
        return last - first if first is not None and last is not None else 0.0

    def _partial(self) -> Message | None:
        missing = self._video.duration - self._end
        if self._broken_off or missing > _PARTIAL_SLACK + _PARTIAL_SHARE * self._video.duration:
            return Message("file.damaged", seconds=self._end)
        return None


class _Run:
    """Frames decoded consecutively without a gap, from the keyframe at `start` on."""

    def __init__(self, start: float | None) -> None:
        self.detector = ShotDetector()
        self.last: av.VideoFrame | None = None
        self.last_time = -math.inf if start is None else math.nextafter(start, -math.inf)
        self.recent: list[float] = []


def _changed(file: VideoFile) -> bool:
    try:
        now = video_file(file.path)
    except OSError:
        return True
    return (now.size, now.mtime_ns) != (file.size, file.mtime_ns)
