"""The backtrace of a Darwin panic: addresses always, symbols where the kernel was booted with `keepsyms=1`."""

from __future__ import annotations

import re

from rig.console.panics.model import Frame, Panic
from rig.console.panics.reader import add_frame

_HEX = r"0x[0-9a-fA-F]{1,16}"
_BEGIN = re.compile(
    rf"^Backtrace(?: \(CPU \d+\))?(?:, panicked thread: (?P<thread>{_HEX}))?, (?:Format - )?Frame : Ret"
)
_OTHER_LIST = re.compile(r"^LBR Stack")
"""Branch records look like frames and are none."""
_FRAME = re.compile(rf"^(?P<frame>{_HEX}) : (?P<address>{_HEX})(?P<rest>(?: .*)?)$")
_LINK = re.compile(rf"^lr: (?P<address>{_HEX}) +fp: (?P<frame>{_HEX})$")
_END = re.compile(r"Backtrace (?:continues|terminated).*|Unaligned frame$|No mapping exists for frame pointer$")
_ARGUMENTS = re.compile(r"^\((?:0x[0-9a-fA-F]+ ?)+\) ?")
_OFFSET = r"(?: \+ (?P<offset>0x[0-9a-fA-F]{1,16}|\d{1,20}))?"
_IN_MODULE = re.compile(rf"^(?P<module>\S+) :(?: (?P<symbol>\S+){_OFFSET})?")
_ALONE = re.compile(rf"^(?P<symbol>[\w.$]+){_OFFSET}$")


class Backtrace:
    """The backtraces of one panic; the first is the panic's own."""

    def __init__(self, panic: Panic) -> None:
        self._panic = panic
        self._frames = panic.frames
        self._elsewhere = False

    def take(self, text: str) -> bool:
        """Whether the line is part of one."""
        begins = _BEGIN.match(text)
        if begins:
            self._elsewhere = False
            self._panic.thread = self._panic.thread or begins["thread"] or ""
            if self._panic.frames and self._frames:
                self._frames = []
                self._panic.more_frames.append(self._frames)
            return True
        if _OTHER_LIST.match(text):
            self._elsewhere = True
            return True
        return not self._elsewhere and (self._frame(text) or self._ended(text) or self._symbol(text))

    def _frame(self, text: str) -> bool:
        ends = _END.search(text)
        found = _FRAME.match(text[: ends.start()].rstrip() if ends else text) or _LINK.match(text)
        if found is None:
            return False
        told = found.groupdict()
        frame = Frame(address=found["address"], frame=found["frame"])
        _name(frame, told.get("rest") or "")
        if not self._frames or self._frames[-1] != frame:  # no two calls have the same frame
            add_frame(self._frames, frame)
        if ends:
            self._ended(text)
        return True

    def _ended(self, text: str) -> bool:
        ends = _END.search(text)
        if ends and ends[0] not in self._panic.backtrace_end:
            self._panic.backtrace_end = "; ".join(filter(None, [self._panic.backtrace_end, ends[0]]))
        return ends is not None

    def _symbol(self, text: str) -> bool:
        """Darwin 9 breaks the line between a frame's arguments and its symbol."""
        found = _ALONE.match(text)
        if not found or not self._frames or not (found["offset"] or text.startswith("_")):
            return False
        last = self._frames[-1]
        if last.symbol or last.module:
            return False
        _name(last, text)
        return True


def _name(frame: Frame, rest: str) -> None:
    """What stands behind a frame's addresses: nothing, or module and symbol in one of their forms."""
    text = _ARGUMENTS.sub("", rest.strip()).removeprefix("[").removesuffix("]").strip()
    found = _IN_MODULE.match(text)
    if found:
        frame.module, frame.symbol = found["module"], found["symbol"] or ""
    else:
        found = _ALONE.match(text)
        if not found:
            return
        # A kext without symbols is told by its identifier, which has dots in it; a kernel's symbol has none.
        if "." in found["symbol"] or not (found["offset"] or found["symbol"].startswith("_")):
            frame.module = found["symbol"]
        else:
            frame.symbol = found["symbol"]
    if found["offset"]:
        frame.offset = int(found["offset"], 0) if found["offset"].startswith("0x") else int(found["offset"])
