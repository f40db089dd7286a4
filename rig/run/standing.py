"""Where a probe stands, by what its stream has told, and so how long it may be silent.

The process that runs a probe's cases tells the start of each, ends one that overruns its deadline (which `--scale`
stretches by the guest's factor), and tells its end: guest-tests/harness/runner.c. So a case may be silent until its own
deadline and a little more, and nobody asks the guest anything before: a question could spoil what it measures. Before
the first case, between two and behind the last one nothing is tested, and the process has little to do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from rig.guest.patience import Patience
from rig.probe.manifest import CaseKind, CaseSpec
from rig.probe.protocol import End, Message, Start

_QUICK = 2.0
"""Seconds in which a process starts, or what a case has left is removed; then the guest is asked."""
_SLOW = 30.0
"""The same, and no guest that answers has needed so long: it is given up."""
_GRACE = 1.0
"""Seconds behind a case's deadline in which it is ended, and that is told; then the guest is asked."""
_ANSWER = 4.0
"""Seconds in which a guest answers. One that does not is asked once more, by a new command."""
_LATE_ANSWER = 2.0
"""The same behind a case's deadline: it is no question any more whether something is wrong, only what."""


class Standing:
    """Fed with a probe's messages, it knows how patient one has to be. `factor` is the guest's."""

    def __init__(
        self, cases: Mapping[str, CaseSpec], factor: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._cases = cases
        self._factor = factor
        self._clock = clock
        self._case: str | None = None
        self._began_at = 0.0

    def hear(self, message: Message) -> None:
        """The probe's next word."""
        match message:
            case Start(case=name) if name in self._cases:
                self._case, self._began_at = name, self._clock()
            case End():
                self._case = None

    def patience(self, quiet: float) -> Patience:
        """What a silence of so many seconds means now. Not scaled."""
        if self._case is None:
            return Patience(end=_SLOW, ask=_QUICK, answer=_ANSWER)
        spec = self._cases[self._case]
        # What a case says does not put its deadline off.
        spoke_at = (self._clock() - quiet - self._began_at) / self._factor
        left = spec.deadline - max(0.0, spoke_at)
        return Patience(
            end=max(0.0, left) + _SLOW,
            ask=max(0.0, left) + _GRACE,
            answer=_LATE_ANSWER,
            undisturbed=spec.kind is CaseKind.TIMING,
        )
