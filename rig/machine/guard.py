"""The rig's side of the keeper: what was started here does not outlive this process, however it ends."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from rig.errors import HostError
from rig.machine import keeper

_CLOSE_SECONDS = 10.0


class Guard:
    """One keeper for this process, started with the first thing to guard."""

    def __init__(self) -> None:
        self._keeper: subprocess.Popen[str] | None = None
        self._owner = 0
        self._held: dict[int | str, None] = {}
        self._lock = threading.Lock()

    def add(self, what: int | Path) -> None:
        """Should this process die: end the process of that number, remove that directory. Raises `HostError`."""
        with self._lock:
            self._tell("add", what)

    def drop(self, what: int | Path) -> None:
        """It has gone, or may live on."""
        with self._lock:
            if _plain(what) in self._held:
                self._tell("drop", what)

    def _tell(self, verb: str, what: int | Path) -> None:
        if self._owner != os.getpid():
            # A forked copy of this process: what its parent holds is its parent's, the keeper included.
            self._keeper, self._owner, self._held = None, os.getpid(), {}
        plain = _plain(what)
        self._held.pop(plain, None)
        if verb == "add":
            self._held[plain] = None
        if self._keeper is not None and self._keeper.poll() is None:
            with contextlib.suppress(OSError):
                self._send(self._keeper, verb, plain)
                return
        # The first one, or the next after one that was killed: it is told of all that is held.
        self._keeper = self._start()
        for one in self._held:
            self._send(self._keeper, "add", one)

    @staticmethod
    def _send(process: subprocess.Popen[str], verb: str, what: int | str) -> None:
        assert process.stdin is not None
        process.stdin.write(json.dumps([verb, what]) + "\n")
        process.stdin.flush()

    def _start(self) -> subprocess.Popen[str]:
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(keeper.__file__)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,  # a Ctrl-C at the terminal is for the rig, not for its keeper
            )
        except OSError as fault:
            raise HostError(f"no process can be started: {fault.strerror}") from fault
        atexit.register(_close, process)
        return process


def _plain(what: int | Path) -> int | str:
    return str(what.absolute()) if isinstance(what, Path) else what


def _close(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        if process.stdin is not None:
            process.stdin.close()
        process.wait(_CLOSE_SECONDS)


guard = Guard()
"""This process's guard."""
