"""A Darwin panic's message: where in the source it was raised, and what kind of panic it is."""

from __future__ import annotations

import re

from rig.console.panics.model import Panic
from rig.console.panics.reader import keep_other

_HEX = r"0x[0-9a-fA-F]{1,16}"
_QUOTED = re.compile(r'^"(?P<text>.*)" ?@(?P<file>[^"]+):(?P<line>\d{1,7})$', re.DOTALL)
_PLACED = re.compile(r"^(?P<text>.*\S) ?@(?P<file>[\w./+~-]*\w\.\w{1,4}):(?P<line>\d{1,7})$", re.DOTALL)
_ASSERTED = re.compile(r"^(?P<file>[\w./+~-]+\.\w{1,4}):(?P<line>\d{1,7}) (?P<text>Assertion failed: .*)$", re.DOTALL)
_ASSERTED_IN = re.compile(
    r"^(?P<text>assertion failed: .*), file: (?P<file>[^\"]+), line: (?P<line>\d{1,7})$", re.DOTALL | re.IGNORECASE
)
"""Where the assertion stands, which is not where panic was called."""
_ASSERTION = re.compile(r"assertion failed", re.IGNORECASE)
_TRAP = re.compile(
    rf"^(?P<what>[\w /]+?) at (?P<ip>{_HEX}), ?"
    r"(?:type =? ?(?P<number>\d{1,3})=(?P<trap>[^,#]*?)(?: #\S+)?, ?)?registers"
)
_OLD_TRAP = re.compile(r"^Unresolved kernel trap ?\(CPU \d+, Type (?P<number>\d{1,3})=(?P<trap>[^),]*)\)")
_CLOSED = re.compile(r'.*" ?@[^"]+:\d{1,7}$')
_REGISTERS_FOLLOW = re.compile(r".*registers:?$")
_LINES = 20
"""Lines that a message in quotes may have."""


class Title:
    """The message of one panic, which may go on over several lines until its source place closes it."""

    def __init__(self, panic: Panic) -> None:
        self._panic = panic
        self._closes: re.Pattern[str] | None = None
        self._held: list[str] = []

    def begin(self, text: str) -> None:
        """The first line."""
        self._panic.message = text
        if text.startswith('"') and not _CLOSED.match(text):
            self._closes = _CLOSED
        elif re.search(r" at 0x[0-9a-fA-F]+, ", text) and "registers" not in text:
            self._closes = _REGISTERS_FOLLOW
        self._judge()

    def goes_on(self, text: str) -> bool:
        """Whether this line, of which nothing else is known, may be the message's next."""
        if self._closes is None:
            return False
        self._held.append(text)
        if self._closes.match(text):
            self._panic.message = " ".join([self._panic.message, *self._held])
            self._closes, self._held = None, []
            self._judge()
        elif len(self._held) >= _LINES:
            self.give_up()
        return True

    def give_up(self) -> None:
        """What came never closed it: the first line is the message, the rest may be anybody's."""
        keep_other(self._panic, self._held)
        self._closes, self._held = None, []

    def _judge(self) -> None:
        panic = self._panic
        for rule in (_QUOTED, _ASSERTED, _PLACED):
            placed = rule.match(panic.message)
            if placed:
                panic.message = placed["text"].strip()
                panic.source_file, panic.source_line = placed["file"], int(placed["line"])
                break
        asserted = _ASSERTED_IN.match(panic.message)
        if asserted:
            panic.message = asserted["text"].strip()
            panic.source_file, panic.source_line = asserted["file"], int(asserted["line"])
        trapped = _TRAP.match(panic.message) or _OLD_TRAP.match(panic.message)
        if trapped:
            told = trapped.groupdict()
            panic.kind = "trap"
            panic.trap = (told.get("trap") or "").strip()
            panic.instruction = told.get("ip") or panic.instruction
            if told.get("number"):
                panic.trap_number = int(told["number"])
        elif _ASSERTION.search(panic.message):
            panic.kind = "assertion"
