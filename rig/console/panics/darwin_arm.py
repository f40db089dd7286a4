"""What panics of Apple's ARM kernels have instead of the PC's registers and uptime (osfmk/arm64/sleh.c,
osfmk/arm/model_dep.c)."""

from __future__ import annotations

import re

from rig.console.panics.model import Panic

_HEX = r"0x[0-9a-fA-F]{1,16}"
_NAME = r"(?:[xr]\d{1,2}|fp|lr|sp|pc|cpsr|fsr|esr|far)"
_REGISTERS = re.compile(rf"^(?:{_NAME}: +{_HEX} *)+$")
_REGISTER = re.compile(rf"({_NAME}): +({_HEX})")
_TIME = re.compile(
    r"^(?P<name>Boot|Sleep|Wake|Calendar) *: +(?P<sec>0x[0-9a-fA-F]{1,16}) +(?P<usec>0x[0-9a-fA-F]{1,16})$"
)
_HEADING = re.compile(r"^Epoch Time: +sec +usec$")


class Arm:
    """Fills one panic."""

    def __init__(self, panic: Panic) -> None:
        self._panic = panic
        self._booted: float | None = None

    def take(self, text: str) -> bool:
        """Whether the line is one of registers or of times."""
        return self._registers(text) or self._time(text)

    def _registers(self, text: str) -> bool:
        if not _REGISTERS.match(text) or text.startswith("lr:"):
            return False  # of a backtrace
        panic = self._panic
        for name, value in _REGISTER.findall(text):
            panic.registers.setdefault(name, value)
        if panic.kind == "trap":
            told = panic.registers
            panic.instruction = panic.instruction or told.get("pc", "")
            panic.error_code = panic.error_code or told.get("esr", "") or told.get("fsr", "")
            panic.fault_address = panic.fault_address or told.get("far", "")
        return True

    def _time(self, text: str) -> bool:
        found = _TIME.match(text)
        if found:
            seconds = int(found["sec"], 16) + int(found["usec"], 16) / 1e6
            if found["name"] == "Boot":
                self._booted = seconds
            elif found["name"] == "Calendar" and self._booted is not None and self._panic.uptime_ns is None:
                self._panic.uptime_ns = max(0, round((seconds - self._booted) * 1e9))
            return True
        return _HEADING.match(text) is not None
