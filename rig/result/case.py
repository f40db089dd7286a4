"""One case's result, with everything that a reader needs to judge it: checks, facts, raw samples, evidence."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, FiniteFloat, computed_field, model_validator

from rig.result.base import Record
from rig.result.order import OrderRecord
from rig.result.outcome import Outcome, Verdict, judge
from rig.result.panic import PanicRecord
from rig.result.quarantine import QuarantineRecord
from rig.result.text import Text

Kind = Literal["functional", "timing", "fact"]
Unit = Literal["ns", "B/s"]


class FailedCheck(Record):
    """One comparison in a probe that did not hold."""

    what: Text
    """What was looked at, for example `write to the read end`."""
    got: Text = ""
    """What the guest answered; error numbers as names (`EBADF`)."""
    want: Text = ""
    at: Text = ""
    """File and line in the probe's source."""


class MetricSamples(Record):
    """Raw timing samples as they left the guest. Statistics are made from them when they are looked at."""

    name: Text
    unit: Unit
    """ns: lower is better. B/s: higher is better."""
    per: Text = "op"
    """What one value is a measure of: an operation, a message."""
    bytes: Annotated[int, Field(ge=0)] | None = None
    """Size of what was moved, where the metric was taken at several sizes."""
    inner: Annotated[int, Field(ge=1)] = 1
    """Operations in each batch: a sample is the mean over so many."""
    samples: tuple[FiniteFloat, ...]
    """One value a batch, in the order taken."""

    @property
    def lower_is_better(self) -> bool:
        """Whether a smaller value is the faster one."""
        return self.unit == "ns"


class KeptEvidence(Record):
    """What is known of the guest at the moment of a failure. Paths are relative to the run directory."""

    reason: Text = ""
    stage: Text = ""
    """Boot stage reached, for a guest that never became ready."""
    console: Text = ""
    """Tail of the console's log."""
    screenshot: Text | None = None
    """PNG file."""
    registers: Text | None = None
    """Text file, as QEMU's `info registers` prints it."""
    qemu_output: Text = ""
    """What QEMU itself said."""
    command: tuple[Text, ...] = ()
    """QEMU's command line."""
    panic: PanicRecord | None = None
    """What the kernel's last words told, where it panicked."""


class Attempt(Record):
    """An earlier try of a case that was run again."""

    outcome: Outcome
    reason: Text = ""
    guest: Text | None = None
    failed: tuple[FailedCheck, ...] = ()
    evidence: KeptEvidence | None = None


class CaseResult(Record):
    """How one case ended."""

    probe: Text
    probe_version: Text
    case: Text
    id: Text = Field(default_factory=lambda data: f"{data['probe']}.{data['case']}")
    """`probe.case`, unique in a run."""
    mechanism: Text
    """Heading in tables: pipes, signals, ..."""
    what: Text = ""
    """The contract in one line."""
    source: Text = ""
    """Text, section or kernel line that the expectation rests on."""
    kind: Kind = "functional"
    expected: Outcome = Outcome.PASS
    """What the manifest expects of this guest's OS."""
    expected_reason: Text = ""
    """Why, where that is not a pass."""
    outcome: Outcome
    first_outcome: Outcome = Field(default_factory=lambda data: data["outcome"])
    """Of the first attempt; differs from `outcome` only where the case was run again."""
    reason: Text = ""
    """In words, for all but a pass."""
    via: Text | None = None
    """Way into the kernel that was used: libsystem, libc, syscall or mach."""
    ms: Annotated[FiniteFloat, Field(ge=0)] | None = None
    """Time in the guest, in milliseconds of the guest's clock."""
    checks: Annotated[int, Field(ge=0)] = 0
    """Comparisons made."""
    failed: tuple[FailedCheck, ...] = ()
    notes: tuple[Text, ...] = ()
    facts: dict[Text, bool | int | FiniteFloat | Text] = Field(default_factory=dict)
    """Measured and reported, not judged."""
    metrics: tuple[MetricSamples, ...] = ()
    guest: Text | None = None
    """The guest it ran in: `GuestRecord.id`. Absent: it never reached one."""
    attempts: Annotated[int, Field(ge=1)] = 1
    earlier: tuple[Attempt, ...] = ()
    """The attempts before this one, oldest first."""
    evidence: KeptEvidence | None = None
    quarantine: QuarantineRecord | None = None
    broken: bool = False
    """Whether this tells of a broken probe, not of the guest."""
    order: OrderRecord | None = None
    """Where what ran before it decides how it ends. That is a fault, of the probe or of the guest."""

    @model_validator(mode="before")
    @classmethod
    def _verdict_follows(cls, data: Any) -> Any:
        """`verdict` is written for other readers; here it follows from the rest."""
        if isinstance(data, dict) and "verdict" in data:
            return {key: value for key, value in data.items() if key != "verdict"}
        return data

    @computed_field  # type: ignore[prop-decorator]
    @property
    def verdict(self) -> Verdict:
        """The outcome beside the expectation, beside earlier attempts, and beside the quarantine."""
        last = judge(self.outcome, self.expected)
        every = (*(attempt.outcome for attempt in self.earlier), self.outcome)
        missed = {outcome for outcome in every if self._misses(outcome)}
        if missed and not last.is_red:
            return Verdict.FLAKY
        if self.quarantine is None:
            return last
        if missed:
            return Verdict.QUARANTINED if missed <= set(self.quarantine.outcomes) else last
        as_expected = {Verdict.EXPECTED, Verdict.KNOWN_FAILURE, Verdict.UNEXPECTED_PASS}
        return Verdict.UNNEEDED_QUARANTINE if last in as_expected else last

    @property
    def quarantine_words(self) -> str:
        """What the quarantine has to do with it, in a sentence; nothing for most."""
        return "" if self.quarantine is None else self.quarantine.words(self.verdict)

    def _misses(self, outcome: Outcome) -> bool:
        return judge(outcome, self.expected).is_red

    @property
    def missed(self) -> bool:
        """Whether this attempt by itself is a fault, quarantined or not."""
        return self._misses(self.outcome)

    @property
    def flaky(self) -> bool:
        """Whether attempts disagree."""
        return any(attempt.outcome is not self.outcome for attempt in self.earlier)

    def noted(self, words: str) -> Self:
        """This result with one more note."""
        return self.model_copy(update={"notes": (*self.notes, words)})

    def after(self, previous: CaseResult) -> Self:
        """This result as the next attempt of the case that `previous` tells of: nothing of it is lost."""
        tried = Attempt(
            outcome=previous.outcome,
            reason=previous.reason,
            guest=previous.guest,
            failed=previous.failed,
            evidence=previous.evidence,
        )
        return self.model_copy(
            update={
                "first_outcome": previous.first_outcome,
                "attempts": previous.attempts + 1,
                "earlier": (*previous.earlier, tried),
            }
        )
