"""Runs held against each other: real shifts found, equal runs not, and nothing compared that may not be."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.result import Outcome, RunRecord, compare, compare_runs, least_change
from rig.spec import Accel, Clock
from rig.tests.result import make
from rig.tests.result.test_model import record


def exact_samples(level: float, seed: int, count: int = 30) -> tuple[float, ...]:
    """As the exact clock gives them: most batches alike, now and then one with a timer's interrupt in it."""
    rng = random.Random(seed)
    return tuple(level + rng.choice((0, 0, 0, 0.2)) + (level * 0.2 if rng.random() < 0.1 else 0) for _ in range(count))


def run(samples: tuple[float, ...], clock: Clock = Clock.EXACT, outcome: Outcome = Outcome.PASS, **guest: Any):
    timed = make.case("time", outcome, metrics=(make.metric(*samples),), kind="timing")
    return record(guests=(make.guest(clock=clock, **guest),), cases=(timed,))


def only_verdict(before: RunRecord, after: RunRecord) -> str:
    (change,) = compare_runs(before, after).both
    assert change.found is not None, change.why
    return change.found.verdict


@given(st.integers(0, 10_000), st.floats(100, 1e6))
@settings(max_examples=40, deadline=None)
def test_one_percent_is_found_on_the_exact_clock_and_equal_runs_are_not(seed: int, level: float) -> None:
    before, equal = exact_samples(level, seed), exact_samples(level, seed + 1)
    limit = least_change(Clock.EXACT)
    assert compare(before, equal, change_limit=limit).verdict == "same"
    slower = tuple(1.01 * one for one in equal)
    assert compare(before, slower, change_limit=limit).verdict == "slower"
    assert compare(slower, before, change_limit=limit).verdict == "faster"


def test_a_shift_between_equal_runs_is_below_the_least_change() -> None:
    before = tuple(1000 + 0.01 * n for n in range(30))
    assert only_verdict(run(before), run(tuple(one * 1.0015 for one in before))) == "same"
    assert only_verdict(run(before), run(tuple(one * 1.0045 for one in before))) == "slower"


def test_each_clock_has_its_own_least_change() -> None:
    before = tuple(1000 + 0.01 * n for n in range(30))
    after = tuple(one * 1.02 for one in before)
    assert only_verdict(run(before), run(after)) == "slower"
    assert only_verdict(run(before, Clock.WALL), run(after, Clock.WALL)) == "same"


def test_more_bytes_a_second_are_faster() -> None:
    def rate(level: float) -> RunRecord:
        timed = make.case("time", metrics=(make.metric(*([level] * 10), unit="B/s"),))
        return record(guests=(make.guest(clock=Clock.EXACT),), cases=(timed,))

    assert only_verdict(rate(100.0), rate(110.0)) == "faster"


@pytest.mark.parametrize(
    ("other", "why", "name"),
    [
        (run((2.0,) * 10, Clock.WALL), "clock: exact against wall", "clock"),
        (run((2.0,) * 10, accel=Accel.KVM), "accel: tcg against kvm", "accel"),
        (run((2.0,) * 10, qemu_version="9.0"), "qemu version: 7.2.22 against 9.0", "qemu-version"),
    ],
)
def test_what_differs_in_its_circumstances_is_not_compared_unless_asked_for(
    other: RunRecord, why: str, name: str
) -> None:
    before = run((1.0,) * 10)
    changes = compare_runs(before, other)
    assert (changes.compared, changes.both[0].why, changes.crossed) == ((), why, ())
    asked = compare_runs(before, other, across=frozenset({name}))
    assert [one.slower for one in asked.compared] == [True]
    assert asked.crossed == (why,)
    assert compare_runs(before, other, across=frozenset({"image-digest"})).compared == ()


def test_a_case_that_failed_is_not_compared() -> None:
    (change,) = compare_runs(run((1.0,) * 10), run((2.0,) * 10, outcome=Outcome.FAIL)).both
    assert change.why == "the case ended as fail in the second run"


def test_other_units_are_not_compared() -> None:
    rates = make.case("time", metrics=(make.metric(1.0, unit="B/s"),))
    (change,) = compare_runs(run((1.0,) * 10), record(guests=(make.guest(clock=Clock.EXACT),), cases=(rates,))).both
    assert change.why == "ns for one op against B/s for one op"


def test_sizes_are_kept_apart_and_lonely_timings_named() -> None:
    def sized(*sizes: int) -> RunRecord:
        cases = [make.case(f"time_{n}", metrics=(make.metric(*([1.0] * 10), bytes=n),)) for n in sizes]
        return record(guests=(make.guest(),), cases=tuple(cases))

    changes = compare_runs(sized(1, 64), sized(64, 512))
    assert [one.before.bytes for one in changes.compared] == [64]
    assert (changes.gone, changes.new) == (("pipe.time_1",), ("pipe.time_512",))
