"""The summary at the end of a run: what ran on what, timings, what is not as expected with its evidence, counts.

What matters most stands last, next to the prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rig.report.console import STYLES, fit, say, style_of, styled
from rig.report.panics import panic_pairs
from rig.report.tally import slowest, timings
from rig.report.ways import by_way, lacking, via_note
from rig.report.words import (
    circumstances,
    conclusion,
    counts_line,
    median_mad,
    metric_label,
    milliseconds,
    number,
    outcome_note,
    plural,
    quantity,
    seconds,
    start_word,
)
from rig.result import CaseResult, FailedCheck, GuestRecord, KeptEvidence, RunRecord, Verdict
from rig.result.text import tail

CONSOLE_LINES = 12
FEW_GUESTS = 8
"""More are not told of one by one."""
_HEADLINE = ("Image", "Guest", "Accelerator", "Machine", "QEMU", "Clock", "Host", "Resumed")


def print_summary(
    record: RunRecord, console: Console, *, run_dir: Path | None = None, report: Path | None = None
) -> None:
    """Print the end of a run. Fits any width and any encoding; text of the guest is shown, never interpreted."""
    _heading(console, f"Run {record.id}")
    shown = dict(circumstances(record))
    for label in _HEADLINE:
        if label in shown:
            say(console, f"{label}: {shown[label]}")
    _guests(record.guests, console)
    _timings(record, console)
    _slowest(record, console)
    _ways(record, console)
    _listed(record, console, "Unsupported here, expected to work", Verdict.UNSUPPORTED)
    _listed(record, console, "Passed, not expected to", Verdict.UNEXPECTED_PASS)
    _listed(record, console, "Flaky: as expected only when run again", Verdict.FLAKY)
    _listed(record, console, "Known failures", Verdict.KNOWN_FAILURE)
    _listed(record, console, "Quarantined failures", Verdict.QUARANTINED)
    _listed(record, console, "Quarantined without need: an error", Verdict.UNNEEDED_QUARANTINE)
    _failures(record, console)
    _rest(record, console)
    _counts(record, console)
    for label, path in (("Report", report), ("Run directory", run_dir)):
        if path is not None:
            say(console, f"{label}: {path}")


def _guests(guests: Sequence[GuestRecord], console: Console) -> None:
    """How each of a few guests started; of many, how many did so how."""
    started = [guest for guest in guests if guest.stages]
    if len(started) <= FEW_GUESTS:
        for guest in started:
            stages = ", ".join(f"{stage.name} {seconds(stage.seconds)}" for stage in guest.stages)
            say(console, f"Guest {guest.id}: {start_word(guest)} in {seconds(guest.boot_seconds)} ({stages})")
        return
    for word in dict.fromkeys(start_word(guest) for guest in started):
        took = sorted(guest.boot_seconds for guest in started if start_word(guest) == word)
        say(console, f"Guests: {len(took)} {word}, median {seconds(median(took))}, slowest {seconds(took[-1])}")


def _heading(console: Console, text: str, style: str = "bold") -> None:
    console.print()
    say(console, text, style)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in columns:
        table.add_column(name, justify="left" if name in {"case", "metric"} else "right", overflow="fold")
    return table


def _timings(record: RunRecord, console: Console) -> None:
    rows = timings(record)
    if not rows:
        return
    _heading(console, "Timings (median ± median absolute deviation)")
    wide = console.width >= 72 or not console.is_terminal
    table = _table("metric", "median", *(("p95", "spread %") if wide else ()), "n")
    for row in rows:
        unit = row.metric.unit
        cells = [f"{row.case.id} {metric_label(row.metric)}", median_mad(row.summary, unit)]
        if wide:
            cells += [quantity(row.summary.p95, unit, row.summary.median), number(row.summary.spread_percent)]
        table.add_row(*(styled(console, cell) for cell in [*cells, str(row.summary.n)]))
    if console.is_terminal:
        console.print(table)
        return
    # Without a terminal no window is too narrow, and a cell that stays on one line can be searched for.
    for line in console.render_lines(table, console.options.update_width(max(console.width, 140))):
        say(console, "".join(segment.text for segment in line).rstrip())


def _slowest(record: RunRecord, console: Console) -> None:
    rows = slowest(record)
    if not rows:
        return
    _heading(console, "Slowest cases")
    for case in rows:
        say(console, f"{milliseconds(case.ms):>10}  {case.id}", indent=2)


def _ways(record: RunRecord, console: Console) -> None:
    lines = [*by_way(record), *(f"{case.id}: {case.reason}" for case in lacking(record))]
    if not lines:
        return
    _heading(console, "Not by the library's functions")
    for line in lines:
        say(console, line, indent=2)


def _listed(record: RunRecord, console: Console, heading: str, verdict: Verdict) -> None:
    cases = record.with_verdict(verdict)
    if not cases:
        return
    _heading(console, f"{heading} ({len(cases)})")
    for case in cases:
        why, via = case.reason or case.expected_reason, via_note(case)
        say(console, f"{case.id}{f' ({via})' if via else ''}{f': {why}' if why else ''}", style_of(case), indent=2)
        _why(case, console, indent=4)


def _failures(record: RunRecord, console: Console) -> None:
    cases = record.with_verdict(Verdict.UNEXPECTED)
    if not cases:
        return
    _heading(console, f"Failures ({len(cases)})", "bold red")
    for case in cases:
        _failure(case, console)


def _failure(case: CaseResult, console: Console) -> None:
    note = outcome_note(case)
    say(console, f"{case.outcome.upper()} {case.id}{f' ({note})' if note else ''}", style_of(case))
    where = [case.mechanism, f"guest {case.guest}" if case.guest else "no guest", milliseconds(case.ms)]
    where += [via_note(case)] if via_note(case) else []
    say(console, ", ".join(where), "dim", indent=2)
    if case.what:
        say(console, case.what, indent=2)
    if case.source:
        say(console, f"source: {case.source}", "dim", indent=2)
    if case.reason:
        say(console, f"reason: {case.reason}", indent=2)
    _why(case, console, indent=2)
    for check in case.failed:
        say(console, _check(check), indent=2)
    if case.evidence:
        _evidence(case.evidence, console)
    console.print()


def _why(case: CaseResult, console: Console, indent: int) -> None:
    """What other cases and the quarantine have to do with it."""
    if case.order is not None:
        say(console, case.order.words, "bold", indent=indent)
    if case.quarantine is not None:
        say(console, case.quarantine_words, indent=indent)
        say(console, case.quarantine.issue, indent=indent)


def _check(check: FailedCheck) -> str:
    where = f"{check.at}: " if check.at else ""
    compared = f": got {check.got or 'nothing'}, want {check.want}" if check.want or check.got else ""
    return f"{where}{check.what}{compared}"


def _evidence(evidence: KeptEvidence, console: Console) -> None:
    if evidence.panic is not None:
        for label, text in panic_pairs(evidence.panic):
            say(console, f"{label}: {text}", indent=2)
    elif evidence.reason:
        say(console, f"guest: {evidence.reason}", indent=2)
    if evidence.stage:
        say(console, f"boot stage reached: {evidence.stage}", indent=2)
    if evidence.qemu_output.strip():
        say(console, f"QEMU said: {tail(evidence.qemu_output, 3)}", indent=2)
    for label, path in (("screenshot", evidence.screenshot), ("registers", evidence.registers)):
        if path:
            say(console, f"{label}: {path}", indent=2)
    last = tail(evidence.console, CONSOLE_LINES, 400)
    if last.strip():
        say(console, "the console's last lines:", indent=2)
        for line in last.split("\n"):
            say(console, f"| {line}", "dim", indent=4)


def _rest(record: RunRecord, console: Console) -> None:
    if record.leaks:
        _heading(console, f"Left behind in the guest ({len(record.leaks)})", "bold yellow")
        for leak in record.leaks:
            say(console, f"{leak.probe}: {leak.kind} {leak.what}", indent=2)
    if record.rubbish:
        _heading(console, "Output that is no part of a probe's stream", "bold yellow")
        for rubbish in record.rubbish:
            say(console, f"{rubbish.probe}: {plural(rubbish.lines, 'line')}", indent=2)
            say(console, tail(rubbish.excerpt, 3, 200), "dim", indent=4)
    held = [guest for guest in record.guests if guest.held]
    if held:
        _heading(console, "Held as they went down (rig ps lists them, rig down ends them)", "bold yellow")
        for guest in held:
            say(console, f"{guest.held}, guest {guest.id}: rig gdb {guest.held}", indent=2)
    if record.running and record.state != "complete":
        _heading(console, "Under way when the run ended")
        say(console, ", ".join(record.running), indent=2)
    if record.missing and record.state != "running":
        _heading(console, f"Never ran ({len(record.missing)})", "bold yellow")
        named = ", ".join(record.missing[:20])
        say(console, named + (f" and {len(record.missing) - 20} more" if len(record.missing) > 20 else ""), indent=2)


def _counts(record: RunRecord, console: Console) -> None:
    console.print()
    line = Text(overflow="fold")
    for place, (outcome, words) in enumerate(counts_line(record)):
        line.append(", " if place else "").append(fit(console, words), STYLES[outcome])
    took = f" in {seconds(record.seconds)}" if record.seconds is not None else ""
    console.print(line.append(f"{'' if record.cases else 'no results'}{took}"), soft_wrap=not console.is_terminal)
    say(console, conclusion(record), "bold red" if record.is_red else "bold green")
