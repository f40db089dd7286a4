"""Silence by a clock that a test turns: when a guest is asked, and when a command is given up."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from rig.errors import TransportError, TransportTimeout
from rig.guest.patience import Patience, Question, Silence, as_idle

PATIENCE = Patience(end=100, ask=10, answer=5)


class NobodyError(TransportError):
    """Nobody answers."""


@dataclass
class Watched:
    """A silent command in a guest that answers or not."""

    patience: Patience = PATIENCE
    answers: bool = True
    now: float = 1000.0
    asked: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.silence = Silence("'probe'", lambda _: self.patience, self.ask, mute=NobodyError, clock=lambda: self.now)

    def ask(self) -> Question:
        self.asked.append(self.now - 1000)
        return lambda: self.answers

    def until(self, seconds: float, step: float = 0.5) -> None:
        while self.now < 1000 + seconds:
            self.now += step
            self.silence.look()


def test_a_guest_is_left_alone_until_it_is_time() -> None:
    watched = Watched()
    watched.until(10)
    assert watched.asked == []
    watched.until(10.5)
    assert watched.asked == [10.5]


def test_a_guest_that_answers_is_not_asked_at_once_again_and_given_up_at_the_end() -> None:
    watched = Watched()
    watched.until(100)
    assert watched.asked == [10.5, 41.5, 72.5]
    with pytest.raises(TransportTimeout, match=r"^'probe' said nothing for 100 s$"):
        watched.until(101)


def test_nobody_who_answers_ends_it_long_before() -> None:
    watched = Watched(answers=False)
    watched.until(15.5)
    with pytest.raises(
        NobodyError, match="'probe' said nothing for 16 s, and nobody in the guest answered in the last 6 s"
    ):
        watched.until(16)
    assert watched.asked == [10.5]


def test_a_word_of_the_command_is_an_answer() -> None:
    watched = Watched(answers=False)
    watched.until(14)
    watched.silence.broken()
    watched.until(24)
    assert watched.asked == [10.5]
    with pytest.raises(NobodyError):
        watched.until(40)
    assert watched.asked == [10.5, 24.5]


def test_patience_may_change_meanwhile() -> None:
    """A guest that looks dead from outside is asked at once."""
    watched = Watched(answers=False)
    watched.until(3)
    watched.patience = replace(PATIENCE, ask=0.0, answer=2.0)
    with pytest.raises(NobodyError):
        watched.until(6)
    assert watched.asked == [3.5]


def test_a_number_of_seconds_asks_nothing() -> None:
    watched = Watched()
    granted = as_idle(50.0)
    assert granted is not None
    watched.patience = granted(0)
    with pytest.raises(TransportTimeout, match="said nothing for 50 s"):
        watched.until(60)
    assert watched.asked == []
    assert as_idle(None) is None
    Silence("x", None, watched.ask, clock=lambda: 1e9).look()


def test_patience_is_scaled_and_ends_the_wait_for_a_first_answer() -> None:
    assert PATIENCE.scaled(5) == Patience(end=500, ask=50, answer=25)
    assert (PATIENCE.longest, Patience(3).longest) == (15, 3)
