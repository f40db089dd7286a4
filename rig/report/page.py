"""The page's content, sorted and counted, so that the templates only place it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rig.report import plots
from rig.report.attachments import Attachments
from rig.report.tally import Tally, Timing, by_mechanism, timings
from rig.report.words import (
    OUTCOME_WORDS,
    VERDICT_NOTES,
    circumstances,
    conclusion,
    counts_line,
    interval,
    median_mad,
    metric_label,
    number,
    outcome_note,
    quantity,
    safe_link,
    seconds,
    size,
)
from rig.result import CaseResult, Outcome, RunRecord, Verdict, summarize
from rig.result.text import tail

CONSOLE_LINES = 40


@dataclass(frozen=True)
class Row:
    """A case in the table."""

    case: CaseResult
    tone: str
    """CSS class of its badge."""
    note: str
    link: str
    """Of its quarantine's issue, where a page may link to it."""
    words: str
    """What the filter searches."""
    timings: list[str]


@dataclass(frozen=True)
class Failure:
    """A case that is not as expected, with its evidence made ready."""

    row: Row
    console: str
    picture: str
    registers: str


@dataclass(frozen=True)
class MatrixCell:
    """How many cases of a mechanism ended so."""

    outcome: Outcome
    count: int


@dataclass(frozen=True)
class MatrixRow:
    """One mechanism's outcomes."""

    name: str
    total: int
    cells: list[MatrixCell]


@dataclass(frozen=True)
class Sample:
    """One metric with its numbers as words and its plot."""

    label: str
    median: str
    interval: str
    p95: str
    spread: str
    n: int
    per: str
    inner: int
    plot: plots.Strip


@dataclass(frozen=True)
class TimingGroup:
    """One metric of one case, at one size or over several."""

    case_id: str
    metric: str
    unit_note: str
    samples: list[Sample]
    sizes: plots.Sizes | None


@dataclass(frozen=True)
class Page:
    """All that the page shows."""

    run: RunRecord
    conclusion: str
    red: bool
    subtitle: str
    took: str
    counts: list[tuple[Outcome, str]]
    circumstances: list[tuple[str, str]]
    failures: list[Failure]
    absent: list[Row]
    surprising: list[Row]
    flaky: list[Row]
    quarantined: list[Row]
    unneeded: list[Row]
    known: list[Row]
    skipped: list[Row]
    outcomes: list[Outcome]
    matrix: list[MatrixRow]
    total: MatrixRow
    groups: list[TimingGroup]
    boots: list[plots.BootBar]
    started: int
    """Guests that became ready; of many only the slowest boots are drawn."""
    facts: list[tuple[str, str, str]]
    limits: list[tuple[str, str]]
    rows: list[Row]
    verdict_words: dict[str, str] = field(default_factory=lambda: {str(o): w for o, w in OUTCOME_WORDS.items()})


def page_of(record: RunRecord, files: Attachments) -> Page:
    """Sort a run for its page."""
    tallies = by_mechanism(record.cases)
    outcomes = [outcome for outcome in Outcome if record.counts[outcome]]
    total = Tally("all", record.counts)
    facts = next((guest.facts for guest in record.guests if guest.facts), None)

    def rows(*verdicts: Verdict) -> list[Row]:
        return [_row(case) for case in record.with_verdict(*verdicts)]

    return Page(
        run=record,
        conclusion=conclusion(record),
        red=record.is_red,
        subtitle=_subtitle(record),
        took=seconds(record.seconds),
        counts=counts_line(record),
        circumstances=circumstances(record),
        failures=[_failure(row, files) for row in rows(Verdict.UNEXPECTED)],
        absent=rows(Verdict.UNSUPPORTED)
        + [row for row in rows(Verdict.EXPECTED) if row.case.outcome is not Outcome.PASS],
        surprising=rows(Verdict.UNEXPECTED_PASS),
        flaky=rows(Verdict.FLAKY),
        quarantined=rows(Verdict.QUARANTINED),
        unneeded=rows(Verdict.UNNEEDED_QUARANTINE),
        known=rows(Verdict.KNOWN_FAILURE),
        skipped=rows(Verdict.SKIPPED),
        outcomes=outcomes,
        matrix=[_matrix_row(tally, outcomes) for tally in tallies],
        total=_matrix_row(total, outcomes),
        groups=_groups(timings(record)),
        boots=plots.boot_bars(record.guests),
        started=sum(1 for guest in record.guests if guest.stages),
        facts=[(case.id, name, str(value)) for case in record.cases for name, value in case.facts.items()],
        limits=[(name, str(value)) for name, value in (facts.limits if facts else {}).items()],
        rows=[_row(case) for case in sorted(record.cases, key=lambda case: (case.mechanism, case.id))],
    )


def _subtitle(record: RunRecord) -> str:
    """The circumstances that a reader looks for first."""
    known = dict(circumstances(record))
    accel = " / ".join(dict.fromkeys(str(guest.accel) for guest in record.guests))
    qemu = f"QEMU {known['QEMU']}" if "QEMU" in known else ""
    return ", ".join(part for part in (known.get("Guest", ""), accel, qemu, known.get("Started", "")) if part)


def _row(case: CaseResult) -> Row:
    tone = "odd" if case.verdict in VERDICT_NOTES else str(case.outcome)
    said = (case.id, case.mechanism, case.what, case.reason, case.via or "", case.guest or "", case.kind)
    return Row(
        case=case,
        tone=tone,
        note=outcome_note(case),
        link=safe_link(case.quarantine.issue) if case.quarantine else "",
        words=" ".join((*said, case.quarantine_words)).lower(),
        timings=[f"{metric_label(one.metric)}: {median_mad(one.summary, one.metric.unit)}" for one in _of(case)],
    )


def _of(case: CaseResult) -> Iterable[Timing]:
    return [Timing(case, metric, summarize(metric.samples)) for metric in case.metrics if metric.samples]


def _failure(row: Row, files: Attachments) -> Failure:
    evidence = row.case.evidence
    if evidence is None:
        return Failure(row, "", "", "")
    return Failure(
        row=row,
        console=tail(evidence.console, CONSOLE_LINES, 1000),
        picture=files.picture(evidence.screenshot),
        registers=files.text(evidence.registers),
    )


def _matrix_row(tally: Tally, outcomes: list[Outcome]) -> MatrixRow:
    cells = [MatrixCell(outcome, tally.counts[outcome]) for outcome in outcomes]
    return MatrixRow(tally.name, tally.total, cells)


def _groups(rows: list[Timing]) -> list[TimingGroup]:
    grouped: dict[tuple[str, str, str], list[Timing]] = {}
    for row in rows:
        grouped.setdefault((row.case.id, row.metric.name, row.metric.unit), []).append(row)
    groups = [_group(case_id, name, members) for (case_id, name, _), members in grouped.items()]
    return sorted(groups, key=lambda group: group.sizes is not None)  # the wide plots last, so that no gap opens


def _group(case_id: str, name: str, members: list[Timing]) -> TimingGroup:
    metric = members[0].metric
    several = len({one.metric.bytes for one in members}) > 1
    better = "lower is better" if metric.lower_is_better else "higher is better"
    return TimingGroup(
        case_id=case_id,
        metric=name,
        unit_note=f"per {metric.per}, {better}",
        samples=[_sample(one) for one in members],
        sizes=plots.by_size(members) if several else None,
    )


def _sample(row: Timing) -> Sample:
    metric, summary = row.metric, row.summary
    return Sample(
        label="" if metric.bytes is None else size(metric.bytes),
        median=median_mad(summary, metric.unit),
        interval=interval(summary, metric.unit),
        p95=quantity(summary.p95, metric.unit, summary.median),
        spread=f"{number(summary.spread_percent)} %",
        n=summary.n,
        per=metric.per,
        inner=metric.inner,
        plot=plots.strip(metric.samples, summary, metric.unit),
    )
