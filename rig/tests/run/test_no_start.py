"""Cases that never begin: a probe that is mute or refuses, a guest that does not boot or takes no file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rig.errors import GuestDied, TransportError
from rig.result import Outcome
from rig.run.cases import PUSH_TRIES
from rig.tests.run.casebench import NAMES, Bench, make, outcomes
from rig.tests.run.fakes import EVIDENCE, FakeGuest, World


@pytest.fixture
def bench(world: World, tmp_path: Path) -> Bench:
    return make(world, tmp_path)


def test_a_probe_that_is_mute_is_given_up(bench: Bench) -> None:
    bench.world.mute = ("sample",)
    answers = bench.all()
    assert outcomes(answers) == dict.fromkeys(NAMES, Outcome.ERROR)
    assert len(bench.world.starts) == 2
    assert "printed nothing and ended with status 134; it said: dyld" in answers["a"].result.reason
    assert "printed nothing" in answers["b"].result.reason
    assert answers["d"].result.reason.startswith("not started again, having failed 2 times on end: the probe printed")
    assert (answers["a"].broken, answers["d"].broken) == (True, False)


def test_only_the_case_that_the_probe_lacks_pays_for_it(bench: Bench) -> None:
    bench.world.has["sample"] = ["a", "b", "d"]
    answers = bench.all()
    assert outcomes(answers) == {"a": Outcome.PASS, "b": Outcome.PASS, "c": Outcome.ERROR, "d": Outcome.PASS}
    assert answers["c"].result.reason == "sample.yaml names this case, sample does not have it"
    assert [names for _, names in bench.world.starts] == [NAMES, ["a", "b", "d"]]


def test_a_refusal_without_a_reason_costs_one_case_at_a_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeGuest, "_probe", lambda *_: (64, b"usage: whatever"))
    bench.world.has["sample"] = NAMES  # what --list says
    answers = bench.all()
    assert outcomes(answers) == dict.fromkeys(NAMES, Outcome.ERROR)
    assert answers["a"].result.reason == "the probe refused its command line: usage: whatever"


def test_a_boot_that_fails_is_an_error_with_its_evidence(bench: Bench) -> None:
    bench.world.boots = ["fails"] * 9
    answers = bench.all()
    assert outcomes(answers) == dict.fromkeys(NAMES, Outcome.ERROR)
    assert answers["a"].result.reason.startswith("the probe was not started: boot stage 'kernel' was not reached")
    assert (answers["a"].evidence, answers["a"].result.guest) == (EVIDENCE, None)
    assert bench.world.booted == 2


def test_one_bad_boot_costs_nobody(bench: Bench) -> None:
    bench.world.boots = ["fails"]
    assert outcomes(bench.all()) == dict.fromkeys(NAMES, Outcome.PASS)


@pytest.mark.parametrize(
    ("fault", "outcome", "words"),
    [
        (GuestDied("QEMU ended", evidence=EVIDENCE), Outcome.PANIC, "QEMU ended, before this case began"),
        (TransportError("no space left on device"), Outcome.PASS, ""),
    ],
)
def test_a_push_that_fails(
    fault: Exception, outcome: Outcome, words: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = [fault]

    def push(*_: Any) -> None:
        if faults:
            raise faults.pop()

    monkeypatch.setattr(FakeGuest, "push", push)
    answers = bench.all()
    assert outcomes(answers) == dict.fromkeys(NAMES, Outcome.PASS) | {"a": outcome}
    assert words in answers["a"].result.reason
    assert bench.world.booted == 2


def test_a_push_that_fails_in_fresh_guests_too_is_not_tried_for_ever(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[Any] = []

    def push(*_: Any) -> None:
        tries.append(1)
        raise TransportError("no space left on device")

    monkeypatch.setattr(FakeGuest, "push", push)
    answers = bench.all()
    assert outcomes(answers) == dict.fromkeys(NAMES, Outcome.ERROR)
    assert {answer.result.reason for answer in answers.values()} == {
        "the probe was not started: no space left on device"
    }
    assert len(tries) == PUSH_TRIES
