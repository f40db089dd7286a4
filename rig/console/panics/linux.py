"""Linux's panic and oops text, on x86_64 and, as far as it is of the same form, on other machines.

Sources: kernel/panic.c (`Kernel panic - not syncing`, `---[ end trace`, `---[ end Kernel panic`),
arch/x86/kernel/dumpstack.c (`Oops: 0002 [#1]`, call traces, registers), arch/x86/mm/fault.c (`BUG: unable to handle`),
lib/dump_stack.c (processor, process, release), kernel/module (`Modules linked in`), of Linux 3.9 to 6.12.
"""

from __future__ import annotations

import re

from rig.console.panics.lines import Line
from rig.console.panics.linux_opening import oops_of
from rig.console.panics.linux_parts import Parts, oops_number
from rig.console.panics.model import Panic
from rig.console.panics.reader import Reader

_PANIC = re.compile(r"Kernel panic - not syncing(?:$|: ?)(?P<message>.*)")
_CLUE = re.compile(
    r"panic|BUG|WARNING|INFO|UBSAN|\[#|cut here|fault|error|opcode|segment|int3|nable to|LOCKUP|Alignment|Insufficient|"
    r"unregister_netdevice"
)
"""Without one of these no line opens anything: most lines of most logs cost no more."""
_BEFORE = re.compile(r"(?:\S{0,64}[#$%>] ?|\S{0,64} ?(?:login|[Pp]assword): ?)?")
_STAMP = re.compile(r"(?<![:'\"`(=]) ?\[ *(?P<seconds>\d{1,9}\.\d{1,9})\](?:\[ *(?P<caller>[TC]\d{1,9})\])? +(?=\S)")
"""A kernel's stamp in the midst of a line; behind a colon or a quote it is somebody's quotation."""
_COMMAND = re.compile(r"\S{0,64}[#$%>] +[a-z]")
_QUOTED = re.compile(r"['\"`]")
_RESTART = re.compile(r"Linux version \d|SeaBIOS |BdsDxe: ")
_CUT_HERE = re.compile(r"-+\[ cut here \]-+")
_DETAIL_REACH = 12
"""Lines within which the warning follows."""
_BY_WARNING = re.compile(
    r"(?:kernel: )?(?:panic_on_warn|hung_task|RCU Stall|UBSAN|KMSAN|kmemleak|lockdep)", re.IGNORECASE
)
"""What a kernel that is told not to outlive a warning dies of."""
_ON_PURPOSE = re.compile(r"sysrq triggered")
"""Never what an oops before came to."""


class LinuxReader(Reader):
    """Reads one log."""

    def __init__(self) -> None:
        super().__init__()
        self._parts = Parts(Panic("linux"))
        self._detail: str | None = None
        """The first line after `cut here`: what a warning says in words. Empty while it is awaited."""
        self._detail_age = 0

    def feed(self, line: Line) -> None:
        """Take in the next line; a kernel's stamp in its midst shows where somebody's unfinished line ended."""
        if self.open is None and self._detail is None and not may_open(line):
            return
        for one in _torn(line):
            super().feed(one)

    def begins(self, line: Line) -> Panic | None:
        """An oops, a warning, or a panic that is not the consequence of one."""
        if _CUT_HERE.search(line.text):
            self._detail, self._detail_age = "", 0
            return None
        found = _PANIC.search(line.text)
        if found is not None and not line.text.startswith("---["):
            return self._panic(found, line)
        panic = oops_of(line)
        if panic is None:
            self._await(line.text)
            return None
        if self._belongs(panic, line):
            return None
        detail, self._detail = self._detail, None
        if panic.kind == "warning" and panic.message == "WARNING" and detail:
            panic.message = f"WARNING: {detail}"
        self._open(panic, line)
        self._parts.take(line.text)
        return panic

    def _await(self, text: str) -> None:
        if self._detail is not None:
            self._detail = self._detail or text
            self._detail_age += 1
            if self._detail_age > _DETAIL_REACH:
                self._detail = None

    def _belongs(self, panic: Panic, line: Line) -> bool:
        """Whether the line is only a further one of the report under way."""
        now = self.open
        if now is None or now.complete:
            return False
        if now.kind == "warning":
            return False
        return panic.kind == "warning" or not self._parts.is_another(oops_number(line.text))

    def _open(self, panic: Panic, line: Line) -> None:
        if self.open is not None and self.open.kind == "warning":
            self.end()  # it was outlived
        if line.seconds is not None:
            panic.uptime_ns = round(line.seconds * 1e9)
        self._parts = Parts(panic)

    def _panic(self, found: re.Match[str], line: Line) -> Panic | None:
        if line.seconds is None and not _BEFORE.fullmatch(line.text[: found.start()]):
            return None  # somebody's quotation: a command, a log that is shown
        message = found["message"].strip()
        if self._is_consequence(message):
            return None
        panic = Panic("linux", message=message)
        self._open(panic, line)
        return panic

    def _is_consequence(self, message: str) -> bool:
        now = self.open
        if now is None or now.consequence:
            return False
        if now.kind == "warning":
            return bool(_BY_WARNING.match(message))
        return now.kind == "oops" and not _ON_PURPOSE.match(message)

    def takes(self, panic: Panic, line: Line) -> bool:
        """Whether the line tells something of the panic or oops."""
        found = _PANIC.search(line.text)
        if found is not None and not line.text.startswith("---[") and panic.kind in {"oops", "warning"}:
            panic.consequence = panic.consequence or found["message"].strip()
            panic.complete = False
            return True
        return self._parts.take(line.text)

    def ends(self, line: Line) -> bool:
        """Whether the machine starts again."""
        return self.is_restart(line)

    @staticmethod
    def is_restart(line: Line) -> bool:
        """Whether the line is a boot's first."""
        return bool(_RESTART.match(line.text))


def may_open(line: Line) -> bool:
    """Whether a line can open anything at all."""
    return bool(_CLUE.search(line.text))


def _torn(line: Line) -> list[Line]:
    """The lines that were printed into one another."""
    if "[" not in line.text or _COMMAND.match(line.text):
        return [line]
    stamps = [found for found in _STAMP.finditer(line.text) if not _QUOTED.search(line.text[: found.start()])]
    if not stamps:
        return [line]
    ends = [*(found.start() for found in stamps[1:]), len(line.text)]
    first = line.text[: stamps[0].start()].strip()
    lines = [Line(line.number, first, line.indent, line.seconds, line.caller)] if first else []
    for found, end in zip(stamps, ends, strict=True):
        text = line.text[found.end() : end].strip()
        lines.append(Line(line.number, text, 0, float(found["seconds"]), found["caller"] or ""))
    return lines
