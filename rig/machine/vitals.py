"""What can be seen of a machine from outside: nothing is said to its guest, and no CPU is held.

A look costs two small files of /proc. The registers cost QEMU's main loop a moment, under TCG the CPUs none; they are
looked at where a caller says that the guest has been silent for a while. What is uncertain by nature (a CPU
that runs may be at anything) is not guessed at here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rig.errors import RigError
from rig.machine.cpus import CpuState, describe, read_states

if TYPE_CHECKING:
    from rig.machine.machine import Machine

_APART = 1.0
"""Seconds between two looks."""
_STALE = 3.0
"""Seconds without a look after which what was seen before is no longer held to have lasted."""
HALTED_LOOKS = 3
"""A CPU that halts with its interrupts off stays so; more than one look guards against a misread one."""
DEAF_LOOKS = 10
"""No kernel that works keeps its interrupts off through ten seconds: Linux takes that for a hard lockup."""
_RELIEF = 10.0
"""Seconds until the registers of a CPU that takes interrupts are looked at again."""
_QEMU_SECONDS = 1.0
_TROUBLE = 30.0
"""Seconds until a monitor that did not answer is asked again."""
_PROC = Path("/proc")


class Vitals:
    """Looks at one machine, as often as it is asked to and no oftener than is of use. Never raises."""

    def __init__(self, machine: Machine, clock: Callable[[], float] = time.monotonic) -> None:
        self._machine = machine
        self._clock = clock
        self._lock = threading.Lock()
        self._looked_at = float("-inf")
        self._threads: list[int] | None = None
        self._ran: tuple[object, ...] = ()
        self._ran_at = clock()
        self._registers_at = float("-inf")
        self._next_registers = float("-inf")
        self._looks: list[list[CpuState]] = []
        """At registers, all of which showed every CPU with its interrupts off."""
        self.still = ""
        """In words, why its CPUs certainly do nothing; empty as long as they may."""

    def look(self) -> None:
        """Take a look, if the last one is long enough ago."""
        now = self._clock()
        if now - self._looked_at < _APART or not self._lock.acquire(blocking=False):
            return
        try:
            if now - self._looked_at > _STALE:
                self._ran_at = now
            self._looked_at = now
            self.still = self._halted()
            self._watch_threads(now)
        finally:
            self._lock.release()

    def look_into(self) -> None:
        """Look at the registers, too: for a guest that has been silent for a while."""
        now = self._clock()
        if now < self._next_registers or not self._lock.acquire(blocking=False):
            return
        try:
            if now - self._registers_at > _STALE:
                self._looks.clear()
            self._registers_at = now
            self._next_registers = now + _APART
            try:
                states = read_states(self._machine.registers(seconds=_QEMU_SECONDS))
            except RigError:
                self._next_registers = now + _TROUBLE
                return
            if not states or any(state.interrupts for state in states):
                self._looks.clear()
                self._next_registers = now + _RELIEF
            else:
                self._looks = [*self._looks[1 - DEAF_LOOKS :], states]
        finally:
            self._lock.release()

    @property
    def asleep(self) -> float:
        """Seconds for which no CPU has run at all, not even for a timer's tick; 0 where the host does not tell."""
        return self._looked_at - self._ran_at

    @property
    def deaf(self) -> bool:
        """Whether all CPUs were seen without interrupts, in every one of many looks."""
        return len(self._looks) == DEAF_LOOKS

    def _halted(self) -> str:
        last = self._looks[-HALTED_LOOKS:]
        if len(last) < HALTED_LOOKS or not all(state.halted for look in last for state in look):
            return ""
        return describe(last)

    def _watch_threads(self, now: float) -> None:
        if self._threads is None:
            try:
                self._threads = self._machine.cpu_threads(seconds=_QEMU_SECONDS)
            except RigError:
                self._threads = []
        ran = tuple(_activity(self._machine.process.pid, thread) for thread in self._threads)
        if not ran or None in ran or ran != self._ran:
            self._ran, self._ran_at = ran, now


def _activity(pid: int, thread: int) -> Sequence[str] | None:
    """How often a thread was put to sleep or put aside; None for one that runs now, or would if it could.

    proc(5): the two counts of context switches grow each time that a thread has run.
    """
    try:
        text = (_PROC / str(pid) / "task" / str(thread) / "status").read_text()
    except OSError:
        return None
    lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    if not lines.get("State", "").strip().startswith("S"):
        return None
    return tuple(lines.get(f"{kind}_ctxt_switches", "") for kind in ("voluntary", "nonvoluntary"))
