"""Statistics of timing samples: robust ones, because a shared host has outliers and no known distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from rig.spec import Clock

P_LIMIT = 0.002
CHANGE_LIMIT = 0.05
"""Of the wall clock, and where no clock is known: what a busy host or another layout in memory may do by itself."""
EXACT_CHANGE_LIMIT = 0.003
"""Of the exact clock. Of 73 timings 68 had medians that lay closer together over ten equal runs on a busy host, most of
them by a hundred times; the five others are of two kinds of samples (`ci/bench repeatability-all`)."""
MADS = 3.0
Verdict = Literal["same", "slower", "faster", "too few samples"]


@dataclass(frozen=True)
class Summary:
    """Of one metric's samples, in the samples' unit. With no sample every value is NaN; see `n`."""

    n: int
    minimum: float
    median: float
    mad: float
    """Median absolute deviation from the median, not scaled to a standard deviation."""
    mean: float
    p95: float
    p99: float
    maximum: float
    ci_low: float
    """95 % confidence interval of the median from order statistics, free of any distribution. NaN below 6 samples."""
    ci_high: float
    spread_percent: float
    """Largest less smallest, in percent of the median. NaN where the median is 0."""


def summarize(samples: Sequence[float]) -> Summary:
    """The statistics of some samples; percentiles interpolate linearly between neighbours."""
    values = np.sort(np.asarray(samples, dtype=float))
    n = int(values.size)
    if n == 0:
        nan = math.nan
        return Summary(0, nan, nan, nan, nan, nan, nan, nan, nan, nan, nan)
    median = float(np.median(values))
    low, high = _median_ranks(n) or (None, None)
    spread = float(values[-1] - values[0])
    return Summary(
        n=n,
        minimum=float(values[0]),
        median=median,
        mad=float(np.median(np.abs(values - median))),
        mean=float(values.mean()),
        p95=float(np.percentile(values, 95)),
        p99=float(np.percentile(values, 99)),
        maximum=float(values[-1]),
        ci_low=math.nan if low is None else float(values[low]),
        ci_high=math.nan if high is None else float(values[high]),
        spread_percent=math.nan if median == 0 else 100 * spread / abs(median),
    )


@lru_cache(maxsize=256)
def _median_ranks(n: int) -> tuple[int, int] | None:
    """Indices (from 0) of the order statistics that hold the median with at least 95 %; None where no pair does.

    The number of samples below the median is binomial(n, 1/2): of the ranks k and n-1-k we take the innermost with
    P(X <= k) <= 2.5 %.
    """
    from scipy.special import bdtr

    below = bdtr(np.arange(n // 2 + 1), n, 0.5)
    inside = int(np.searchsorted(below, 0.025, side="right"))
    return (inside - 1, n - inside) if inside else None


def least_change(clock: Clock) -> float:
    """The relative change of a median below which nothing is said of timings on this clock."""
    return EXACT_CHANGE_LIMIT if clock is Clock.EXACT else CHANGE_LIMIT


@dataclass(frozen=True)
class Comparison:
    """Two sets of samples of one metric, taken under the same circumstances (`rig.result.context.comparable`)."""

    before: Summary
    after: Summary
    change: float
    """(after - before) / before of the medians; infinite where the median before is 0 and the one after is not."""
    p: float
    """Two-sided Mann-Whitney U."""
    limit: float
    """The relative change that this metric's own noise asks for at least."""
    verdict: Verdict


def compare(
    before: Sequence[float],
    after: Sequence[float],
    *,
    lower_is_better: bool = True,
    p_limit: float = P_LIMIT,
    change_limit: float = CHANGE_LIMIT,
    mads: float = MADS,
) -> Comparison:
    """Whether `after` is slower or faster than `before`.

    It is when the Mann-Whitney p is below `p_limit` and the medians differ by more than `change_limit` and by more
    than `mads` times the relative MAD of `before`. "too few samples": with so few no difference, however large,
    could pass `p_limit`.
    """
    old, new = summarize(before), summarize(after)
    if not old.n or not new.n:
        return Comparison(old, new, math.nan, math.nan, math.nan, "too few samples")
    step = new.median - old.median
    if old.median == 0:
        change, limit = (math.copysign(math.inf, step) if step else 0.0), change_limit
    else:
        change, limit = step / abs(old.median), max(change_limit, mads * old.mad / abs(old.median))
    p = _mann_whitney(before, after)
    verdict: Verdict = "same"
    if 2 / math.comb(old.n + new.n, old.n) > p_limit:
        verdict = "too few samples"
    elif p < p_limit and abs(change) > limit:
        verdict = "slower" if (change > 0) == lower_is_better else "faster"
    return Comparison(old, new, change, p, limit, verdict)


def _mann_whitney(before: Sequence[float], after: Sequence[float]) -> float:
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(before, after, alternative="two-sided").pvalue)
