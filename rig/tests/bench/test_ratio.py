"""Ratios of rounds, and means of samples."""

import pytest

from rig.bench.ratio import mean_ns, ratio
from rig.errors import InputError


def test_rounds_are_divided_each_by_its_neighbour():
    # The host is three times slower in the second round: the ratio does not see it, medians of either side would.
    found = ratio([100.0, 330.0, 90.0], [100.0, 300.0, 100.0])
    assert (found.middle, found.least, found.greatest) == pytest.approx((1.0, 0.9, 1.1))
    assert (found.ours, found.theirs) == (100.0, 100.0)
    assert found.best == pytest.approx(0.9)
    assert found.near_one


def test_twice_as_slow_is_not_near():
    found = ratio([200.0, 210.0], [100.0, 100.0])
    assert found.middle == pytest.approx(2.05)
    assert not found.near_one
    assert found.verdict == "not near 1"


def test_a_disturbed_host_is_told_apart():
    found = ratio([150.0, 80.0, 150.0], [100.0, 100.0, 100.0])
    assert not found.near_one
    assert "too busy to tell" in found.verdict
    assert ratio([105.0], [100.0]).verdict == "near 1"


@pytest.mark.parametrize(
    ("ours", "theirs"), [([], []), ([1.0], []), ([1.0], [1.0, 2.0]), ([0.0], [1.0]), ([1.0], [0.0])]
)
def test_rounds_that_are_missing(ours, theirs):
    with pytest.raises(InputError):
        ratio(ours, theirs)


def test_mean_of_times_and_of_rates():
    assert mean_ns([10.0, 30.0], "ns", None) == 20.0
    # 512 bytes at 512 MB/s take 1000 ns, at 256 MB/s 2000: the mean of the times, not of the rates.
    assert mean_ns([512e6, 256e6], "B/s", 512) == pytest.approx(1500.0)


@pytest.mark.parametrize(("samples", "unit", "size"), [([], "ns", None), ([0.0], "ns", 1), ([1.0], "B/s", None)])
def test_no_mean(samples, unit, size):
    with pytest.raises(InputError):
        mean_ns(samples, unit, size)
