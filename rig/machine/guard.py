"""The rig's side of the keeper: what was started here does not outlive this process, however it ends."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading
from pathlib import Path

from rig.machine import keeper


class Guard:
    """One keeper for this process, started with the first thing to guard."""

    def __init__(self) -> None:
        self._keeper: subprocess.Popen[str] | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def add(self, pid: int, directory: Path) -> None:
        """End `pid` and remove `directory` should this process die."""
        self._tell(f"add {pid} {directory}\n")

    def drop(self, pid: int) -> None:
        """`pid` has ended, or may live on."""
        self._tell(f"drop {pid}\n")

    def _tell(self, line: str) -> None:
        with self._lock:
            # A forked copy of this process must not speak to its parent's keeper.
            if self._keeper is None or self._owner != os.getpid() or self._keeper.poll() is not None:
                self._keeper = self._start()
                self._owner = os.getpid()
            assert self._keeper.stdin is not None
            self._keeper.stdin.write(line)
            self._keeper.stdin.flush()

    def _start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(keeper.__file__)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # a Ctrl-C at the terminal is for the rig, not for its keeper
        )
        atexit.register(_close, process)
        return process


def _close(process: subprocess.Popen[str]) -> None:
    if process.stdin is not None and not process.stdin.closed:
        process.stdin.close()
    process.wait(10)


guard = Guard()
"""This process's guard."""
