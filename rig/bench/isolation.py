"""What it costs to give each case, or each probe, a guest of its own."""

from __future__ import annotations

from rig.bench.frame import Bed, Finding, Plot, Series, Target
from rig.bench.spread import at_most, spread
from rig.bench.suites import SuiteRun, chosen_cases, one_of_each, run_suite
from rig.spec import Isolation

CASES = 250
_WORKERS = 2
_LIMIT = 0.5
_ROUNDS_EACH = 7
"""Of `--rounds`, for one round here."""


def run(bed: Bed) -> Finding:
    """250 functional cases by two workers at each isolation; one round for seven of `--rounds`, some three minutes."""
    cases = chosen_cases(CASES)
    bed.say("making templates, compiling probes")
    for isolation in Isolation:
        run_suite(bed, f"before-{isolation}", *_arguments(isolation, one_of_each(cases)))
    measured: dict[Isolation, list[SuiteRun]] = {isolation: [] for isolation in Isolation}
    for number in range(1, max(1, bed.rounds // _ROUNDS_EACH) + 1):
        for isolation, runs in measured.items():
            bed.say(f"round {number}: isolation {isolation}")
            runs.append(run_suite(bed, f"{isolation}-{number}", *_arguments(isolation, cases)))
    return tell(measured)


def _arguments(isolation: Isolation, cases: list[str]) -> list[str]:
    return ["--isolation", str(isolation), "-n", str(_WORKERS), *cases]


def tell(measured: dict[Isolation, list[SuiteRun]]) -> Finding:
    """The table, its targets and a plot."""
    each = {isolation: spread([one.a_case for one in runs]) for isolation, runs in measured.items()}
    found = Finding(("isolation", "a case", "least - greatest", "in all", "until ready", "cases", "not as expected"))
    for isolation, runs in measured.items():
        wall, ready = spread([one.wall for one in runs]), spread([one.to_ready for one in runs])
        red = sum(len(one.unexpected) for one in runs)
        found.rows.append(
            (
                str(isolation),
                each[isolation].words("s", 3),
                f"{each[isolation].ends(3)} s",
                wall.words("s", 1),
                ready.words("s", 1),
                str(runs[0].cases),
                str(red),
            )
        )
    suite, case = each[Isolation.SUITE], each[Isolation.CASE]
    why = (
        f"In one guest a case takes {suite.words('s', 3)}: {case.middle - suite.middle:.3f} s go into its restore, "
        "login and end. `startup` has the parts of a restore"
    )
    count = measured[Isolation.CASE][0].cases
    red_ids = sorted(
        {f"{name} (isolation {i})" for i, runs in measured.items() for one in runs for name in one.unexpected}
    )
    found.targets = [
        at_most(f"a fresh guest for each of {count} cases, -n {_WORKERS}, each on average", _LIMIT, case, "s", why, 3),
        Target(
            "cases as expected at every isolation",
            "all",
            "all" if not red_ids else f"all but {len(red_ids)}",
            not red_ids,
            ", ".join(red_ids),
        ),
    ]
    found.plots = [
        Plot(
            f"Cost of isolation, -n {_WORKERS}",
            "isolation",
            "wall seconds a case",
            (
                Series(
                    "median, least and greatest", tuple(one.point(str(isolation)) for isolation, one in each.items())
                ),
            ),
        )
    ]
    found.notes = [
        "a case: the wall time of the whole `rig test`, its start and its report included, by the number of cases; "
        "templates made before"
    ]
    found.data = {
        str(isolation): [{"wall": one.wall, "to_ready": one.to_ready, "tests": one.tests} for one in runs]
        for isolation, runs in measured.items()
    }
    return found
