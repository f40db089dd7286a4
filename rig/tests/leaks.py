"""What a test may leave of its process: nothing that another test, of whatever module, could see."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD, signal.SIGALRM)


def state() -> dict[str, object]:
    """What of this process every test shares, by name."""
    mask = os.umask(0o077)
    os.umask(mask)
    return {
        "working directory": Path.cwd(),
        "umask": mask,
        **{f"handler of {number.name}": signal.getsignal(number) for number in _SIGNALS},
        **{f"environment, {name}": value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
        "sys.argv": tuple(sys.argv),
        "sys.path": tuple(sys.path),
    }


@contextmanager
def nothing_left() -> Iterator[None]:
    """An assertion that names what is not as it was before the block."""
    before = state()
    yield
    after = state()
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert not changed, f"left otherwise than it was found: {', '.join(sorted(changed))}"
