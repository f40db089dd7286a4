"""How a case ended, which ending is worse, and what it means beside the manifest's expectation."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

PytestWord = Literal["passed", "skipped", "failed"]


class Outcome(StrEnum):
    """How a case ended. The members stand from best to worst: `worst` and `Outcome.severity` follow this order.

    unsupported is milder than skip: an unsupported case asked the guest and was answered, a skipped one asked nothing.
    """

    PASS = "pass"  # noqa: S105
    UNSUPPORTED = "unsupported"
    """The guest says that it has no such thing."""
    SKIP = "skip"
    """Not tried, for a reason outside the guest's kernel."""
    FAIL = "fail"
    """A check did not hold."""
    ERROR = "error"
    """The rig or the harness could not judge it: the case never reported, its probe did not build."""
    TIMEOUT = "timeout"
    """Its own deadline passed; the guest lives."""
    CRASHED = "crashed"
    """Its process, or its whole probe, ended by a signal or without a goodbye."""
    HANG = "hang"
    """The guest stopped answering while it ran."""
    PANIC = "panic"
    """The guest's kernel panicked, or its machine died, while it ran."""

    @property
    def severity(self) -> int:
        """0 for the best (pass), rising."""
        return _ORDER[self]

    @property
    def is_bad(self) -> bool:
        """Whether it tells of a fault: all but pass, unsupported and skip."""
        return self not in {Outcome.PASS, Outcome.UNSUPPORTED, Outcome.SKIP}

    @property
    def costs_guest(self) -> bool:
        """Whether the guest it ran in is lost with it."""
        return self in {Outcome.HANG, Outcome.PANIC}

    @property
    def as_pytest(self) -> PytestWord:
        """pytest's word for it; a skip carries the result's reason."""
        if self is Outcome.PASS:
            return "passed"
        return "failed" if self.is_bad else "skipped"


_ORDER = {outcome: rank for rank, outcome in enumerate(Outcome)}


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The worst of some outcomes; `pass` for none."""
    return max(outcomes, key=lambda outcome: outcome.severity, default=Outcome.PASS)


class Verdict(StrEnum):
    """An outcome seen beside what the manifest expects of this guest's OS."""

    EXPECTED = "expected"
    """As the manifest says, and nothing is wrong: a pass, or a form that this OS is known to lack."""
    KNOWN_FAILURE = "known-failure"
    """Failed as the manifest says that it fails."""
    UNSUPPORTED = "unsupported"
    """The guest lacks what was expected to work. Reported with its reason; no fault of rig or probe, so not red."""
    FLAKY = "flaky"
    """As expected at last, after an attempt that was not. Never taken for a pass; reported, not red."""
    QUARANTINED = "quarantined"
    """Failed as an entry of the quarantine covers it. Never taken for a pass; reported with its issue, not red."""
    SKIPPED = "skipped"
    """Not tried."""
    UNEXPECTED_PASS = "unexpected-pass"  # noqa: S105
    """Works where the manifest says that it cannot or does not: the guest gained something. Reported, not red."""
    UNNEEDED_QUARANTINE = "quarantine-unneeded"
    """As expected, but quarantined: the entry would hide the next failure. Red, until it is taken out."""
    UNEXPECTED = "unexpected"
    """A fault. Red."""

    @property
    def is_red(self) -> bool:
        """Whether it makes the run fail."""
        return self in {Verdict.UNEXPECTED, Verdict.UNNEEDED_QUARANTINE}


def judge(outcome: Outcome, expected: Outcome) -> Verdict:
    """What `outcome` means where the manifest expects `expected` (pass, unsupported or fail)."""
    if outcome is Outcome.SKIP:
        return Verdict.SKIPPED
    if outcome is expected:
        return Verdict.KNOWN_FAILURE if outcome.is_bad else Verdict.EXPECTED
    if outcome is Outcome.PASS:
        return Verdict.UNEXPECTED_PASS
    if outcome is Outcome.UNSUPPORTED:
        return Verdict.UNSUPPORTED
    return Verdict.UNEXPECTED
