"""What looks from outside make of a silence: certain death, a question at once, or nothing."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from rig.guest.patience import Patience
from rig.guest.vigil import Vigil

PATIENCE = Patience(end=200, ask=55, answer=20, undisturbed=True)
FACTOR = 5.0


class Eyes:
    """Vitals that are what a test says."""

    still = ""
    asleep = 0.0
    deaf = False

    def __init__(self) -> None:
        self.looks: list[str] = []

    def look(self) -> None:
        self.looks.append("look")

    def look_into(self) -> None:
        self.looks.append("into")


class Watched:
    def __init__(self, emulated: bool = True) -> None:
        self.now = 0.0
        self.watch = SimpleNamespace(silence=60.0)
        console: Any = SimpleNamespace(watch=self.watch)
        self.machine = SimpleNamespace(
            held=False, process=SimpleNamespace(stopped=False), status=lambda seconds: "paused"
        )
        machine: Any = self.machine
        self.vigil = Vigil(machine, console, FACTOR, emulated, lambda: self.now)
        self.eyes = Eyes()
        vitals: Any = self.eyes
        self.vigil.vitals = vitals


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_a_guest_that_is_held_stands_still(watched: Watched) -> None:
    assert watched.vigil.still() == ""
    watched.eyes.still = "the CPU is halted for good"
    assert watched.vigil.still() == "the CPU is halted for good"
    watched.machine.held = True
    assert watched.vigil.still() == "QEMU's state: paused"
    watched.machine.process.stopped = True
    assert watched.vigil.still() == "QEMU's process is stopped"


def test_a_short_silence_is_not_looked_into(watched: Watched) -> None:
    watched.eyes.asleep = 60.0
    assert watched.vigil.hurried(PATIENCE, 4.9) is PATIENCE
    assert watched.eyes.looks == []


def test_whoever_wants_no_question_gets_none(watched: Watched) -> None:
    watched.eyes.asleep = 60.0
    patience = Patience(end=200)
    assert watched.vigil.hurried(patience, 100) is patience
    assert watched.eyes.looks == []


def test_a_guest_that_runs_is_left_alone(watched: Watched) -> None:
    assert watched.vigil.hurried(PATIENCE, 30) is PATIENCE
    assert watched.eyes.looks == ["look", "into"]


def test_real_cpus_that_are_measured_are_not_looked_into() -> None:
    watched = Watched(emulated=False)
    watched.vigil.hurried(PATIENCE, 30)
    assert watched.eyes.looks == ["look"]
    watched.vigil.hurried(replace(PATIENCE, undisturbed=False), 30)
    assert watched.eyes.looks == ["look", "look", "into"]


def test_a_guest_whose_cpus_sleep_is_asked_and_not_waited_for(watched: Watched) -> None:
    watched.eyes.asleep = 5.0
    assert watched.vigil.hurried(PATIENCE, 6) == Patience(end=200, ask=0.0, answer=5.0, undisturbed=True)


def test_a_guest_without_interrupts_is_asked_unless_it_writes_meanwhile(watched: Watched) -> None:
    watched.eyes.deaf = True
    assert watched.vigil.hurried(PATIENCE, 16) == Patience(end=200, ask=0.0, answer=10.0, undisturbed=True)
    watched.watch.silence = 0.5
    assert watched.vigil.hurried(PATIENCE, 16) is PATIENCE


def test_an_answer_is_waited_for_as_long_as_a_cpu_wakes_up(watched: Watched) -> None:
    useless = watched.vigil.questioning()
    watched.eyes.asleep = 60.0
    assert not useless(), "it slept before it was asked"
    watched.now += 5
    assert useless()
    watched.eyes.asleep = 1.0
    assert not useless()
