"""The QEMU process: start, watch, end."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from rig.errors import HostError, LaunchError
from rig.machine.guard import guard

OLDEST_QEMU = (7, 1)
"""7.1 is the first whose screendump writes PNG (qapi/ui.json, `format`, since 7.1)."""


@lru_cache
def qemu_version(binary: str) -> str:
    """`7.2.22` for example. Raises `HostError` when QEMU is missing, too old or does not run."""
    path = shutil.which(binary)
    if path is None:
        raise HostError(f"{binary} is not installed or not on the PATH", hint="apt-get install qemu-system-x86")
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise HostError(f"{path} does not run: {fault}", hint="apt-get install --reinstall qemu-system-x86") from fault
    found = re.search(r"version (\d+(?:\.\d+)+)", done.stdout)
    if done.returncode != 0 or found is None:
        raise HostError(f"{path} --version said: {(done.stdout + done.stderr).strip()[:200]!r}")
    version = found[1]
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_QEMU:
        oldest = ".".join(map(str, OLDEST_QEMU))
        raise HostError(f"{path} is version {version}, the rig needs {oldest} or newer", hint="Upgrade QEMU.")
    return version


class Process:
    """A running QEMU. The guard ends it should this process die."""

    def __init__(self, argv: Sequence[str], log: Path, directory: Path, *, detached: bool = False) -> None:
        self.argv = list(argv)
        self.log = log
        self._directory = directory
        self._detached = detached
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self, inherited: Sequence[int]) -> None:
        """Spawn. The `inherited` descriptors stay open in QEMU under the same numbers. Raises `LaunchError`."""
        with self.log.open("ab") as log:
            try:
                self._popen = subprocess.Popen(
                    self.argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=tuple(inherited),
                    start_new_session=True,  # Ctrl-C at the terminal reaches the rig, which stops QEMU in order
                )
            except OSError as fault:
                raise LaunchError(f"QEMU did not start: {fault}", command=self.argv, exit_code=None) from fault
        if not self._detached:
            guard.add(self._popen.pid, self._directory)

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
        if code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return f"exit code {code}"

    @property
    def output(self) -> str:
        """What QEMU has said, its last 4,000 characters."""
        try:
            return self.log.read_text(errors="replace")[-4000:]
        except OSError:
            return ""

    def wait(self, seconds: float) -> bool:
        """Whether it ended within the time."""
        assert self._popen is not None
        try:
            self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self) -> None:
        """SIGKILL, and wait: QEMU holds nothing that a rig's throw-away disk could lose. Safe to call twice."""
        if self._popen is None:
            return
        if self._popen.poll() is None:
            self._popen.kill()
            self._popen.wait(30)
        if not self._detached:
            guard.drop(self._popen.pid)

    def launch_error(self, what: str) -> LaunchError:
        """The one error of a failed start, with everything in it."""
        # QEMU may take a moment to write its last words and go.
        until = time.monotonic() + 2
        while self.alive and time.monotonic() < until:
            time.sleep(0.02)
        output = self.output
        hint = ""
        if "Could not set up host forwarding rule" in output:
            hint = "The port is taken: leave it to QEMU (no --ssh-port), or choose another."
        elif "Failed to get" in output and "lock" in output:
            hint = "Another QEMU writes to this disk."
        elif "cannot set up guest memory" in output:
            hint = "This host lacks the memory: lower machine.memory, or stop other guests (rig ps)."
        return LaunchError(what, command=self.argv, exit_code=self.exit_code, output=output, hint=hint)
