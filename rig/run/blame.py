"""Whose fault it is: what an early end of a probe's stream means, in one outcome and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rig.errors import GuestDied, GuestError, HangError, PanicError, RigError, TransportTimeout
from rig.probe.protocol import Hello, Leak, Rubbish
from rig.result import Outcome

USAGE_STATUS = 64
"""A probe's exit status for a case it does not have."""
_NAME_LIMIT = 15
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


def panicking_process(panic: Mapping[str, Any] | None, probe: str) -> str:
    """Whose process the kernel named in its last words, held against the probe that ran; nothing where it names none.

    A kernel cuts names: Darwin's `p_comm` at 16 characters, Linux's `comm` at 15.
    """
    process = str(panic.get("process") or "") if panic is not None else ""
    if not process:
        return ""
    mine = process == probe or (len(process) >= _NAME_LIMIT and probe.startswith(process))
    return f"; the panicking process was {process}, {'' if mine else 'not '}the probe of this case"


def verdict(story: ProbeStory, when: str, probe: str = "") -> tuple[Outcome, str]:
    """Outcome and reason for the case that pays for an early end; `when` says where that case stood."""
    fault = story.fault
    if fault is not None:
        lives = "; the guest still answers" if isinstance(fault, TransportTimeout) else ""
        who = panicking_process(fault.evidence.panic, probe) if isinstance(fault, GuestError) and probe else ""
        return outcome_of(fault), f"{fault.message}, {when}{lives}{who}"
    said = f"; it said: {story.stderr.strip()}" if story.stderr.strip() else ""
    if story.hello is None:
        what = "printed nothing"
        if story.rubbish:
            what = f"printed no stream (line {story.rubbish[0].line}: {story.rubbish[0].reason})"
        return Outcome.ERROR, f"the probe {what} and ended with status {story.status}{said}"
    if story.complete:
        return Outcome.CRASHED, f"the probe ended with status {story.status} after its goodbye{said}"
    return Outcome.CRASHED, f"the probe ended without a goodbye (status {story.status}), {when}{said}"
