"""A case that is not as expected: does it end so by itself, or by what ran before it in its guest?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from rig.errors import RigError
from rig.probe.manifest import ProbeManifest
from rig.result import CaseResult, OrderRecord, Outcome
from rig.run.cases import CaseRunner, Step
from rig.run.order import find_order

MOST_CASES = 10
"""Cases of a worker that are looked into: where more fail, the order is not what ails them."""


class _NotKnownError(Exception):
    """A run that tells nothing of the case: its guest was lost before it, or it never reported."""


@dataclass
class _Trial:
    """Runs of one case after others, each in a fresh guest."""

    runner: CaseRunner
    case: Step
    alone: CaseResult | None = None
    """How it ended alone, the first time."""
    otherwise: CaseResult | None = None
    """How it ended after others, where that was not as alone."""

    def by_itself(self) -> CaseResult:
        """Run it alone, unless it was."""
        self.alone = self.alone or self.run(())
        return self.alone

    def changes(self, steps: Sequence[Step]) -> bool:
        """Whether it ends otherwise after these than alone: as expected here, and not there."""
        found = self.run(steps)
        changed = found.missed != self.by_itself().missed
        if changed:
            self.otherwise = found
        return changed

    def run(self, steps: Sequence[Step]) -> CaseResult:
        """How it ends after these."""
        groups = [list(group) for _, group in groupby([*steps, self.case], lambda step: step.start)]
        found = self.runner.run_in_order([(group[0].manifest, [step.case for step in group]) for group in groups])
        if found is None:
            raise _NotKnownError("a guest was lost on the way to it")
        if found.outcome is Outcome.ERROR:
            raise _NotKnownError(found.reason)
        return found


class OrderFinder:
    """Looks into cases one by one, in guests of `alone`, each of which nothing else has run in."""

    def __init__(self, alone: Callable[[], CaseRunner]) -> None:
        self._alone = alone
        self._looked = 0

    def look(self, manifest: ProbeManifest, result: CaseResult, before: Sequence[Step], start: int) -> CaseResult:
        """`result` with what was found, or with a note where nothing could be.

        `before` are the steps that its guest had seen, `start` is the one of its own. After none, it is asked whether
        the case needs those that stand before it in its manifest.
        """
        names = list(manifest.cases)
        earlier = [Step(start, manifest, name) for name in names[: names.index(result.case)]]
        candidates = list(before) or earlier
        if not candidates:
            return result
        if self._looked >= MOST_CASES:
            return result.noted(f"whether the order matters was not asked: it was of {MOST_CASES} cases before")
        self._looked += 1
        try:
            trial = _Trial(self._alone(), Step(start, manifest, result.case), None if before else result)
            return self._ask(trial, result, candidates, forward=bool(before))
        except (_NotKnownError, RigError) as fault:
            return result.noted(f"whether the order matters is not known: {fault}")

    @staticmethod
    def _ask(trial: _Trial, result: CaseResult, candidates: Sequence[Step], *, forward: bool) -> CaseResult:
        if forward and trial.by_itself().missed:
            return result  # alone, too: the order is not what ails it
        near = sum(step.start == trial.case.start for step in candidates)
        found = find_order(candidates, near, trial.changes)
        if found is None:
            words = "flaky: it passes alone, and does not always fail after the same cases"
            return result.noted(words) if forward else result
        assert trial.otherwise is not None
        order = OrderRecord(
            after=tuple(step.id for step in found.members),
            then=trial.otherwise.outcome,
            alone=trial.by_itself().outcome,
            minimal=found.minimal,
        )
        return result.model_copy(update={"order": order})
