"""What a fake guest does, as YAML: a list of steps, each a mapping with one key.

Text is typed as it is; a newline becomes what a terminal gets (CR LF, unless a CR is there already), and `${line}` the
line that was read last. It may also come from a recorded file: `{file: console/x.log, first: 3, last: 9}`, a path below
fixtures/.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from rig.errors import SpecError
from rig.spec.base import Spec
from rig.spec.image import ImageName
from rig.tests.fakeguest.expected import Expected

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures"
BOOTS = FIXTURES / "boots"

Label = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
Glob = Annotated[str, Field(min_length=1)]
"""Fits a whole line; a star stands for anything."""
Seconds = Annotated[float, Field(ge=0, le=86_400)]
KEYS = {
    **{name: code for code, name in enumerate("1234567890", 2)},
    **{name: code for code, name in enumerate("qwertyuiop", 16)},
    **{name: code for code, name in enumerate("asdfghjkl", 30)},
    **{name: code for code, name in enumerate("zxcvbnm", 44)},
    **{f"f{number}": 58 + number for number in range(1, 11)},
    **{"any": 0, "esc": 1, "minus": 12, "tab": 15, "enter": 28, "space": 57, "f11": 87, "f12": 88},
    **{"up": 0xC8, "left": 0xCB, "right": 0xCD, "down": 0xD0, "delete": 0xD3},
}
"""Scan codes of set 1, by name; from 128 on those with a prefix."""


class FileText(Spec):
    """A recorded text, or a part of it."""

    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")]
    """Below fixtures/."""
    first: Annotated[int, Field(ge=1)] = 1
    """First line."""
    last: Annotated[int, Field(ge=1)] | None = None
    """Last line; absent: to the end."""
    bytes: Annotated[int, Field(ge=1)] | None = None
    """At most so many bytes of that: a text that breaks off."""

    def read(self) -> str:
        """Its text as it was recorded, CRs included. Raises `SpecError`."""
        try:
            text = (FIXTURES / self.file).read_bytes().decode("latin-1")
        except OSError as fault:
            raise SpecError(f"fixtures/{self.file}: {fault.strerror}") from fault
        lines = text.split("\n")
        lines = [f"{line}\n" for line in lines[:-1]] + lines[-1:]
        lines = [line for line in lines if line][self.first - 1 : self.last]
        if not lines:
            raise SpecError(f"fixtures/{self.file}: has no line {self.first}")
        return "".join(lines)[: self.bytes]


Text = str | FileText


class Keys(Spec):
    """Wait for one of these keys; on with the next step when none is pressed in time."""

    seconds: Seconds = 0
    """0: for ever."""
    go: dict[str, Label]
    """Key to label. Names: `any`, letters, digits, f1..f12, enter, esc, space, tab, minus, the arrows, delete."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        unknown = sorted(set(self.go) - set(KEYS))
        if unknown:
            raise ValueError(f"no such key: {', '.join(unknown)}; known: {' '.join(KEYS)}")
        return self


class Read(Spec):
    """Read a line, for `choose` and `${line}`."""

    source: Literal["serial", "keyboard"] = "serial"
    """keyboard: shown on the screen."""
    echo: bool = True


class Repeat(Spec):
    """Some steps again and again."""

    times: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Absent: for ever."""
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]


class Chatter(Spec):
    """What the kernel says meanwhile, in turns; begins after the first interval, and lasts until it is `none`."""

    every: Annotated[float, Field(gt=0, le=3600)]
    """Seconds."""
    lines: Annotated[tuple[str, ...], Field(min_length=1)]
    """A newline is put behind each; begin one with a newline, or end it in a backslash and c for none."""
    tears: bool = False
    """In the middle of whatever is being said, too; else only while the guest waits."""


class Input(Spec):
    """How fast the serial line takes bytes in; what comes faster is lost."""

    rate: Annotated[int, Field(ge=1)]
    """Bytes a second."""
    burst: Annotated[int, Field(ge=1)] = 64
    """Bytes that may come at once."""


class Answer(Spec):
    """What a command of the shell does."""

    say: Text = ""
    status: Annotated[int, Field(ge=0, le=255)] = 0
    go: Label | None = None
    """Leaves the shell, after `say`, for this step."""


class Shell(Spec):
    """A root shell on the serial line, until a command leads out of it. See guest/shell.c for what it understands."""

    prompt: str
    redraws: bool = False
    """As the shell of the Darwin 20 fork: lines that reach the right edge are drawn anew; more CRs before a newline."""
    answers: dict[Glob, Answer | str] = Field(default_factory=dict)
    """To one command; with a ; or & in it, to a whole line. A text alone is what it prints."""


class Agent(Spec):
    """The rig's own agent on the serial line, until Ctrl-C or a command that leads out of it. See guest/agent.c."""

    answers: dict[Glob, Answer | str] = Field(default_factory=dict)
    """To a command; one without an answer prints nothing and succeeds."""


class Login(Spec):
    """A login prompt on the serial line, asked until it is answered right."""

    user: str = "root"
    password: str | None = None
    prompt: str = "\nlogin: "


class Graphics(Spec):
    """From text to a picture of one colour (a number, 0xrrggbb); `machine.display: std` only."""

    width: Annotated[int, Field(ge=320, le=1024)] = 640
    height: Annotated[int, Field(ge=200, le=768)] = 480
    colour: Annotated[int, Field(ge=0, le=0xFFFFFF)] = 0x777777


End = Literal["idle", "halt", "spin", "spin-in-kernel", "triple-fault", "reset", "power-off"]


class Step(Spec):
    """One thing that is done: exactly one of these keys."""

    say: Text | None = None
    """On the serial line."""
    show: Text | None = None
    """On the screen."""
    both: Text | None = None
    clear: Literal[True] | None = None
    """The screen."""
    graphics: Graphics | None = None
    wait: Seconds | None = None
    keys: Keys | None = None
    read: Read | None = None
    choose: dict[Glob, Label] | None = None
    """By the line that was read last; on with the next step when it fits none."""
    label: Label | None = None
    """A name for the next step."""
    go: Label | None = None
    repeat: Repeat | None = None
    chatter: Chatter | Literal["none"] | None = None
    pace: Annotated[int, Field(ge=0)] | None = None
    """Bytes a second that the guest sends from here on; 0: as many as there are."""
    input: Input | Literal["fast"] | None = None
    login: Login | None = None
    shell: Shell | None = None
    agent: Agent | None = None
    end: End | None = None
    """idle: alive, with nothing to do (the CPU halts, interrupts wake it). halt: for good. spin: busy for ever, in the
    loader's memory or at an address of Darwin's kernel."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = sorted(self.model_fields_set)
        if len(given) != 1 or self.kind is None:
            raise ValueError(f"a step is one key with a value, found {', '.join(given) or 'none'}")
        return self

    @property
    def kind(self) -> str | None:
        """The key that is given."""
        return next((name for name in self.model_fields_set if getattr(self, name) is not None), None)

    @property
    def value(self) -> Any:
        """What stands behind it."""
        return getattr(self, self.kind or "")


class Script(Spec):
    """One fake guest."""

    what: str
    """For a reader: what it plays."""
    like: ImageName = "puredarwin-17.4"
    """The catalogue's entry whose profile it is booted with."""
    image: dict[str, Any] = Field(default_factory=dict)
    """What differs from that entry; mappings are merged, everything else replaced."""
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]
    """After the last one the guest idles."""
    expect: Expected | None = None
    """What booting it with that profile must come to."""


Repeat.model_rebuild()
