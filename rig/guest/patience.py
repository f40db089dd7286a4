"""What is done about a command that says nothing: it is left alone, then its guest is asked, then it is given up.

A question is traffic into the guest and would spoil a measurement that is under way. So it waits until the command has
no right to be silent any more, or until the guest looks dead from outside. Whoever starts a command knows that right.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from rig.errors import TransportError, TransportTimeout

_AGAIN_SECONDS = 30.0
"""After an answer, at least, until the next question."""


@dataclass(frozen=True)
class Patience:
    """Seconds of silence from a command, in the guest's time until it is scaled."""

    end: float
    """Then the command is given up, though its guest lives."""
    ask: float = float("inf")
    """Then the guest is asked whether it lives."""
    answer: float = float("inf")
    """Seconds until that question is to be answered, else the command is given up."""
    undisturbed: bool = False
    """Something is being measured: nothing at all is sent into the guest before `ask`."""

    @property
    def longest(self) -> float:
        """Seconds that may pass until a guest that answers nothing is given up."""
        return min(self.end, self.ask + self.answer)

    def scaled(self, factor: float) -> Patience:
        """In this host's seconds."""
        return replace(self, end=self.end * factor, ask=self.ask * factor, answer=self.answer * factor)


Idle = Callable[[float], Patience]
"""How long a command that has been silent for so many seconds may be so, as matters stand now."""
Question = Callable[[], bool]
"""A question to the guest that is under way: whether it has been answered by now."""


def as_idle(idle: float | Idle | None) -> Idle | None:
    """A number of seconds is a patience without any question."""
    if idle is None or callable(idle):
        return idle
    patience = Patience(idle)
    return lambda _: patience


class Silence:
    """Watches over one command's silence. `ask` puts a question to the guest and tells whether it has been answered."""

    def __init__(
        self,
        words: str,
        idle: Idle | None,
        ask: Callable[[], Question],
        *,
        mute: Callable[[str], TransportError] = TransportTimeout,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._words = words
        self._idle = idle
        self._ask = ask
        self._mute = mute
        self._clock = clock
        self._broken_at = clock()
        self._question: Question | None = None
        self._asked_at = 0.0
        self._answered_at: float | None = None

    def broken(self) -> None:
        """The command has said something: nobody need answer any more."""
        self._broken_at = self._clock()
        self._question = self._answered_at = None

    @property
    def undisturbed(self) -> bool:
        """Whether nothing may be sent into the guest now without need."""
        return self._idle is not None and self._idle(self._quiet()).undisturbed

    def look(self) -> None:
        """Ask, where it is time.

        Raises `TransportTimeout` when patience is over, and what `mute` makes when nobody answers.
        """
        if self._idle is None:
            return
        now, quiet = self._clock(), self._quiet()
        patience = self._idle(quiet)
        if self._question is not None and self._question():
            self._question, self._answered_at = None, now
        if quiet > patience.end:
            raise TransportTimeout(f"{self._words} said nothing for {patience.end:.0f} s")
        if self._question is None:
            if self._is_due(now, quiet, patience):
                self._question, self._asked_at = self._ask(), now
        elif now - self._asked_at > patience.answer:
            raise self._mute(
                f"{self._words} said nothing for {quiet:.0f} s, "
                f"and nobody in the guest answered in the last {now - self._asked_at:.0f} s"
            )

    def _quiet(self) -> float:
        return self._clock() - self._broken_at

    def _is_due(self, now: float, quiet: float, patience: Patience) -> bool:
        if quiet <= patience.ask:
            return False
        return self._answered_at is None or now - self._answered_at > max(_AGAIN_SECONDS, patience.ask)
