"""Cases a minute against the number of guests side by side."""

from __future__ import annotations

from rig.bench.frame import Bed, Finding, Plot, Series
from rig.bench.spread import spread
from rig.bench.suites import SuiteRun, chosen_cases, one_of_each, run_suite
from rig.run.hostroom import cores

COUNTS = (1, 2, 3, 4, 6, 8)
CASES = 60
_ROUNDS_EACH = 7


def run(bed: Bed) -> Finding:
    """60 functional cases, each in a guest of its own, by 1 to 8 workers; one round for seven of `--rounds`."""
    cases = chosen_cases(CASES)
    bed.say("making the template, compiling probes")
    run_suite(bed, "before", *_arguments(1, one_of_each(cases)))
    measured: dict[int, list[SuiteRun]] = {count: [] for count in COUNTS}
    for number in range(1, max(1, bed.rounds // _ROUNDS_EACH) + 1):
        for count, runs in measured.items():
            bed.say(f"round {number}: -n {count}")
            runs.append(run_suite(bed, f"guests-{count}-{number}", *_arguments(count, cases)))
    return tell(measured)


def _arguments(count: int, cases: list[str]) -> list[str]:
    return ["--isolation", "case", "-n", str(count), *cases]


def tell(measured: dict[int, list[SuiteRun]]) -> Finding:
    """The table and a plot."""
    found = Finding(("guests", "cases a minute", "least - greatest", "to one guest", "not as expected"))
    rates = {count: spread([60 * one.cases / one.wall for one in runs]) for count, runs in measured.items()}
    alone = rates[min(rates)].middle
    for count, rate in rates.items():
        red = sum(len(one.unexpected) for one in measured[count])
        gain = f"{rate.middle / alone:.2f}"
        found.rows.append((str(count), f"{rate.middle:.0f}", rate.ends(0), gain, str(red)))
    best = max(rates, key=lambda count: rates[count].middle)
    found.plots = [
        Plot(
            "Cases a minute, each in a fresh guest",
            "guests side by side",
            "cases a minute",
            (Series("median, least and greatest", tuple(rate.point(count) for count, rate in rates.items())),),
        )
    ]
    found.notes = [
        f"most cases a minute with {best} guests side by side on {cores()} processors; -n auto takes as many as there "
        "are processors and memory for",
        f"{measured[best][0].cases} functional cases, each in a guest of its own; wall time of the whole `rig test`",
    ]
    found.data = {
        str(count): [{"wall": one.wall, "cases": one.cases} for one in runs] for count, runs in measured.items()
    }
    return found
