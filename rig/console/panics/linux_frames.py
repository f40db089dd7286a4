"""Call traces of Linux, and the place where it trapped: x86, and what ARM, POWER and s390 print instead."""

from __future__ import annotations

import re

from rig.console.panics.model import Frame, Panic
from rig.console.panics.reader import add_frame

_SYMBOL = (
    r"\.?(?P<symbol>[\w.$]+)\+(?P<offset>0x[0-9a-f]{1,8})/(?P<size>0x[0-9a-f]{1,8})(?: ?\[(?P<module>[\w-]+)[^\]]*\])?"
)
_ADDRESS = r"\(?\[<?(?P<address>[0-9a-f]{8,16})>?\] ?"
_FRAME = re.compile(
    rf"^(?:\[[0-9a-f]{{8,16}}\] )?(?:{_ADDRESS})?(?P<unsure>\? )?{_SYMBOL}\)?(?: \(unreliable\)| \([CPFEURK]+\))?$"
)
_BARE_FRAME = re.compile(rf"^(?:{_ADDRESS})?\)?(?P<unsure>\? )?0x(?P<bare>[0-9a-f]{{8,16}})\)?$")
_FROM = re.compile(rf"^(?:\[<[0-9a-f]{{8,16}}>\] \()?[\w.$]+\)?(?: \[[\w-]+\])? from (?:{_ADDRESS})?\(?{_SYMBOL}\)?$")
"""ARM says who was called from where; the caller is the frame."""
_TRACE = re.compile(r"^(?:Call [Tt]race|Backtrace|stack backtrace|[Ss]tack trace|backtrace) ?:")
_STACKS = re.compile(r"^</?(?:TASK|IRQ|NMI|SOFTIRQ|EOI|#?[DM][FBC]E?|#?VC2?|ENTRY_TRAMPOLINE)>$")
_RIP = re.compile(rf"^[ER]?IP:? ?(?:(?P<segment>[0-9a-f]{{4}}):)?(?:\[<(?P<ip>[0-9a-f]+)>\] *)*(?:{_SYMBOL})?")
_IS_AT = re.compile(rf"^(?:[ER]IP|PC) is at {_SYMBOL}$|^pc : {_SYMBOL.replace('?P<', '?P<pc_')}$")
_POWER = re.compile(rf"^NIP \[(?P<ip>[0-9a-f]{{8,16}})\] {_SYMBOL}")
_PSW = re.compile(rf"^Krnl PSW : [0-9a-f]+ (?P<ip>[0-9a-f]+) \({_SYMBOL}\)")


class Trace:
    """Fills the calls of one panic."""

    def __init__(self, panic: Panic) -> None:
        self._panic = panic
        self._frames = panic.frames

    def take(self, text: str) -> bool:
        """Whether the line is part of a trace, or says where it trapped."""
        if _TRACE.match(text):
            if self._panic.frames:
                self._frames = []
                self._panic.more_frames.append(self._frames)
            return True
        return self._frame(text) or self._place(text)

    def _frame(self, text: str) -> bool:
        found = _FRAME.match(text) or _FROM.match(text)
        if found:
            add_frame(
                self._frames,
                Frame(
                    symbol=found["symbol"],
                    offset=int(found["offset"], 16),
                    module=found["module"] or "",
                    address=found["address"] or "",
                    reliable=not found.groupdict().get("unsure"),
                ),
            )
            return True
        bare = _BARE_FRAME.match(text)
        if bare:
            add_frame(self._frames, Frame(address=f"0x{bare['bare']}", reliable=not bare["unsure"]))
        return bare is not None or _STACKS.match(text) is not None

    def _place(self, text: str) -> bool:
        panic = self._panic
        found = _RIP.match(text)
        if found and (found["symbol"] or found["ip"] or found["segment"]):
            if found["segment"] in {None, "0010", "e030", "0060", "0061"}:
                self._at(found["symbol"], found["ip"])
            return True
        found = _IS_AT.match(text)
        if found:
            self._at(found["symbol"] or found["pc_symbol"], None)
            return True
        found = _POWER.match(text) or _PSW.match(text)
        if found:
            self._at(found["symbol"], found["ip"])
        return found is not None and panic is self._panic

    def _at(self, symbol: str | None, address: str | None) -> None:
        if not self._panic.instruction_symbol:
            self._panic.instruction_symbol = symbol or ""
        if address and not self._panic.instruction:
            self._panic.instruction = f"0x{address}"
