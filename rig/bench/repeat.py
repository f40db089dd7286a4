"""The bench `repeatability`: what timings of equal runs differ by, and the smallest slow-down that can be told from it.

Each run is in a guest restored for it. On each clock, on the host as it is and on one that is kept busy, runs are held
against each other: the medians of each timing, and one run's work with the next run's, which has a known share more.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from rig.bench.frame import Bed, Finding, Plot, Series, Target
from rig.bench.load import busy, load
from rig.bench.repeat_figures import Alarms, Condition, Detection, Repetition, alarms, detections, smallest, spreads
from rig.bench.repeat_runs import BATCHES, Run, Stand, Start, all_timings, slowed
from rig.image.catalogue import Catalogue
from rig.result import least_change
from rig.result.stats import P_LIMIT
from rig.run.hostroom import cores
from rig.spec import Clock

CONDITIONS = tuple(Condition(clock, loaded) for clock in (Clock.EXACT, Clock.WALL) for loaded in (False, True))
TESTED = Condition(Clock.EXACT, True)
"""What the targets are about."""
RUNS = 10
COMPARISONS = 20
"""Of equal runs, for false alarms: each run with the next."""
SPREAD_LIMIT = 0.5
FOUND_LIMIT = 1.0
_FLOOR = 0.001
"""Percent: a logarithmic axis has no zero."""
_USUAL = (
    Start("pipe", ("time_round_trip",)),
    Start("signals", ("time_kill_and_handler",)),
    Start("posix_sem", ("time_ping_pong",)),
)
"""A switch there and back between processes, a system call and a signal, a wake-up: what most timings are made of."""


@dataclass(frozen=True)
class Figures:
    """Of all runs under one condition."""

    condition: Condition
    runs: tuple[Run, ...]
    load: tuple[float, float]
    """The host's, before and after."""
    seconds: float
    spreads: tuple[Repetition, ...]
    detections: tuple[Detection, ...]
    alarms: Alarms

    @classmethod
    def of(cls, condition: Condition, runs: Sequence[Run], loads: tuple[float, float], seconds: float) -> Figures:
        """Everything that can be said of these runs."""
        found = tuple(detections(runs, condition.clock))
        return cls(condition, tuple(runs), loads, seconds, tuple(spreads(runs)), found, alarms(runs, condition.clock))

    @property
    def worst(self) -> Repetition:
        """The timing that repeats the least."""
        return max(self.spreads, key=lambda one: one.percent)


def run(bed: Bed) -> Finding:
    """A few timings that stand for the others."""
    return _measure(bed, (*_USUAL, slowed()), COMPARISONS)


def run_all(bed: Bed) -> Finding:
    """Every timing of the image's OS, in fewer comparisons: this takes half an hour."""
    return _measure(bed, all_timings(Catalogue.load().get(bed.image).os), RUNS)


def _measure(bed: Bed, starts: Sequence[Start], comparisons: int) -> Finding:
    stand = Stand.make(bed, starts)
    for clock in {one.clock for one in CONDITIONS}:
        bed.say(f"a template for the {clock} clock")
        stand.fresh(clock).close()
    found = [_under(bed, stand, one, comparisons + 1 if one.loaded else RUNS) for one in CONDITIONS]
    return tell(found)


def _under(bed: Bed, stand: Stand, condition: Condition, wanted: int) -> Figures:
    runs: list[Run] = []
    cold = 0
    begun, before = time.monotonic(), load()
    with busy(cores() if condition.loaded else 0):
        for number in range(1, wanted + 1):
            bed.say(f"{condition}: run {number} of {wanted}")
            with stand.fresh(condition.clock) as guest:
                cold += guest.template is None
                runs.append(stand.run(guest))
    if cold:
        bed.say(f"{cold} of these guests had to be booted: their runs are not of one restored state")
    found = Figures.of(condition, runs, (before, load()), time.monotonic() - begun)
    bed.say(_sentence(found))
    return found


def tell(found: Sequence[Figures]) -> Finding:
    """Table, notes, targets and plots."""
    out = Finding(("timing or slow-down", "clock", "host", "median of the runs", "spread, or found in"))
    for one in found:
        clock, host = str(one.condition.clock), one.condition.host
        for spread in one.spreads:
            out.rows.append((spread.timing, clock, host, f"{spread.middle:.1f}", f"{spread.percent:.2f} %"))
        for hit in one.detections:
            out.rows.append((f"{hit.percent:g} % more work", clock, host, "", f"{hit.found} of {hit.of}"))
        out.rows.append(("false alarms", clock, host, "", f"{len(one.alarms.false)} of {one.alarms.of}"))
    out.notes += [_sentence(one) for one in found]
    out.notes.append(
        f"each run is in a guest restored for it, {BATCHES} samples a timing; spread: largest less smallest of the "
        "runs' medians, in percent of their median; medians are in ns, or B/s for streams"
    )
    out.notes.append(
        "found, and alarm: as `rig report compare` says slower (alarm: or faster) of one run and the next: "
        f"Mann-Whitney p below {P_LIMIT:g}, and a median that moved by more than {100 * least_change(Clock.EXACT):g} % "
        f"(exact) or {100 * least_change(Clock.WALL):g} % (wall) and than three times the scatter of its samples"
    )
    out.notes.append("idle: no load of the bench's own; loaded: as many processes that only compute as processors")
    out.targets = targets([one for one in found if one.condition == TESTED])
    out.plots = _plots(found)
    out.data = {"conditions": [_data(one) for one in found]}
    return out


def _sentence(one: Figures) -> str:
    least = smallest(one.detections)
    middle = median(spread.percent for spread in one.spreads)
    found = f"from {least:g} % on every slow-down is found" if least is not None else "no slow-down is always found"
    return (
        f"{one.condition}: {len(one.runs)} runs in {one.seconds:.0f} s (load {one.load[0]} to {one.load[1]}); spread "
        f"{middle:.2f} % in the middle, {one.worst.percent:.2f} % at worst ({one.worst.timing}); {found}; "
        f"{len(one.alarms.false)} false alarms in {one.alarms.of} comparisons"
    )


def targets(tested: Sequence[Figures]) -> list[Target]:
    """What was aimed at on the exact clock of a loaded host."""
    out = []
    for one in tested:
        late = [spread for spread in one.spreads if spread.percent > SPREAD_LIMIT]
        out.append(
            Target(
                "exact clock: spread over fresh restores, loaded host",
                f"at most {SPREAD_LIMIT:g} %",
                f"{one.worst.percent:.2f} % ({one.worst.timing}; {len(one.spreads)} timings, {len(one.runs)} runs)",
                not late,
                _scattered(one, late),
            )
        )
        missed = [hit for hit in one.detections if hit.percent >= FOUND_LIMIT and not hit.always]
        asked = next((hit for hit in one.detections if hit.percent == FOUND_LIMIT), None)
        out.append(
            Target(
                f"exact clock: a slow-down of {FOUND_LIMIT:g} %, loaded host",
                "always found",
                f"found in {asked.found} of {asked.of} comparisons" if asked else "not measured",
                asked is not None and not missed,
                "; ".join(f"{hit.percent:g} % was found in {hit.found} of {hit.of}" for hit in missed),
            )
        )
        names = sorted(set(one.alarms.false))
        out.append(
            Target(
                "exact clock: false alarms between equal runs, loaded host",
                f"none in {one.alarms.comparisons}",
                f"{len(one.alarms.false)} in {one.alarms.comparisons} comparisons of {len(one.spreads)} timings each",
                not names,
                f"of {', '.join(names)}" if names else "",
            )
        )
    return out


def _scattered(one: Figures, late: Sequence[Repetition]) -> str:
    """Why a timing may not repeat: whether its samples fall into groups, between which a median is free to move."""
    words = []
    for spread in late:
        scatter = fmean(_middle_half(run[spread.timing]) for run in one.runs)
        words.append(
            f"{spread.timing} {spread.percent:.2f} % (the middle half of one run's samples is {scatter:.2f} % wide)"
        )
    if not words:
        return ""
    return "; ".join(words) + ": where a run's own samples are of two kinds, their median may lie with either"


def _middle_half(samples: Sequence[float]) -> float:
    """In percent of the median."""
    ordered = sorted(samples)
    quarter = len(ordered) // 4
    return 100 * (ordered[-1 - quarter] - ordered[quarter]) / median(ordered)


def _plots(found: Sequence[Figures]) -> list[Plot]:
    shown = found[0].spreads[0].timing

    deviations, spread, finds = [], [], []
    for one in found:
        first = next(spread for spread in one.spreads if spread.timing == shown)
        points = [(float(n), deviation, None, None) for n, deviation in enumerate(first.deviations, start=1)]
        deviations.append(Series(str(one.condition), tuple(points)))
        spread.append(
            Series(str(one.condition), tuple((s.timing, max(s.percent, _FLOOR), None, None) for s in one.spreads))
        )
        hits = [(hit.percent, 100 * hit.found / hit.of, None, None) for hit in one.detections]
        finds.append(Series(str(one.condition), tuple(hits)))
    title = f"Spread of the runs' medians (below {_FLOOR:g} drawn as that)"
    return [
        Plot(f"{shown}: each run's median, from that of all", "run", "percent", tuple(deviations)),
        Plot(title, "timing", "percent of the median", tuple(spread), log_y=True),
        Plot("How often a slow-down is found", "percent more work", "percent of the comparisons", tuple(finds)),
    ]


def _data(one: Figures) -> dict[str, Any]:
    return {
        "clock": str(one.condition.clock),
        "host": one.condition.host,
        "load": list(one.load),
        "seconds": round(one.seconds, 1),
        "runs": len(one.runs),
        "spread_percent": {spread.timing: spread.percent for spread in one.spreads},
        "medians": {spread.timing: list(spread.medians) for spread in one.spreads},
        "found": {f"{hit.percent:g}": [hit.found, hit.of] for hit in one.detections},
        "smallest_always_found": smallest(one.detections),
        "false_alarms": {"alarms": list(one.alarms.false), "comparisons": one.alarms.of},
        "samples": [{name: list(samples) for name, samples in run.items()} for run in one.runs],
    }
