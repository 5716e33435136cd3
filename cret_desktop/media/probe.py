"""Opens video files safely and reads their properties; every failure becomes one plain sentence.

Only regular files, only known video formats, only the `file` protocol: a playlist or a concat script with a video's
name opens nothing. This module never decodes more than the first picture and never trusts a header's numbers.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import av.container
import av.logging
import av.stream
import av.video.stream

from cret_desktop.domain.clips import VideoInfo
from cret_desktop.errors import BadFile
from cret_desktop.foreign import reason_of
from cret_desktop.media.thumbnails import Orientation
from cret_desktop.messages import Message

# FFmpeg's logging callback takes the GIL from decoder threads and has deadlocked.
av.logging.set_level(None)

MAX_PIXELS = 8192 * 5120  # 8K with room for odd shapes; one larger picture takes gigabytes
# Names of FFmpeg's demuxers. Those that open other files (hls, concat, image2 …) are excluded.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,asf,flv,ogg,mxf,gif"
_LONGEST = 30 * 86400.0  # seconds; a header that claims more is ignored
_MAX_SAMPLE_ASPECT = 8


@dataclass(frozen=True, slots=True)
class Source:
    """Where to read a file from: its path, or its descriptor if another process has opened it.

    `refusal`: why that process could not, as a part of a sentence.
    """

    path: str
    descriptor: int | None = None
    refusal: Message | None = None


@dataclass(frozen=True, slots=True)
class OpenVideo:
    """An opened file. `start` is the zero of the player's clock, `duration` the headers' claim."""

    container: av.container.InputContainer
    stream: av.video.stream.VideoStream
    time_base: Fraction
    start: float
    duration: float
    frame_rate: float

    def seconds(self, timestamp: int) -> float:
        """Return the player's time of a timestamp in the stream's own units."""
        return timestamp * self.time_base.numerator / self.time_base.denominator - self.start

    def info(self, orientation: Orientation) -> VideoInfo:
        width, height = self.shown_size(orientation)
        return VideoInfo(
            duration=self.duration,
            width=width,
            height=height,
            frame_rate=self.frame_rate,
            codec=self.stream.codec_context.codec.canonical_name,
            container=self.container.format.name,
        )

    def shown_size(self, orientation: Orientation) -> tuple[int, int]:
        """Return width and height in square pixels, as displayed."""
        context = self.stream.codec_context
        aspect = float(self.stream.sample_aspect_ratio or context.sample_aspect_ratio or 1)
        if not 1 / _MAX_SAMPLE_ASPECT <= aspect <= _MAX_SAMPLE_ASPECT:
            aspect = 1.0
        width, height = orientation.shown_size(context.width * aspect, context.height)
        return max(1, round(width)), max(1, round(height))


def missing_codecs() -> list[str]:
    """Return the common video codecs that the installed FFmpeg cannot decode."""
    wanted = ("h264", "hevc", "av1", "vp9", "vp8", "mpeg4", "mpeg2video", "mjpeg", "prores", "dnxhd", "wmv3", "gif")
    return [name for name in wanted if name not in av.codecs_available]


def probe(source: Source | str) -> VideoInfo:
    """Return the properties of a file from its headers and its first picture. Raises: BadFile."""
    with open_video(source) as video:
        for packet in read_packets(video.container, [video.stream]):
            for frame in decode_packet(video, packet):
                return video.info(Orientation.of(frame))
    raise BadFile("file.no-frame")


@contextmanager
def open_video(source: Source | str) -> Iterator[OpenVideo]:
    """Open the file's main video stream; the others are not even read. A `str` is a path. Raises: BadFile."""
    source = Source(source) if isinstance(source, str) else source
    _check_regular(source)
    if source.descriptor is None:
        name, protocol = source.path, {"protocol_whitelist": "file"}
    else:
        os.lseek(source.descriptor, 0, os.SEEK_SET)
        name, protocol = "fd:", {"protocol_whitelist": "fd", "fd": str(source.descriptor)}
    try:
        container = av.open(
            name,
            options={"max_pixels": str(MAX_PIXELS)},  # for FFmpeg's own first probe of the pictures
            container_options={"format_whitelist": _FORMATS, **protocol},
            metadata_errors="replace",
        )
    except (av.FFmpegError, OSError, ValueError, OverflowError) as error:
        raise _not_opened(source, error) from error
    with container:
        stream = _main_stream(container)
        for other in container.streams:
            if other is not stream:
                other.discard = av.stream.Discard.all
        duration = _duration(container, stream)
        time_base = stream.time_base or Fraction(1)  # `_main_stream` refuses a stream without one
        yield OpenVideo(container, stream, time_base, _start(container), duration, _frame_rate(stream))


def read_packets(
    container: av.container.InputContainer, streams: Sequence[av.stream.Stream]
) -> Iterator[av.Packet[Any]]:
    """Yield all packets of these streams; the last of each stream is empty, to drain its decoder.

    Raises: av.FFmpegError if the container is damaged.
    """
    try:
        yield from container.demux(*streams)
    except IndexError:
        return  # PyAV fails at the end of a file that has gained streams while it was read


def decode_packet(video: OpenVideo, packet: av.Packet[av.video.stream.VideoStream] | None) -> list[av.VideoFrame]:
    """Return the frames that the decoder has ready, none for a damaged packet. `None` drains the decoder.

    Raises: MemoryError.
    """
    try:
        return video.stream.codec_context.decode(packet)
    except av.MemoryError:
        raise
    except av.FFmpegError:
        return []


def _check_regular(source: Source) -> None:
    try:
        status = os.stat(source.path if source.descriptor is None else source.descriptor)
    except FileNotFoundError as error:
        raise BadFile("file.gone") from error
    except OSError as error:
        raise BadFile("file.not-opened", reason=reason_of(error)) from error
    if not stat.S_ISREG(status.st_mode):
        raise BadFile("file.not-regular")
    if status.st_size == 0:
        raise BadFile("file.empty")
    if source.refusal is not None:
        raise BadFile("file.not-opened", reason=source.refusal)


def _main_stream(container: av.container.InputContainer) -> av.video.stream.VideoStream:
    """Return the default, else largest, video stream; cover pictures are no video."""
    cover = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
    moving = [stream for stream in container.streams.video if not stream.disposition & cover]
    if not moving:
        raise BadFile("file.only-sound") if container.streams.audio else BadFile("file.no-video")
    readable = [stream for stream in moving if stream.codec_context is not None]
    if not readable:
        raise BadFile("file.no-decoder")
    stream = max(readable, key=lambda s: (bool(s.disposition & av.stream.Disposition.default), s.width * s.height))
    width, height = stream.width, stream.height
    if width * height > MAX_PIXELS:
        raise BadFile("file.too-large", width=width, height=height)
    if not stream.time_base:
        raise BadFile("file.bad-clock")
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    return stream


def _start(container: av.container.InputContainer) -> float:
    return (container.start_time or 0) / av.time_base


def _duration(container: av.container.InputContainer, stream: av.video.stream.VideoStream) -> float:
    """Return the seconds of video, by the most trustworthy claim; 0 if there is none."""
    candidates = []
    if container.format.name == "avi" and (rate := _frame_rate(stream)):
        # The length of an AVI without its index is derived from its size; its header still has the intended length.
        candidates.append(stream.frames / rate)
    if stream.duration and stream.time_base:
        candidates.append(float(stream.duration * stream.time_base))
    if tagged := _tagged_duration(stream.metadata):
        candidates.append(tagged - _start(container))
    if container.duration:
        candidates.append(container.duration / av.time_base)
    return next((seconds for seconds in candidates if 0.0 < seconds < _LONGEST), 0.0)


def _tagged_duration(metadata: dict[str, str]) -> float:
    """Return the length that Matroska's writers keep in a tag of each track, HH:MM:SS.nnn."""
    parts = next((value for key, value in metadata.items() if key.upper().startswith("DURATION")), "").split(":")
    try:
        hours, minutes, seconds = map(float, parts)
    except ValueError:
        return 0.0
    return hours * 3600 + minutes * 60 + seconds


def _frame_rate(stream: av.video.stream.VideoStream) -> float:
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    return rate if math.isfinite(rate) and 0.01 <= rate <= 1000 else 0.0


def _not_opened(source: Source, error: Exception) -> BadFile:
    if isinstance(error, MemoryError):
        return BadFile("file.memory")
    if isinstance(error, PermissionError):
        return BadFile("file.not-opened", reason=Message("os.permission-denied"))
    if isinstance(error, FileNotFoundError):
        return BadFile("file.gone")
    if _lacks_moov(source):
        return BadFile("file.no-index")
    return BadFile("file.not-a-video")


def _lacks_moov(source: Source) -> bool:
    """Return whether the file starts like an MP4 but has no index, by walking its top-level boxes."""
    try:
        opened = source.path if source.descriptor is None else os.dup(source.descriptor)
        with open(opened, "rb") as handle:
            size = os.fstat(handle.fileno()).st_size
            offset = 0
            while offset + 8 <= size:
                handle.seek(offset)
                header = handle.read(16)
                kind = header[4:8]
                if offset == 0 and kind not in (b"ftyp", b"mdat", b"wide", b"free", b"skip"):
                    return False
                if kind == b"moov":
                    return False
                length = int.from_bytes(header[:4], "big")
                if length == 1:
                    length = int.from_bytes(header[8:16], "big")
                if length < 8:
                    break
                offset += length
            return offset > 0
    except OSError:
        return False
