"""Two runs held against each other: which timings became slower or faster, and which may not be compared at all."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, fields

from rig.result.case import CaseResult, MetricSamples
from rig.result.context import Difference, MeasureContext, comparable
from rig.result.model import RunRecord
from rig.result.outcome import Outcome
from rig.result.stats import Comparison, compare, least_change
from rig.spec import Clock

CIRCUMSTANCES = tuple(field.name.replace("_", "-") for field in fields(MeasureContext))
"""Names of what makes two numbers comparable, as users write them."""

_Key = tuple[str, str, int | None]


@dataclass(frozen=True)
class Change:
    """One metric of one case, in both runs."""

    case: str
    """Its id."""
    before: MetricSamples
    after: MetricSamples
    found: Comparison | None = None
    """None: not compared."""
    why: str = ""
    """Why it was not compared."""
    clock: Clock | None = None
    """The first run's, where it was compared."""

    @property
    def slower(self) -> bool:
        """Whether it was compared and became slower."""
        return self.found is not None and self.found.verdict == "slower"


@dataclass(frozen=True)
class Changes:
    """Of all timings of two runs."""

    both: tuple[Change, ...]
    """In the order of the first run, those that may not be compared among them."""
    gone: tuple[str, ...]
    """Cases with timings that only the first run has."""
    new: tuple[str, ...]
    """Cases with timings that only the second run has."""
    crossed: tuple[str, ...]
    """Circumstances that differ and were compared across all the same, because the caller asked for it."""

    @property
    def compared(self) -> tuple[Change, ...]:
        """Those that were compared."""
        return tuple(one for one in self.both if one.found is not None)


def compare_runs(before: RunRecord, after: RunRecord, *, across: frozenset[str] = frozenset()) -> Changes:
    """Every timing that both runs have, by case, name and size.

    Timings are compared where nothing in their circumstances differs but what `across` names (`CIRCUMSTANCES`), and
    where both cases passed. The least change that counts is that of their clock.
    """
    old, new = dict(_timings(before)), dict(_timings(after))
    both: list[Change] = []
    crossed: dict[str, None] = {}
    for key, (case, metric) in old.items():
        if key not in new:
            continue
        other, samples = new[key]
        differences = comparable(before.context_of(case), after.context_of(other))
        why = _obstacle(case, metric, other, samples, [one for one in differences if _named(one) not in across])
        if why:
            both.append(Change(case.id, metric, samples, why=why))
            continue
        crossed |= dict.fromkeys(str(one) for one in differences)
        clock = before.context_of(case).clock
        found = compare(
            metric.samples,
            samples.samples,
            lower_is_better=metric.lower_is_better,
            change_limit=least_change(clock),
        )
        both.append(Change(case.id, metric, samples, found, clock=clock))
    return Changes(tuple(both), _only(old, new), _only(new, old), tuple(crossed))


def _timings(run: RunRecord) -> Iterator[tuple[_Key, tuple[CaseResult, MetricSamples]]]:
    for case in run.cases:
        for metric in case.metrics:
            yield (case.id, metric.name, metric.bytes), (case, metric)


def _only(these: Iterable[_Key], those: Container[_Key]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key[0] for key in these if key not in those))


def _named(difference: Difference) -> str:
    return difference.name.replace(" ", "-")


def _obstacle(
    case: CaseResult, metric: MetricSamples, other: CaseResult, samples: MetricSamples, differences: list[Difference]
) -> str:
    for run, one in (("first", case), ("second", other)):
        if one.outcome is not Outcome.PASS:
            return f"the case ended as {one.outcome} in the {run} run"
    if (metric.unit, metric.per) != (samples.unit, samples.per):
        return f"{metric.unit} for one {metric.per} against {samples.unit} for one {samples.per}"
    return "; ".join(map(str, differences))
