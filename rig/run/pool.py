"""Guests made ready ahead of need: the next one is prepared, and the last one ended, while the present one works."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar


class Closing(Protocol):
    """What can be ended."""

    def close(self) -> None:
        """End it."""


Kept = TypeVar("Kept", bound=Closing)


class Pool(Generic[Kept]):
    """At most one is ready ahead. `make` is called by one thread at a time, `may_prepare` before work ahead of need.

    Whatever is prepared and not taken is ended by `close`.
    """

    def __init__(self, make: Callable[[], Kept], may_prepare: Callable[[], bool]) -> None:
        self._make = make
        self._may_prepare = may_prepare
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="pool")
        self._next: Future[Kept] | None = None
        self._endings: list[Future[None]] = []

    def take(self) -> Kept:
        """The one that is ready, or a new one. Raises what `make` raises."""
        waiting = self._next
        if waiting is None:
            return self._make()
        try:
            ready = waiting.result()
        except BaseException as fault:
            # One who is interrupted while he waits does not get it: it stays here, for `close` to end.
            if waiting.done() and waiting.exception() is fault:
                self._next = None
            raise
        self._next = None
        return ready

    def prepare(self) -> None:
        """Begin to make the next one ready, unless that is done already or may not be."""
        if self._next is None and self._may_prepare():
            self._next = self._threads.submit(self._make)

    def end(self, one: Kept) -> None:
        """End one that was taken, soon."""
        self._endings = [ending for ending in self._endings if not ending.done()]
        self._endings.append(self._threads.submit(one.close))

    def empty(self) -> None:
        """End the one that is ready, soon: nobody will want it for a while."""
        waiting, self._next = self._next, None
        if waiting is not None and not waiting.cancel():
            self._endings.append(self._threads.submit(_end, waiting))

    def close(self) -> None:
        """End what is left, and wait for it. Safe to call twice."""
        waiting, self._next = self._next, None
        if waiting is not None and not waiting.cancel():
            _end(waiting)
        self._threads.shutdown(wait=True)


def _end(waiting: Future[Kept]) -> None:
    """End what was made ready; one that could not be made has ended."""
    with contextlib.suppress(Exception):
        waiting.result().close()
