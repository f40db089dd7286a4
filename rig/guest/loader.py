"""A loader that speaks on the screen only: its key is pressed, its prompt awaited, a line typed and read back.

Nothing is timed: each step waits for the screen to show it. In graphics mode the screen cannot be read, only be seen
to change; the prompt is then taken to be reached when, after a key, nothing new has been drawn for a while (a
countdown draws something new each second, a cursor the same two pictures again and again).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from rig.deadline import Deadline
from rig.errors import BootError, TransportTimeout
from rig.machine.keyboard import Chord, chords
from rig.machine.screen import View
from rig.spec import LoaderPrompt

_PRESS_EVERY = 0.15
_STILL_SECONDS = 2.5
_ECHO_SECONDS = 2.0
_ENTER_SECONDS = 10.0
_TRIES = 3
_AT_ONCE = 6
"""Keys; a PC's keyboard and BIOS hold fifteen."""
_HOLD_MS = 25
_SLOWER = 4


class Keys(Protocol):
    """What keys are pressed on."""

    def press(self, *keys: str, hold_ms: int = ...) -> None:
        """Press keys together."""
        ...


class Looks(Protocol):
    """What is looked at."""

    def look(self) -> View:
        """What is there now."""
        ...

    def wait(self, enough: Callable[[View], bool], deadline: Deadline) -> View:
        """The first view that is enough, else `TransportTimeout`."""
        ...


class LoaderError(BootError):
    """The loader did not take its line; the message says how far it got, and holds the screen's text."""


@dataclass(frozen=True)
class LoaderDialog:
    """One loader. `stuck`: text on the screen that means that it goes no further, with the reason in words."""

    spec: LoaderPrompt
    keys: Keys
    screen: Looks
    stuck: Mapping[str, str]
    factor: float = 1.0
    gone: Callable[[], str] = lambda: ""
    """Why no prompt will come any more: what the console says of a boot that went on without it."""

    def give(self, args: str, deadline: Deadline) -> None:
        """Bring the prompt, type `args` in the loader's line, press Enter.

        Raises `LoaderError`, `InputError` for what no keyboard can type, and what the monitor raises.
        """
        line = self.spec.line.replace("{args}", args)
        chords(line)  # refused before anything is pressed
        view = self._bring_prompt(deadline)
        if view.rows is not None:
            self._type(line, self._prompt_on(view), deadline)
        else:
            self._type_unseen(line, deadline)
        before = self.screen.look()
        for hold in (_HOLD_MS, _HOLD_MS * _SLOWER):
            self._press(chords("\n"), hold)
            patience = Deadline.after(_ENTER_SECONDS, self.factor)
            if self._seen(lambda v: v.digest != before.digest or bool(self.gone()), min(patience, deadline, key=_when)):
                return
        raise self._failed("nothing changed on the screen after Enter", before)

    def _bring_prompt(self, deadline: Deadline) -> View:
        pictures: set[str] = set()
        next_press = Deadline.after(0)
        still = Deadline.after(_STILL_SECONDS, self.factor)
        answered = False

        def at_prompt(view: View) -> bool:
            nonlocal next_press, still, answered
            self._check_stuck(view)
            if gone := self.gone():
                raise self._failed(gone, view)
            new = view.digest not in pictures
            pictures.add(view.digest)
            if view.rows is not None:
                still = Deadline.after(_STILL_SECONDS, self.factor)
                if _found(self.spec.prompt, view):
                    return True
                due = next_press.expired
            else:
                # Each new picture may be the countdown's; one that came after a key may be the prompt.
                answered = answered or (new and len(pictures) > 1)
                if new:
                    still = Deadline.after(_STILL_SECONDS, self.factor)
                elif answered and still.expired:
                    return True
                due = new
            heard = self.spec.heard is None or view.rows is None or _found(self.spec.heard, view)
            if due and heard:
                self._press([(self.spec.key,)], _HOLD_MS)
                next_press = Deadline.after(_PRESS_EVERY)
            return False

        return self._await(at_prompt, deadline, f"its prompt did not come after {self.spec.key.upper()}")

    def _prompt_on(self, view: View) -> str:
        """What stands there as the prompt."""
        found = re.search(self.spec.prompt.encode(), view.text.encode(), re.MULTILINE)
        return found[0].decode().strip() if found else ""

    def _type(self, line: str, prompt: str, deadline: Deadline) -> None:
        """Type in pieces, each seen on the screen before the next; where keys were lost, all is taken back."""
        for attempt in range(_TRIES):
            at_once, hold = (_AT_ONCE, _HOLD_MS) if attempt == 0 else (1, _HOLD_MS * _SLOWER)
            if all(
                self._echoed(prompt, line[:start], line[start : start + at_once], hold, deadline)
                for start in range(0, len(line), at_once)
            ):
                return
            self._take_back(prompt, len(line), deadline)
        shown = self.screen.look()
        raise self._failed(f"what was typed did not come back whole in {_TRIES} tries", shown)

    def _echoed(self, prompt: str, before: str, piece: str, hold: int, deadline: Deadline) -> bool:
        """Type a piece; whether the line then stands at the end of the screen."""
        self._press(chords(piece), hold)
        shown = _line_shown(prompt, before + piece)

        def seen() -> bool:
            patience = Deadline.after(_ECHO_SECONDS + len(piece) * 2 * hold / 1000, self.factor)
            return self._seen(lambda view: shown.search(view.flow) is not None, min(patience, deadline, key=_when))

        if seen():
            return True
        if len(piece) > 1:
            return False
        self._press(chords(piece), hold)
        return seen()

    def _take_back(self, prompt: str, most: int, deadline: Deadline) -> None:
        """Backspaces until the prompt stands alone again."""
        bare = _line_shown(prompt, "")
        for _ in range(most):
            if bare.search(self.screen.look().flow):
                return
            self._press(chords("\b"), _HOLD_MS * _SLOWER)
            before = self.screen.look().digest
            step = Deadline.after(_ECHO_SECONDS / _SLOWER, self.factor)
            self._seen(lambda view, before=before: view.digest != before, min(step, deadline, key=_when))  # type: ignore[misc]

    def _type_unseen(self, line: str, deadline: Deadline) -> None:
        """Type where nothing can be read: each piece must at least change the picture."""
        for start in range(0, len(line), _AT_ONCE):
            before = self.screen.look()
            piece = line[start : start + _AT_ONCE]
            self._press(chords(piece), _HOLD_MS * _SLOWER)
            patience = Deadline.after(_ECHO_SECONDS + len(piece) * _HOLD_MS * _SLOWER / 500, self.factor)
            if not self._seen(lambda v, old=before: v.digest != old.digest, min(patience, deadline, key=_when)):  # type: ignore[misc]
                raise self._failed(f"nothing changed on the screen when {piece!r} was typed", before)

    def _press(self, wanted: list[Chord], hold: int) -> None:
        for chord in wanted:
            self.keys.press(*chord, hold_ms=hold)

    def _seen(self, enough: Callable[[View], bool], deadline: Deadline) -> bool:
        try:
            self.screen.wait(enough, deadline)
        except TransportTimeout:
            return False
        return True

    def _await(self, enough: Callable[[View], bool], deadline: Deadline, otherwise: str) -> View:
        try:
            return self.screen.wait(enough, deadline)
        except TransportTimeout as fault:
            raise self._failed(f"{otherwise} in {deadline.total:.0f} s", self.screen.look()) from fault

    def _check_stuck(self, view: View) -> None:
        reason = stuck_on_screen(view, self.stuck)
        if reason:
            raise self._failed(reason, view)

    def _failed(self, why: str, view: View) -> LoaderError:
        shown = "".join(f"\n    | {row}" for row in view.text.splitlines() if row.strip())
        mode = "\n  the screen is in graphics mode, its text cannot be read" if view.rows is None else ""
        told = f"\n  the screen's text:{shown}" if shown else mode
        return LoaderError(f"the loader was not given the kernel's flags: {why}{told}")


def stuck_on_screen(view: View, stuck: Mapping[str, str]) -> str:
    """Why the boot goes no further, by what stands on the screen; nothing where no pattern is found."""
    return next((reason for pattern, reason in stuck.items() if _found(pattern, view)), "")


def _found(pattern: str, view: View) -> bool:
    return re.search(pattern.encode(), view.text.encode(), re.MULTILINE) is not None


def _line_shown(prompt: str, typed: str) -> re.Pattern[str]:
    """The prompt with exactly this behind it; further down the screen there may be more."""
    return re.compile(re.escape(prompt) + " {0,2}" + re.escape(typed.rstrip()) + r"(?:\Z| {2})")


def _when(deadline: Deadline) -> float:
    return deadline.at
