"""From a script to the operations that the program in guest/ does (main.c describes them)."""

from __future__ import annotations

import itertools
import re

from rig.errors import SpecError
from rig.tests.fakeguest.script import KEYS, Agent, Answer, FileText, Login, Script, Shell, Step, Text

_SERIAL, _SCREEN = 1, 2
_SILENT, _REDRAWS, _KEYBOARD = 1, 2, 256
_COUNTERS = 256
_ENDS = {
    "idle": "i",
    "halt": "h",
    "spin": "s",
    "spin-in-kernel": "k",
    "triple-fault": "t",
    "reset": "r",
    "power-off": "p",
}


def compile_script(script: Script, origin: str) -> bytes:
    """The script's operations. Raises `SpecError`, naming `origin`, for a label that is not there or stands twice."""
    return _Compiler(origin).compile(script)


class _Compiler:
    """Puts operations in a row; places that labels stand for are filled in at the end."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._code = bytearray()
        self._labels: dict[str, int] = {}
        self._wanted: list[tuple[int, str]] = []
        self._fresh = itertools.count(1)
        self._counters = itertools.count()

    def compile(self, script: Script) -> bytes:
        self._steps(script.steps)
        self._put("E", ord("i"))
        for at, label in self._wanted:
            if label not in self._labels:
                known = ", ".join(sorted(one for one in self._labels if not one.startswith("."))) or "none"
                raise SpecError(f"{self._origin}: no step is labelled {label!r}; labels: {known}")
            self._code[at : at + 4] = self._labels[label].to_bytes(4, "little")
        return bytes(self._code)

    def _steps(self, steps: tuple[Step, ...]) -> None:
        for step in steps:
            getattr(self, f"_do_{step.kind}")(step.value)

    def _put(self, operation: str, *values: int | bytes) -> None:
        self._code += operation.encode()
        for value in values:
            self._value(value)

    def _value(self, value: int | bytes) -> None:
        if isinstance(value, int):
            self._code += value.to_bytes(4, "little")
        else:
            self._code += len(value).to_bytes(4, "little") + value

    def _place(self, label: str) -> None:
        self._wanted.append((len(self._code), label))
        self._code += bytes(4)

    def _mark(self, label: str) -> None:
        if label in self._labels:
            raise SpecError(f"{self._origin}: two steps are labelled {label!r}")
        self._labels[label] = len(self._code)

    def _print(self, where: int, text: Text) -> None:
        for part in re.split(r"(\$\{line\})", _plain(text)):
            if part == "${line}":
                self._put("L", where)
            elif part:
                self._put("P", where, _wire(part))

    def _do_say(self, text: Text) -> None:
        self._print(_SERIAL, text)

    def _do_show(self, text: Text) -> None:
        self._print(_SCREEN, text)

    def _do_both(self, text: Text) -> None:
        self._print(_SERIAL | _SCREEN, text)

    def _do_clear(self, _) -> None:
        self._put("Z")

    def _do_graphics(self, graphics) -> None:
        self._put("D", graphics.width, graphics.height, graphics.colour)

    def _do_wait(self, seconds: float) -> None:
        self._put("W", round(seconds * 1000))

    def _do_keys(self, keys) -> None:
        self._put("K", round(keys.seconds * 1000), len(keys.go))
        for name, label in keys.go.items():
            self._value(KEYS[name])
            self._place(label)

    def _do_read(self, read) -> None:
        self._put("R", _KEYBOARD if read.source == "keyboard" else 0 if read.echo else _SILENT)

    def _do_choose(self, choices: dict[str, str]) -> None:
        self._put("C", len(choices))
        for glob, label in choices.items():
            self._value(glob.encode("latin-1"))
            self._place(label)

    def _do_label(self, label: str) -> None:
        self._mark(label)

    def _do_go(self, label: str) -> None:
        self._put("G")
        self._place(label)

    def _do_repeat(self, repeat) -> None:
        label = f".{next(self._fresh)}"
        counter = None
        if repeat.times is not None:
            counter = next(self._counters)
            if counter >= _COUNTERS:
                raise SpecError(f"{self._origin}: more than {_COUNTERS} loops that count")
            self._put("N", counter, repeat.times)
        self._mark(label)
        self._steps(repeat.steps)
        if counter is None:
            self._do_go(label)
        else:
            self._put("A", counter)
            self._place(label)

    def _do_chatter(self, chatter) -> None:
        if chatter == "none":
            self._put("T", 0, 0, 0)
            return
        lines = [_wire(line.removesuffix("\\c") if line.endswith("\\c") else f"{line}\n") for line in chatter.lines]
        self._put("T", int(chatter.tears), max(1, round(chatter.every * 1000)), len(lines), *lines)

    def _do_pace(self, rate: int) -> None:
        self._put("B", rate)

    def _do_input(self, habits) -> None:
        self._put("I", *((0, 0) if habits == "fast" else (habits.rate, habits.burst)))

    def _do_login(self, login: Login) -> None:
        ask, known, refuse, done = (f".{next(self._fresh)}" for _ in range(4))
        self._mark(ask)
        self._print(_SERIAL, login.prompt)
        self._put("R", 0)
        if login.password is None:
            self._do_choose({login.user: done})
            self._do_go(ask)
            self._mark(done)
            return
        self._do_choose({"": ask, login.user: known})
        # Who is not known is asked for a password, too.
        self._print(_SERIAL, "Password: ")
        self._put("R", _SILENT)
        self._do_go(refuse)
        self._mark(known)
        self._print(_SERIAL, "Password: ")
        self._put("R", _SILENT)
        self._do_choose({login.password: done})
        self._mark(refuse)
        self._print(_SERIAL, "Login incorrect\n")
        self._do_go(ask)
        self._mark(done)

    def _do_shell(self, shell: Shell) -> None:
        newline = "\r\r\n" if shell.redraws else "\r\n"
        self._put("S", _REDRAWS if shell.redraws else 0, _wire(shell.prompt), newline.encode())
        self._answers(shell.answers, newline)

    def _do_agent(self, agent: Agent) -> None:
        self._put("J")
        self._answers(agent.answers, "\n")

    def _answers(self, answers: dict[str, Answer | str], newline: str) -> None:
        self._value(len(answers))
        for glob, given in answers.items():
            answer = given if isinstance(given, Answer) else Answer(say=given)
            self._value(glob.encode("latin-1"))
            self._value(int(answer.go is not None))
            if answer.go is None:
                self._value(answer.status)
            else:
                self._place(answer.go)
            self._value(_wire(_plain(answer.say), newline))

    def _do_end(self, how: str) -> None:
        self._put("E", ord(_ENDS[how]))


def _plain(text: Text) -> str:
    return text.read() if isinstance(text, FileText) else text


def _wire(text: str, newline: str = "\r\n") -> bytes:
    """As a terminal gets it. Bytes of a recorded file stay what they are."""
    text = re.sub(r"(?<!\r)\n", newline, text)
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()
