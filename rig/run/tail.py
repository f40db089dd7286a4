"""Reads the event files of xdist workers while they grow."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

from rig.events import Event

_STEP = 0.3


class Tail:
    """Calls `hear` with each event that any file `NAME.jsonl` of `directory` holds, from a thread of its own.

    An event that does not name its worker gets `worker` = NAME. Lines that cannot be read are passed over.
    """

    def __init__(self, directory: Path, hear: Callable[[Event], None]) -> None:
        self._directory = directory
        self._hear = hear
        self._read: dict[Path, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="workers", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Read what is left, and end. Does nothing where it never began."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(10)

    def _follow(self) -> None:
        while not self._stop.wait(_STEP):
            self._look()
        self._look()

    def _look(self) -> None:
        for path in sorted(self._directory.glob("*.jsonl")):
            try:
                with path.open("rb") as file:
                    file.seek(self._read.get(path, 0))
                    whole, newline, _ = file.read().rpartition(b"\n")
            except OSError:
                continue
            self._read[path] = self._read.get(path, 0) + len(whole) + len(newline)
            for line in whole.splitlines():
                self._tell(line, path.stem)

    def _tell(self, line: bytes, worker: str) -> None:
        try:
            data = json.loads(line)
            name, at = str(data.pop("event")), float(data.pop("at"))
            self._hear(Event(name, {"worker": worker, **data}, at=at))
        # One line that is torn, or that no listener can take, must not cost the rest.
        except Exception:
            return
