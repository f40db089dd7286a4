"""A root shell on the serial console: log in, run a short command, get its output and its exit status.

The marker that ends a command is sent in two quoted halves, so that the terminal's echo of the command never looks
like the marker itself, whatever the shell redraws. Nothing but a POSIX sh is assumed: no stty, no printf flags.
"""

from __future__ import annotations

import itertools
import re
import secrets
import shlex
from dataclasses import dataclass

from rig.console.console import Console
from rig.console.text import clean
from rig.deadline import Deadline
from rig.errors import AuthError, TransportError, TransportTimeout
from rig.spec import ConsoleSpec, LoginSpec

_NUDGE_SECONDS = 3.0
_LOGIN_TRIES = 4
_MARKER_ROOM = 26
"""Characters that the command printing the marker takes at the most."""


@dataclass(frozen=True)
class ShellAnswer:
    """What a command on the console printed (clean text, its echo taken off) and its exit status."""

    output: str
    status: int


class ConsoleShell:
    """Runs commands on a console that has, or gets, a root shell."""

    def __init__(self, console: Console, spec: ConsoleSpec, login: LoginSpec, factor: float = 1.0) -> None:
        self._console = console
        self._spec = spec
        self._login = login
        self._factor = factor
        self._numbers = itertools.count(1)
        self._tag = secrets.token_hex(3)

    def log_in(self, deadline: Deadline) -> None:
        """Get to the shell's prompt. Raises `AuthError` where the login is refused, `TransportTimeout`."""
        if self._login.kind == "none":
            raise TransportError("this image's console takes no input")
        for _ in range(_LOGIN_TRIES):
            # A prompt swamped by kernel messages is not waited for: an empty line brings a new one.
            self._console.send("\n")
            if self._reach_shell(deadline):
                return
            if deadline.expired:
                break
        raise TransportTimeout(f"no shell on the console:\n{self._console.tail()}")

    def _reach_shell(self, deadline: Deadline) -> bool:
        """Whether a probing command is answered; answers the login prompt on the way."""
        name = self._marker_name()
        command = f"echo RI''G{name}"
        patterns = [
            rf"RIG{name}[\r\n]",
            self._spec.login_prompt,
            r"[Pp]assword: ?$",
            "[Ll]ogin incorrect",
            self._spec.shell_prompt,
        ]
        for _ in range(8):
            try:
                index, _ = self._console.expect(patterns, deadline.within(_NUDGE_SECONDS * self._factor))
            except TransportTimeout:
                return False
            if index == 0:
                return True
            if index == 1:
                self._console.send(self._login.user + "\n")
            elif index == 2:
                self._console.send((self._login.password or "") + "\n")
            elif index == 3:
                raise AuthError(f"the console refused the login of {self._login.user}")
            else:
                self._console.send(command + "\n")
        return False

    def run(self, command: str, deadline: Deadline) -> ShellAnswer:
        """Run one line of sh; of its output the first line may have the prompt before it (see `ask`).

        Raises `TransportError` for a line the console cannot take, `TransportTimeout`.
        """
        return self._run(command, deadline, opening="")

    def ask(self, command: str, deadline: Deadline) -> ShellAnswer:
        """Run one line of sh whose output matters: framed on both sides, so that neither echo, prompt nor what the
        kernel said before is taken for it. Takes more of the console's line than `run`. Raises as `run` does.
        """
        return self._run(command, deadline, opening="a")

    def _run(self, command: str, deadline: Deadline, opening: str) -> ShellAnswer:
        if "\n" in command:
            raise TransportError("a console command is one line")
        name = self._marker_name()
        closing = f"echo RI''G{name} $?"
        line = f"{command}; {closing}"
        if opening:
            line = f"echo RI''G{name}{opening}; {line}"
        if len(line) > self._spec.line_limit:
            raise TransportError(f"a console line holds {self._spec.line_limit} characters, this one has {len(line)}")
        self._console.forget()
        self._console.send(line + "\n")
        _, match = self._console.expect([rf"RIG{name} (\d+)[\r\n]"], deadline)
        output = clean(self._console.before)
        # What the guest printed follows the opening marker, else the echo of the line; a shell may redraw its echo.
        start = output.rfind(f"RIG{name}{opening}\n") if opening else output.rfind(f"G{name} $?")
        first = output.find("\n", max(start, 0))
        return ShellAnswer(output[first + 1 :].rstrip("\n") if first >= 0 else "", int(match[1]))

    def write_line(self, text: str, path: str, deadline: Deadline) -> None:
        """Append `text` and a newline to a file of the guest, in pieces that the console's line limit allows.

        `text` may hold no quote and no control character. Raises `TransportError` when a piece is not accepted.
        """
        if not re.fullmatch(r"[ -&(-~]*", text):
            raise TransportError(f"not to be typed on a console: {text!r}")
        # The path is said once: a console line of 70 characters (Darwin's) has no room for it beside the text.
        self._check(self.run(f"F={shlex.quote(path)}", deadline), path)
        room = self._spec.line_limit - len("printf %s '' >>$F; ") - _MARKER_ROOM
        pieces = [text[start : start + room] for start in range(0, len(text), room)]
        for piece in pieces:
            # A leading dash is no option of printf behind %s.
            self._check(self.run(f"printf %s '{piece}' >>$F", deadline), path)
        self._check(self.run("echo >>$F", deadline), path)

    @staticmethod
    def _check(answer: ShellAnswer, path: str) -> None:
        if answer.status != 0:
            raise TransportError(f"{path} of the guest cannot be written: {answer.output}")

    def _marker_name(self) -> str:
        """A word that has not stood on this console before."""
        return f"{self._tag}{next(self._numbers)}"
