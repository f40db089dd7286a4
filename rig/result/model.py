"""A run: what ran, on what, and how each case ended. `results.json` is this model as JSON.

The schema is published (`results_schema`, `rig report schema`, rig/result/results.schema.json). Its version rises
when a field is taken away or changes its meaning; a reader of version n reads every older one.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Final, Literal, Self

from pydantic import AwareDatetime, Field, FiniteFloat, field_validator, model_validator

from rig.result.base import Record
from rig.result.case import CaseResult
from rig.result.context import MeasureContext
from rig.result.host import HostRecord
from rig.result.outcome import Outcome, Verdict
from rig.result.request import RequestRecord
from rig.result.text import Text
from rig.spec import Accel, Clock

SCHEMA_VERSION: Final = 1
Seconds = Annotated[FiniteFloat, Field(ge=0)]
State = Literal["running", "complete", "interrupted"]


class ImageRecord(Record):
    """The image that was booted."""

    name: Text
    digest: Text
    """sha256 of the source disk's content; empty only while it is not known yet."""
    os: Text
    """darwin or linux."""
    release: Text | None = None
    """Kernel release, as `uname -r` prints it."""


class StageTime(Record):
    """One stage of a boot and how long it took."""

    name: Text
    seconds: Seconds


class GuestFacts(Record):
    """What a guest says of itself in a probe's hello."""

    os: Text
    release: Text
    machine: Text
    kernel: Text
    """`uname -v`."""
    clock: Text
    """What the probes read the time with."""
    tick_ns: FiniteFloat
    """Resolution of that clock."""
    clock_cost_ns: FiniteFloat
    """What one reading of it costs."""
    page: int
    """Page size in bytes."""
    limits: dict[Text, int | FiniteFloat | Text] = Field(default_factory=dict)


class GuestRecord(Record):
    """One guest, from its start to its end."""

    id: Text
    """For example `gw0-1`: the worker, and which of its guests in order."""
    accel: Accel
    accel_reason: Text = ""
    """Why this accelerator."""
    qemu_version: Text
    qemu_argv: tuple[Text, ...] = ()
    cpus: Annotated[int, Field(ge=1)]
    memory: Annotated[int, Field(ge=1)]
    """MiB."""
    clock: Clock = Clock.WALL
    kernel_flags: Text = ""
    """What its kernel was booted with beside the image's own flags."""
    start: Literal["cold", "warm"] = "cold"
    """cold: booted. warm: restored from a template."""
    stages: tuple[StageTime, ...] = ()
    """Of its boot, in order."""
    facts: GuestFacts | None = None
    """Absent until a probe has said hello."""
    console_log: Text | None = None
    """Relative to the run directory, as are all paths."""
    qemu_log: Text | None = None
    ended: Text = ""
    """How it ended, in words; empty while it runs."""
    held: Text | None = None
    """The name under which it was kept for somebody to look inside, behind the run."""

    @field_validator("accel")
    @classmethod
    def _decided(cls, accel: Accel) -> Accel:
        if accel is Accel.AUTO:
            raise ValueError("a guest's accelerator is the one it ran with, not auto")
        return accel

    @property
    def cpu_model(self) -> str:
        """QEMU's CPU model with its flags; empty where the command line is not known."""
        words = self.qemu_argv
        return words[words.index("-cpu") + 1] if "-cpu" in words[:-1] else ""

    @property
    def boot_seconds(self) -> float:
        """From start to ready."""
        return sum(stage.seconds for stage in self.stages)


class LeakRecord(Record):
    """Something that a probe left behind in its guest."""

    probe: Text
    kind: Text
    """process, sysv, posix, file or fd."""
    what: Text
    guest: Text | None = None


class RubbishRecord(Record):
    """Output of a probe that was no part of its stream."""

    probe: Text
    lines: Annotated[int, Field(ge=1)]
    """How many such lines there were."""
    excerpt: Text
    guest: Text | None = None


class Resumption(Record):
    """A run that was cut off has been taken up again."""

    left: AwareDatetime
    """When the part before told of itself last."""
    started: AwareDatetime
    rig_version: Text
    argv: tuple[Text, ...] = ()
    """The command line that did it."""


class RunRecord(Record):
    """All of one run."""

    schema_version: Literal[1] = SCHEMA_VERSION
    id: Text
    started: AwareDatetime
    ended: AwareDatetime | None = None
    state: State = "running"
    rig_version: Text
    argv: tuple[Text, ...] = ()
    """The command line that began the run."""
    request: RequestRecord | None = None
    """What the run was asked for; absent where nobody told."""
    resumed: tuple[Resumption, ...] = ()
    """Each time that the run was taken up again, in order."""
    host: HostRecord
    image: ImageRecord
    probes: dict[Text, Text] = Field(default_factory=dict)
    """Probe name to its version."""
    bundle: Text | None = None
    """Digest of all probes' executables together."""
    planned: tuple[Text, ...] = ()
    """Ids of the cases that the run meant to run."""
    running: tuple[Text, ...] = ()
    """Ids of the cases that had begun and not ended when this was written."""
    guests: tuple[GuestRecord, ...] = ()
    cases: tuple[CaseResult, ...] = ()
    """In the order in which they ended."""
    leaks: tuple[LeakRecord, ...] = ()
    rubbish: tuple[RubbishRecord, ...] = ()
    damaged_events: Annotated[int, Field(ge=0)] = 0
    """Lines of events.jsonl that could not be read when this was made again from it."""

    @model_validator(mode="after")
    def _numbers_have_a_context(self) -> Self:
        known = {guest.id for guest in self.guests}
        for case in self.cases:
            if case.metrics and case.guest not in known:
                raise ValueError(f"case {case.id} has timings but its guest {case.guest!r} is not in the record")
            if case.metrics and not self.image.digest:
                raise ValueError(f"case {case.id} has timings but the image's digest is not known")
        return self

    def guest(self, guest_id: str | None) -> GuestRecord | None:
        """The guest of that id."""
        return next((guest for guest in self.guests if guest.id == guest_id), None)

    def context_of(self, case: CaseResult) -> MeasureContext:
        """What decides whether this case's timings compare with others. Raises `KeyError` for one without a guest."""
        guest = self.guest(case.guest)
        if guest is None:
            raise KeyError(case.guest)
        return MeasureContext(
            accel=guest.accel,
            cpus=guest.cpus,
            qemu_version=guest.qemu_version,
            clock=guest.clock,
            image_digest=self.image.digest,
            probe=case.probe,
            probe_version=case.probe_version,
            host_class=self.host.host_class,
            cpu_model=guest.cpu_model,
            memory=guest.memory,
            kernel_flags=guest.kernel_flags,
        )

    @property
    def counts(self) -> Counter[Outcome]:
        """How many cases ended how."""
        return Counter(case.outcome for case in self.cases)

    @property
    def missing(self) -> tuple[str, ...]:
        """Ids that were planned and have no result."""
        have = {case.id for case in self.cases}
        return tuple(one for one in self.planned if one not in have)

    def with_verdict(self, *verdicts: Verdict) -> tuple[CaseResult, ...]:
        """The cases with one of these verdicts, the worst outcome first, otherwise in their order."""
        found = [case for case in self.cases if case.verdict in verdicts]
        return tuple(sorted(found, key=lambda case: -case.outcome.severity))

    @property
    def is_red(self) -> bool:
        """Whether something is wrong: an unexpected outcome, a run cut short, a planned case without a result."""
        if any(case.verdict.is_red for case in self.cases) or self.state == "interrupted":
            return True
        return self.state == "complete" and bool(self.missing or not self.cases)

    @property
    def parts(self) -> int:
        """How often it was begun: 1 for a run that went through."""
        return 1 + len(self.resumed)

    @property
    def seconds(self) -> float | None:
        """From start to end, without the time between being cut off and taken up again."""
        if self.ended is None:
            return None
        idle = sum((one.started - one.left).total_seconds() for one in self.resumed)
        return max(0.0, (self.ended - self.started).total_seconds() - idle)
