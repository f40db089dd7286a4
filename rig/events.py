"""What happened, and when: the one stream that logs, progress bars and reports listen to.

An event is a name (dotted, past tense or a state), a wall time and plain data that JSON can hold.
Listeners never change what happens: one that raises is dropped and its fault is told to the others.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

Listener = Callable[["Event"], None]


@dataclass(frozen=True)
class Event:
    """One thing that happened. `at` is seconds since the epoch."""

    name: str
    data: dict[str, Any] = field(default_factory=dict)
    at: float = field(default_factory=time.time)

    def to_json(self) -> str:
        """One line of JSON, without the newline. Data called `at` or `event` gives way to the event's own."""
        envelope = {"at": round(self.at, 6), "event": self.name}
        return json.dumps(envelope | self.data | envelope, default=str, ensure_ascii=True)


class Events:
    """A bus: `emit` calls each listener in the caller's thread, one event at a time."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._lock = threading.RLock()

    def emit(self, name: str, /, **data: Any) -> Event:
        """Tell all listeners; returns the event."""
        event = Event(name, data)
        with self._lock:
            for listener in list(self._listeners):
                try:
                    listener(event)
                except Exception as fault:
                    # It may be gone already: taken away by itself, or dropped while it listened to an event of its own.
                    if listener in self._listeners:
                        self._listeners.remove(listener)
                        self.emit("listener.dropped", listener=repr(listener), fault=repr(fault))
        return event

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Add a listener; returns the call that takes it away again."""
        with self._lock:
            self._listeners.append(listener)

        def stop() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return stop

    @contextmanager
    def step(self, name: str, /, **data: Any) -> Iterator[dict[str, Any]]:
        """Emit `name.started` and `name.ended`/`name.failed` round a block, with its seconds.

        The yielded dict's entries go into the closing event, over those of the opening one.
        """
        self.emit(f"{name}.started", **data)
        begun = time.monotonic()
        found: dict[str, Any] = {}
        try:
            yield found
        except BaseException as fault:
            # Neither has words of its own as a rule; an interrupt is nobody's fault.
            words = "interrupted" if isinstance(fault, KeyboardInterrupt) else str(fault) or type(fault).__name__
            self.emit(f"{name}.failed", **{**data, **found, "seconds": time.monotonic() - begun, "fault": words})
            raise
        self.emit(f"{name}.ended", **{**data, **found, "seconds": time.monotonic() - begun})


class EventFile:
    """A listener that appends each event to a JSON Lines file, flushed by line so that a kill loses nothing said."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: TextIO = path.open("a", encoding="ascii")

    def __call__(self, event: Event) -> None:
        """Write one event."""
        self._file.write(event.to_json() + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file; later events raise, so stop listening first."""
        self._file.close()
