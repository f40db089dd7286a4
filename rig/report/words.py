"""Numbers and outcomes as words: one way for the terminal and the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC

from rig.result import CaseResult, GuestRecord, MetricSamples, Outcome, RunRecord, Summary, Verdict

NONE = "-"
"""What stands where there is no value."""
_SCALES = {
    "ns": ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")),
    "B/s": ((1e9, "GB/s"), (1e6, "MB/s"), (1e3, "kB/s"), (1.0, "B/s")),
}
OUTCOME_WORDS = {
    Outcome.PASS: "passed",
    Outcome.UNSUPPORTED: "unsupported",
    Outcome.SKIP: "skipped",
    Outcome.FAIL: "failed",
    Outcome.ERROR: "errors",
    Outcome.TIMEOUT: "timed out",
    Outcome.CRASHED: "crashed",
    Outcome.HANG: "hung",
    Outcome.PANIC: "panicked",
}
VERDICT_NOTES = {
    Verdict.KNOWN_FAILURE: "known",
    Verdict.UNEXPECTED_PASS: "not expected to pass",
    Verdict.FLAKY: "flaky",
    Verdict.QUARANTINED: "quarantined",
    Verdict.UNNEEDED_QUARANTINE: "quarantined without need",
}
"""What must stand beside an outcome so that it is not misread. Such a case is shown in neither green nor red."""


def start_word(guest: GuestRecord) -> str:
    """How a guest was started."""
    return "restored" if guest.start == "warm" else "booted"


def number(value: float, like: float | None = None) -> str:
    """Three significant digits or so, without exponents: 0.123, 4.56, 78.9, 1234. NaN is a dash.

    `like` decides the digits after the point, where a value must match another.
    """
    if not math.isfinite(value):
        return NONE
    size = abs(value if like is None or not math.isfinite(like) else like)
    digits = 0 if size >= 100 or size == 0 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:.{digits}f}"


def scale(value: float, unit: str) -> tuple[float, str]:
    """What to divide by, and the unit that then fits, for a value in ns or B/s."""
    size = abs(value) if math.isfinite(value) else 0.0
    scales = _SCALES.get(unit, ((1.0, unit),))
    return next((pair for pair in scales if size >= pair[0]), scales[-1])


def quantity(value: float, unit: str, like: float | None = None) -> str:
    """A value with its unit, scaled (as `like` is, if given): `1.23 µs`."""
    divisor, word = scale(value if like is None else like, unit)
    return f"{number(value / divisor, None if like is None else like / divisor)} {word}"


def median_mad(summary: Summary, unit: str) -> str:
    """`812 ± 12 ns`, both on the median's scale."""
    divisor, word = scale(summary.median, unit)
    middle = summary.median / divisor
    return f"{number(middle)} ± {number(summary.mad / divisor, middle)} {word}"


def interval(summary: Summary, unit: str) -> str:
    """The confidence interval of the median, or a dash where the samples are too few for one."""
    if not math.isfinite(summary.ci_low):
        return NONE
    divisor, word = scale(summary.median, unit)
    low, high = (number(end / divisor, summary.median / divisor) for end in (summary.ci_low, summary.ci_high))
    return f"{low} to {high} {word}"


def seconds(value: float | None) -> str:
    """A span for a reader: `0.42 s`, `12.3 s`, `2 min 05 s`, `1 h 02 min`."""
    if value is None or not math.isfinite(value):
        return NONE
    if value < 59.95:
        return f"{value:.1f} s" if value >= 0.95 else f"{value:.2f} s"
    whole = round(value)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def milliseconds(value: float | None) -> str:
    """A case's time: `3.1 ms`, from a second on as `seconds` has it."""
    if value is None:
        return NONE
    return f"{value:.1f} ms" if value < 1000 else seconds(value / 1000)


def size(count: int) -> str:
    """Bytes in binary steps: `512 B`, `4 KiB`, `1.5 MiB`."""
    value, unit = float(count), "B"
    for bigger in ("KiB", "MiB", "GiB"):
        if value < 1024:
            break
        value, unit = value / 1024, bigger
    return f"{value:.0f} {unit}" if value == int(value) else f"{value:.1f} {unit}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 case`, `2 cases`."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def metric_label(metric: MetricSamples) -> str:
    """A metric's name with its size, where it has one."""
    return metric.name if metric.bytes is None else f"{metric.name} {size(metric.bytes)}"


def outcome_note(case: CaseResult) -> str:
    """What must stand beside an outcome so that it is not misread; often nothing."""
    notes = [VERDICT_NOTES[case.verdict]] if case.verdict in VERDICT_NOTES else []
    if case.order is not None:
        notes.append("order-dependent")
    if case.flaky:
        earlier = ", then ".join(attempt.outcome for attempt in case.earlier)
        notes.append(f"first {earlier}")
    elif case.attempts > 1:
        notes.append(f"the same in {case.attempts} attempts")
    return "; ".join(notes)


def safe_link(address: str) -> str:
    """An address that a page may link to; nothing for one that is no http or https."""
    return address if address.lower().startswith(("http://", "https://")) else ""


def counts_line(record: RunRecord) -> list[tuple[Outcome, str]]:
    """`12 passed`, `1 failed`, ... for the outcomes that occurred, best first."""
    counts = record.counts
    return [(outcome, f"{counts[outcome]} {OUTCOME_WORDS[outcome]}") for outcome in Outcome if counts[outcome]]


def conclusion(record: RunRecord) -> str:
    """The run in one sentence; `RunRecord.is_red` says whether it is bad news."""
    if red := _red_words(record):
        return red
    if record.state == "interrupted":
        return "Interrupted: not all was run"
    if record.state == "running":
        return "Still running"
    if not record.cases:
        return "No case was run"
    if record.missing:
        return f"{plural(len(record.missing), 'case')} never ran"
    odd = [
        f"{plural(count, 'case')} {word}"
        for verdict, word in ((Verdict.FLAKY, "flaky"), (Verdict.QUARANTINED, "quarantined"))
        if (count := len(record.with_verdict(verdict)))
    ]
    if odd:
        words = f"No {'new ' if record.with_verdict(Verdict.QUARANTINED) else ''}failures; {', '.join(odd)}"
    elif record.with_verdict(Verdict.UNSUPPORTED):
        words = "No failures; some forms are absent"
    else:
        words = "All as expected"
    return words


def _red_words(record: RunRecord) -> str:
    """What makes the run red by its cases' verdicts; nothing where that is none."""
    failed, unneeded = (len(record.with_verdict(one)) for one in (Verdict.UNEXPECTED, Verdict.UNNEEDED_QUARANTINE))
    by_order = sum(case.order is not None for case in record.with_verdict(Verdict.UNEXPECTED))
    told = [f"{plural(failed, 'case')} not as expected"] if failed else []
    if by_order:
        told[0] += f", {by_order} order-dependent"
    if unneeded:
        told.append(f"{plural(unneeded, 'case')} quarantined without need: take the entry out")
    return "; ".join(told)


def circumstances(record: RunRecord) -> list[tuple[str, str]]:
    """What ran on what, as pairs of label and value; values that differ between guests stand side by side."""
    guests = record.guests
    facts = [guest.facts for guest in guests if guest.facts]

    def each(values: Sequence[str]) -> str:
        return " / ".join(dict.fromkeys(value for value in values if value))

    image, host = record.image, record.host
    pairs = [
        ("Image", image.name),
        ("Image digest", image.digest),
        (
            "Guest",
            each([f"{fact.os} {fact.release} {fact.machine}" for fact in facts]) or f"{image.os} {image.release or ''}",
        ),
        ("Kernel", each([fact.kernel for fact in facts])),
        ("Accelerator", each([f"{g.accel} ({g.accel_reason})" if g.accel_reason else str(g.accel) for g in guests])),
        ("Machine", each([f"{plural(g.cpus, 'virtual CPU')}, {g.memory} MiB" for g in guests])),
        ("QEMU", each([guest.qemu_version for guest in guests])),
        ("Clock", each([_clock(guest.clock) for guest in guests])),
        (
            "Probes' clock",
            each(
                [
                    f"{f.clock}, tick {quantity(f.tick_ns, 'ns')}, one reading {quantity(f.clock_cost_ns, 'ns')}"
                    for f in facts
                ]
            ),
        ),
        ("Host", f"{host.cpu}, {plural(host.cores, 'core')}, {size(host.memory << 20)}, {host.os}"),
        ("Host load at start", " ".join(f"{one:.2f}" for one in host.load or ())),
        ("Probe bundle", record.bundle or ""),
        ("Rig", record.rig_version),
        ("Command", " ".join(record.argv)),
        ("Started", f"{record.started.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"),
        ("Resumed", ", ".join(f"{one.started.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" for one in record.resumed)),
        ("Took", seconds(record.seconds) if record.seconds is not None else ""),
    ]
    return [(label, value.strip()) for label, value in pairs if value.strip()]


def _clock(clock: str) -> str:
    return "exact (executed instructions)" if clock == "exact" else "wall"
