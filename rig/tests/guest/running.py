"""Guests that run and are written down, whose QEMU is a sleeping Python."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from rig.guest.registry import RunningGuest

_SLEEPER = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"


@dataclass
class Sleepers:
    """A context manager; called with a name, it starts a guest and writes it down in `root`. `called`: QEMU's -name."""

    root: Path
    place: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __call__(self, name: str, *, called: str = "rig-{}", **fields: Any) -> RunningGuest:
        directory = self.place / f"rig-{name}"
        directory.mkdir()
        argv = [sys.executable, "-c", _SLEEPER, "-name", called.format(name)]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        self.processes.append(process)
        plain: dict[str, Any] = {
            "name": name,
            "image": "reference",
            "pid": process.pid,
            "started": time.time(),
            "directory": directory,
            "logs": self.place,
            "accel": "tcg",
        }
        one = RunningGuest.model_validate(plain | fields)
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / f"{name}.json").write_text(one.model_dump_json())
        return one

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()


def end(one: RunningGuest) -> None:
    """Kill a guest's process, and wait until it is seen to be gone."""
    os.kill(one.pid, 9)
    while one.alive:
        time.sleep(0.01)
