"""Reads the facts that editing programs need from a file's headers: exact rate, start timecode, reel.

This module never decodes more than the first picture. It runs in the processes that open media.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from cret_desktop.errors import BadFile
from cret_desktop.media.probe import OpenVideo, decode_packet, open_video, read_packets
from cret_desktop.media.thumbnails import Orientation
from cret_desktop.media.timecode import EditSource, parse_timecode, standard_rate

_TIMECODE_TAGS = ("timecode",)
_REEL_TAGS = ("reel_name", "reel", "com.apple.proapps.reel", "tape")
_VARIABLE = 0.02  # relative difference of average and smallest frame interval above which the rate is variable


def read_edit_source(path: str) -> EditSource:
    """Return the facts of a video file. Raises: BadFile."""
    with open_video(path) as video:
        return edit_source(video, path, _orientation(video))


def edit_source(video: OpenVideo, path: str, orientation: Orientation | None = None) -> EditSource:
    """Return the facts of an open file. Without its first picture's orientation, width and height are as stored."""
    stream = video.stream
    rate, variable = _rate(video)
    timecode = next(
        (parsed for tag in _tags(video, _TIMECODE_TAGS) if (parsed := parse_timecode(tag, rate)) is not None), None
    )
    first_frame, drop_frame = timecode or (0, False)
    sound = next(iter(video.container.streams.audio), None)
    begins = max(0.0, video.seconds(stream.start_time)) if stream.start_time is not None else 0.0
    width, height = video.shown_size(orientation or Orientation())
    return EditSource(
        path=path,
        rate=rate,
        drop_frame=drop_frame,
        first_frame=first_frame,
        has_timecode=timecode is not None,
        reel=next((tag.strip() for tag in _tags(video, _REEL_TAGS) if tag.strip()), ""),
        begins=begins,
        frames=_frames(video, rate, variable),
        width=width,
        height=height,
        channels=sound.codec_context.channels if sound is not None and sound.codec_context is not None else 0,
        sample_rate=sound.codec_context.sample_rate if sound is not None and sound.codec_context is not None else 0,
        variable=variable,
    )


def _orientation(video: OpenVideo) -> Orientation:
    for packet in read_packets(video.container, [video.stream]):
        for frame in decode_packet(video, packet):
            return Orientation.of(frame)
    raise BadFile("file.no-frame")


def _rate(video: OpenVideo) -> tuple[Fraction, bool]:
    """Return the nominal rate, and whether the rate is variable."""
    stream = video.stream
    average = float(stream.average_rate or stream.base_rate or 25)
    smallest_step = float(stream.base_rate or average)
    variable = abs(smallest_step - average) > _VARIABLE * average
    if variable:
        # A camera that skips pictures in the dark still has the rate that it was set to.
        meant = standard_rate(smallest_step) if smallest_step < 2 * average else None
        return meant or Fraction(max(1, round(average))), True
    return standard_rate(average) or Fraction(average).limit_denominator(1001), False


def _frames(video: OpenVideo, rate: Fraction, variable: bool) -> int:
    if video.stream.frames and not variable:
        return video.stream.frames
    return max(1, round(video.duration * rate))


def _tags(video: OpenVideo, wanted: tuple[str, ...]) -> Iterator[str]:
    """Yield values of tags by name, the video stream's first; containers differ in where they put them and in case."""
    others = [stream for stream in video.container.streams if stream is not video.stream]
    for name in wanted:
        for metadata in [video.stream.metadata, *(stream.metadata for stream in others), video.container.metadata]:
            yield from (value for key, value in metadata.items() if key.lower() == name)
