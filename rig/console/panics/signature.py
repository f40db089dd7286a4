"""The signature of a panic: the same for the same panic on any boot, whatever the addresses.

    darwin trap: Kernel trap, type 14=page fault in ipc_right_copyin < mach_msg_overwrite_trap

It is put together from
- system and kind (panic, trap, assertion, oops, warning ...);
- the message, in which addresses, UUIDs and numbers that stand alone (process ids, sizes, times) become `N`; a number
  inside a name (`kalloc.48`, `x86_64`) stays, and so does a trap's type;
- the source file's name, without directories and without the line, which every build moves;
- the three innermost symbols of the backtrace without offsets, once the calls that only report the panic are left
  out. Without symbols: the place of the trap relative to kernel or kext, which KASLR does not change; failing that,
  the kexts in the backtrace.

Process, processor, uptime, registers, loaded kexts and the build are no part of it. `id` is the first ten hexadecimal
digits of the SHA-256 of the text.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from itertools import dropwhile
from typing import TYPE_CHECKING

from rig.console.panics.noise import is_noise

if TYPE_CHECKING:
    from rig.console.panics.model import Panic

TOP_SYMBOLS = 3
_MESSAGE_LIMIT = 300
_NO_WORDS = "without words"

_UUID = re.compile(r"\b[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}\b")
_ADDRESS = re.compile(r"\b0[xX][0-9A-Fa-f]+\b")
_BARE_ADDRESS = re.compile(r"\b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{8,16}\b")
_OFFSET = re.compile(r"(?<=\w)\+0x[0-9a-f]+(?:/0x[0-9a-f]+)?\b")
"""Into a symbol, which a build moves."""
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?!\w)")
_TRAP_TYPE = re.compile(r"\b(type(?: ?=)?) ?(\d+)=")
_KEPT_TYPE = re.compile(r"\btype (\w+)=")
_CAUSE = re.compile(r"\b(namespace |subcode |abort type |exitcode=)(?=[0-9])")
_KEPT_CAUSE = re.compile(r"\b(namespace |subcode |abort type |exitcode=)T")
"""Numbers that are causes: what init died of, what a processor calls its fault."""
_CLONE = re.compile(r"\.(?:cold|isra|constprop|part|llvm|lto_priv)(?:\.\d+)*\b.*$")
_STALL = re.compile(r"\bstalls?\b")
_TIMER_ENTRY = re.compile(r"(?:asm_sysvec_)?\w*apic_timer_interrupt\w*|el1_irq|el1h_64_irq|__irq_svc|retint_\w+")
_TRAP_PLACE = re.compile(r" ?\bat (?:pc )?0x| ?\((?:CPU|cpu) ")
_DETAILS = tuple(
    (re.compile(rule), kept)
    for rule, kept in (
        (r": [0-9a-fA-F]{1,16} \[#\d+\].*$", ""),
        (r" stuck for \d+s!.*$", " stuck"),
        (r" at pc 0x.*$", ""),
        (r"(while atomic|on CPU#\d+|in process|in preemptible)\b[:,]? ?.*$", r"\1"),
        (r"\bINFO: task \S.*:\d+ (blocked|can't die)", r"INFO: task \1"),
        (r"^(BUG \S+) \((?:Not tainted|Tainted: [^)]*)\)", r"\1"),
        (r"\b(BUG|WARNING): \S.*/\d+ (?=still has)", r"\1: "),
        (r"(stalls? on CPUs?(?:/tasks)?)\b.*$", r"\1"),
        (r" \(stack is .*$", ""),
        (r"\b(kernel stack (?:regs|frame pointer)) at .* in .*:\d+ (?=has bad)", r"\1 "),
        (r" \[\w+\](?= at |$)", ""),
        (r"(workqueue leaked [\w ]+):.*$", r"\1"),
        (r"(?<=\d)(?:s|ms|us|ns|[kKMG]i?B)\b", ""),
    )
)
"""What differs though the message is the same: whom it struck, for how long, which count it was, how the kernel was
built."""
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True)
class Signature:
    """`text` for a reader, `id` for a table."""

    text: str
    id: str


def normal(message: str) -> str:
    """A message without what differs from one boot to the next."""
    for rule, kept in _DETAILS:
        message = rule.sub(kept, message)
    text = _TRAP_TYPE.sub(lambda found: f"type T{found[2]}=", message)
    text = _OFFSET.sub("", _CAUSE.sub(r"\1T", text))
    for varying in (_UUID, _ADDRESS, _BARE_ADDRESS, _NUMBER):
        text = varying.sub("N", text)
    text = _KEPT_TYPE.sub(lambda found: f"type {found[1].removeprefix('T')}=", text)
    return _SPACE.sub(" ", _KEPT_CAUSE.sub(r"\1", text)).strip()[:_MESSAGE_LIMIT]


def plain_symbol(symbol: str) -> str:
    """A symbol without what a compiler hung on it."""
    return _CLONE.sub("", symbol)


def own_calls(panic: Panic) -> list[str]:
    """The calls that are the panic's own, innermost first, without those that report it."""
    names = [frame.symbol for frame in panic.frames if frame.symbol and frame.reliable]
    if panic.system == "linux" and _STALL.search(panic.message):
        names = _interrupted(names)
    if panic.instruction_symbol:
        names.insert(0, panic.instruction_symbol)
    told: list[str] = []
    for name in names:
        one = plain_symbol(name)
        if panic.system == "darwin":
            one = one.removeprefix("_")
        if not is_noise(one) and (not told or told[-1] != one):
            told.append(one)
    return told


def _interrupted(names: list[str]) -> list[str]:
    """Without the timer's interrupt, which only found what it interrupted."""
    entered = dropwhile(lambda name: not _TIMER_ENTRY.fullmatch(name), names)
    return list(dropwhile(_TIMER_ENTRY.fullmatch, entered)) or names


def signature_of(panic: Panic) -> Signature:
    """The signature, from whatever is there."""
    text = f"{panic.system} {panic.kind}: {_words(panic) or _NO_WORDS}"
    if panic.source_file:
        text += f" @{panic.source_file.replace(chr(92), '/').rstrip('/').rpartition('/')[2]}"
    if where := " < ".join(own_calls(panic)[:TOP_SYMBOLS]) or _place(panic):
        text += f" in {where}"
    return Signature(text, hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:10])


def _words(panic: Panic) -> str:
    if panic.trap.startswith("0x"):  # PowerPC, which says it in two ways
        return panic.trap
    if panic.kind == "warning" and panic.source_file:
        return "WARNING"  # what it says in words is a line of its own, which another processor's may be taken for
    if panic.kind == "trap" and panic.instruction:
        # Where it trapped is said by symbols; the message says it by address.
        kind = f", type {panic.trap_number}={panic.trap}" if panic.trap_number is not None else ""
        return f"{normal(_TRAP_PLACE.split(panic.message)[0])}{kind}"
    return normal(panic.message or panic.consequence or panic.debugger_message)


def _place(panic: Panic) -> str:
    """Where a trap happened, relative to what KASLR moves as a whole; else the kexts that took part."""
    at = _number(panic.instruction)
    for kext in panic.kexts:
        start, end = _number(kext.start), _number(kext.end)
        if at is not None and start is not None and end is not None and start <= at <= end:
            return f"{kext.name}+{at - start:#x}"
    base = _number(panic.kernel_text_base)
    if at is not None and base is not None and 0 <= at - base < 1 << 28:
        return f"kernel+{at - base:#x}"
    return " < ".join(kext.name for kext in panic.kexts)


def _number(text: str) -> int | None:
    try:
        return int(text, 16)
    except ValueError:
        return None
