"""Panics of Darwin on PowerPC, 6 to 9: exception states, addresses in rows (osfmk/ppc/trap.c, model_dep.c)."""

from __future__ import annotations

import re

from rig.console.panics.model import Frame, Panic
from rig.console.panics.reader import add_frame

TRAP = re.compile(r"Unresolved kernel trap ?\(cpu (?P<cpu>\d{1,5})\):(?P<trap>[^=]{0,80}?)(?: +(?:[A-Z]+=.*|\.\.\.))?$")
"""The line before all others; the panic's own may come behind its whole report."""
_HEADING = re.compile(
    r"^(?:Exception state \(sv=|Latest (?:crash info|stack backtrace) for cpu \d+:|"
    r'Proceeding back via exception chain:|previously dumped as "Latest" state)'
)
_REGISTERS = re.compile(r"^(?:[A-Z][A-Z0-9]{0,4}=0x[0-9a-fA-F]{1,16}(?:;|$)|XCP=|\.\.\.;? ?)")
_REGISTER = re.compile(r"\b([A-Z][A-Z0-9]{0,4})=(0x[0-9a-fA-F]{1,16})")
_TRAP_NAME = re.compile(r"XCP=0x[0-9a-fA-F]+ \((?P<trap>[^)]*)\)?")
_BACKTRACE = re.compile(r"^Backtrace:(?P<rest>.*)$")
_ADDRESSES = re.compile(r"^(?:0x[0-9a-fA-F]{8,16}(?: +|$))+(?:backtrace terminated.*)?$")


class PowerPC:
    """Fills one panic."""

    def __init__(self, panic: Panic) -> None:
        self._panic = panic
        self._frames = panic.frames
        self._listing = False

    def take(self, text: str) -> bool:
        """Whether the line is one that only these kernels print."""
        if self._backtrace(text):
            return True
        if not (_HEADING.match(text) or self._registers(text)):
            return False
        self._listing = False
        return True

    def _backtrace(self, text: str) -> bool:
        begins = _BACKTRACE.match(text)
        if begins:
            text, self._listing = begins["rest"].strip(), True
            if self._panic.frames:
                self._frames = []
                self._panic.more_frames.append(self._frames)
        if not self._listing or not (begins or _ADDRESSES.match(text)):
            return False
        for address in re.findall(r"0x[0-9a-fA-F]{8,16}", text):
            add_frame(self._frames, Frame(address=address))
        return True

    def _registers(self, text: str) -> bool:
        if not _REGISTERS.match(text):
            return False
        panic = self._panic
        for name, value in _REGISTER.findall(text):  # the last exception's come first
            panic.registers.setdefault(name, value)
        trap = _TRAP_NAME.search(text)
        panic.trap = panic.trap or (trap["trap"] if trap else "")
        panic.instruction = panic.instruction or panic.registers.get("PC", "")
        panic.fault_address = panic.fault_address or panic.registers.get("DAR", "")
        return True
