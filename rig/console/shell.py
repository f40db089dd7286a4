"""A root shell on the serial console: log in, run a short command, get its output and its exit status.

The marker that ends a command is sent in two quoted halves, so that the terminal's echo of the command never looks
like the marker itself, whatever the shell redraws. Kernel messages may come at any moment, in the middle of a marker
or a prompt, too. Nothing but a POSIX sh is assumed: no stty, no printf flags.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import secrets
from dataclasses import dataclass

from rig.console.console import Console
from rig.console.text import clean
from rig.deadline import Deadline
from rig.errors import AuthError, TransportError, TransportTimeout
from rig.spec import ConsoleSpec, LoginSpec

_NUDGE_SECONDS = 3.0
_INTERRUPT = "\x03"
_NOTHING = r"(?!)"
"""A pattern that matches nothing."""


@dataclass(frozen=True)
class ShellAnswer:
    """What a command on the console printed (clean text, its echo taken off) and its exit status."""

    output: str
    status: int


class ConsoleShell:
    """Runs commands on a console that has, or gets, a root shell. They must not read their input."""

    def __init__(self, console: Console, spec: ConsoleSpec, login: LoginSpec, factor: float = 1.0) -> None:
        self._console = console
        self._spec = spec
        self._login = login
        self._nudge = _NUDGE_SECONDS * factor
        self._numbers = itertools.count(1)
        self._tag = secrets.token_hex(2)

    def log_in(self, deadline: Deadline) -> None:
        """Get to the shell's prompt. Raises `AuthError` where the login is refused, `TransportTimeout`."""
        if self._login.kind == "none":
            raise TransportError("this image's console takes no input")
        # Prompts of long ago are no prompts.
        self._console.forget()
        nudge, refusal = "\n", None
        while True:
            # A prompt swamped by kernel messages is not waited for: an empty line brings a new one.
            self._console.send(nudge)
            try:
                if self._reach_shell(deadline):
                    return
            except AuthError as fault:
                if refusal is not None:
                    raise
                # Two prompts may have come for one, and an answer to the first have met the second: once more.
                refusal = fault
                self._settle(deadline)
            if deadline.expired:
                raise refusal or TransportTimeout(f"no shell on the console:\n{self._console.tail()}")
            nudge = _INTERRUPT + "\n"  # out of a line that was never finished, or a command that never ended

    def _settle(self, deadline: Deadline) -> None:
        """Wait a moment, and drop what came meanwhile."""
        with contextlib.suppress(TransportTimeout):
            self._console.expect([_NOTHING], deadline.within(self._nudge / 3))
        self._console.forget()

    def _reach_shell(self, deadline: Deadline) -> bool:
        """Whether a probing command is answered; answers the login prompt on the way."""
        number = next(self._numbers)
        named = False
        patterns = [
            rf"RIG{self._tag} {number}[\r\n]",
            self._spec.login_prompt,
            r"[Pp]assword:",
            r"[Ll]ogin incorrect",
            self._spec.shell_prompt,
        ]
        while True:
            try:
                index, _ = self._console.expect(patterns, deadline.within(self._nudge))
            except TransportTimeout:
                return False
            if index == 0:
                return True
            if index == 1:
                self._console.send(f"{self._login.user}\n")
                named = True
            elif index == 2 and named:
                self._console.send(f"{self._login.password or ''}\n")
            elif index == 3 and named:
                # Not one that an empty line met, at a prompt for the password which nobody could see.
                raise AuthError(f"the console refused the login of {self._login.user}")
            elif index == 4:
                self._console.send(f"echo RI''G{self._tag} {number}\n")

    def run(self, command: str, deadline: Deadline) -> ShellAnswer:
        """Run one line of sh; of its output the first line may have the prompt before it (see `ask`).

        Raises `TransportError` for a line that the console cannot take or the shell does not understand,
        `TransportTimeout`.
        """
        number = next(self._numbers)
        printed, status, _ = self._execute(self._line(command, number), number, deadline)
        return ShellAnswer(_after(printed, f"G{self._tag} $R"), status)

    def ask(self, command: str, deadline: Deadline) -> ShellAnswer:
        """Run one line of sh whose output matters: framed on both sides, so that neither echo, prompt nor what the
        kernel said before is taken for it. Takes more of the console's line than `run`, and runs the command again
        when a kernel message has torn the frame. Raises as `run` does.
        """
        while True:
            number = next(self._numbers)
            opening = f"RIG{self._tag}{number}"
            line = f"echo RI''G{opening[3:]};{self._line(command, number)}"
            self._fits(line)
            printed, status, whole = self._execute(line, number, deadline)
            if whole and f"{opening}\n" in printed:
                return ShellAnswer(_after(printed, opening), status)

    def write_line(self, text: str, path: str, deadline: Deadline) -> None:
        """Append `text` and a newline to a file of the guest, in pieces that the console's line limit allows.

        Neither may hold a quote or a control character. Raises `TransportError` when a piece is not accepted.
        """
        for typed in (text, path):
            if not re.fullmatch(r"[ -&(-~]*", typed):
                raise TransportError(f"not to be typed on a console: {typed!r}")
        # The path is said once: a console line of 70 characters (Darwin's) has no room for it beside the text.
        commands = ["F=", *self._in_pieces("F=$F'{}'", path)]
        # A leading dash is no option of printf behind %s.
        commands += [*self._in_pieces("printf %s '{}' >>\"$F\"", text), 'echo >>"$F"']
        for command in commands:
            answer = self.run(command, deadline)
            if answer.status != 0:
                raise TransportError(f"{path} of the guest cannot be written: {answer.output}")

    def _in_pieces(self, command: str, text: str) -> list[str]:
        """The command once for each piece of the text that a console line has room for."""
        room = self._spec.line_limit - len(self._line(command.format(""), 9999))
        return [command.format(text[start : start + room]) for start in range(0, len(text), room)]

    def _line(self, command: str, number: int) -> str:
        """The command with what tells its status. R also tells whose it is: a line with a fault sets nothing."""
        if "\n" in command:
            raise TransportError("a console command is one line")
        line = f"{command};R={number}.$?;echo RI''G{self._tag} $R"
        self._fits(line)
        return line

    def _fits(self, line: str) -> None:
        if len(line) > self._spec.line_limit:
            raise TransportError(f"a console line holds {self._spec.line_limit} characters, this one has {len(line)}")

    def _execute(self, line: str, number: int, deadline: Deadline) -> tuple[str, int, bool]:
        """Type a line: what was printed, the status, and whether both came at once."""
        self._console.forget()
        found = self._type(line, deadline, number)
        printed, whole = clean(self._console.before), found is not None
        if found is None:
            # The command has run; only what tells its status was torn by a kernel message. It must not run twice.
            line_again = f"echo RI''G{self._tag} $R"
            while found is None:
                self._console.forget()  # an earlier command's answer, late, is not this one's
                found = self._type(line_again, deadline)
            if found[1] != str(number).encode():
                raise TransportError(f"the console's shell did not understand: {line}")
        return printed, int(found[2]), whole

    def _type(self, line: str, deadline: Deadline, number: int | None = None) -> re.Match[bytes] | None:
        """Type a line; the answer of command `number` (or of any, or of none: an R that was never set), or None when
        the shell takes commands again and no answer was seen.
        """
        pattern = r"(?: (\d+)\.(\d+))?" if number is None else rf" ({number})\.(\d+)"
        self._console.send(f"{line}\n")
        while True:
            try:
                return self._console.expect([rf"RIG{self._tag}{pattern}[\r\n]"], deadline.within(self._nudge))[1]
            except TransportTimeout:
                if deadline.expired:
                    raise
            if self._at_prompt():
                return None
            # Busy, or its prompt is swamped, too: an empty line brings a new one.
            self._console.send("\n")

    def _at_prompt(self) -> bool:
        last = re.split(rb"[\r\n]+", self._console.before)[-1]
        return re.search(self._spec.shell_prompt.encode(), last, re.MULTILINE) is not None


def _after(text: str, mark: str) -> str:
    """The lines after the last one that ends with `mark`, less the newlines at the end; without such a line, all but
    the first.
    """
    begin = text.find("\n", max(text.rfind(f"{mark}\n"), 0))
    return text[begin + 1 :].rstrip("\n") if begin >= 0 else ""
