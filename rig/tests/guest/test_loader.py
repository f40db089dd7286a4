"""A loader's prompt on the screen, with a loader that loses keys, is slow, draws, blinks, or says why it stops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from rig.deadline import Deadline
from rig.errors import InputError, TransportTimeout
from rig.guest.loader import LoaderDialog, LoaderError
from rig.machine.keyboard import chords
from rig.machine.screen import View
from rig.spec import LoaderPrompt

COLUMNS = 80
FACTOR = 0.01
"""Makes the dialog impatient: it waits hundredths of what it would."""
CHARACTERS = {keys: character for character in map(chr, range(0x20, 0x7F)) for keys in chords(character)}


@dataclass
class FakeLoader:
    """A loader after `countdown` looks at it; `loses` tells of each key whether it goes unheard."""

    countdown: int = 3
    prompt: str = "boot: "
    loses: Callable[[int], bool] = lambda number: False
    says: str = ""
    graphics: bool = False
    blinks: bool = False
    footer: str = ""
    late: int = 0
    """Looks at a screen on which nothing is drawn yet."""
    typed: str = ""
    booted: str | None = None
    looks: int = 0
    asked: bool = False
    pressed: list[tuple[str, ...]] = field(default_factory=list)

    def press(self, *keys: str, hold_ms: int = 0) -> None:
        self.pressed.append(keys)
        if self.loses(len(self.pressed)):
            return
        if not self.asked:
            self.asked = keys == ("f8",) and self.countdown <= self.looks
        elif keys == ("ret",):
            self.booted = self.typed
        elif keys == ("backspace",):
            self.typed = self.typed[:-1]
        elif keys in CHARACTERS:
            self.typed += CHARACTERS[keys]

    def look(self) -> View:
        self.looks += 1
        text = f"loader {self.says}".ljust(COLUMNS)
        if self.booted is not None:
            text += "starting"
        elif self.asked:
            text += self.prompt + self.typed
        else:
            text += f"press F8 {min(max(self.looks - self.late, 0), 50)}"
        text = text.ljust(COLUMNS * 24) + self.footer.ljust(COLUMNS)
        blink = str(self.looks % 2) if self.blinks else ""
        rows = tuple(text[at : at + COLUMNS] for at in range(0, len(text), COLUMNS))
        return View(text + blink, None if self.graphics else rows)

    def wait(self, enough: Callable[[View], bool], deadline: Deadline) -> View:
        while not enough(view := self.look()):
            if deadline.expired:
                raise TransportTimeout("not seen")
        return view


def dialog(loader: FakeLoader, **spec: Any) -> LoaderDialog:
    return LoaderDialog(LoaderPrompt(**spec), loader, loader, {"Can't find": "no kernel"}, FACTOR)


def soon() -> Deadline:
    return Deadline.after(20)


LINE = 'debug=0x14c keepsyms=1 serial=3 rd=disk0s3 -v name="A_b~" and further, to run over the edge of the screen'


@pytest.mark.parametrize("graphics", [False, True], ids=["text", "graphics"])
@pytest.mark.parametrize("blinks", [False, True], ids=["still", "blinking"])
def test_a_line_is_typed_at_the_prompt(graphics, blinks):
    loader = FakeLoader(graphics=graphics, blinks=blinks and not graphics)
    dialog(loader).give(LINE, soon())
    assert loader.booted == LINE


def test_a_cursor_that_blinks_in_graphics_mode_is_nothing_new():
    loader = FakeLoader(graphics=True, blinks=True)
    dialog(loader).give("-v", soon())
    assert loader.booted == "-v"


def test_a_screen_that_stays_as_it_was_before_any_key_did_something_is_no_prompt():
    loader = FakeLoader(graphics=True, late=30_000, countdown=30_003)
    dialog(loader).give("-v", soon())
    assert loader.booted == "-v"


def test_more_may_stand_below_the_prompt():
    loader = FakeLoader(footer="Chameleon 2.4", loses=lambda number: number == 9)
    dialog(loader).give(LINE, soon())
    assert loader.booted == LINE


def test_the_kernels_name_may_stand_before_the_flags():
    loader = FakeLoader()
    dialog(loader, line="mach_kernel.voodoo {args}").give("-v", soon())
    assert loader.booted == "mach_kernel.voodoo -v"


@pytest.mark.parametrize(
    "loses",
    [
        lambda number: number in {9, 10},
        lambda number: number == 14,
        lambda number: number in {9, 40, 41},
    ],
    ids=["two", "one", "now and then"],
)
def test_keys_that_were_lost_are_seen_and_the_line_is_typed_anew(loses):
    loader = FakeLoader(loses=loses)
    dialog(loader).give("debug=0xc serial=3", soon())
    assert loader.booted == "debug=0xc serial=3"
    assert ("backspace",) in loader.pressed


def test_a_key_that_is_always_lost_is_told_with_the_screen():
    loader = FakeLoader(loses=lambda _: loader.pressed[-1] == ("equal",))
    with pytest.raises(LoaderError, match=r"did not come back whole in 3 tries\n  the screen's text:\n    \| loader"):
        dialog(loader).give("debug=0xc serial=3 -v keepsyms=1", soon())
    assert loader.booted is None


def test_a_prompt_that_does_not_come():
    loader = FakeLoader(countdown=1 << 40)
    with pytest.raises(LoaderError, match=r"its prompt did not come after F8 in 0 s\n  the screen's text:"):
        dialog(loader).give("-v", Deadline.after(0.1))
    assert ("f8",) in loader.pressed


def test_nothing_is_pressed_before_the_loader_listens():
    loader = FakeLoader(countdown=0)
    dialog(loader, heard="press F8 5").give("-v", soon())
    assert loader.booted == "-v"
    deaf = FakeLoader(countdown=0)
    with pytest.raises(LoaderError):
        dialog(deaf, heard="never").give("-v", Deadline.after(0.1))
    assert deaf.pressed == []


def test_a_loader_that_says_why_it_stops():
    loader = FakeLoader(countdown=1 << 40, says="Can't find boot file")
    with pytest.raises(LoaderError, match=r"flags: no kernel\n  the screen's text:\n    \| loader Can't find"):
        dialog(loader).give("-v", soon())


def test_a_line_that_cannot_be_typed_is_refused_before_any_key():
    loader = FakeLoader()
    with pytest.raises(InputError, match="US keyboard: 'ü'"):
        dialog(loader).give("ü", soon())
    assert loader.pressed == []


def test_an_enter_that_was_lost_is_pressed_again_and_one_that_does_nothing_is_told():
    loader = FakeLoader(loses=lambda number: loader.pressed[-1:] == [("ret",)] and ("ret",) not in loader.pressed[:-1])
    dialog(loader).give("-v", soon())
    assert loader.booted == "-v" and loader.pressed.count(("ret",)) == 2
    deaf = FakeLoader(loses=lambda number: deaf.pressed[-1] == ("ret",))
    with pytest.raises(LoaderError, match="nothing changed on the screen after Enter"):
        dialog(deaf).give("-v", soon())


def test_a_graphical_loader_that_takes_no_keys():
    loader = FakeLoader(graphics=True, loses=lambda number: number > 4)
    with pytest.raises(LoaderError, match=r"nothing changed on the screen.*\n  the screen is in graphics mode"):
        dialog(loader).give("-v", soon())
