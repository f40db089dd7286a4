"""What is made of runs, of which kinds are made up here; and the streams and probes that the bench rests on."""

from __future__ import annotations

import json
import platform
import random
import subprocess
import sys

import psutil
import pytest

from rig.bench import main, repeat
from rig.bench.frame import chosen
from rig.bench.load import busy
from rig.bench.repeat import CONDITIONS, TESTED, Figures, tell
from rig.bench.repeat_figures import Condition, Detection, alarms, detections, smallest, spreads
from rig.bench.repeat_runs import OWN_PROBES, Run, Start, all_timings, slowed, timings_in
from rig.errors import InputError
from rig.probe.manifest import CaseKind, load_manifests
from rig.probe.toolchain import Target, build
from rig.spec import Clock, GuestOS
from rig.tests.bench.test_timings import BYE, START, end, metric, stream

EXTRAS = (0, 5, 10, 20, 50)


def runs(count: int, scatter: float, seed: int = 1) -> list[Run]:
    """Equal runs whose levels lie apart by up to `scatter`, a share."""
    rng = random.Random(seed)

    def one() -> Run:
        level = 1000 * (1 + rng.uniform(0, scatter))
        found = {"pipe.time_round_trip 1 B": tuple(level * 5 + rng.random() / 10 for _ in range(30))}
        for extra in EXTRAS:
            found[f"slowed.extra_{extra}"] = tuple(level * (1 + extra / 1000) + rng.random() / 10 for _ in range(30))
        return found

    return [one() for _ in range(count)]


def figures(condition: Condition, scatter: float) -> Figures:
    return Figures.of(condition, runs(21, scatter), (0.1, 2.5), 12.0)


def test_spread_is_from_least_to_greatest_median() -> None:
    first, second = spreads([{"a": (1.0, 2.0, 99.0), "b": (5.0,)}, {"a": (2.2, 2.2, 0.0), "b": (5.0,)}])
    assert (first.medians, second.percent) == ((2.0, 2.2), 0.0)
    assert first.percent == pytest.approx(100 * 0.2 / 2.1)
    assert first.deviations == pytest.approx((100 * (2 / 2.1 - 1), 100 * (2.2 / 2.1 - 1)))


def test_slowed_work_is_not_taken_for_a_timing_that_repeats() -> None:
    assert [one.timing for one in spreads(runs(2, 0))] == ["pipe.time_round_trip 1 B", "slowed.extra_0"]


def test_runs_that_repeat_show_every_slow_down_and_raise_no_alarm() -> None:
    quiet = runs(21, 0.001)
    assert detections(quiet, Clock.EXACT)[1] == Detection(1.0, 20, 20)
    assert alarms(quiet, Clock.EXACT).false == ()
    assert (alarms(quiet, Clock.EXACT).comparisons, alarms(quiet, Clock.EXACT).of) == (20, 40)


def test_runs_that_scatter_hide_slow_downs_and_raise_alarms() -> None:
    wild = runs(21, 0.6)
    assert all(one.found < one.of for one in detections(wild, Clock.WALL))
    assert len(alarms(wild, Clock.WALL).false) > 5
    assert set(alarms(wild, Clock.WALL).false) == {"pipe.time_round_trip 1 B", "slowed.extra_0"}


def test_a_run_that_seems_faster_is_a_false_alarm_too() -> None:
    def one(level: float) -> Run:
        return {"pipe.time_round_trip 1 B": (level,) * 30}

    assert alarms([one(1000.0), one(990.0), one(990.0)], Clock.EXACT).false == ("pipe.time_round_trip 1 B",)


def test_the_wall_clock_asks_for_more_than_the_exact_one() -> None:
    found = {one.percent: one.found for one in detections(runs(21, 0), Clock.WALL)}
    assert (found[0.5], found[2.0]) == (0, 0)


def test_smallest_has_no_gap_above_it() -> None:
    always, seldom = (lambda size: Detection(size, 9, 9)), (lambda size: Detection(size, 8, 9))
    assert smallest([always(0.5), always(1.0), always(5.0)]) == 0.5
    assert smallest([always(0.5), seldom(1.0), always(5.0)]) == 5.0
    assert smallest([always(0.5), seldom(5.0)]) is None


def test_all_that_was_aimed_at_is_met_by_quiet_runs() -> None:
    found = tell([figures(one, 0.001 if one.clock is Clock.EXACT else 0.6) for one in CONDITIONS])
    assert [target.met for target in found.targets] == [True, True, True]
    assert "found in 20 of 20" in found.targets[1].measured
    assert found.targets[2].limit == "none in 20"
    assert any("from 0.5 % on every slow-down is found" in note for note in found.notes)
    assert any("no slow-down is always found" in note for note in found.notes)
    assert {len(row) for row in found.rows} == {len(found.columns)}
    assert [len(plot.series) for plot in found.plots] == [4, 4, 4]
    assert found.data["conditions"][0]["smallest_always_found"] == 0.5
    json.dumps(found.data)


def test_what_is_missed_is_missed_and_said() -> None:
    found = tell([figures(TESTED, 0.05)])
    assert [target.met for target in found.targets] == [False, False, False]
    spread, slow, alarm = found.targets
    assert "pipe.time_round_trip 1 B" in spread.why
    assert "1 % was found in" in slow.why
    assert "slowed.extra_0" in alarm.why


def test_targets_are_those_of_the_exact_clock_on_a_loaded_host() -> None:
    assert tell([figures(one, 0.6) for one in CONDITIONS if one != TESTED]).targets == []


def test_timings_are_named_by_case_and_size() -> None:
    start = Start("pipe", ("time_round_trip",))
    found = timings_in(stream(START, metric(samples=(3.0,)), metric(size=64, samples=(4.0,)), end(), BYE), start)
    assert found == {"pipe.time_round_trip 1 B": (3.0,), "pipe.time_round_trip 64 B": (4.0,)}


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ((START, metric(), end("timeout", "took too long"), BYE), "ended as timeout: took too long"),
        ((START, metric()), "told nothing of: time_round_trip"),
        ((), "told nothing of: time_round_trip"),
    ],
)
def test_streams_that_are_not_whole(lines: tuple[dict[str, object], ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        timings_in(stream(*lines), Start("pipe", ("time_round_trip",)))


def test_timings_exist_and_are_expected_on_both_systems() -> None:
    known = {one.probe: one for one in load_manifests()}
    for start in repeat._USUAL:
        for name in start.cases:
            case = known[start.probe].cases[name]
            assert case.kind is CaseKind.TIMING
            assert {str(case.expected(os)) for os in GuestOS} == {"pass"}
    assert {one.probe for one in all_timings(GuestOS.LINUX)} >= {"pipe", "fifo", "slowed"}
    assert "mach_msg" not in {one.probe for one in all_timings(GuestOS.LINUX)}
    assert "mach_msg" in {one.probe for one in all_timings(GuestOS.DARWIN)}


def test_the_slowed_probe_has_a_case_for_each_share() -> None:
    assert slowed().cases == tuple(f"extra_{extra}" for extra in EXTRAS)


@pytest.mark.parametrize("target", Target)
def test_the_slowed_probe_compiles(target: Target) -> None:
    built = build(load_manifests(OWN_PROBES), target)
    assert built["slowed"].is_file()


@pytest.mark.skipif(sys.platform != "linux" or platform.machine() != "x86_64", reason="the probe runs on x86-64 Linux")
def test_the_slowed_probe_runs_and_tells_every_timing() -> None:
    program = build(load_manifests(OWN_PROBES), Target.LINUX)["slowed"]
    done = subprocess.run([program, "--batches", "3"], capture_output=True, check=True, timeout=120)
    found = timings_in(done.stdout, slowed())
    assert {name: len(samples) for name, samples in found.items()} == {f"slowed.extra_{extra}": 3 for extra in EXTRAS}


def test_busy_processes_are_busy_and_end() -> None:
    with busy(2) as pids:
        assert len(set(pids)) == 2
        assert all(psutil.pid_exists(pid) for pid in pids)
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_busy_processes_end_with_a_fault() -> None:
    def fail() -> list[int]:
        with busy(1) as pids:
            seen.extend(pids)
            raise InputError("stop")

    seen: list[int] = []
    with pytest.raises(InputError):
        fail()
    assert not psutil.pid_exists(seen[0])


def test_the_long_bench_runs_only_by_its_name() -> None:
    assert "repeatability-all" not in [one.name for one in chosen(main.BENCHES, [])]
    assert [one.name for one in chosen(main.BENCHES, ["repeatability-all"])] == ["repeatability-all"]
