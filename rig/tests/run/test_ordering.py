"""Order-dependent cases in a run, with guests that are not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rig.result import CaseResult, Outcome, Verdict
from rig.run import ordering
from rig.tests.run import fakes
from rig.tests.run.conftest import Probes
from rig.tests.run.test_front import ALL, Run
from rig.tests.spec.test_quarantine import ENTRY, write

Go = Callable[..., Run]


@pytest.fixture
def go(tmp_path: Path, world: fakes.World, probes: Probes) -> Go:
    def start(behaviours: dict[str, str], workers: str = "0", warm: bool = True, **settings: Any) -> Run:
        place = probes(behaviours=behaviours, warm=warm)
        return Run(place, tmp_path / f"run{len(list(tmp_path.glob('run*')))}", settings, workers=workers)

    return start


def case(run: Run, name: str) -> CaseResult:
    return next(one for one in run.record.cases if one.id == name)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_the_pair_is_named_and_the_case_stays_red(workers: str, go: Go) -> None:
    run = go({"fourth": "fail after second"}, workers)
    assert run.code == 1
    found = case(run, "sample.fourth")
    assert (found.verdict, found.outcome, found.attempts) == (Verdict.UNEXPECTED, Outcome.FAIL, 1)
    assert found.order is not None
    assert found.order.after == ("sample.second",)
    assert (found.order.then, found.order.alone) == (Outcome.FAIL, Outcome.PASS)
    words = "order-dependent: fail after sample.second, pass alone in a fresh guest"
    assert words in run.screen
    assert words in (run.place / "report.html").read_text()
    assert words in (run.place / "junit.xml").read_text()
    assert "sample.fourth is not as expected: looking whether that is by what ran before it" in run.screen
    assert {name: outcome for name, outcome in run.outcomes.items() if outcome == "fail"} == {"sample.fourth": "fail"}


def test_it_may_take_two_and_they_may_be_of_another_probe(go: Go) -> None:
    run = go({"fourth": "fail after one+third"})
    found = case(run, "sample.fourth")
    assert found.order is not None
    assert found.order.words.startswith("order-dependent: fail after other.one and sample.third, pass alone")


def test_the_reverse_a_case_that_needs_another(go: Go) -> None:
    run = go({"fourth": "fail without second"}, isolation="case")
    found = case(run, "sample.fourth")
    assert found.order is not None
    assert (found.order.after, found.order.then, found.order.alone) == (("sample.second",), "pass", "fail")
    assert found.verdict is Verdict.UNEXPECTED
    assert set(run.outcomes) == set(ALL)


@pytest.mark.parametrize("isolation", ["suite", "probe", "case"])
def test_what_fails_in_any_order_is_left_as_it_is(isolation: str, go: Go) -> None:
    found = case(go({"fourth": "fail"}, isolation=isolation), "sample.fourth")
    assert (found.order, found.notes) == (None, ())


def test_an_order_dependent_case_is_not_taken_for_flaky_by_a_retry(go: Go) -> None:
    run = go({"fourth": "fail after second"}, retries=3)
    assert run.code == 1
    assert case(run, "sample.fourth").attempts == 1


def test_a_failure_that_does_not_show_again_is_told_as_chance(go: Go) -> None:
    run = go({"fourth": "first fail"})
    assert case(run, "sample.fourth").notes == (
        "flaky: it passes alone, and does not always fail after the same cases",
    )
    assert run.code == 1


def test_it_may_be_quarantined(go: Go, tmp_path: Path) -> None:
    path = write(tmp_path, ENTRY | {"case": "sample.fourth", "expires": "2999-01-01"})
    run = go({"fourth": "fail after second"}, quarantine=path)
    assert run.code == 0
    assert case(run, "sample.fourth").verdict is Verdict.QUARANTINED
    assert "order-dependent: fail after sample.second" in run.screen


@pytest.mark.parametrize(
    ("warm", "ill", "asked", "looked"),
    [
        (True, "fail", None, True),
        (True, "fail", False, False),
        (False, "fail", None, False),
        (False, "fail", True, True),
        (True, "panic", None, False),
        (True, "panic", True, True),
    ],
)
def test_by_default_only_where_it_is_cheap(warm: bool, ill: str, asked: bool | None, looked: bool, go: Go) -> None:
    run = go({"fourth": f"{ill} after second"}, warm=warm, find_order=asked)
    found = case(run, "sample.fourth")
    assert found.outcome == ill
    assert (found.order is not None) == looked


def test_where_the_host_has_no_room_it_is_told(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rig.run.capacity.Capacity.may_prepare", lambda *_: False)
    found = case(go({"fourth": "fail after second"}), "sample.fourth")
    assert found.order is None
    assert found.notes == ("whether the order matters was not asked: the host has no room for a guest more",)


def test_only_so_many_are_looked_into(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordering, "MOST_CASES", 1)
    run = go({"second": "fail", "fourth": "fail after first"})
    found = case(run, "sample.fourth")
    assert found.order is None
    assert found.notes == ("whether the order matters was not asked: it was of 1 cases before",)


def test_a_guest_that_is_lost_on_the_way_is_no_answer(go: Go) -> None:
    run = go({"fourth": "fail after two", "one": "second panic"})
    found = case(run, "sample.fourth")
    assert (found.outcome, found.order) == (Outcome.FAIL, None)
    assert found.notes == ("whether the order matters is not known: a guest was lost on the way to it",)


def test_where_its_own_probes_cases_are_enough_no_other_runs(go: Go) -> None:
    run = go({"fourth": "fail after second", "one": "second panic"})
    assert case(run, "sample.fourth").order is not None
