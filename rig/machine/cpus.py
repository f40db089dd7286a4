"""What a machine's CPUs are at: halted for good, waiting, or busy, and where, told from a few looks at their registers.

Sources of the addresses: xnu, osfmk/mach/i386/vm_param.h (VM_MIN_KERNEL_ADDRESS; kernel extensions lie in the 2 GiB
below the kernel's own 0xffffff80...); Linux, Documentation/arch/x86/x86_64/mm.rst.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rig.machine.machine import Machine

LOOKS = 5
_APART = 0.03
"""Seconds between two looks. A timer's tick, which wakes an idle kernel, lasts a thousandth of that."""
_QEMU_SECONDS = 5.0
_INTERRUPTS = 0x200
_CPU = re.compile(r"^CPU#(\d+)", re.MULTILINE)
_COUNTER = re.compile(r"\b[RE]IP=([0-9a-f]+) [RE]FL=([0-9a-f]+).*CPL=(\d).*HLT=(\d)")
_CODE_BASE = re.compile(r"^CS =[0-9a-f]{4} ([0-9a-f]+)", re.MULTILINE)
_LONG_MODE = re.compile(r"\bCS64\b")


@dataclass(frozen=True)
class CpuState:
    """One CPU at one moment. `address` is linear."""

    number: int
    address: int
    halted: bool
    """It has executed `hlt` and waits for an interrupt."""
    interrupts: bool
    """Whether it takes any: one that is halted without never goes on."""
    ring: int
    long: bool = False
    """64-bit code."""

    @property
    def place(self) -> str:
        """Whose code lies at the address, as far as that tells; nothing for what could be anybody's."""
        return _place(self)


def read_states(registers: str) -> list[CpuState]:
    """The CPUs in what `info registers -a` prints; none for text of another form (another architecture's)."""
    parts = _CPU.split(registers)
    found = []
    for number, text in zip(parts[1::2], parts[2::2], strict=True):
        counter, base = _COUNTER.search(text), _CODE_BASE.search(text)
        if counter is None or base is None:
            continue
        long = _LONG_MODE.search(text) is not None
        address = int(counter[1], 16) + (0 if long else int(base[1], 16))
        takes = bool(int(counter[2], 16) & _INTERRUPTS)
        found.append(CpuState(int(number), address, counter[4] == "1", takes, int(counter[3]), long))
    return found


def sample(machine: Machine, looks: int = LOOKS) -> list[list[CpuState]]:
    """So many looks at all CPUs, at most: a machine that does not run is looked at once.

    Each holds the CPUs for a moment, since QEMU knows a running one's program counter only roughly. Raises
    `MonitorError`, `GuestDied`.
    """
    found: list[list[CpuState]] = []
    while len(found) < looks:
        running = machine.status(seconds=_QEMU_SECONDS) == "running"
        if running:
            machine.pause()
        try:
            found.append(read_states(machine.registers()))
        finally:
            if running:
                machine.resume()
        if not running:
            break
        time.sleep(_APART)
    return found


def describe(samples: Sequence[Sequence[CpuState]]) -> str:
    """The looks in words, such as `the CPU is busy at 0xffffff8000212a10 (in the kernel)`; nothing without any.

    A single look is one at a machine that runs no more: it tells where that stood.
    """
    numbers = sorted({state.number for look in samples for state in look})
    told = []
    for number in numbers:
        states = [state for look in samples for state in look if state.number == number]
        name = "the CPU" if len(numbers) == 1 else f"CPU {number}"
        told.append(f"{name} {_one(states)}")
    return "; ".join(told)


def _one(states: Sequence[CpuState]) -> str:
    if len(states) == 1:
        return f"stood at {_at(states)}"
    last = states[-1]
    halted = sum(state.halted for state in states)
    if halted == len(states):
        how = "idles, woken by interrupts alone," if last.interrupts else "is halted for good, its interrupts off,"
        return f"{how} at {_at([last])}"
    if halted:
        busy = [state for state in states if not state.halted]
        return f"mostly idles, but was busy in {len(busy)} of {len(states)} looks, at {_at(busy)}"
    return f"is busy at {_at(states)}"


def _at(states: Sequence[CpuState]) -> str:
    low, high = min(state.address for state in states), max(state.address for state in states)
    places = list(dict.fromkeys(state.place for state in states if state.place))
    where = f"{low:#x}" if low == high else f"{low:#x} to {high:#x}"
    return where + (f" (in {' and '.join(places)})" if places else "")


_PLACES = (
    (0xFFFF_FFFF_8000_0000, 0xFFFF_FFFF_FFFF_FFFF, "the kernel"),  # Linux
    (0xFFFF_FF80_0000_0000, 0xFFFF_FFFF_7FFF_FFFF, "the kernel"),  # Darwin
    (0xFFFF_FF7F_8000_0000, 0xFFFF_FF7F_FFFF_FFFF, "a kernel extension"),
)


def _place(state: CpuState) -> str:
    if state.ring == 3:
        return "a process"
    for first, last, name in _PLACES:
        if first <= state.address <= last:
            return name
    if not state.long and (state.address >= 0xFFF0_0000 or 0xC_0000 <= state.address <= 0xF_FFFF):
        return "the firmware"
    return "firmware or loader" if state.address < 1 << 32 else ""
