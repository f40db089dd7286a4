"""The panics of logs and of runs, with where each was found and whom it ended."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rig.console.panics import Panic, parse_panics
from rig.errors import InputError
from rig.result import Attempt, CaseResult, GuestRecord, Outcome, PanicRecord, RunRecord, load

STDIN = "-"
_HINT = "Give logs, .panic files, runs' directories, or - for standard input."


@dataclass(frozen=True)
class Found:
    """One panic, and where."""

    panic: PanicRecord
    log: str
    guest: str = ""
    cases: tuple[str, ...] = ()
    """Of a run, the cases that paid for it."""

    @property
    def place(self) -> str:
        """Where it was, in words."""
        line = f", line {self.panic.line}" if self.panic.line else ""
        if not self.guest:
            return f"{self.log}{line}"
        case = ", ".join(self.cases) or "no case"
        return f"{case} (guest {self.guest}; {self.log}{line})"


def is_run(name: str) -> bool:
    """Whether a name given is that of a directory, which must be a run's."""
    return name != STDIN and Path(name).is_dir()


def of_log(name: str) -> list[Found]:
    """The panics of one log, or of standard input. Raises `InputError`."""
    try:
        data = sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
    except (OSError, ValueError) as fault:
        why = fault.strerror if isinstance(fault, OSError) and fault.strerror else str(fault)
        raise InputError(f"{name}: {why}", hint=_HINT) from fault
    shown = "standard input" if name == STDIN else name
    return [Found(_record(one), shown) for one in parse_panics(data)]


def of_run(place: Path, *, among: bool = False) -> list[Found]:
    """The panics in a run's console logs, and those that only its record knows any more.

    With `among` others, logs are told with the run's own directory. Raises `InputError` for what is no run.
    """
    record = load(place)
    found: list[Found] = []
    for guest in record.guests:
        name = guest.console_log or ""
        seen = [_record(one) for one in parse_panics(_log(place, name))] if name else []
        if all(one.is_outlived for one in seen):
            kept = [attempt.evidence.panic for _, attempt in _attempts(record, guest) if attempt.evidence]
            seen += [one for one in kept if one is not None][:1]
        shown = str(place / name) if among and name else name or "no log"
        payers = _payers(record, guest)
        found += [Found(one, shown, guest.id, () if one.is_outlived else payers) for one in seen]
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


def _record(panic: Panic) -> PanicRecord:
    return PanicRecord.model_validate(panic.plain())


def _log(place: Path, name: str) -> bytes:
    """A log of a run; one that is gone says nothing."""
    try:
        return (place / name).read_bytes()
    except OSError:
        return b""
