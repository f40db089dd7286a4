"""The serial transport: commands over the console, files over two raw disks; no network, no server in the guest.

A small agent sits on the console, started from the root shell there. It lies on the payload disk in a tar archive that
dd and tar get out; nothing else is asked of the guest's userland. In a warm template the agent runs already, and a
restored guest answers at once.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import secrets
import shlex
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from rig.console import Console, ConsoleShell
from rig.deadline import Deadline
from rig.errors import RigError, TransportError, TransportTimeout
from rig.guest.command import short
from rig.guest.commands import CommandTransport, check, whole_line
from rig.guest.disks import BOOT_BLOCK, Disks
from rig.guest.frames import Frame
from rig.guest.patience import Idle, as_idle
from rig.guest.serialjob import TELLS_END, Line, SerialJob, SilentAgentError, told
from rig.guest.transport import SIGNAL_BASE, Lost, OnOutput, RunResult

AGENT_VERSION = "1"
_INLINE = 1200
"""Bytes of a command that is typed; a longer one lies on the payload disk."""
_INLINE_SLOW = 24
"""The same for a console that takes in little."""
_ANSWER_SECONDS = 1.5
_START_SECONDS = 5.0
_DROP_SECONDS = 2.0
_TRIES = 3


class SerialTransport(CommandTransport):
    """One guest's console. `shell` makes the shell on it; `names` are the device names that the two disks may have.

    With `owned` the console is closed with the transport.
    """

    name = "serial"

    def __init__(
        self,
        console: Console,
        disks: Disks,
        shell: Callable[[], ConsoleShell],
        names: Sequence[str],
        *,
        directory: str,
        input_rate: int | None = None,
        tar: bool | None = None,
        factor: float = 1.0,
        owned: bool = False,
    ) -> None:
        super().__init__(tar)
        self._line = Line(console)
        self._disks = disks
        self._shell = shell
        self._names = tuple(names)
        self._directory = directory
        self._inline = _INLINE if input_rate is None else _INLINE_SLOW
        self._factor = factor
        self._jobs = itertools.count(secrets.randbits(31) + 1)
        self._busy = threading.RLock()
        self._there = False
        self._left = False
        self._closed = False
        self._owned = owned

    @property
    def noise(self) -> int:
        """Bytes so far that others wrote into the console, line ends aside."""
        return self._line.reader.noise

    def connect(self, deadline: Deadline, *, lost: Lost | None = None, fresh: bool = False) -> None:
        """Find the agent at work, or start it; `fresh` for a guest in which none can be yet.

        Raises `TransportError`, `AuthError` (the console refuses the login), `TransportTimeout`.
        """
        with self._alone(deadline):
            self._find(deadline, lost, fresh)

    def _find(self, deadline: Deadline, lost: Lost | None, fresh: bool = False) -> None:
        if self._closed:
            raise TransportError("this way into the guest was closed")
        if not (fresh or self._left) and self._answers(deadline.within(_ANSWER_SECONDS), lost):
            return
        with told():
            shell = self._shell()
            shell.log_in(deadline)
            self._left = False
            self._bring(shell, deadline)
        self._line.console.send(f"./rig-agent $D;{TELLS_END}\n")
        if not self._answers(deadline.within(_START_SECONDS * self._factor), lost):
            raise TransportError(f"the rig's agent does not start in the guest:\n{self._line.console.tail(5)}")

    def _bring(self, shell: ConsoleShell, deadline: Deadline) -> None:
        """Get the agent from the payload disk. The lines are short: Darwin's shell redraws long ones."""
        where = shlex.quote(self._directory)
        lines = [f"D=;O='bs={BOOT_BLOCK} count={self._disks.boot_blocks}'"]
        lines += [f'D="$D {name}"' for name in self._names]
        lines += [f"mkdir -p {where}", f"cd {where}", "rm -f rig-agent"]
        lines += ["g(){ dd if=$1 $O|tar xf -;}", "h(){ g $1;[ -x rig-agent ];}"]
        # A disk of zeros is an archive of nothing, which tar takes: the file tells.
        lines += ["for d in $D;do h $d&&break;done", "[ -x rig-agent ]"]
        for tries_left in range(_TRIES - 1, -1, -1):
            try:
                answers = [shell.run(line, deadline) for line in lines]
            except TransportTimeout:
                raise
            except TransportError:
                if not tries_left:
                    raise
                continue  # a line was damaged on its way; all of them may be said again
            if answers[-1].status == 0:
                return
        said = self._line.console.tail(8)
        raise TransportError(
            f"the guest finds the payload disk at none of {', '.join(self._names)}; it has"
            f" {self._devices(shell, deadline)}:\n{said}",
            hint="serial.disks of the image's entry names the devices.",
        )

    def _devices(self, shell: ConsoleShell, deadline: Deadline) -> str:
        """What the guest has of devices with such names; its shell spells them out, `ls` may be missing."""
        kinds = dict.fromkeys(re.sub(r"(\d+|[a-z])$", "", name) + "*" for name in self._names)
        try:
            found = [name for kind in kinds for name in shell.ask(f"echo {kind}", deadline).output.split()]
        except TransportError as fault:
            return f"no answer to what it has ({fault.message})"
        return ", ".join(sorted(name for name in found if name not in kinds)) or "no device with such a name"

    def _answers(self, deadline: Deadline, lost: Lost | None) -> bool:
        """Whether an agent is there. Raises `TransportError` for one that is of no use."""
        self._line.forget()
        nonce = next(self._jobs)
        while not deadline.expired:
            self._line.send(Frame("P", nonce))
            again = deadline.within(0.3 * self._factor)
            while not again.expired:
                if lost is not None and lost():
                    raise TransportError("the guest was lost while its console was asked for the agent")
                try:
                    frames = self._line.receive(again)
                except SilentAgentError:
                    return False
                for frame in frames:
                    if frame.type == "p" and frame.job == nonce:
                        self._there = True
                        self._refuse_unfit(frame.text)
                        return True
        return False

    def _refuse_unfit(self, words: str) -> None:
        version, _, disks = words.partition(" ")
        if version != AGENT_VERSION or "-" in disks.split():
            raise TransportError(
                f"the agent in the guest has version {version} and disks {disks}; version {AGENT_VERSION} and two disks"
                f" of {', '.join(self._names)} are wanted",
                hint="serial.disks of the image's entry names the devices.",
            )

    @contextlib.contextmanager
    def _alone(self, deadline: Deadline) -> Iterator[None]:
        """One command at a time: there is one console."""
        if not self._busy.acquire(timeout=deadline.remaining):
            raise TransportTimeout("the guest's console is busy with another command")
        try:
            yield
        finally:
            self._busy.release()

    def run(
        self,
        command: str,
        deadline: Deadline,
        *,
        on_output: OnOutput | None = None,
        on_error: OnOutput | None = None,
        stdin: bytes = b"",
        idle: float | Idle | None = None,
        lost: Lost | None = None,
        keep: bool = True,
        before: str = "",
    ) -> RunResult:
        """See `Transport.run`. A command that does not end in time is killed. `keep` as in `CommandTransport.run`."""
        begun = time.monotonic()
        with self._alone(deadline):
            job = self._follow(
                before + command,
                stdin,
                False,
                deadline,
                words=short(command),
                on_output=on_output,
                on_error=on_error,
                idle=as_idle(idle),
                lost=lost,
                keep=keep,
            )
        return _result(*job, time.monotonic() - begun)

    def _stream(self, command: str, deadline: Deadline, lost: Lost | None, take: OnOutput) -> None:
        """By the scratch disk, not by the console."""
        with self._alone(deadline):
            job, stdout, stderr = self._follow(command, b"", True, deadline, words=short(command), lost=lost)
            check(command, _result(job, stdout, stderr, 0.0))
            if job.stored is None:
                raise TransportError(f"what {short(command)} printed was never whole on the guest's scratch disk")
            self._disks.take(job.stored, take)

    def _follow(
        self,
        command: str,
        stdin: bytes,
        to_scratch: bool,
        deadline: Deadline,
        *,
        words: str,
        on_output: OnOutput | None = None,
        on_error: OnOutput | None = None,
        idle: Idle | None = None,
        lost: Lost | None = None,
        keep: bool = True,
    ) -> tuple[SerialJob, bytes, bytes]:
        if self._closed or not self._there:
            self._find(deadline, lost)
        request = self._request(whole_line(command), stdin, to_scratch)
        while True:
            self._line.forget()
            job = SerialJob(self._line, words, request, deadline, on_output, on_error, idle, lost, keep)
            try:
                stdout, stderr = job.follow()
            except SilentAgentError:
                self._there = False
                # Somebody may have taken the console back. What has begun is not begun again.
                if job.begun or deadline.expired:
                    raise
                self._find(deadline, lost)
                continue
            except BaseException:
                self._give_up(request)
                raise
            if not job.over:
                self._give_up(request)  # what the command left behind may run on; nobody listens to it
            return job, stdout, stderr

    def _request(self, line: bytes, stdin: bytes, to_scratch: bool) -> Frame:
        """What begins a command: "SINK;INPUT;COMMAND;text"."""
        parts = [stdin] if stdin else []
        typed = line
        if len(line) > self._inline:
            parts.append(line)
            typed = b""
        extents = [str(extent) for extent in self._disks.put(*parts)] if parts else []
        given = extents.pop(0) if stdin else ""
        head = f"{'s' if to_scratch else ''};{given};{''.join(extents)};"
        return Frame("S", next(self._jobs) & 0x7FFFFFFF or 1, 0, head.encode() + typed)

    def _give_up(self, request: Frame) -> None:
        """Have the agent end the command, if it can be told."""
        with contextlib.suppress(RigError, OSError):
            self._line.send(Frame("K", request.job))
            until = Deadline.after(_DROP_SECONDS)
            while not until.expired:
                if any(frame.type == "k" and frame.job == request.job for frame in self._line.receive(until)):
                    return
            self._there = False

    def leave_console(self) -> None:
        """Give the console back to its shell; the next command takes it again. Raises `GuestDied`."""
        self._line.console.send("\x03")
        self._there, self._left = False, True

    def drop(self) -> None:
        """See `CommandTransport.drop`: the agent is looked for, or started, at the next call."""
        self._there = False

    def close(self) -> None:
        """Let go; the agent stays for whoever comes next. Safe to call twice."""
        self._closed = True
        if self._owned:
            self._line.console.close()


def _result(job: SerialJob, stdout: bytes, stderr: bytes, seconds: float) -> RunResult:
    status = SIGNAL_BASE if job.killed_by else job.status
    assert status is not None
    return RunResult(status, stdout, stderr, seconds, job.killed_by)
