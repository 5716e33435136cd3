"""A small, constant share of the fuzzing, and a check that the fuzzer detects faults."""

from __future__ import annotations

import time

import pytest

from tests.hostile import fuzz, planted
from tests.hostile.fuzz import TARGETS, Target, input_of, run_target, try_input


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_no_mutated_file_raises_or_hangs(target: Target) -> None:
    for number in range(300):
        content = input_of(target, 20_260, number)
        began = time.monotonic()
        assert try_input(target, content) in ("", "refused"), number
        assert time.monotonic() - began < fuzz.SECONDS, number


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_seeds_are_read_and_inputs_differ(target: Target) -> None:
    assert [try_input(target, seed) for seed in target.seeds] == [""] * len(target.seeds)
    inputs = [input_of(target, 1, number) for number in range(50)]
    assert inputs == [input_of(target, 1, number) for number in range(50)]
    assert len(set(inputs)) > 30


def test_a_fault_a_hang_and_a_death_are_told_and_the_others_run() -> None:
    target, seed = planted.TARGETS[0], 60
    inputs = [input_of(target, seed, number) for number in range(10)]
    assert {*planted.WHAT, b"refused", b"fine"} == set(inputs)
    outcome = run_target(target, len(inputs), seed, seconds=0.5)
    told = {fault.number: fault.what.strip().rpartition("\n")[2] for fault in outcome.faults}
    assert told == {n: planted.WHAT[content] for n, content in enumerate(inputs) if content in planted.WHAT}
    assert outcome.refused == inputs.count(b"refused")
