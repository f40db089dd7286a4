"""Whose fault it is: what an early end of a probe's stream means, in one outcome and in words."""

from __future__ import annotations

from dataclasses import dataclass, field

from rig.errors import GuestDied, HangError, PanicError, RigError, TransportTimeout
from rig.probe.protocol import Hello, Leak, Rubbish
from rig.result import Outcome

USAGE_STATUS = 64
"""A probe's exit status for a case it does not have."""
RUBBISH_KEPT = 10
"""Lines of rubbish whose text is kept; the rest is counted."""


@dataclass
class ProbeStory:
    """What one start of a probe told beside its cases, and how it ended."""

    hello: Hello | None = None
    leaks: list[Leak] = field(default_factory=list)
    rubbish: list[Rubbish] = field(default_factory=list)
    """The first `RUBBISH_KEPT` lines."""
    rubbish_lines: int = 0
    notes: list[str] = field(default_factory=list)
    complete: bool = False
    """Whether the goodbye was read."""
    fault: RigError | None = None
    """What cut the start off; None where the probe ended by itself."""
    status: int | None = None
    stderr: str = ""

    @property
    def refused(self) -> bool:
        """Whether the probe did not take its command line: it lacks one of the cases."""
        return self.fault is None and self.status == USAGE_STATUS and self.hello is None

    @property
    def ended_well(self) -> bool:
        """Whether the stream is whole and its probe's end as it should be."""
        return self.complete and self.fault is None and self.status == 0


def outcome_of(fault: RigError) -> Outcome:
    """The outcome of a case that a guest's or a transport's failure has cost."""
    if isinstance(fault, PanicError | GuestDied):
        return Outcome.PANIC
    if isinstance(fault, HangError):
        return Outcome.HANG
    return Outcome.TIMEOUT if isinstance(fault, TransportTimeout) else Outcome.ERROR


def verdict(story: ProbeStory, when: str) -> tuple[Outcome, str]:
    """Outcome and reason for the case that pays for an early end; `when` says where that case stood."""
    fault = story.fault
    if fault is not None:
        lives = "; the guest still answers" if isinstance(fault, TransportTimeout) else ""
        return outcome_of(fault), f"{fault.message}, {when}{lives}"
    said = f"; it said: {story.stderr.strip()}" if story.stderr.strip() else ""
    if story.hello is None:
        what = "printed nothing"
        if story.rubbish:
            what = f"printed no stream (line {story.rubbish[0].line}: {story.rubbish[0].reason})"
        return Outcome.ERROR, f"the probe {what} and ended with status {story.status}{said}"
    if story.complete:
        return Outcome.CRASHED, f"the probe ended with status {story.status} after its goodbye{said}"
    return Outcome.CRASHED, f"the probe ended without a goodbye (status {story.status}), {when}{said}"
