"""Darwin's panic text, from 6 (10.2) to 25 (macOS 26), on i386 and x86_64, PowerPC and ARM.

Sources, for each layout: osfmk/kern/debug.c (panic, process, versions, uptime), osfmk/i386/AT386/model_dep.c
(backtrace; from 8019 the system's configuration too), osfmk/i386/trap.c and trap_native.c (registers),
libkern/c++/OSKext.cpp, before 1456 osfmk/kern/kmod.c (kexts), osfmk/kdp/ml/*/kdp_machdep.c (debugger), of
xnu-1228.15.4, 4570.41.2, 6153.141.1, 7195.121.3 and 11417.121.6.
"""

from __future__ import annotations

import re

from rig.console.panics.darwin_parts import Parts
from rig.console.panics.darwin_ppc import TRAP
from rig.console.panics.lines import Line, shape_of, without
from rig.console.panics.model import Panic
from rig.console.panics.reader import Reader

_CALLER = r"0x[0-9a-fA-F]{1,16}|(?=\S*[0-9a-fA-F]{4})[^\s)]{4,24}"
"""An address, of which a serial line may have damaged a byte."""
_START = re.compile(
    rf"panic\(cpu (?P<cpu>\d{{1,5}})(?: caller(?:$| 0?x?$| (?P<caller>{_CALLER})(?:\)?$|\):(?P<message>.*)))|"
    r"\):(?P<old>.*))"
)
"""A kernel may stop for good in the middle of it. Before Darwin 7 no caller is told."""
_CLUE = re.compile(r"panic|Panic|Debugger|kernel trap|Frame : Return|current thread")
"""Without one of these no line opens anything: most lines of most logs cost no more."""
_STOPPED = re.compile(r"Panic\(CPU (?P<cpu>\d{1,5}), time \d{1,20}\): (?P<message>.*)")
"""A processor that was stopped by another, and says where it was (osfmk/i386/mp.c)."""
_HEADLESS = re.compile(
    r"^(?:Backtrace \(CPU \d+\), .*Frame : Return|Panicked task 0x|BSD process name corresponding to current thread)"
)
"""What stands in panics alone: where a panic's first lines were lost, these tell that there was one."""
_BEFORE = re.compile(r"(?:\S{0,64}[#$%>] ?|\S{0,64} ?(?:login|[Pp]assword): ?)?")
"""What may stand before a kernel's line: nothing, or the prompt behind which it began."""
_COMMAND = re.compile(r"\S{0,64}[#$%>] +\S|.*\S.*['\"`(]$")
"""A command's echo, or a quotation: whatever it holds is no kernel's word."""
_DEBUGGER = re.compile(r"(?P<before>.*?)Debugger called: <(?P<message>[^>]*)>")
_UNEXPECTED = re.compile(
    r"(?P<before>.*?)(?P<message>Debugger: Unexpected kernel trap number: (?P<number>0x[0-9a-f]{1,8}))"
    r"(?:, [ER]IP: (?P<ip>0x[0-9a-f]{1,16}))?(?:, CR2: (?P<cr2>0x[0-9a-f]{1,16}))?"
)
_TRAPPED = re.compile(
    r"(?P<before>)(?:CPU (?P<cpu>\d{1,5}) )?panic trap number (?P<number>0x[0-9a-f]{1,8}), "
    r"[er]ip (?P<ip>0x[0-9a-f]{1,16})"
)
_NESTED = re.compile(
    r"Nested panic detected(?: - entry count: (?P<count>\d+) panic_caller: (?P<caller>0x[0-9a-f]+)|:(?P<message>.*))"
)
_NESTED_WORDS = re.compile(r"(?P<begin>Nested panic string:)|<end nested panic string>")
_RESTART = re.compile(
    r"BdsDxe: |SeaBIOS |XNU EFI loader|version_variant = |Serial mode specified: |MACH Reboot|\*\*\* Panic Report|"
    r"Anonymous UUID: "
)
_REACH = 12
"""Lines within which what announces a panic is followed by it."""


class DarwinReader(Reader):
    """Reads one log."""

    def __init__(self) -> None:
        super().__init__()
        self._parts = Parts(Panic("darwin"))
        self._opening = ""
        """What opened the present panic, and where."""
        self._opened_at = 0
        self._announced: Panic | None = None
        """What a debugger's or a trap's line told, until the panic's own line comes."""
        self._announced_for = 0
        self._unworded: Panic | None = None
        """A nested panic whose message is the next line."""
        self._late: Panic | None = None
        """One whose own line may come behind its report."""
        self._late_line = 0
        self._prefix: re.Pattern[str] | None = None
        """What stands before each line, as it stood before the panic's first."""

    def feed(self, line: Line) -> None:
        """Take in the next line."""
        if self.open is None and self._announced is None and not _CLUE.search(line.text):
            return
        if self._prefix is not None:
            line = without(self._prefix, line)
        if self._announced is not None:
            self._announced_for += 1
            if self._announced_for > _REACH:
                self._tell_announced()
        super().feed(line)

    def close(self) -> list[Panic]:
        """No more lines will come."""
        self._tell_announced()
        return super().close()

    def begins(self, line: Line) -> Panic | None:
        """A panic's own line, or a nested one's; what only announces one is kept until that line comes."""
        found = _START.search(line.text)
        if found is not None and _may_follow(line.text[: found.start()]):
            if self._is_again(found[0]) or self._is_late(found, line):
                return None
            self._opening, self._opened_at = found[0], line.number
            self._prefix = shape_of(line.text[: found.start()])
            return self._opened(found)
        found = TRAP.search(line.text)
        if found is not None and _may_follow(line.text[: found.start()]):
            panic = Panic("darwin", kind="trap", cpu=int(found["cpu"]), trap=found["trap"].strip())
            self._prefix = shape_of(line.text[: found.start()])
            self._fill(panic, found[0])
            self._late = panic
            return panic
        beheaded = self._beheaded(line) if self.open is None else None
        if beheaded is not None:
            return beheaded
        found = _NESTED.search(line.text)
        if found is not None and self.open is not None:
            panic = Panic("darwin", caller=found["caller"] or "")
            self._fill(panic, (found["message"] or "").strip())
            return panic
        self._announce(line)
        return None

    def tell(self, line: Line) -> None:
        """A panic that has no line of its own, only this text: a watchdog's, of which a file of macOS tells."""
        panic = Panic("darwin")
        self._fill(panic, line.text.removeprefix("Debugger message: "))
        self._begin(panic, line)

    def _beheaded(self, line: Line) -> Panic | None:
        """A panic that begins without its own line."""
        stopped = _STOPPED.search(line.text)
        if stopped is not None and _may_follow(line.text[: stopped.start()]):
            panic = Panic("darwin", cpu=int(stopped["cpu"]))
            self._fill(panic, stopped["message"].strip("` "))
            return panic
        if not _HEADLESS.match(line.text):
            return None
        self._tell_announced()
        panic = Panic("darwin")
        self._fill(panic, "")
        self._parts.take(line.text)
        return panic

    def _is_again(self, opening: str) -> bool:
        """Whether the line that opened the panic came twice, with at most somebody else's line between."""
        panic = self.open
        alike = panic is not None and opening == self._opening and self._announced is None
        return alike and panic is not None and panic.last_line == self._opened_at

    def _is_late(self, found: re.Match[str], line: Line) -> bool:
        """Whether it is the line of a PowerPC's panic whose trap and state were told before."""
        panic, self._late = self._late, None
        message = (found["message"] or found["old"] or "").strip()
        if panic is None or panic is not self.open or not panic.trap or message != panic.trap:
            return False
        panic.caller = found["caller"] or ""
        self._late_line = line.number
        return True

    def takes(self, panic: Panic, line: Line) -> bool:
        """Whether the line tells something of the panic."""
        if self._late_line == line.number:
            return True
        words = _NESTED_WORDS.search(line.text)
        if words is not None:
            self._unworded = panic if words["begin"] and not panic.message else None
            return True
        if self._unworded is panic:
            self._unworded = None
            self._parts.title(line.text)
            return True
        announces = self._announced is not None and self._announced.last_line == line.number
        return announces or self._parts.take(line.text)

    def ends(self, line: Line) -> bool:
        """Whether the machine starts again."""
        return bool(_RESTART.match(line.text)) or self._parts.is_next_boot(line.text)

    def end(self) -> None:
        """The open panic is over."""
        self._parts.close()
        super().end()
        self._unworded = None

    def _fill(self, panic: Panic, title: str) -> None:
        """What comes from now on is this panic's."""
        self._parts.close()
        self._parts = Parts(panic)
        self._parts.title(title)

    def _opened(self, found: re.Match[str]) -> Panic:
        panic = Panic("darwin", cpu=int(found["cpu"]), caller=found["caller"] or "")
        before, self._announced = self._announced, None
        self._unworded = None
        if before is not None:
            panic.line = before.line
            panic.debugger_message = before.debugger_message
            panic.trap_number, panic.instruction = before.trap_number, before.instruction
            panic.fault_address = before.fault_address
        message = (found["message"] or found["old"] or "").strip()
        self._fill(panic, message)
        if found["caller"] and not message:
            self._parts.title_follows()
        return panic

    def _announce(self, line: Line) -> None:
        for rule in (_DEBUGGER, _UNEXPECTED, _TRAPPED):
            found = rule.match(line.text)
            if found is not None and _may_follow(found["before"]):
                break
        else:
            return
        panic = self._announced
        if panic is None:
            panic = self._announced = Panic("darwin", kind="debugger", line=line.number)
        self._announced_for = 0
        panic.last_line = line.number
        told = found.groupdict()
        if rule is _DEBUGGER:
            panic.debugger_message = told["message"]
            # Darwin 8 and 9 call the debugger after the panic's line.
            if self.open is not None and not self.open.debugger_message and not self.open.frames:
                self.open.debugger_message = told["message"]
        else:
            panic.kind = "trap"
            panic.message = told.get("message") or "panic trap"
            panic.trap_number = int(told["number"], 16)
            panic.instruction = told["ip"] or ""
            panic.fault_address = told.get("cr2") or ""
            panic.cpu = int(told["cpu"]) if told.get("cpu") else None

    def _tell_announced(self) -> None:
        """The panic's line never came: what announced it is all there is."""
        panic, self._announced = self._announced, None
        if panic is None:
            return
        panic.message = panic.message or panic.debugger_message
        if self.open is None:
            self.found.append(panic)
        elif panic.kind == "trap":
            self.nest(panic)


def _may_follow(before: str) -> bool:
    """Whether a kernel may have begun to speak behind these words: not in a command, not in a quotation."""
    return bool(_BEFORE.fullmatch(before)) or not _COMMAND.match(before)
