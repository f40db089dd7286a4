from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.result import compare, summarize


def test_nothing_has_no_statistics() -> None:
    summary = summarize([])
    assert summary.n == 0
    assert math.isnan(summary.median)
    assert math.isnan(summary.p99)


def test_one_sample_is_its_own_median() -> None:
    summary = summarize([7.0])
    assert (summary.n, summary.median, summary.mad, summary.mean, summary.p95, summary.spread_percent) == (
        1,
        7,
        0,
        7,
        7,
        0,
    )
    assert math.isnan(summary.ci_low)


def test_known_values() -> None:
    summary = summarize([3.0, 1.0, 2.0, 5.0, 4.0, 100.0])
    assert (summary.n, summary.minimum, summary.maximum) == (6, 1.0, 100.0)
    assert summary.median == 3.5
    assert summary.mad == 1.5
    assert summary.mean == pytest.approx(115 / 6)
    assert summary.p95 == pytest.approx(76.25)
    assert summary.spread_percent == pytest.approx(99 / 3.5 * 100)


@pytest.mark.parametrize(
    ("n", "low", "high"),
    # From the binomial distribution's table: the largest k with P(X <= k) <= 0.025, as ranks counted from 1.
    [(6, 1, 6), (10, 2, 9), (20, 6, 15), (30, 10, 21), (100, 40, 61)],
)
def test_the_interval_of_the_median_has_the_ranks_of_the_binomial(n: int, low: int, high: int) -> None:
    summary = summarize([float(rank) for rank in range(1, n + 1)])
    assert (summary.ci_low, summary.ci_high) == (low, high)


def test_five_samples_are_too_few_for_an_interval() -> None:
    assert math.isnan(summarize([1.0, 2.0, 3.0, 4.0, 5.0]).ci_high)


@settings(deadline=None)
@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=60))
def test_order_holds(samples: list[float]) -> None:
    summary = summarize(samples)
    assert summary.minimum <= summary.median <= summary.maximum
    assert summary.median <= summary.p95 <= summary.p99 <= summary.maximum or summary.n < 20
    if math.isfinite(summary.ci_low):
        assert summary.ci_low <= summary.median <= summary.ci_high


def noise(level: float, seed: int, count: int = 30) -> list[float]:
    rng = random.Random(seed)
    return [level * rng.gauss(1, 0.01) for _ in range(count)]


def test_a_large_change_is_seen_in_its_direction() -> None:
    before, after = noise(100, 1), noise(120, 2)
    assert compare(before, after).verdict == "slower"
    assert compare(after, before).verdict == "faster"
    assert compare(before, after, lower_is_better=False).verdict == "faster"
    assert compare(before, after).change == pytest.approx(0.2, abs=0.02)


def test_noise_is_no_change() -> None:
    assert compare(noise(100, 1), noise(100, 2)).verdict == "same"


def test_a_sure_but_small_change_is_below_the_limit() -> None:
    found = compare(noise(100, 1), noise(103, 2))
    assert found.p < 0.002
    assert found.verdict == "same"


def test_a_noisy_metric_asks_for_more() -> None:
    rng = random.Random(3)
    before = [100 * rng.uniform(0.8, 1.2) for _ in range(60)]
    after = [value * 1.15 for value in before]
    found = compare(before, after)
    assert found.p < 0.002
    assert found.limit > 0.2
    assert found.verdict == "same"


def test_few_samples_say_nothing() -> None:
    assert compare([1.0] * 3, [2.0] * 3).verdict == "too few samples"
    assert compare([], [2.0]).verdict == "too few samples"
    assert compare([1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6], [9.0, 9.1, 9.2, 9.3, 9.4, 9.5, 9.6]).verdict == "slower"


def test_an_exact_clock_gives_equal_samples() -> None:
    assert compare([5.0] * 10, [5.0] * 10).verdict == "same"
    assert compare([5.0] * 10, [5.0] * 10).p == 1.0
    assert compare([5.0] * 10, [6.0] * 10).verdict == "slower"


def test_a_median_of_zero_does_not_divide() -> None:
    assert compare([0.0] * 10, [0.0] * 10).change == 0.0
    found = compare([0.0] * 10, [3.0] * 10)
    assert (found.change, found.verdict) == (math.inf, "slower")
    assert math.isnan(found.before.spread_percent)


def test_many_samples_do_not_overflow() -> None:
    assert compare(noise(100, 1, 3000), noise(100, 2, 3000)).verdict == "same"
