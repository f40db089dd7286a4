"""Cases of probes, whatever happens between: each is answered, one pays for each early end, nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rig.errors import PanicError
from rig.probe.manifest import ProbeManifest
from rig.result import Outcome
from rig.run.cases import CaseAnswer
from rig.spec import Isolation
from rig.tests.run.casebench import NAMES, Bench, make, outcomes
from rig.tests.run.fakes import EVIDENCE, World, installed, write_manifest

PAYS = {
    "crash": Outcome.CRASHED,
    "panic": Outcome.PANIC,
    "died": Outcome.PANIC,
    "hang": Outcome.HANG,
    "timeout": Outcome.TIMEOUT,
    "reset": Outcome.ERROR,
    "before": Outcome.PANIC,
}
"""What costs a start, and what the case that pays gets."""
FREE = {
    "pass": Outcome.PASS,
    "fail": Outcome.FAIL,
    "unsupported": Outcome.UNSUPPORTED,
    "rubbish": Outcome.PASS,
    "hole": Outcome.ERROR,
    "open": Outcome.ERROR,
}
PANICS = {"panic", "before"}
LOSES_GUEST = {"panic", "died", "hang", "timeout", "reset", "before"}


@pytest.fixture
def bench(world: World, tmp_path: Path) -> Bench:
    return make(world, tmp_path)


def test_each_case_in_a_guest_of_its_own(world: World, tmp_path: Path) -> None:
    bench = make(world, tmp_path, isolation=Isolation.CASE)
    assert outcomes(bench.all()) == dict.fromkeys(NAMES, Outcome.PASS)
    assert bench.world.starts == [("sample", [name]) for name in NAMES]
    assert bench.world.booted == len(NAMES)
    assert bench.world.guests[0].pushed == ["/tmp/rig/sample"], "no other probe will run in it"


def test_cases_that_are_not_of_this_os_share_a_start(world: World, tmp_path: Path) -> None:
    no_mach = {"expect": {"linux": "unsupported", "darwin": "pass"}, "reason": "no Mach"}
    changes: dict[str, Any] = {"only": {"os": "darwin", "reason": "no Mach"}} | dict.fromkeys(NAMES, no_mach)
    bench = make(world, tmp_path, isolation=Isolation.CASE, **changes)
    world.behaviours |= dict.fromkeys(NAMES, "unsupported")
    bench.runner.run(bench.manifest, "b", ["b", "c", "d"])
    # The next asker's guest is another: what was told before needs none.
    bench.keeper.lose("gone")
    assert outcomes(bench.all(["c", "d", "a"])) == dict.fromkeys(["c", "d", "a"], Outcome.UNSUPPORTED)
    assert bench.world.starts == [("sample", ["b", "c", "d"]), ("sample", ["a"])]


def test_all_well_is_one_start_in_one_guest(bench: Bench) -> None:
    answers = bench.all()
    assert outcomes(answers) == dict.fromkeys(NAMES, Outcome.PASS)
    assert bench.world.starts == [("sample", NAMES)]
    assert bench.world.booted == 1
    assert bench.world.guests[0].pushed == ["/tmp/rig/other", "/tmp/rig/sample"]  # what comes next is in it, too
    assert all(answer.evidence is None for answer in answers.values())
    assert bench.records[-1].facts is not None
    assert bench.records[-1].facts.release == "6.1"


@pytest.mark.parametrize("behaviour", sorted(PAYS))
def test_one_case_pays_and_the_rest_runs(behaviour: str, bench: Bench) -> None:
    bench.world.behaviours = {"b": behaviour}
    answers = bench.all()
    wanted = dict.fromkeys(NAMES, Outcome.PASS) | {"b": PAYS[behaviour]}
    assert outcomes(answers) == wanted
    # A panic is asked for again: the guest may have taken the words of more cases along.
    again = [["b"]] if behaviour in PANICS else []
    assert [names for _, names in bench.world.starts] == [NAMES, *again, ["c", "d"]]
    assert bench.world.booted == (2 if behaviour in LOSES_GUEST else 1) + len(again)
    assert answers["b"].evidence == EVIDENCE
    assert [name for name, answer in answers.items() if answer.evidence] == ["b"]
    assert answers["b"].broken == (behaviour == "crash")
    assert answers["b"].result.guest == "main-1"


def test_a_lost_guest_is_ended_and_its_end_told(bench: Bench) -> None:
    bench.world.behaviours = {"b": "panic"}
    bench.all()
    *lost, last = bench.world.guests
    assert ([guest.closed for guest in lost], last.closed) == ([True, True], False)
    assert [(record.id, record.ended) for record in bench.records if record.ended] == [
        ("main-1", "the guest's kernel panicked: test"),
        ("main-2", "the guest's kernel panicked: test"),
    ]
    assert last.pushed == ["/tmp/rig/other", "/tmp/rig/sample"]


@pytest.mark.parametrize("order", [list("dcba"), list("bdac"), list("cabd")])
@pytest.mark.parametrize("behaviour", ["crash", "panic"])
def test_a_probe_may_have_an_order_of_its_own(order: list[str], behaviour: str, bench: Bench) -> None:
    bench.world.order["sample"] = order
    bench.world.behaviours = {"b": behaviour, "d": "fail"}
    wanted = dict.fromkeys(NAMES, Outcome.PASS) | {"b": PAYS[behaviour], "d": Outcome.FAIL}
    assert outcomes(bench.all()) == wanted
    assert len(bench.world.starts) <= (3 if behaviour in PANICS else 2)


def test_a_panic_that_took_words_along_is_the_right_cases(bench: Bench, home: Path) -> None:
    """Of b the end was on its way, of c nothing, when c made the kernel panic."""
    bench.world.behaviours = {"b": "first open", "c": "before"}
    answers = bench.all()
    assert outcomes(answers) == dict.fromkeys(NAMES, Outcome.PASS) | {"c": Outcome.PANIC}
    assert [names for _, names in bench.world.starts] == [NAMES, ["b"], ["c"], ["d"]]
    assert [name for name, answer in answers.items() if answer.evidence] == ["c"]
    assert "before the end of this case was heard" in answers["b"].result.notes[0]
    assert all(guest.closed for guest in bench.world.guests[:-1])


def test_a_panic_right_behind_a_case_is_that_cases(bench: Bench, home: Path) -> None:
    """Alone, c ends and then the kernel panics: whoever runs last in a guest pays for it."""
    bench.world.behaviours = {"b": "first open", "c": "before"}
    begin = bench.runner._once_more

    def once_more(manifest: ProbeManifest, name: str) -> CaseAnswer | None:
        if name == "c":
            bench.world.behaviours["c"], bench.world.late = "pass", "panic"
        answer = begin(manifest, name)
        bench.world.late = ""
        return answer

    bench.runner._once_more = once_more  # type: ignore[method-assign]
    answers = bench.all()
    assert outcomes(answers) == dict.fromkeys(NAMES, Outcome.PASS) | {"c": Outcome.PANIC}
    assert answers["c"].evidence == EVIDENCE


def test_a_panic_that_does_not_come_again_is_not_lost(bench: Bench, home: Path) -> None:
    bench.world.behaviours = {"b": "first panic"}
    answers = bench.all()
    assert outcomes(answers) == dict.fromkeys(NAMES, Outcome.PASS) | {"b": Outcome.PANIC}
    assert [names for _, names in bench.world.starts] == [NAMES, ["b"], ["c"], ["d"]]
    assert answers["b"].evidence == EVIDENCE
    assert "did not come again" in answers["b"].result.notes[0]


def test_cases_that_nobody_wants_are_not_run(bench: Bench) -> None:
    assert outcomes(bench.all(["c", "a"])) == {"c": Outcome.PASS, "a": Outcome.PASS}
    assert bench.world.starts == [("sample", ["c", "a"])]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_each_case_does(data: st.DataObject, tmp_path: Path) -> None:
    """The whole contract: every case is answered once with its own outcome, and the work ends."""
    names = [f"case{number}" for number in range(data.draw(st.integers(1, 6)))]
    # Without `before`: next to a hole nobody can say which of the two had not begun.
    behaviour = st.sampled_from(sorted({*PAYS, *FREE} - {"before"}))
    behaviours = {name: data.draw(behaviour) for name in names}
    world = World(behaviours=behaviours, order={"sample": data.draw(st.permutations(names))})
    asked = data.draw(st.permutations(names))
    with installed(world):
        bench = make(world, tmp_path, names)
        answers = bench.all(asked)
    paid = [name for name in names if behaviours[name] in PAYS]
    assert outcomes(answers) == {name: {**PAYS, **FREE}[behaviours[name]] for name in asked}
    panics = sum(behaviours[name] in PANICS for name in names)
    assert len(world.starts) <= len(paid) + panics + 1
    assert all(guest.closed for guest in world.guests[:-1])
    told = sum(record.lines for answer in answers.values() for record in answer.rubbish)
    printed = 2 * sum(name == "rubbish" for name in behaviours.values())
    assert told == printed, "each line of rubbish is told exactly once"


@pytest.mark.parametrize(
    ("late", "outcome", "words"),
    [
        ("panic", Outcome.PANIC, "kernel panicked: test, after the last case had ended"),
        ("hang", Outcome.HANG, "no longer answers"),
        ("crash", Outcome.CRASHED, "without a goodbye"),
        ("timeout", Outcome.TIMEOUT, "said nothing"),
        ("exit", Outcome.CRASHED, "status 1 after its goodbye"),
    ],
)
def test_an_end_behind_the_last_case_makes_that_one_pay(late: str, outcome: Outcome, words: str, bench: Bench) -> None:
    bench.world.late = late
    answers = bench.all()
    assert outcomes(answers) == dict.fromkeys(NAMES, Outcome.PASS) | {"d": outcome}
    assert words in answers["d"].result.reason
    assert answers["d"].evidence == EVIDENCE
    assert answers["d"].result.first_outcome is outcome
    assert answers["d"].result.checks == 1, "what it had told stays"


def test_the_worse_of_two_ends_stands(bench: Bench) -> None:
    bench.world.behaviours, bench.world.late = {"d": "fail"}, "crash"
    result = bench.all()["d"].result
    assert result.outcome is Outcome.CRASHED
    assert result.reason.startswith("fail it did; then the probe ended without a goodbye")


def test_a_guest_found_dead_at_the_end_of_a_probe_makes_its_last_case_pay(bench: Bench) -> None:
    bench.world.dies_idle = ("sample",)
    other = write_manifest(bench.place, ["x", "y"], "other")
    assert outcomes(bench.all()) == dict.fromkeys(NAMES, Outcome.PASS) | {"d": Outcome.PANIC}
    assert bench.world.guests[0].closed
    assert outcomes(bench.all(manifest=other)) == dict.fromkeys("xy", Outcome.PASS)


def test_a_guest_gets_all_probes_by_one_push(bench: Bench) -> None:
    other = write_manifest(bench.place, ["x"], "other")
    bench.all()
    bench.all(manifest=other)
    assert bench.world.booted == 1
    assert bench.world.guests[0].pushed == ["/tmp/rig/other", "/tmp/rig/sample"]


def test_a_guest_that_dies_later_costs_the_next_case(bench: Bench) -> None:
    other = write_manifest(bench.place, ["x", "y"], "other")
    assert outcomes(bench.all()) == dict.fromkeys(NAMES, Outcome.PASS)
    bench.world.guests[0].dead = PanicError("the guest's kernel panicked: delayed", evidence=EVIDENCE)
    answers = bench.all(manifest=other)
    assert outcomes(answers) == {"x": Outcome.PANIC, "y": Outcome.PASS}
    reason = answers["x"].result.reason
    assert reason == (
        "the guest's kernel panicked: delayed, before this case began; sample was the last to run in that guest"
        "; the panicking process was sample, not the probe of this case"
    )
    assert (answers["x"].evidence, answers["x"].result.guest) == (EVIDENCE, "main-1")


def test_a_test_of_the_users_own_may_kill_the_guest(bench: Bench) -> None:
    other = write_manifest(bench.place, ["x"], "other")
    bench.all()
    bench.keeper.get()  # the `guest` fixture
    bench.world.guests[0].dead = PanicError("as meant")
    assert outcomes(bench.all(manifest=other)) == {"x": Outcome.PASS}


def test_leaks_are_told_once_with_the_last_case(bench: Bench) -> None:
    bench.world.leaks = 2
    answers = bench.all()
    assert {name: len(answer.leaks) for name, answer in answers.items()} == {"a": 0, "b": 0, "c": 0, "d": 2}
    assert [leak.what for leak in answers["d"].leaks] == ["/tmp/left0", "/tmp/left1"]
    assert bench.runner.close() == ([], [])


def test_leaks_are_told_whatever_the_order(bench: Bench) -> None:
    bench.world.leaks = 1
    bench.world.order["sample"] = list("dcba")
    answers = bench.all()
    assert sum(len(answer.leaks) for answer in answers.values()) == 1


def test_leaks_of_each_start_are_told(bench: Bench) -> None:
    bench.world.leaks, bench.world.behaviours = 1, {"a": "rubbish", "b": "crash"}
    answers = bench.all()
    assert sum(len(answer.leaks) for answer in answers.values()) == 1, "the first start ended before its leaks"
    assert answers["b"].rubbish[0].lines == 2
    assert "malloc: noise" in answers["b"].rubbish[0].excerpt


def test_what_nobody_came_for_is_told_at_the_end(bench: Bench) -> None:
    bench.world.leaks, bench.world.behaviours = 1, {"a": "rubbish"}
    answer = bench.runner.run(bench.manifest, "a", NAMES)  # -x ends here
    assert (answer.leaks, answer.rubbish) == ([], [])
    run = bench.runner._books["sample"].run
    assert run is not None
    run._thread.join(20)
    leaks, rubbish = bench.runner.close()
    assert [leak.what for leak in leaks] == ["/tmp/left0"]
    assert [record.lines for record in rubbish] == [2]
    assert bench.runner.close() == ([], [])
