"""Linux's panic and oops text, on x86_64.

Sources: kernel/panic.c (`Kernel panic - not syncing`, `---[ end trace`, `---[ end Kernel panic`),
arch/x86/kernel/dumpstack.c (`Oops: 0002 [#1]`, call traces, registers), arch/x86/mm/fault.c (`BUG: unable to handle`),
lib/dump_stack.c (processor, process, release), kernel/module (`Modules linked in`), of Linux 3.9 to 6.12.
"""

from __future__ import annotations

import re

from rig.console.panics.lines import Line
from rig.console.panics.linux_parts import Parts, oops_number
from rig.console.panics.model import Panic
from rig.console.panics.reader import Reader

_PANIC = re.compile(r"Kernel panic - not syncing(?:$|: ?)(?P<message>.*)")
_OOPS = re.compile(
    r"^(?:watchdog: )?(?:BUG: (?:unable to handle|kernel NULL pointer|KASAN|KFENCE|KCSAN|soft lockup|spinlock|"
    r"scheduling while atomic|sleeping function|stack guard page|Bad page|workqueue lockup|non-zero|TASK stack guard)|"
    r"kernel BUG at |[Uu]nable to handle kernel |general protection fault|stack segment: |int3: |double fault: |"
    r"PANIC: double fault|divide error: |invalid opcode: |Oops: |Internal error: Oops|Watchdog detected hard LOCKUP)"
)
_DIE = re.compile(r"^[\w ,:()/-]{2,160}: [0-9a-fA-F]{4} \[#\d+\]")
"""Whatever the trap is called: arch/x86/kernel/dumpstack.c __die_header."""
_AT = re.compile(r"^kernel BUG at (?P<file>\S+):(?P<line>\d{1,7})!")
_BEFORE = re.compile(r"(?:\S{0,64}[#$%>] ?|\S{0,64} ?(?:login|[Pp]assword): ?)?")
_STAMPED = re.compile(r"(?:^|[ .#$%>])\[ *(?P<seconds>\d{1,9}\.\d{1,9})\](?:\[[^\]]{1,12}\])? (?P<text>\S.*)$")
_RESTART = re.compile(r"Linux version \d|SeaBIOS |BdsDxe: ")


class LinuxReader(Reader):
    """Reads one log."""

    def __init__(self) -> None:
        super().__init__()
        self._parts = Parts(Panic("linux"))

    def feed(self, line: Line) -> None:
        """Take in the next line; a kernel's stamp in its midst shows where somebody's unfinished line ended."""
        inner = _STAMPED.search(line.text)
        if inner is not None:
            line = Line(line.number, inner["text"], line.indent, float(inner["seconds"]))
        super().feed(line)

    def begins(self, line: Line) -> Panic | None:
        """An oops, or a panic that is not the consequence of one."""
        found = _PANIC.search(line.text)
        if found is not None and not line.text.startswith("---["):
            return self._panic(found, line)
        if not _OOPS.match(line.text) and not _DIE.match(line.text):
            return None
        number = oops_number(line.text)
        if self.open is not None and not self.open.complete and not self._parts.is_another(line.text, number):
            return None
        panic = Panic("linux", kind="oops", message=line.text)
        placed = _AT.match(line.text)
        if placed:
            panic.source_file, panic.source_line = placed["file"], int(placed["line"])
            panic.message = "kernel BUG"
        self._stamp(panic, line)
        self._parts = Parts(panic)
        self._parts.take(line.text)
        return panic

    def _panic(self, found: re.Match[str], line: Line) -> Panic | None:
        if line.seconds is None and not _BEFORE.fullmatch(line.text[: found.start()]):
            return None  # somebody's quotation: a command, a log that is shown
        oops = self.open
        if oops is not None and oops.kind == "oops" and not oops.consequence:
            return None  # what the oops came to
        panic = Panic("linux", message=found["message"].strip())
        self._stamp(panic, line)
        self._parts = Parts(panic)
        return panic

    @staticmethod
    def _stamp(panic: Panic, line: Line) -> None:
        if line.seconds is not None:
            panic.uptime_ns = round(line.seconds * 1e9)

    def takes(self, panic: Panic, line: Line) -> bool:
        """Whether the line tells something of the panic or oops."""
        found = _PANIC.search(line.text)
        if found is not None and not line.text.startswith("---[") and panic.kind == "oops":
            panic.consequence = panic.consequence or found["message"].strip()
            panic.complete = False
            return True
        return self._parts.take(line.text)

    def ends(self, line: Line) -> bool:
        """Whether the machine starts again."""
        return bool(_RESTART.match(line.text))
