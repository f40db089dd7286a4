"""What memory restored guests take that none of them shares with another, and what it is made of."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from rig.bench.frame import Bed, Finding, Plot, Series
from rig.bench.spread import Spread, at_most, spread
from rig.bench.subject import Subject, template_file
from rig.errors import HostError
from rig.events import Events
from rig.guest import Guest
from rig.guest.ways import machine_of
from rig.run.capacity import Capacity, need_mib

COUNTS = (1, 4, 8)
_LIMIT = 64
_ROUNDS = 3
RAM, CODE, HEAP, OTHER, FILES = (
    "guest RAM written since the restore",
    "TCG's translated code",
    "QEMU's heap",
    "QEMU's other memory: tables, buffers, stacks",
    "files: programs and libraries",
)
KINDS = (RAM, CODE, HEAP, OTHER, FILES)
_HEAD = re.compile(r"^[0-9a-f]+-[0-9a-f]+ (?P<rights>\S{4}) \S+ \S+ (?P<inode>\d+) *(?P<path>.*)$")
_FIELD = re.compile(r"^(?P<name>[A-Za-z_]+):\s+(?P<kib>\d+) kB$")


@dataclass
class Memory:
    """Of one QEMU, MiB. `private` is what it has beyond the template's own pages; `kinds` are its parts."""

    private: float = 0.0
    template: float = 0.0
    """Pages of the template's RAM that only this one looks at, unaltered: the page cache's, whoever maps them."""
    pss: float = 0.0
    """Its share of all: pages that several map, divided."""
    kinds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(KINDS, 0.0))


def read_smaps(text: str, ram: Path | None) -> Memory:
    """/proc/PID/smaps (proc(5)), its private pages by kind; those that are swapped out count as well.

    Raises `HostError` for what has no mapping in it.
    """
    found = Memory()
    kind, is_ram, mappings = OTHER, False, 0
    for line in text.splitlines():
        if head := _HEAD.match(line):
            mappings += 1
            is_ram = ram is not None and head["path"].removesuffix(" (deleted)") == str(ram)
            kind = _kind(head["rights"], int(head["inode"]), head["path"], is_ram=is_ram)
        elif (one := _FIELD.match(line)) and mappings:
            mib = int(one["kib"]) / 1024
            if one["name"] == "Pss":
                found.pss += mib
            elif one["name"] == "Private_Clean" and is_ram:
                found.template += mib
            elif one["name"] in {"Private_Clean", "Private_Dirty", "Swap"}:
                found.private += mib
                found.kinds[kind] += mib
    if not mappings:
        raise HostError("a process's memory cannot be read: /proc/PID/smaps names no mapping", hint="It needs Linux.")
    return found


def _kind(rights: str, inode: int, path: str, *, is_ram: bool) -> str:
    if is_ram:
        return RAM
    if path == "[heap]":
        return HEAP
    if "x" in rights and (inode == 0 or "tcg-jit" in path):
        return CODE
    return FILES if inode and "memfd:" not in path else OTHER


def read_memory(guest: Guest) -> Memory:
    """Of a guest's QEMU, now. Raises `HostError`."""
    path = Path(f"/proc/{guest.machine.process.pid}/smaps")
    ram = template_file(guest)
    try:
        return read_smaps(path.read_text(encoding="utf-8", errors="replace"), ram.resolve() if ram else None)
    except OSError as fault:
        raise HostError(f"{path}: {fault.strerror}", hint="It needs Linux, and QEMU under your own user.") from fault


def run(bed: Bed) -> Finding:
    """1, 4 and 8 restored guests side by side, each having run one probe; at most three rounds: it hardly varies.

    A host without room for all measures as many as it holds, and a note says so.
    """
    subject = Subject(bed)
    subject.warm_up()
    rounds = min(bed.rounds, _ROUNDS)
    measured: dict[int, list[Memory]] = {}
    short = ""
    for number in range(1, rounds + 1):
        bed.say(f"round {number} of {rounds}: up to {COUNTS[-1]} guests")
        short = _side_by_side(subject, measured) or short
    found = tell(measured, rounds)
    if short:
        found.notes.append(f"{max(measured)} guests at most: {short}")
    return found


def _side_by_side(subject: Subject, measured: dict[int, list[Memory]]) -> str:
    """Start guests one by one, and look at all of them at each count; returns why there are no more."""
    need = need_mib(machine_of(subject.stored, subject.options).memory)
    guests: list[Guest] = []
    with ExitStack() as stack:
        while len(guests) < COUNTS[-1]:
            try:
                stack.enter_context(Capacity().room(need, Events(), seconds=0))
            except HostError as fault:
                if not guests:
                    raise
                return fault.message
            guest = stack.enter_context(subject.start(Events()))
            guests.append(guest)
            subject.run_probe(guest)
            if len(guests) in COUNTS:
                measured.setdefault(len(guests), []).extend(read_memory(one) for one in guests)
    return ""


def tell(measured: dict[int, list[Memory]], rounds: int) -> Finding:
    """The table, its target and plots."""
    found = Finding(("guests", "private MiB each", "least - greatest", "share of all (Pss)", "template's, unshared"))

    def over(count: int, what: Callable[[Memory], float]) -> Spread:
        return spread([what(one) for one in measured[count]])

    for count in measured:
        private = over(count, lambda one: one.private)
        pss, template = over(count, lambda one: one.pss), over(count, lambda one: one.template)
        found.rows.append(
            (str(count), f"{private.middle:.1f}", private.ends(1), f"{pss.middle:.1f}", f"{template.middle:.1f}")
        )
    most = max(measured)
    kinds = {kind: over(most, lambda one, kind=kind: one.kinds[kind]) for kind in KINDS}  # type: ignore[misc]
    found.rows += [(f"  of it: {kind}", f"{one.middle:.1f}", one.ends(1), "", "") for kind, one in kinds.items()]
    why = "It is made of: " + ", ".join(f"{kind} {one.middle:.0f} MiB" for kind, one in kinds.items())
    private = over(most, lambda one: one.private)
    found.targets = [at_most("private memory of a restored guest, beyond the template", _LIMIT, private, "MiB", why, 1)]
    found.plots = [
        Plot(
            "Private memory of a restored guest",
            "guests side by side",
            "MiB a guest",
            (
                Series("private", tuple(over(n, lambda one: one.private).point(n) for n in measured)),
                Series("share of all (Pss)", tuple(over(n, lambda one: one.pss).point(n) for n in measured)),
            ),
        ),
        Plot(
            f"What it is made of, {most} guests",
            "kind",
            "MiB a guest",
            (Series("median, least and greatest", tuple(one.point(kind) for kind, one in kinds.items())),),
        ),
    ]
    found.notes = [
        "private: Private_Dirty, Private_Clean and Swap of QEMU's /proc/PID/smaps, without unaltered pages of the "
        "template's RAM file: those are the page cache's, and one copy serves all guests; a guest alone on the host "
        "counts QEMU's own program, which several share",
        "each guest was restored and has run the functional cases of one probe; of the parts: medians at "
        f"{most} guests; rounds: {rounds}",
    ]
    found.data = {str(count): [vars(one) for one in some] for count, some in measured.items()}
    return found
