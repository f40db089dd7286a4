"""Panic text, by dialect: how one starts, how one ends, what its first line says.

Sources: Darwin: osfmk/kern/debug.c and osfmk/i386/AT386/model_dep.c of xnu-4570.41.2, and a panic seen on a
Darwin 20.5 guest. Linux: kernel/panic.c (`Kernel panic - not syncing`, `---[ end Kernel panic`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rig.spec import Dialect


@dataclass(frozen=True)
class PanicDialect:
    """`starts` open a panic; `ends` are the last lines a healthy panic prints; `names` find the culprit process."""

    starts: re.Pattern[bytes]
    ends: re.Pattern[bytes]
    process: re.Pattern[bytes]


# A start must stand at a line's beginning, or after a timestamp, so that a command's echo or a log that quotes a
# panic in the middle of a line does not count.
DIALECTS = {
    Dialect.DARWIN: PanicDialect(
        starts=re.compile(
            rb"^(?:panic\(cpu \d+ caller |Debugger: Unexpected kernel trap number|Debugger called: <panic>)"
        ),
        ends=re.compile(rb"^System uptime in nanoseconds:|^Attempting system restart|^loaded kexts:"),
        process=re.compile(rb"(?:BSD p|^P)rocess name corresponding to current thread: (?P<name>\S+)"),
    ),
    Dialect.LINUX: PanicDialect(
        starts=re.compile(rb"^(?:\[ *\d+\.\d+\](?:\[[^\]]*\])? )?Kernel panic - not syncing"),
        ends=re.compile(rb"---\[ end Kernel panic"),
        process=re.compile(rb"CPU: \d+ PID: \d+ Comm: (?P<name>\S+)"),
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


def read_panic(dialect: Dialect, title: bytes, before: list[bytes], lines: list[bytes]) -> PanicReport:
    """Put a report together from the opening line, the lines before it (context) and those after it."""
    rules = DIALECTS[dialect]
    block = [title, *lines]
    # Linux prints the process before the panic line (the oops) and again after it.
    named = next((found for line in block + before[::-1] if (found := rules.process.search(line))), None)
    return PanicReport(
        title=title.decode("utf-8", "replace").strip(),
        process=named["name"].decode("utf-8", "replace") if named else "",
        text=b"\n".join(block).decode("utf-8", "replace"),
        before=b"\n".join(before).decode("utf-8", "replace"),
        complete=any(rules.ends.search(line) for line in lines),
    )
