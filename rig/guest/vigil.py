"""A guest that says nothing, looked at from outside: certainly dead, or so likely that it should be asked at once?"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from rig.console import Console
from rig.errors import RigError
from rig.guest.patience import Patience
from rig.machine import Machine
from rig.machine.vitals import Vitals

_SILENT = 5.0
"""Seconds until a silent guest is looked into."""
ASLEEP_SECONDS = 5.0
"""Without any CPU having run: the process that runs a probe's cases looks at its clock every second."""
_QEMU_SECONDS = 2.0
_DEAF_ANSWER = 2.0
"""Seconds, unscaled, in which a guest that runs without interrupts is to answer."""


class Vigil:
    """One guest's. `factor` is the guest's; `emulated`: its registers can be read without disturbing its CPUs."""

    def __init__(
        self,
        machine: Machine,
        console: Console,
        factor: float,
        emulated: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._machine = machine
        self._console = console
        self._factor = factor
        self._emulated = emulated
        self._clock = clock
        self.vitals = Vitals(machine, clock)

    def still(self) -> str:
        """Why the guest certainly does nothing, in words, seen now; empty as long as it may."""
        if self._machine.held:
            return self._holder()
        self.vitals.look()
        return self.vitals.still

    def _holder(self) -> str:
        if self._machine.process.stopped:
            return "QEMU's process is stopped"
        try:
            return f"QEMU's state: {self._machine.status(seconds=_QEMU_SECONDS)}"
        except RigError:
            return "QEMU does not answer"

    def hurried(self, patience: Patience, quiet: float) -> Patience:
        """That patience (scaled) with a guest whose command has been silent for so long; less with one that looks dead.

        A question does not hurt then: nothing is measured by a CPU that sleeps, or that takes no interrupts.
        """
        if quiet < _SILENT or patience.ask == float("inf"):
            return patience
        self.vitals.look()
        if self._emulated or not patience.undisturbed:
            self.vitals.look_into()
        if self.vitals.asleep >= ASLEEP_SECONDS:
            return replace(patience, ask=0.0, answer=min(patience.answer, ASLEEP_SECONDS))
        # A kernel that writes a long text by polling has its interrupts off, too.
        if self.vitals.deaf and self._console.watch.silence > _SILENT:
            return replace(patience, ask=0.0, answer=min(patience.answer, _DEAF_ANSWER * self._factor))
        return patience

    def questioning(self) -> Callable[[], bool]:
        """For a guest that is asked from now on: whether it is of no use to wait on, since no CPU of it wakes up."""
        begun = self._clock()

        def useless() -> bool:
            self.vitals.look()
            return min(self.vitals.asleep, self._clock() - begun) >= ASLEEP_SECONDS

        return useless
