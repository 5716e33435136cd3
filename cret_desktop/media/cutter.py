"""Cuts a passage out of a video without re-encoding: it copies the source's packets into a new file.

A picture can only be decoded from a keyframe on. So such a clip begins at the keyframe at or before its start, and ends
with the last picture before its end (a few pictures that others were predicted from may follow). `exact_cut` is
frame-accurate. This module never decodes, never encodes and never overwrites a file.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import av
from av.container import InputContainer, OutputContainer
from av.stream import Stream

from cret_desktop.errors import BadFile, ExportError
from cret_desktop.foreign import reason_of
from cret_desktop.media.edit_source import edit_source
from cret_desktop.media.probe import OpenVideo, open_video, read_packets
from cret_desktop.media.timecode import EditSource, tolerance
from cret_desktop.messages import Message

Packet: TypeAlias = "av.Packet[Any]"
Tick: TypeAlias = Callable[[float], None]  # called repeatedly with the share done, in [0, 1]

# How long before the start reading begins: sound is often stored a little before its pictures. If no keyframe is found
# in time, the next longer run-up is tried; infinity is the beginning of the file.
_RUN_UPS = (0.5, 5.0, 30.0, float("inf"))
TRAILING_SECONDS = 2.0  # sound that has ended, or is stored this much later than the pictures, is not waited for
# FFmpeg's demuxers and a file's suffix, and the muxer that writes the same kind. The first match counts.
_SAME_KIND = (
    ("mov,mp4", (".mov", ".qt"), "mov"),
    ("mov,mp4", (), "mp4"),
    ("matroska,webm", (".webm",), "webm"),
    ("matroska,webm", (), "matroska"),
    ("mpegts", (), "mpegts"),
    ("avi", (), "avi"),
    ("asf", (), "asf"),
    ("flv", (), "flv"),
    ("ogg", (), "ogg"),
)
_SUFFIXES = {
    "mov": ".mov", "mp4": ".mp4", "webm": ".webm", "matroska": ".mkv", "mpegts": ".ts", "avi": ".avi", "asf": ".wmv",
    "flv": ".flv", "ogg": ".ogv",
}  # fmt: skip
_DISK_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class Cut:
    """The passage to take: seconds on the player's clock; marks outside the file are clamped to it."""

    path: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class CutClip:
    """A written clip. `start` is its actual beginning in the source; `notes` are messages about it."""

    path: Path
    start: float
    notes: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class CutSource:
    """A file opened for cutting, with all streams to be copied enabled; `start` and `end` are inside the file."""

    video: OpenVideo
    facts: EditSource
    start: float
    end: float

    @property
    def frame_seconds(self) -> float:
        return float(1 / self.facts.rate)

    @property
    def slack(self) -> float:
        return tolerance(self.frame_seconds)

    @property
    def container(self) -> InputContainer:
        return self.video.container

    def time(self, packet: Packet) -> float:
        """Return a packet's presentation time, else its decoding time, on the player's clock."""
        timestamp = packet.pts if packet.pts is not None else packet.dts
        return float(timestamp * packet.time_base) - self.video.start if timestamp is not None else float("nan")

    def progress(self, time: float) -> float:
        return min(1.0, max(0.0, (time - self.start) / (self.end - self.start)))

    def run_ups(self) -> Iterator[float]:
        """Seek to ever earlier places before the start; yield each place, the beginning of the file last."""
        for run_up in _RUN_UPS:
            at = self.start - run_up
            if at <= 0:
                self._seek(min(0.0, self.facts.begins) + self.video.start)
                yield float("-inf")
                return
            self._seek(at + self.video.start)
            yield at

    def timecode_metadata(self, time: float) -> dict[str, str]:
        """Return the metadata that preserves the source's timecode in a clip that begins at `time`."""
        if not self.facts.has_timecode:
            return {}
        return {"timecode": self.facts.timecode(self.facts.frame_range(time, time)[0])}

    def _seek(self, seconds: float) -> None:
        stream = self.video.stream
        try:
            self.container.seek(round(seconds / self.video.time_base), stream=stream, backward=True)
        except av.FFmpegError:
            # Some containers cannot seek, or not to before their first timestamp: start from the beginning.
            self.container.seek(0, backward=True, any_frame=True)


@contextmanager
def open_cut(cut: Cut, kinds: Sequence[str]) -> Iterator[tuple[CutSource, list[Stream]]]:
    """Open a source, with its main video and every other stream of `kinds` enabled.

    Raises: BadFile, also if the marks are outside the file.
    """
    with open_video(cut.path) as video:
        facts = edit_source(video, cut.path)
        length = video.duration or cut.end
        start, end = max(0.0, cut.start), min(cut.end, facts.begins + length)
        if end <= start:
            raise BadFile("export.outside")
        others = [stream for stream in video.container.streams if stream.type in kinds and stream.codec_context]
        for stream in others:
            stream.discard = av.stream.Discard.default
        yield CutSource(video, facts, start, end), [video.stream, *others]


def copy_clip(cut: Cut, folder: Path, tick: Tick) -> CutClip:
    """Write the clip into `folder` (an empty one) in the source's own kind of container, else in Matroska.

    Pictures, sound and subtitles are the source's, with rotation and colours; times start at 0. Sound stays in sync.
    Subtitles that are already on the screen at the start are left out.

    Raises: BadFile, ExportError.
    """
    with open_cut(cut, ("audio", "subtitle")) as (source, streams):
        packets = packets_from_keyframe(source, streams, tick)
        first = next(packets, None)
        if first is None:
            raise BadFile("export.nothing-there")
        start = source.time(first)
        with writing(folder):
            clip = _write(source, streams, first, packets, folder, tick)
    if source.start - start > 1.5 * source.frame_seconds:
        clip.notes.append(Message("export.early", seconds=source.start - start))
    return CutClip(clip.path, start, tuple(clip.notes))


@dataclass(slots=True)
class _Written:
    path: Path
    notes: list[Message] = field(default_factory=list)


def packets_from_keyframe(source: CutSource, streams: list[Stream], tick: Tick) -> Iterator[Packet]:
    """Yield packets in the file's order, beginning with the keyframe at or before the start."""
    for began in source.run_ups():
        packets = _packets(source, streams)
        held = _hold_until_start(source, packets, tick, from_beginning=began == float("-inf"))
        if held is not None:
            keyframe, rest = held
            yield keyframe
            yield from rest
            yield from packets
            return


def _hold_until_start(
    source: CutSource, packets: Iterator[Packet], tick: Tick, from_beginning: bool
) -> tuple[Packet, list[Packet]] | None:
    """Read up to the start. Return the last keyframe before it and the packets since, None if there is none."""
    keyframe: Packet | None = None
    held: list[Packet] = []
    for packet in packets:
        tick(0.0)
        picture = packet.stream is source.video.stream
        if picture and packet.is_keyframe:
            if keyframe is None or source.time(packet) <= source.start + source.slack:
                if source.time(packet) > source.start + source.slack and not from_beginning:
                    return None  # the seek went past the start
                held = [other for other in held if other.stream is not source.video.stream]
                keyframe = packet
                continue
        elif picture and keyframe is None:
            continue  # cannot be decoded without earlier pictures
        held.append(packet)
        if keyframe is not None and picture and source.time(packet) > source.start + source.slack:
            break
    return None if keyframe is None else (keyframe, held)


def _packets(source: CutSource, streams: list[Stream]) -> Iterator[Packet]:
    try:
        for packet in read_packets(source.container, streams):
            if packet.size and (packet.pts is not None or packet.dts is not None):
                yield packet
    except av.FFmpegError:
        return  # the container is damaged from here on; earlier packets are valid


def _write(
    source: CutSource, streams: list[Stream], first: Packet, packets: Iterator[Packet], folder: Path, tick: Tick
) -> _Written:
    start = source.time(first)
    notes: list[Message] = []
    with _open_like(source, streams, start, folder, notes) as (container, path, targets):
        end = _End(source, [stream for stream in streams if stream.type == "audio"])
        tail: list[Packet] = []  # pictures after the end, needed only if one before it follows
        for packet in _with(first, packets):
            time = source.time(packet)
            tick(source.progress(time))
            if end.reached(packet, time):
                break
            target = targets.get(packet.stream.index)
            if target is None or time < start - source.slack:
                continue  # also skips pictures shown before the keyframe but predicted across it
            if time >= source.end - source.slack:
                if packet.stream is source.video.stream:
                    tail.append(packet)
                continue
            shift = round((start + source.video.start) / packet.time_base)
            if packet.stream is source.video.stream:
                for needed in tail:
                    _mux(container, needed, target, shift)
                tail.clear()
            _mux(container, packet, target, shift)
    return _Written(path, notes)


def _with(first: Packet, rest: Iterator[Packet]) -> Iterator[Packet]:
    yield first
    yield from rest


def _mux(container: OutputContainer, packet: Packet, target: Stream, shift: int) -> None:
    if packet.pts is None:
        packet.pts = packet.dts
    assert packet.pts is not None
    packet.pts -= shift
    if packet.dts is not None:  # Matroska has none at first; the muxer then computes them
        packet.dts -= shift
    packet.stream = target
    container.mux(packet)


class _End:
    """Detects when all packets of the clip have been read."""

    def __init__(self, source: CutSource, sounds: list[Stream]) -> None:
        self._source = source
        self._waiting = {source.video.stream.index, *(stream.index for stream in sounds)}

    def reached(self, packet: Packet, time: float) -> bool:
        """Return whether the clip is complete. Pictures come in decoding order, so decoding times decide."""
        decoding = packet.dts if packet.dts is not None else packet.pts
        decoded = float((decoding or 0) * packet.time_base) - self._source.video.start
        if decoded >= self._source.end - self._source.slack:
            self._waiting.discard(packet.stream.index)
        if self._source.video.stream.index in self._waiting:
            return False
        return not self._waiting or time > self._source.end + TRAILING_SECONDS


@contextmanager
def _open_like(
    source: CutSource, streams: list[Stream], start: float, folder: Path, notes: list[Message]
) -> Iterator[tuple[OutputContainer, Path, dict[int, Stream]]]:
    """Yield the new file after its header: in the source's kind of container if it supports the streams, else mkv."""
    same = next(
        (
            muxer
            for demuxer, endings, muxer in _SAME_KIND
            if source.container.format.name.startswith(demuxer)
            and (not endings or Path(source.facts.path).suffix.lower() in endings)
        ),
        None,
    )
    for muxer in (same, "matroska"):
        if muxer is None:
            continue
        path = folder / f"clip{_SUFFIXES[muxer]}"
        container = av.open(str(path), "w", format=muxer)
        dropped: list[str] = []
        try:
            targets = _add_streams(container, streams, keep_tags=muxer == same, dropped=dropped)
            targets[source.video.stream.index].metadata.update(source.timecode_metadata(start))
            container.start_encoding()
        except (av.FFmpegError, ValueError) as error:
            abandon(container)
            path.unlink(missing_ok=True)
            if muxer == "matroska" or getattr(error, "errno", None) in _DISK_FULL:
                raise
            continue
        if muxer != same:
            notes.append(Message("export.matroska"))
        if dropped:
            notes.append(Message("export.no-subtitles"))
        with closing(container):
            yield container, path, targets
        return


def _add_streams(
    container: OutputContainer, streams: list[Stream], keep_tags: bool, dropped: list[str]
) -> dict[int, Stream]:
    """Add the streams; leave out unsupported subtitles. Raises: ValueError for unsupported video or sound."""
    targets: dict[int, Stream] = {}
    for stream in streams:
        try:
            target = container.add_stream_from_template(stream, opaque=True)
        except ValueError:
            if stream.type != "subtitle":
                raise
            dropped.append(stream.type)
            continue
        if keep_tags and stream.codec_context.codec_tag.isprintable():
            target.codec_context.codec_tag = stream.codec_context.codec_tag  # it distinguishes hvc1 from hev1
        if language := stream.metadata.get("language"):
            target.metadata["language"] = language
        targets[stream.index] = target
    return targets


@contextmanager
def closing(container: OutputContainer) -> Iterator[None]:
    """Finish the file if the block succeeds; otherwise leave it to be deleted."""
    try:
        yield
    except BaseException:
        abandon(container)
        raise
    container.close()


def abandon(container: OutputContainer) -> None:
    """Close a file that will not be kept. Errors are ignored: their cause (a full disk, say) is already reported."""
    try:
        container.close()
    except (av.FFmpegError, ValueError):
        return


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Raise errors of writing into `folder` as ExportError that names its parent."""
    try:
        yield
    except (av.FFmpegError, OSError) as error:
        raise not_written(folder.parent, error) from error
    except ValueError as error:
        raise ExportError("export.clip-not-written", reason=reason_of(error)) from error


def not_written(folder: Path, error: Exception) -> ExportError:
    if getattr(error, "errno", None) in _DISK_FULL:
        return ExportError("export.disk-full", folder=folder)
    return ExportError("export.not-written", folder=folder, reason=reason_of(error))
