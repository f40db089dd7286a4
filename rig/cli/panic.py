"""`rig panic`: what the kernel's last words in a log say, or in all the logs of a run."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from rig.console.panics import parse_panics
from rig.errors import InputError
from rig.report.console import say
from rig.report.panics import detail_pairs, frame_line, panic_pairs
from rig.report.words import plural
from rig.result import Attempt, CaseResult, GuestRecord, Outcome, PanicRecord, RunRecord, load

_STDIN = "-"
_HINT = "Give a log, a .panic file, a run's directory, or - for standard input."
_FRAMES_SHOWN = 40
_NESTED_SHOWN = 5


@dataclass(frozen=True)
class Found:
    """One panic of a run."""

    panic: PanicRecord
    guest: str
    log: str
    cases: tuple[str, ...]
    """The cases that paid for it."""

    @property
    def place(self) -> str:
        """Where it was, in words."""
        case = ", ".join(self.cases) or "no case"
        return f"{case} (guest {self.guest}; {self.log}{f', line {self.panic.line}' if self.panic.line else ''})"


def panic(
    log: Annotated[str, typer.Argument(metavar="FILE", help="A log, a macOS .panic file, a run's directory, or -.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find the kernel panics in a log or a run, with their signatures.

    Of a run, all its console logs are read, and each panic is told with the case it ended.
    Exit code 0: there are some; 1: there is none; 2: the file cannot be read.
    """
    if log != _STDIN and Path(log).is_dir():
        found = of_run(Path(log))
        groups = grouped(found)
        if as_json:
            typer.echo(json.dumps([_group_data(group) for group in groups], indent=1))
        else:
            _print_groups(groups, log)
    else:
        panics = [_record(one.plain()) for one in parse_panics(_read(log))]
        found = [Found(one, "", log, ()) for one in panics]
        if as_json:
            typer.echo(json.dumps([one.model_dump(mode="json") for one in panics], indent=1))
        else:
            _print_log(panics, "standard input" if log == _STDIN else log)
    if not found:
        raise typer.Exit(1)


def of_run(place: Path) -> list[Found]:
    """The panics in a run's console logs, and those that only its record knows any more.

    Raises `InputError` for what is no run.
    """
    record = load(place)
    found: list[Found] = []
    for guest in record.guests:
        name = guest.console_log or ""
        cases = _payers(record, guest)
        panics = [_record(one.plain()) for one in parse_panics(_log(place, name))] if name else []
        if not panics:
            kept = [attempt.evidence.panic for _, attempt in _attempts(record, guest) if attempt.evidence]
            panics = [one for one in kept if one is not None][:1]
        found += [Found(one, guest.id, name or "no log", cases) for one in panics]
    return found


def grouped(found: Sequence[Found]) -> list[list[Found]]:
    """By signature, the most frequent first."""
    groups: dict[str, list[Found]] = {}
    for one in found:
        groups.setdefault(one.panic.signature_id, []).append(one)
    return sorted(groups.values(), key=len, reverse=True)


def _payers(record: RunRecord, guest: GuestRecord) -> tuple[str, ...]:
    return tuple(dict.fromkeys(case.id for case, attempt in _attempts(record, guest) if _paid(attempt)))


def _attempts(record: RunRecord, guest: GuestRecord) -> list[tuple[CaseResult, CaseResult | Attempt]]:
    """Each try in one guest with its case, in their order."""
    tried: list[tuple[CaseResult, CaseResult | Attempt]] = []
    for case in record.cases:
        tried += [(case, attempt) for attempt in case.earlier if attempt.guest == guest.id]
        tried += [(case, case)] if case.guest == guest.id else []
    return tried


def _paid(attempt: CaseResult | Attempt) -> bool:
    return attempt.outcome is Outcome.PANIC


def _record(plain: dict[str, Any]) -> PanicRecord:
    return PanicRecord.model_validate(plain)


def _log(place: Path, name: str) -> bytes:
    """A log of a run; one that is gone says nothing."""
    try:
        return (place / name).read_bytes()
    except OSError:
        return b""


def _read(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == _STDIN else Path(name).read_bytes()
    except (OSError, ValueError) as fault:
        why = fault.strerror if isinstance(fault, OSError) and fault.strerror else str(fault)
        raise InputError(f"{name}: {why}", hint=_HINT) from fault


def _group_data(group: Sequence[Found]) -> dict[str, Any]:
    first = group[0].panic
    rows = [
        {"guest": one.guest, "log": one.log, "cases": list(one.cases), **one.panic.model_dump(mode="json")}
        for one in group
    ]
    return {"signature_id": first.signature_id, "signature": first.signature, "panics": rows}


def _print_log(panics: Sequence[PanicRecord], name: str) -> None:
    console = Console(highlight=False, emoji=False)
    for number, one in enumerate(panics, start=1):
        which = f"{number} of {len(panics)}: " if len(panics) > 1 else ""
        cut = "" if one.complete else ", not whole"
        say(console, f"{which}{name}, lines {one.line} to {one.last_line}, {one.system}{cut}", "bold")
        _print_panic(console, one, indent=2)
        say(console)
    if not panics:
        say(console, f"{name}: no panic found")


def _print_groups(groups: Sequence[Sequence[Found]], name: str) -> None:
    console = Console(highlight=False, emoji=False)
    for group in groups:
        first = group[0].panic
        say(console, f"{plural(len(group), 'time')}: {first.signature_id} {first.signature}", "bold")
        for one in group:
            process = f", process {one.panic.process}" if one.panic.process else ""
            say(console, f"{one.place}{process}", indent=2)
        if len(group) > 1:
            say(console, "the first of them:", indent=2)
        _print_panic(console, first, indent=4)
        say(console)
    if not groups:
        say(console, f"{name}: no panic in any console log of this run")


def _print_panic(console: Console, one: PanicRecord, indent: int) -> None:
    pairs = [*panic_pairs(one), *detail_pairs(one)]
    width = max(len(label) for label, _ in pairs)
    for label, value in pairs:
        say(console, f"{label:{width}}  {value}", indent=indent)
    if one.frames:
        say(console, "backtrace", indent=indent)
        for frame in one.frames[:_FRAMES_SHOWN]:
            say(console, frame_line(frame), "dim", indent=indent + 2)
        if len(one.frames) > _FRAMES_SHOWN:
            say(console, f"and {len(one.frames) - _FRAMES_SHOWN} more", "dim", indent=indent + 2)
    for nested in one.nested[:_NESTED_SHOWN]:
        times = f", {plural(nested.repeats, 'time')}" if nested.repeats > 1 else ""
        say(console, f"nested, line {nested.line}{times}", indent=indent)
        _print_panic(console, nested, indent + 2)
    if len(one.nested) > _NESTED_SHOWN:
        say(console, f"and {len(one.nested) - _NESTED_SHOWN} more nested ones", indent=indent)
