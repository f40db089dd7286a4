"""How long a probe may be silent, by where its stream stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rig.guest.patience import Patience
from rig.probe.protocol import End, Message, Note, Start, StreamReader
from rig.run.standing import Standing
from rig.tests.run.fakes import hello, line, write_manifest

QUICK = Patience(end=30, ask=2, answer=4)
FACTOR = 5.0


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def standing(tmp_path: Path, clock: Clock) -> Standing:
    cases: dict[str, Any] = {"plain": {"deadline": 10}, "timed": {"kind": "timing", "deadline": 60}}
    return Standing(write_manifest(tmp_path, ["plain", "timed"], **cases).cases, FACTOR, clock)


def of(*words: bytes) -> list[Message]:
    return StreamReader().feed(b"".join(words))


def test_before_between_and_behind_cases_little_is_allowed(standing: Standing, clock: Clock) -> None:
    assert standing.patience(0) == QUICK
    for message in of(
        hello(["plain"]), line("start", case="plain"), line("end", case="plain", outcome="pass", checks=1, ms=1)
    ):
        standing.hear(message)
    clock.now += 1000
    assert standing.patience(1000) == QUICK


def test_a_case_has_its_own_deadline_not_the_longest_of_all(standing: Standing) -> None:
    standing.hear(Start("plain"))
    assert standing.patience(0) == Patience(end=40, ask=11, answer=2)
    standing.hear(Start("timed"))
    assert standing.patience(0) == Patience(end=90, ask=61, answer=2, undisturbed=True)


def test_what_a_case_says_does_not_put_its_deadline_off(standing: Standing, clock: Clock) -> None:
    standing.hear(Start("plain"))
    clock.now += 45
    standing.hear(Note("plain", "a word"))
    assert standing.patience(0) == Patience(end=31, ask=2, answer=2), "9 of 10 s, scaled, are over"
    clock.now += 4
    assert standing.patience(4) == Patience(end=31, ask=2, answer=2), "since that word"
    clock.now += 1000
    assert standing.patience(0) == Patience(end=30, ask=1, answer=2)


def test_a_case_that_the_manifest_does_not_name_is_none(standing: Standing) -> None:
    standing.hear(Start("unheard_of"))
    assert standing.patience(0) == QUICK


def test_the_end_of_a_case_is_the_end_of_its_right(standing: Standing) -> None:
    standing.hear(Start("timed"))
    (end,) = of(hello(["timed"]), line("end", case="timed", outcome="timeout", checks=0, ms=1))[1:]
    assert isinstance(end, End)
    standing.hear(end)
    assert standing.patience(0) == QUICK
