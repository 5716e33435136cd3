"""Takes a stretch out of a video without touching its pictures: the source's packets, in a file of their own.

A picture can only be shown from a keyframe on, so that such a clip begins at the keyframe at or before the mark, and
ends with the last picture before the other mark (a few that its neighbours were predicted from may follow). `exact_cut`
is for those who need the very frame. This module never decodes, never encodes and never overwrites a file.
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
Tick: TypeAlias = Callable[[float], None]  # told again and again how far it is, in [0, 1]

# How long before a mark reading begins: sound is often stored a little before the pictures it belongs to. Where no
# keyframe comes in time, the next longer is tried; infinity is the beginning of the file.
_RUN_UPS = (0.5, 5.0, 30.0, float("inf"))
TRAILING_SECONDS = 2.0  # sound that has ended, or is stored this much later than the pictures, is not waited for
# FFmpeg's demuxers and a file's ending, and the muxer that writes the same kind. The first that fits counts.
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
    """What to take: seconds on the player's clock, marks outside of the file are drawn in."""

    path: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class CutClip:
    """A clip as it was written. `start` is where it really begins in the source; `notes` are messages about it."""

    path: Path
    start: float
    notes: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class CutSource:
    """A file that is open to be cut, every stream that is taken being read; `start` and `end` lie inside of it."""

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
        """A packet's presentation time (where the container has only decoding times, that), on the player's clock."""
        timestamp = packet.pts if packet.pts is not None else packet.dts
        return float(timestamp * packet.time_base) - self.video.start if timestamp is not None else float("nan")

    def progress(self, time: float) -> float:
        return min(1.0, max(0.0, (time - self.start) / (self.end - self.start)))

    def run_ups(self) -> Iterator[float]:
        """Takes the file ever further back before the start; yields where it went, the file's beginning last."""
        for run_up in _RUN_UPS:
            at = self.start - run_up
            if at <= 0:
                self._seek(min(0.0, self.facts.begins) + self.video.start)
                yield float("-inf")
                return
            self._seek(at + self.video.start)
            yield at

    def timecode_metadata(self, time: float) -> dict[str, str]:
        """What to write so that a clip from `time` on keeps the source's timecode."""
        if not self.facts.has_timecode:
            return {}
        return {"timecode": self.facts.timecode(self.facts.frame_range(time, time)[0])}

    def _seek(self, seconds: float) -> None:
        stream = self.video.stream
        try:
            self.container.seek(round(seconds / self.video.time_base), stream=stream, backward=True)
        except av.FFmpegError:
            # Some containers cannot be searched, or not to before their first timestamp: from the beginning, then.
            self.container.seek(0, backward=True, any_frame=True)


@contextmanager
def open_cut(cut: Cut, kinds: Sequence[str]) -> Iterator[tuple[CutSource, list[Stream]]]:
    """Opens a source and lets its main picture and every other stream of `kinds` be read.

    Raises: BadFile, also where the marks hold nothing of it.
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
    """Writes the clip into `folder` (an empty one) in the source's own kind of container, else in Matroska.

    Its pictures, sound and subtitles are the source's, with their turn and colours; times start at 0. Sound and
    pictures keep their distance. Subtitles that are on the screen already when it begins are left out.
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
    """Packets in the file's order from the keyframe at or before the start on; that keyframe is the first."""
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
    """Reads on to the start. The last keyframe up to there and what came with it; None where there is none."""
    keyframe: Packet | None = None
    held: list[Packet] = []
    for packet in packets:
        tick(0.0)
        picture = packet.stream is source.video.stream
        if picture and packet.is_keyframe:
            if keyframe is None or source.time(packet) <= source.start + source.slack:
                if source.time(packet) > source.start + source.slack and not from_beginning:
                    return None  # what was searched for led to behind the start
                held = [other for other in held if other.stream is not source.video.stream]
                keyframe = packet
                continue
        elif picture and keyframe is None:
            continue  # cannot be shown without what came before
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
        return  # the container is damaged from here on; what came before is good


def _write(
    source: CutSource, streams: list[Stream], first: Packet, packets: Iterator[Packet], folder: Path, tick: Tick
) -> _Written:
    start = source.time(first)
    notes: list[Message] = []
    with _open_like(source, streams, start, folder, notes) as (container, path, targets):
        end = _End(source, [stream for stream in streams if stream.type == "audio"])
        tail: list[Packet] = []  # pictures after the end, needed only if one before it is still to come
        for packet in _with(first, packets):
            time = source.time(packet)
            tick(source.progress(time))
            if end.reached(packet, time):
                break
            target = targets.get(packet.stream.index)
            if target is None or time < start - source.slack:
                continue  # also pictures that lead up to the keyframe: shown before it, predicted across it
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
    if packet.dts is not None:  # Matroska has none at first; the muxer then works them out
        packet.dts -= shift
    packet.stream = target
    container.mux(packet)


class _End:
    """Tells when all that belongs to the clip has been read."""

    def __init__(self, source: CutSource, sounds: list[Stream]) -> None:
        self._source = source
        self._waiting = {source.video.stream.index, *(stream.index for stream in sounds)}

    def reached(self, packet: Packet, time: float) -> bool:
        """Pictures come in decoding order: only a decoding time after the end tells that none before it follows."""
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
    """The new file with its header written: in the source's kind of container if that takes the streams, else mkv."""
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
    """Raises: ValueError where pictures or sound are not taken; subtitles are left out then."""
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
            target.codec_context.codec_tag = stream.codec_context.codec_tag  # players tell hvc1 from hev1 by it
        if language := stream.metadata.get("language"):
            target.metadata["language"] = language
        targets[stream.index] = target
    return targets


@contextmanager
def closing(container: OutputContainer) -> Iterator[None]:
    """Finishes the file if all went well; else leaves it as it is, to be thrown away."""
    try:
        yield
    except BaseException:
        abandon(container)
        raise
    container.close()


def abandon(container: OutputContainer) -> None:
    """Closes a file that will not be kept. It may be the full disk that made it so: that has been told already."""
    try:
        container.close()
    except (av.FFmpegError, ValueError):
        return


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Errors of writing into `folder`'s parent as sentences. Raises: ExportError."""
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
