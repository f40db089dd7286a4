"""Panic text as it comes, by dialect: how one starts, how one ends, what its first line says.

What a whole text tells is read afterwards, by `rig.console.panics`.

Sources: Darwin: osfmk/kern/debug.c and osfmk/i386/AT386/model_dep.c of xnu-4570.41.2, and a panic seen on a
Darwin 20.5 guest. Linux: kernel/panic.c (`Kernel panic - not syncing`, `---[ end Kernel panic`) and
lib/dump_stack.c (the line that names the process).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from rig.console.panics import parse_panics
from rig.spec import Dialect


@dataclass(frozen=True)
class PanicDialect:
    """`starts` open a panic (at its group `start`), `ends` close a healthy one, `process` names the culprit."""

    starts: re.Pattern[bytes]
    ends: re.Pattern[bytes]
    process: re.Pattern[bytes]


# The kernel begins where the cursor stands, which is behind a prompt as often as not. Anywhere else in a line, a start
# is somebody's quotation of it: a command's echo, a log that is shown.
_PROMPT = rb"(?:\S{0,64}[#$%>] ?|\S{0,64} ?(?:login|[Pp]assword): ?)?"
_UNFINISHED = rb"(?!\S{0,64}[#$%>] +\S)[^'\"`(:=\[]{0,400}?"
"""A line that somebody had not finished yet, behind which the kernel begins: no command, no label, no quotation."""
_STAMP = rb"\[ *\d+\.\d+\](?:\[[^\]]*\])? "

DIALECTS = {
    Dialect.DARWIN: PanicDialect(
        starts=re.compile(
            rb"^(?:"
            + _PROMPT
            + rb"|"
            + _UNFINISHED
            + rb"(?=panic\(cpu \d+ caller 0x[0-9a-fA-F]{6,16}\): ))"
            + rb"(?P<start>panic\(cpu \d+(?: caller |\): )|Unresolved kernel trap ?\(cpu \d+\): |"
            + rb"Debugger: Unexpected kernel trap number|Debugger called: <panic>)"
        ),
        ends=re.compile(rb"^System uptime in nanoseconds:|^Attempting system restart|^loaded kexts:"),
        process=re.compile(
            rb"(?:BSD p|^P)rocess name corresponding to current thread(?: \(0x[0-9a-f]+\))?: (?!Unknown$)(?P<name>.*\S)"
        ),
    ),
    Dialect.LINUX: PanicDialect(
        # A script's own unfinished line may stand before the kernel's, too; the time stamp tells them apart.
        starts=re.compile(
            rb"(?:^" + _PROMPT + rb"|(?:^|[ .#$%>])" + _STAMP + rb")(?P<start>Kernel panic - not syncing)"
        ),
        ends=re.compile(rb"---\[ end Kernel panic"),
        process=re.compile(
            rb"CPU: \d+ (?:UID: \d+ )?PID: \d+ Comm: (?P<name>.+?) +(?:Kdump: |Not tainted|Tainted: |Hardware )"
        ),
    ),
}


@dataclass(frozen=True)
class PanicReport:
    """What is known of a panic: its first line, the process it names, its whole text, and the lines before it."""

    title: str
    process: str
    text: str
    before: str
    complete: bool
    """Whether its last line was seen."""
    dialect: Dialect = Dialect.DARWIN
    lead: str = ""
    """What stood before the first line's words: a stamp, an unfinished line."""

    @property
    def facts(self) -> dict[str, Any] | None:
        """What its text tells, as plain data; an oops on Linux begins before the panic. None for a text of no sense."""
        above = self.before.splitlines()
        found = parse_panics("\n".join([*above, f"{self.lead}{self.text}"]).encode(), self.dialect)
        told = [panic for panic in found if panic.last_line > len(above)]
        if not told:
            return None
        # What else the text tells of, an oops that another processor printed meanwhile, is not what was seen.
        mine = next((panic for panic in told if panic.consequence or panic.kind not in {"oops", "warning"}), told[0])
        for one in (mine, *mine.nested):
            one.line = one.last_line = 0  # they would count from the context's first line, not from the log's
        return mine.plain()


def read_panic(
    dialect: Dialect, title: bytes, before: list[bytes], lines: list[bytes], *, complete: bool, lead: bytes = b""
) -> PanicReport:
    """Put a report together from the opening line (with its `lead`), the lines before it and those after it."""
    rules = DIALECTS[dialect]
    block = [title, *lines]
    # Linux prints the process before the panic line (the oops) and again after it.
    named = next((found for line in block + before[::-1] if (found := rules.process.search(line))), None)
    return PanicReport(
        title=title.decode("utf-8", "replace").strip(),
        process=named["name"].decode("utf-8", "replace") if named else "",
        text=b"\n".join(block).decode("utf-8", "replace"),
        before=b"\n".join(before).decode("utf-8", "replace"),
        complete=complete,
        dialect=dialect,
        lead=lead.decode("utf-8", "replace"),
    )
