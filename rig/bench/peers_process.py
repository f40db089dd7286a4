"""A peer as a process: each line that it prints with its time, and its end, with all that it started, in any case."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rig.errors import HostError

_GRACE = 5.0
_STEP = 0.02


@dataclass(frozen=True)
class Spoken:
    """What a peer said, and how it ended. `lines`: seconds after its start, and the text."""

    lines: tuple[tuple[float, str], ...]
    seconds: float
    status: int | None
    """None: it had to be ended, for it took too long."""

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(line for _, line in self.lines)

    def tail(self, count: int = 4) -> str:
        """Its last lines that say something, as one."""
        return " / ".join([line.strip() for _, line in self.lines if line.strip()][-count:])


def follow(
    argv: Sequence[str], *, seconds: float, log: Path, cwd: Path, environment: Mapping[str, str] | None = None
) -> Spoken:
    """Run a peer to its end, or for so many seconds. Its output is kept in `log`. Raises `HostError`."""
    lines: list[tuple[float, str]] = []
    begun = time.perf_counter()
    try:
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as fault:
        raise HostError(f"{argv[0]}: {fault.strerror}") from fault

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append((time.perf_counter() - begun, line.rstrip("\r\n")))

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    ended = False
    try:
        ended = _ended(process, seconds)
    finally:
        took = time.perf_counter() - begun
        status = _end(process)
        listener.join(_GRACE)
    spoken = Spoken(tuple(lines), took, status if ended else None)
    log.write_text(spoken.text + "\n", encoding="utf-8")
    return spoken


def _ended(process: subprocess.Popen[str], seconds: float) -> bool:
    """Whether it ends within so many seconds. It is not reaped: its number, and its group's, stay its own."""
    until = time.monotonic() + seconds
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() >= until:
            return False
        time.sleep(_STEP)
    return True


def _end(process: subprocess.Popen[str]) -> int:
    """Its status. All of the session that it leads is ended: a peer that fails may leave its QEMU behind."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        _ended(process, _GRACE)
    return process.wait()
