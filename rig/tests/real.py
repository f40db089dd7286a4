"""The `rig` command as a process of its own, in a home of its own that shares the user's images and compiled probes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from rig.deadline import Deadline
from rig.image.catalogue import Catalogue
from rig.image.store import Store
from rig.paths import cache_dir, store_dir

PATIENCE = 300.0
"""Seconds: for a busy host; a boot takes a twentieth of it."""


@dataclass
class RealRig:
    """A context manager: every `rig` started with it is ended with it, and every QEMU below those."""

    home: Path
    shared: bool = True
    """Whether the user's image store is this home's. Without it the store is empty."""
    _started: list[subprocess.Popen[str]] = field(default_factory=list)
    _seen: dict[int, psutil.Process] = field(default_factory=dict)

    def __enter__(self) -> RealRig:
        store, probes = store_dir(), cache_dir() / "probes"
        probes.mkdir(parents=True, exist_ok=True)
        if self.shared:
            Store().ensure(Catalogue.load().get("reference"), print)
            self._link(self.home / "data" / "images", store)
        self._link(self.home / "cache" / "probes", probes)
        return self

    @staticmethod
    def _link(here: Path, there: Path) -> None:
        here.parent.mkdir(parents=True, exist_ok=True)
        here.symlink_to(there, target_is_directory=True)

    def __exit__(self, *_: object) -> None:
        self.run("down", "--all")
        for process in self._started:
            process.kill()
            process.communicate()

    def start(self, *args: object, **keywords: object) -> subprocess.Popen[str]:
        """`rig ARGS` under way."""
        process = subprocess.Popen(  # type: ignore[call-overload]
            [sys.executable, "-m", "rig.cli.main", *map(str, args)],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "RIG_HOME": str(self.home), "COLUMNS": "200", "PYTEST_ADDOPTS": ""},
            start_new_session=True,
            **keywords,
        )
        self._started.append(process)
        return process

    def run(self, *args: object) -> subprocess.CompletedProcess[str]:
        """`rig ARGS` to its end."""
        process = self.start(*args)
        out, err = process.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def qemus(self, process: subprocess.Popen[str]) -> list[psutil.Process]:
        """Every QEMU that was seen below `process` by now and still runs."""
        try:
            children = psutil.Process(process.pid).children(recursive=True)
            self._seen |= {one.pid: one for one in children if one.name().startswith("qemu-system")}
        except psutil.NoSuchProcess:
            pass
        return [one for one in self._seen.values() if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def until(done: Callable[[], object], what: str) -> None:
    """Wait until `done()` is true; an assertion that names `what` otherwise."""
    patience = Deadline.after(PATIENCE)
    while not done():
        assert not patience.expired, f"{what} did not come"
        time.sleep(0.05)
