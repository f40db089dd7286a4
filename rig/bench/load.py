"""A busy host, made on purpose: processes that only compute, started and ended here."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

_SPIN = "import os\nmother = os.getppid()\nwhile os.getppid() == mother:\n    for _ in range(100000): pass\n"
"""Ends by itself when its mother was killed and could not end it."""


@contextlib.contextmanager
def busy(count: int) -> Iterator[list[int]]:
    """`count` processes that each take all of a processor that they can get; gives their ids."""
    started: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(count):
            started.append(subprocess.Popen([sys.executable, "-I", "-S", "-c", _SPIN], stdin=subprocess.DEVNULL))
        yield [one.pid for one in started]
    finally:
        for one in started:
            one.kill()
        for one in started:
            one.wait()


def load() -> float:
    """Processes that ran or wanted to, on average over the last minute."""
    return round(os.getloadavg()[0], 2)
