"""Planning of clips: pure, so that any video can be tried."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cret_desktop.domain.clips import USUAL_SAMPLING
from cret_desktop.media.frame_sampler import MIN_SHOT, ClipSampler, SampledClip, middles, nearest


def plan(
    times: list[float], cuts: list[float], end: float, frames: int = 4, lag: float = 0.3
) -> list[SampledClip[float]]:
    """Sample like the decoder: pictures in order, cuts reported `lag` seconds late."""
    sampler = ClipSampler[float](frames)
    pending = sorted(cuts)
    clips: list[SampledClip[float]] = []
    for time in times:
        if sampler.wants(time):
            sampler.add(time, time)
        while pending and pending[0] <= time - lag:
            clips += sampler.cut(pending.pop(0))
        clips += sampler.settle(time - lag)
    for cut in pending:
        clips += sampler.cut(cut)
    return clips + sampler.finish(end)


def at_rate(rate: float, seconds: float) -> list[float]:
    return [i / rate for i in range(int(seconds * rate))]


def test_one_short_shot_is_one_clip_with_frames_in_the_middles() -> None:
    [clip] = plan(at_rate(25, 8), [], 8.0)
    assert (clip.start, clip.end, clip.shot) == (0.0, 8.0, 0)
    assert clip.times == pytest.approx((1, 3, 5, 7), abs=0.25)


@pytest.mark.parametrize(
    ("seconds", "lengths"), [(10, [10]), (12, [6, 6]), (19, [9.5, 9.5]), (25, [10, 7.5, 7.5]), (40, [10, 10, 10, 10])]
)
def test_long_shots_are_divided(seconds: float, lengths: list[float]) -> None:
    clips = plan(at_rate(25, seconds), [], seconds)
    assert [clip.end - clip.start for clip in clips] == pytest.approx(lengths)


def test_cuts_divide_shots_and_frames_stay_inside_them() -> None:
    clips = plan(at_rate(25, 9), [2.0, 3.0, 8.52], 9.0)
    assert [(clip.shot, clip.start, clip.end) for clip in clips] == [(0, 0, 2), (1, 2, 3), (2, 3, 8.52), (3, 8.52, 9)]
    assert all(clip.start <= time < clip.end for clip in clips for time in clip.times)
    assert all(len(set(clip.times)) == 4 for clip in clips)


def test_a_flicker_of_a_shot_joins_the_next() -> None:
    clips = plan(at_rate(25, 6), [2.0, 2.08, 4.0], 6.0)
    assert [clip.start for clip in clips] == [0, 2.0, 4.0]


def test_few_frames_are_repeated() -> None:
    [clip] = plan([0.0, 1.0], [], 2.0)
    assert clip.times == (0.0, 1.0, 1.0, 1.0)
    [clip] = plan([3.0], [], 3.0)
    assert clip.times == (3.0,) * 4
    assert plan([], [], 5.0) == []


@given(
    st.lists(st.floats(0.01, 3.0), min_size=1, max_size=150),
    st.lists(st.floats(0, 200), max_size=12),
    st.integers(1, 8),
)
def test_clips_cover_the_video_once_and_in_order(steps: list[float], cuts: list[float], frames: int) -> None:
    times = [sum(steps[:i]) for i in range(len(steps))]
    end = times[-1] + 0.04
    clips = plan(times, [cut for cut in cuts if cut < end], end, frames)
    assert clips[0].start == times[0]
    assert clips[-1].end == pytest.approx(end)
    assert [clip.ordinal for clip in clips] == list(range(len(clips)))
    assert all(a.end == b.start and a.shot <= b.shot for a, b in pairwise(clips))
    for clip in clips:
        assert clip.end - clip.start <= USUAL_SAMPLING.clip_seconds + 1e-6
        assert len(clip.times) == len(clip.pictures) == frames
        assert clip.times == clip.pictures
        assert list(clip.times) == sorted(clip.times)
        assert set(clip.times) <= set(times)
    starts = {clip.shot: clip.start for clip in reversed(clips)}
    assert all(b - a >= MIN_SHOT - 1e-9 for a, b in pairwise([starts[shot] for shot in sorted(starts)]))


@pytest.mark.parametrize("cuts", [[], [1e12]])
def test_a_clock_that_leaps_costs_neither_time_nor_memory(cuts: list[float]) -> None:
    clips = plan([0.0, 1.0, 1e12, 1e12 + 1], cuts, 1e12 + 2)
    assert [(clip.start, clip.end) for clip in clips] == [(0.0, 10.0), (1e12, 1e12 + 2)]


def test_middles_and_nearest() -> None:
    assert middles(2, 10, 4) == [3, 5, 7, 9]
    assert nearest([0, 1, 4], [0.4, 0.6, 3, 9, -5]) == [0, 1, 2, 2, 0]
