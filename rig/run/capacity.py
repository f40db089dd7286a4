"""What this host can hold: how many guests side by side, and whether there is room for one more now.

Each guest that runs is written down as a claim that ends with its process, so guests of other runs count, too. A guest
is counted with all its RAM and what QEMU itself needs, though one restored from a template shares most of that.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from filelock import FileLock

from rig.errors import HostError
from rig.events import Events
from rig.image.locks import Claim, claimed_by
from rig.paths import ensure, state_dir
from rig.run.hostroom import available_mib, free_cores

QEMU_MIB = 192
"""Of each QEMU beside the guest's RAM: its code, translated blocks, devices. Measured under TCG: 60 to 150."""
RESERVE_MIB = 256
"""Left to everything else on the host."""
WAIT_SECONDS = 300.0
_OWN_SECONDS = 30.0
_STEP = 0.5
_HINT = "Give the guest less memory (--memory), run fewer side by side (-n), or free some on this host."
_MIB = 1 << 20
_numbers = itertools.count(1)


def need_mib(memory: int) -> int:
    """What a guest with `memory` MiB of RAM is counted as."""
    return memory + QEMU_MIB


def workers(memory: int, cpus: int = 1) -> int:
    """Guests side by side: one for each processor that is free and that a guest keeps busy, as far as memory goes."""
    by_memory = (available_mib() - RESERVE_MIB) // need_mib(memory)
    return max(1, min(free_cores() // max(1, cpus), by_memory))


class Capacity:
    """The claims of all guests of this user."""

    def __init__(self, root: Path | None = None) -> None:
        self._root = root or state_dir() / "capacity"

    def claimed_mib(self) -> int:
        """What all guests that run are counted as."""
        total = 0
        for path in self._root.glob("*.guest"):
            with contextlib.suppress(ValueError, OSError):
                total += int(claimed_by(path) or 0)
        return total

    def why_not(self, need: int) -> str:
        """Why there is no room for a guest of `need` MiB now; empty where there is."""
        free, total = available_mib(), int(psutil.virtual_memory().total) // _MIB
        claimed = self.claimed_mib()
        if need + RESERVE_MIB > free:
            return f"a guest needs {need} MiB and {RESERVE_MIB} MiB are left to the host, {free} MiB are available"
        if claimed + need + RESERVE_MIB > total:
            return f"guests that run may use {claimed} MiB of this host's {total}, and one more needs {need} MiB"
        return ""

    def may_prepare(self, need: int) -> bool:
        """Whether a guest may be made ready ahead of need: only where there is room for it twice and nobody waits."""
        return not self._waiting() and not self.why_not(2 * need)

    def _waiting(self) -> list[str]:
        """Tickets of all who wait for room, the first to come first."""
        return sorted(path.name for path in self._root.glob("*.waiting") if claimed_by(path) is not None)

    def _of_others(self) -> bool:
        """Whether any claim is another process's."""
        mine = f"{os.getpid()}-"
        return any(not path.name.startswith(mine) and claimed_by(path) for path in self._root.glob("*.guest"))

    @contextlib.contextmanager
    def room(self, need: int, events: Events, *, seconds: float = WAIT_SECONDS) -> Iterator[Claim]:
        """A claim of `need` MiB, waited for while other guests end; it holds as long as any process has its descriptor.

        Who came first is served first, whatever the later ones need. Raises `HostError` when there is no room in time,
        or cannot be: no guest of this user's holds any.
        """
        ensure(self._root)
        with self._wait(need, events, seconds) as claim:
            yield claim

    def _wait(self, need: int, events: Events, seconds: float) -> Claim:
        begun = time.monotonic()
        with contextlib.ExitStack() as queue:
            ticket: Claim | None = None
            while True:
                with FileLock(self._root / "lock"):
                    ahead = [name for name in self._waiting() if ticket is None or name < ticket.path.name]
                    why = "others wait for room, too, and came first" if ahead else self.why_not(need)
                    number = f"{os.getpid()}-{next(_numbers)}"
                    if not why:
                        return Claim(self._root / f"{number}.guest", str(need))
                    others = self._of_others()
                    hopeless = not others and not ahead and not self.claimed_mib()
                    if ticket is None and not hopeless:
                        # Names sort by the time of coming.
                        path = self._root / f"{time.time_ns():020}-{number}.waiting"
                        ticket = queue.enter_context(Claim(path, str(need)))
                        events.emit("guest.waiting", reason=why)
                # Guests of this process's own may just be ending, but will not make room for each other for long.
                patience = seconds if others or ahead else min(seconds, _OWN_SECONDS)
                if hopeless or time.monotonic() - begun >= patience:
                    raise HostError(f"no room for a guest: {why}", hint=_HINT)
                time.sleep(_STEP)
