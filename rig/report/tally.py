"""Counting results the way both reports show them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from rig.result import CaseResult, MetricSamples, Outcome, RunRecord, Summary, summarize

COLUMNS: tuple[tuple[str, tuple[Outcome, ...]], ...] = (
    ("pass", (Outcome.PASS,)),
    ("fail", (Outcome.FAIL,)),
    ("unsupported", (Outcome.UNSUPPORTED,)),
    ("skip", (Outcome.SKIP,)),
    ("other", (Outcome.ERROR, Outcome.TIMEOUT, Outcome.CRASHED, Outcome.HANG, Outcome.PANIC)),
)
"""The columns of a table by mechanism. `other` is what should not happen: error, timeout, crashed, hang, panic."""


@dataclass
class Tally:
    """The outcomes of one mechanism's cases."""

    name: str
    counts: Counter[Outcome] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """Cases counted."""
        return sum(self.counts.values())

    def column(self, outcomes: Iterable[Outcome]) -> int:
        """How many ended in one of these."""
        return sum(self.counts[outcome] for outcome in outcomes)


def by_mechanism(cases: Iterable[CaseResult]) -> list[Tally]:
    """One tally a mechanism, by name."""
    tallies: dict[str, Tally] = {}
    for case in cases:
        tallies.setdefault(case.mechanism, Tally(case.mechanism)).counts[case.outcome] += 1
    return sorted(tallies.values(), key=lambda tally: tally.name)


@dataclass(frozen=True)
class Timing:
    """One metric of one case with its statistics."""

    case: CaseResult
    metric: MetricSamples
    summary: Summary


def timings(record: RunRecord) -> list[Timing]:
    """All metrics that have samples, by case and name, sized ones from small to large."""
    found = [
        Timing(case, metric, summarize(metric.samples))
        for case in record.cases
        for metric in case.metrics
        if metric.samples
    ]
    return sorted(found, key=lambda one: (one.case.id, one.metric.name, one.metric.bytes or 0))


def slowest(record: RunRecord, count: int = 5) -> list[CaseResult]:
    """The cases that took longest in the guest."""
    timed = [case for case in record.cases if case.ms is not None]
    return sorted(timed, key=lambda case: -(case.ms or 0.0))[:count]
