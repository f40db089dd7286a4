"""By which way into the kernel a case went, where that is not the library's own function."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from rig.report.words import plural
from rig.result import CaseResult, Outcome, RunRecord, Verdict

_USUAL = {"libsystem", "libc"}
_NAMED = 6
"""So many cases of one way are named, more are counted by probe."""
_LACKING = "no wrapper"
"""How the reason of a probe's own case on missing wrappers begins (rig_tell_wrappers in mach_support.c)."""


def via_note(case: CaseResult) -> str:
    """`via mach`; nothing for the usual way."""
    return f"via {case.via}" if case.via and case.via not in _USUAL else ""


def by_way(record: RunRecord) -> list[str]:
    """A line for each unusual way: which cases went it, or how many of each probe."""
    found: dict[str, list[CaseResult]] = {}
    for case in record.cases:
        if note := via_note(case):
            found.setdefault(note, []).append(case)
    return [f"{note}: {_which(cases)}" for note, cases in sorted(found.items())]


def lacking(record: RunRecord) -> list[CaseResult]:
    """Cases that say which of the library's functions are missing, and were expected to say so."""
    return [
        case
        for case in record.cases
        if case.outcome is Outcome.UNSUPPORTED and case.verdict is Verdict.EXPECTED and case.reason.startswith(_LACKING)
    ]


def _which(cases: Iterable[CaseResult]) -> str:
    cases = list(cases)
    if len(cases) <= _NAMED:
        return ", ".join(case.id for case in cases)
    counts = Counter(case.probe for case in cases)
    return f"{plural(len(cases), 'case')} ({', '.join(f'{probe} {count}' for probe, count in sorted(counts.items()))})"
