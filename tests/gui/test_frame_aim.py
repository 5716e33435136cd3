"""The way to the right frame, against a simulated player that answers as Qt's FFmpeg backend was measured to."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from cret_desktop.gui.playing.frame_aim import MOST_TRIES, FrameAim


class SimulatedPlayer:
    """Shows the first frame whose nominal end lies after the position."""

    def __init__(self, starts: list[float], length: float) -> None:
        self.starts, self.length = starts, length
        self.seeks = 0

    def shows(self, position: int) -> float:
        self.seeks += 1
        ends_after = [start for start in self.starts if start + self.length > position / 1000 + 1e-9]
        return ends_after[0] if ends_after else float("inf")

    def settle(self, aim: FrameAim) -> float:
        while not aim.judge(shown := self.shows(aim.position)):
            pass
        return shown


uneven = st.tuples(
    st.lists(st.integers(8, 400), min_size=1, max_size=60), st.integers(10, 100), st.data()
)  # milliseconds between frames, and what the container claims


@given(uneven)
def test_a_frame_whose_start_is_known_is_found_at_any_rate(case: tuple[list[int], int, st.DataObject]) -> None:
    gaps, length, data = case
    starts = [0.0, *(total / 1000 for total in accumulate(gaps))]
    wanted = data.draw(st.sampled_from(starts))
    player = SimulatedPlayer(starts, length / 1000)
    assert player.settle(FrameAim(wanted, length / 1000, at_start=True)) == wanted
    assert player.seeks < MOST_TRIES


@given(uneven)
def test_a_time_between_frames_shows_one_in_force(case: tuple[list[int], int, st.DataObject]) -> None:
    gaps, length, data = case
    starts = [0.0, *(total / 1000 for total in accumulate(gaps))]
    wanted = data.draw(st.floats(0.0, starts[-1]))
    shown = SimulatedPlayer(starts, length / 1000).settle(FrameAim(wanted, length / 1000, at_start=False))
    in_force = max(start for start in starts if start <= wanted)
    assert in_force - length / 1000 < shown <= wanted + 0.002


@given(st.integers(0, 200), st.sampled_from([1 / 24, 0.04, 1001 / 30000, 0.02]), st.floats(0.05, 0.9))
def test_a_constant_rate_needs_one_seek(number: int, length: float, share: float) -> None:
    starts = [frame * length for frame in range(220)]
    for aim in (
        FrameAim(starts[number], length, at_start=True),
        FrameAim(starts[number] + share * length, length, at_start=False),
    ):
        player = SimulatedPlayer(starts, length)
        assert player.settle(aim) == starts[number]
        assert player.seeks == 1


@given(uneven)
def test_stepping_takes_every_frame(case: tuple[list[int], int, st.DataObject]) -> None:
    gaps, length, _ = case
    starts = [0.0, *(total / 1000 for total in accumulate(gaps))]
    player = SimulatedPlayer(starts, length / 1000)
    walked = [starts[0]]
    while len(walked) < len(starts):
        walked.append(player.settle(FrameAim.after(walked[-1], length / 1000)))
    assert walked == starts


def test_a_frame_that_was_still_under_way_does_not_mislead() -> None:
    starts = [frame * 0.04 for frame in range(200)]
    player = SimulatedPlayer(starts, 0.04)
    aim = FrameAim(starts[50], 0.04, at_start=True)
    assert not aim.judge(starts[120])
    assert player.settle(aim) == starts[50]
