"""The QEMU process: start, watch, end."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

from rig.errors import HostError, LaunchError, exit_words
from rig.machine.guard import guard

OLDEST_QEMU = (7, 1)
"""7.1 is the first whose screendump writes PNG (qapi/ui.json, `format`, since 7.1)."""
_OUTPUT_BYTES = 4000
_LAST_WORDS_SECONDS = 2.0
_KILL_SECONDS = 30.0

_HINTS = (
    (
        "Could not set up host forwarding rule",
        "The port is taken: leave it to QEMU (no --ssh-port), or name another.",
    ),
    (r'Failed to get ".*" lock', "Another QEMU writes to this disk."),
    ("cannot set up guest memory", "This host lacks the memory: lower machine.memory, or stop other guests (rig ps)."),
    ("failed to initialize kvm", "Take --accel tcg, or give this user access to /dev/kvm (on Debian: group kvm)."),
    ("invalid accelerator", "This QEMU was built without that accelerator: take --accel tcg."),
    ("unable to find CPU model", "qemu-system-x86_64 -cpu help lists the values of machine.cpu."),
    ("is not a valid device model name", "This QEMU was built without that device: change the image's machine."),
)
"""What to do about QEMU's words, by what they hold."""


@lru_cache
def qemu_version(binary: str) -> str:
    """`7.2.22` for example. Raises `HostError` when QEMU is missing, too old or does not run."""
    path = shutil.which(binary)
    if path is None:
        raise HostError(f"{binary} is not installed or not on the PATH", hint="apt-get install qemu-system-x86")
    again = "apt-get install --reinstall qemu-system-x86"
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, errors="replace", timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise HostError(f"{path} does not run: {fault}", hint=again) from fault
    found = re.search(r"version (\d+(?:\.\d+)+)", done.stdout)
    if done.returncode != 0 or found is None:
        said = (done.stdout + done.stderr).strip()[:200]
        raise HostError(f"{path} --version: {exit_words(done.returncode)}, saying {said!r}", hint=again)
    version = found[1]
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_QEMU:
        oldest = ".".join(map(str, OLDEST_QEMU))
        raise HostError(f"{path} is version {version}, the rig needs {oldest} or newer", hint="Upgrade QEMU.")
    return version


class Process:
    """A running QEMU. The guard ends it should this process die."""

    def __init__(self, argv: Sequence[str], log: Path) -> None:
        self.argv = list(argv)
        self.log = log
        self._log_start = 0
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self, inherited: Sequence[int]) -> None:
        """Spawn. The `inherited` descriptors stay open in QEMU under the same numbers. Raises `LaunchError`."""
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            # The log may hold an earlier start's words: those of an accelerator that was tried and failed.
            with self.log.open("ab") as log, _held_signals():
                self._log_start = log.tell()
                self._popen = subprocess.Popen(
                    self.argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=tuple(inherited),
                    start_new_session=True,  # Ctrl-C at the terminal reaches the rig, which stops QEMU in order
                )
                guard.add(self._popen.pid)
        except OSError as fault:
            raise LaunchError(f"QEMU did not start: {fault}", command=self.argv, exit_code=None) from fault

    @property
    def pid(self) -> int:
        """Process number; 0 before the start."""
        return self._popen.pid if self._popen else 0

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._popen is not None and self._popen.poll() is None

    @property
    def exit_code(self) -> int | None:
        """As `subprocess` gives it: negative for a signal."""
        return self._popen.poll() if self._popen else None

    @property
    def how_it_ended(self) -> str:
        """In words."""
        code = self.exit_code
        if code is None:
            return "running"
        if code == -signal.SIGBUS and any("memory-backend-file" in word for word in self.argv):
            # Linux has no other way to tell a process that a page of a mapped file cannot be had.
            return f"{exit_words(code)}, as when the disk under its memory's file is full, or that file was cut short"
        return exit_words(code)

    @property
    def stopped(self) -> bool:
        """Whether it is held by a signal (SIGSTOP): it lives, and does nothing."""
        try:
            return self.alive and psutil.Process(self.pid).status() == psutil.STATUS_STOPPED
        except psutil.Error:
            return False

    @property
    def output(self) -> str:
        """What QEMU has said since this start, its last 4,000 bytes."""
        try:
            with self.log.open("rb") as log:
                end = log.seek(0, 2)
                log.seek(max(self._log_start, end - _OUTPUT_BYTES))
                return log.read(_OUTPUT_BYTES).decode("utf-8", "replace")
        except OSError:
            return ""

    def wait(self, seconds: float) -> bool:
        """Whether it ended within the time, or never ran."""
        if self._popen is not None:
            try:
                self._popen.wait(seconds)
            except subprocess.TimeoutExpired:
                return False
        return True

    def end(self) -> None:
        """SIGKILL, and wait: QEMU holds nothing that a rig's throw-away disk could lose. Safe to call twice.

        Raises `HostError` when the system does not let it go; the guard keeps it then.
        """
        if self._popen is None:
            return
        if self._popen.poll() is None:
            self._popen.kill()
            if not self.wait(_KILL_SECONDS):
                raise HostError(f"QEMU (process {self.pid}) was killed and does not end: the host's disk may hang")
        guard.drop(self._popen.pid)

    def let_go(self) -> None:
        """From now on it outlives this process."""
        guard.drop(self.pid)

    def launch_error(self, why: str) -> LaunchError:
        """The one error of a failed start, with everything in it; `why` counts where QEMU runs all the same."""
        # QEMU may take a moment to write its last words and go.
        self.wait(_LAST_WORDS_SECONDS)
        output = self.output
        hint = next((hint for pattern, hint in _HINTS if re.search(pattern, output)), "")
        what = f"QEMU did not start: {why}" if self.alive else "QEMU did not start"
        return LaunchError(
            what,
            command=self.argv,
            exit_code=self.exit_code,
            output=output,
            hint=hint,
            # Ended by a signal, or silent: nothing that its command line has brought about.
            by_chance=self.alive or (self.exit_code or 0) < 0,
        )


@contextlib.contextmanager
def _held_signals() -> Iterator[None]:
    """Signals whose handlers raise wait until the block is left: between fork and guard, QEMU would be nobody's."""
    waiting: list[int] = []
    before: dict[signal.Signals, Any] = {}

    def hold(number: int, _frame: FrameType | None) -> None:
        waiting.append(number)

    try:
        if threading.current_thread() is threading.main_thread():
            for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                handler = signal.getsignal(one)
                if callable(handler):
                    before[one] = handler
                    signal.signal(one, hold)
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
        for number in waiting:
            signal.raise_signal(number)
