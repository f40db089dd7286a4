"""A Darwin panic's message: where in the source it was raised, and what kind of panic it is."""

from __future__ import annotations

import re

from rig.console.panics.model import Panic
from rig.console.panics.reader import keep_other

_HEX = r"0x[0-9a-fA-F]{1,16}"
_QUOTED = re.compile(r'^(?P<lead>[^"]{0,200})"(?P<text>.*)" ?@(?P<file>[^"]+):(?P<line>\d{1,7})$', re.DOTALL)
_BARE_QUOTES = re.compile(r'^"(?P<text>.*?)(?:\\n)*"$', re.DOTALL)
"""Without the place that other messages in quotes have."""
_ENDS = re.compile(r"(?:\\n|\s)+$")
"""A line's end within the quotes, which some kernels print as they have it in their source."""
_JOINED = re.compile(r'" +"')
"""Two strings of a source that its compiler did not see as one."""
_PLACED = re.compile(r"^(?P<text>.*\S) ?@(?P<file>[\w./+~-]*\w\.\w{1,4}):(?P<line>\d{1,7})$", re.DOTALL)
_ASSERTED = re.compile(r"^(?P<file>[\w./+~-]+\.\w{1,4}):(?P<line>\d{1,7}) (?P<text>Assertion failed: .*)$", re.DOTALL)
_CHECKED = re.compile(r"^(?P<file>/[\w./+~-]+\.\w{1,4}):(?P<line>\d{1,7}):(?P<text>\w+: .*)$", re.DOTALL)
_ASSERTED_IN = re.compile(
    r"^(?P<text>assertion failed: .*), file: (?P<file>[^\"]+), line: (?P<line>\d{1,7})$", re.DOTALL | re.IGNORECASE
)
"""Where the assertion stands, which is not where panic was called."""
_ASSERTION = re.compile(r"assertion failed", re.IGNORECASE)
_TRAP = re.compile(
    rf"^(?:Kernel trap|(?P<what>[\w /]+?)) at (?P<ip>{_HEX}), ?"
    r"(?:type =? ?(?P<number>\d{1,3})=(?P<trap>[^,#]*?)(?: #\S+)?, ?)?registers"
)
_ABORT = re.compile(
    rf"^(?P<trap>(?:Kernel|Unexpected fault in kernel|PC alignment|SP alignment)\b[\w ]*)\.? at pc (?P<ip>{_HEX})|"
    rf"^(?P<bare>Kernel \w+ abort)\b"
)
_ARM_ABORT = re.compile(r"^kernel (?P<trap>\w+ abort|abort type \d+)\b")
_POWER = re.compile(r"^(?P<trap>0x[0-9a-fA-F]{1,4} - \w[\w ]*)$")
_OLD_TRAP = re.compile(r"^Unresolved kernel trap ?\(CPU \d+, Type (?P<number>\d{1,3})=(?P<trap>[^),]*)\)")
_TRAPS = (_TRAP, _ABORT, _ARM_ABORT, _POWER, _OLD_TRAP)
_CLOSED = re.compile(r'.*" ?@[^"]+:\d{1,7}$')
_UNCLOSED = re.compile(r'[^"]*"(?!.*" ?@[^"]+:\d{1,7}$)[^"]*(?:"[^"]*"[^"]*)*$')
_BEGUN_TRAP = re.compile(rf"Kernel trap at(?: (?:0x[0-9a-fA-F]*)?(?:,.*)?)?$|.* at {_HEX}, ")
_BEGUN_ABORT = re.compile(r"(?:Kernel|PC|SP) [\w ]*abort\.(?: at(?: pc)?)?$")
_BEGUN_FAULT = re.compile(r"kernel abort type \d+:$")
_REGISTERS_FOLLOW = re.compile(r".*registers:?$")
_PLACE_FOLLOWS = re.compile(rf".*{_HEX}")
_ANYTHING = re.compile(r"")
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
        self._closes = self._unfinished(text)
        self._judge()

    @staticmethod
    def _unfinished(text: str) -> re.Pattern[str] | None:
        """What closes a message that goes on."""
        if _UNCLOSED.match(text) or (text.startswith('"') and not _CLOSED.match(text)):
            return _CLOSED
        if _BEGUN_TRAP.match(text) and "registers" not in text:
            return _REGISTERS_FOLLOW
        if _BEGUN_ABORT.match(text) or _BEGUN_FAULT.match(text):
            return _PLACE_FOLLOWS
        return None

    def awaited(self) -> None:
        """Somebody broke the line before the message: it is the next."""
        self._closes = _ANYTHING

    def goes_on(self, text: str) -> bool:
        """Whether this line, of which nothing else is known, may be the message's next."""
        if self._closes is None:
            return False
        self._held.append(text)
        if self._closes.match(text):
            self._panic.message = " ".join([self._panic.message, *self._held]).strip()
            again = self._closes is _ANYTHING
            self._closes, self._held = None, []
            if again:
                self._closes = self._unfinished(self._panic.message)
            self._judge()
        elif len(self._held) >= _LINES:
            self.give_up()
        return True

    def give_up(self) -> None:
        """What came never closed it: the first line is the message, the rest may be anybody's."""
        keep_other(self._panic, self._held)
        self._closes, self._held = None, []
        bare = _BARE_QUOTES.match(self._panic.message)
        if bare:
            self._panic.message = bare["text"].strip()

    def _judge(self) -> None:
        panic = self._panic
        for rule in (_QUOTED, _ASSERTED, _CHECKED, _PLACED):
            placed = rule.match(panic.message)
            if placed:
                lead = placed["lead"] if rule is _QUOTED else ""
                panic.message = _ENDS.sub("", _JOINED.sub("", f"{lead}{placed['text']}")).strip()
                panic.source_file, panic.source_line = placed["file"], int(placed["line"])
                break
        asserted = _ASSERTED_IN.match(panic.message)
        if asserted:
            panic.message = asserted["text"].strip()
            panic.source_file, panic.source_line = asserted["file"], int(asserted["line"])
        trapped = next((one for rule in _TRAPS if (one := rule.match(panic.message))), None)
        if trapped:
            told = trapped.groupdict()
            panic.kind = "trap"
            panic.trap = (told.get("trap") or told.get("bare") or told.get("what") or "").strip()
            panic.instruction = told.get("ip") or panic.instruction
            if told.get("number"):
                panic.trap_number = int(told["number"])
        elif _ASSERTION.search(panic.message):
            panic.kind = "assertion"
