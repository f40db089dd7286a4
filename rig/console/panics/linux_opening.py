"""The line that opens a Linux oops or warning: which it is, and what it says."""

from __future__ import annotations

import re

from rig.console.panics.lines import Line
from rig.console.panics.model import Panic

_WATCHDOG = r"(?:(?:NMI )?watchdog: )?"
_OOPS = re.compile(
    "|".join(
        (
            rf"{_WATCHDOG}BUG: (?:unable to handle|kernel NULL pointer|soft lockup|workqueue lockup|spinlock|rwlock)",
            r"BUG: (?:KASAN|KFENCE|KCSAN|KMSAN|scheduling while atomic|sleeping function|corrupted )",
            r"BUG: (?:(?:\w+ )?stack guard page|[Bb]ad (?:page|rss)|Dentry |Object |non-zero)",
            r"BUG \S+ \((?:Not tainted|Tainted: [^)]*)\): ",
            r"kernel BUG at |[Uu]nable to handle kernel |general protection fault|stack segment: |int3: ",
            r"double fault: |PANIC: double fault|divide error: |invalid opcode: |Internal error: |Unhandled fault: ",
            rf"Alignment trap: not handling|{_WATCHDOG}Watchdog detected hard LOCKUP",
            r"Insufficient stack space to handle exception",
        )
    )
)
_DIE = re.compile(r"[\w ,:()/-]{2,160}: [0-9a-fA-F]{1,16} \[#\d+\]")
"""Whatever the trap is called: arch/x86/kernel/dumpstack.c __die_header."""
_LOCKS = r"possible |inconsistent lock|suspicious (?:RCU|rcu_)|(?:HARD|SOFT)IRQ-"
_WARNING = re.compile(
    "|".join(
        (
            r"WARNING: (?:CPU: \d+ PID: \d+ at |at ?\S+:\d|(?:\[.*\] )?\S+\.[chS]:\d+ at )",
            rf"(?:\[ )?WARNING: (?:{_LOCKS}|bad unlock|held lock freed|lock held when|Nested lock|\S+ still has locks)",
            r"WARNING: (?:kernel stack |stack recursion|stack going|locking bug)",
            r"(?:rcu: )?INFO: (?:rcu_\w+ (?:self-)?detected|trying to register non-static)",
            rf"(?:\[ )?INFO: (?:{_LOCKS})|\[ BUG: ",
            r"INFO: task \S.* (?:blocked|can't die) (?:in I/O wait )?for more than",
            r"BUG: (?:memory leak|using \S+ in preemptible|held lock freed|bad unlock|workqueue leaked|key \S+ )",
            r"BUG: (?:looking up invalid|MAX_\w+ too|\S+ still has locks)",
            r"UBSAN: |unregister_netdevice: waiting for ",
        )
    )
)
"""What a kernel reports and outlives (kernel/panic.c __warn, kernel/locking/lockdep.c, kernel/hung_task.c, kernel/rcu,
lib/ubsan.c)."""
_ANY_BUG = re.compile(r"BUG: \S")
_KNOWN_LATE = re.compile(r"general protection fault(?:, |: )")
"""May stand behind a sanitizer's guess that was not given a line's end."""
_BUG_AT = re.compile(r"^kernel BUG at (?P<file>\S+):(?P<line>\d{1,7})!")
_WARNED_AT = re.compile(
    r"^WARNING: (?:CPU: (?P<cpu>\d{1,5}) PID: (?P<pid>\d{1,10}) )?at ?(?P<file>\S+):(?P<line>\d{1,7})"
    r"(?:[ ,]+(?P<symbol>[\w.$]+)\+0x\S*)?"
)
_WARNED_NEW = re.compile(
    r"^WARNING: (?P<condition>\[.*\] )?(?P<file>\S+\.[chS]):(?P<line>\d{1,7}) at (?P<symbol>[\w.$]+)\S*"
    r"(?:, CPU#(?P<cpu>\d{1,5}): (?P<name>.+)/(?P<pid>\d{1,10})$)?"
)
_TASK = re.compile(
    r"\[(?P<name>[^\[\]:]+(?::\S+)?):(?P<pid>\d{1,10})\]$|: (?P<atomic>\S.*)/(?P<atomic_pid>\d{1,10})/0x|"
    r"INFO: task (?P<hung>\S.*):(?P<hung_pid>\d{1,10}) (?:blocked|can't die)|"
    r"(?:code: |CPU#\d{1,5}, )(?P<code>\S.*)/(?P<code_pid>\d{1,10})$|"
    r"(?:BUG|WARNING): (?P<holds>\S+)/(?P<holds_pid>\d{1,10}) still has"
)


def oops_of(line: Line) -> Panic | None:
    """The oops or warning that a line opens; None for any other line."""
    text = line.text
    late = _KNOWN_LATE.search(text)
    if late is not None and text.startswith("kasan: "):
        text = text[late.start() :]
    if _OOPS.match(text) or _DIE.match(text):
        panic = Panic("linux", kind="oops", message=text)
    elif _WARNING.match(text):
        panic = Panic("linux", kind="warning", message=text.strip("[] "))
    elif line.seconds is not None and _ANY_BUG.match(text):
        panic = Panic("linux", kind="oops", message=text)
    else:
        return None
    _placed(panic)
    _who(panic)
    return panic


def _placed(panic: Panic) -> None:
    found = _BUG_AT.match(panic.message)
    if found:
        panic.source_file, panic.source_line, panic.message = found["file"], int(found["line"]), "kernel BUG"
        return
    found = _WARNED_AT.match(panic.message) or _WARNED_NEW.match(panic.message)
    if found:
        told = found.groupdict()
        panic.message = f"WARNING: {told['condition'].strip()}" if told.get("condition") else "WARNING"
        panic.source_file, panic.source_line = found["file"], int(found["line"])
        panic.instruction_symbol = found["symbol"] or ""
        panic.cpu = int(found["cpu"]) if found["cpu"] else None
        panic.pid = int(found["pid"]) if found["pid"] else None
        panic.process = told.get("name") or ""


def _who(panic: Panic) -> None:
    found = _TASK.search(panic.message)
    if found and not panic.process:
        for name in ("name", "atomic", "hung", "code", "holds"):
            if found[name]:
                panic.process = found[name]
                panic.pid = int(found["pid" if name == "name" else f"{name}_pid"])
