"""QMP for threads: qemu.qmp's client runs on an event loop of its own, callers wait with a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any, TypeVar

from qemu.qmp import EventListener, QMPClient, QMPError

from rig.errors import GuestDied, RigError

Answer = TypeVar("Answer")
EventHandler = Callable[[str, dict[str, Any]], None]
_CLOSE_SECONDS = 5.0

# The library logs each lost connection as an error, and Python would print that; whoever cares is told by exception.
logging.getLogger("qemu.qmp").addHandler(logging.NullHandler())


class MonitorError(RigError):
    """QEMU refused a command or did not answer it in time."""


class MonitorTimeout(MonitorError):
    """QEMU did not answer in time: it is stopped, stuck, or the host is."""


class Monitor:
    """A QMP session on a connected socket or a path.

    `on_event(name, data)` is called on the session's own thread for each event, in order; it must not call `execute`.
    """

    def __init__(self, address: socket.socket | Path, on_event: EventHandler | None = None) -> None:
        self._address = address
        self._on_event = on_event
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client = QMPClient("rig")
        self._thread: threading.Thread | None = None
        self._listening: asyncio.Task[None] | None = None

    def connect(self, seconds: float = 30.0) -> None:
        """Greet and negotiate. Raises `MonitorError`."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="qmp", daemon=True)
        self._thread.start()
        try:
            _wait(self._loop, self._connect(), seconds)
        except TimeoutError as fault:
            self.close()
            # QEMU serves one client at a time on each monitor; the next one is let in and not greeted.
            raise MonitorTimeout(f"QEMU's monitor did not answer within {seconds:.0f} s") from fault
        except (QMPError, OSError) as fault:
            self.close()
            raise MonitorError(f"QEMU's monitor did not answer: {fault}") from fault

    async def _connect(self) -> None:
        address = self._address if isinstance(self._address, socket.socket) else str(self._address)
        await self._client.connect(address)
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        listener = EventListener()
        with self._client.listen(listener):
            async for event in listener:
                if self._on_event is not None:
                    data = event.get("data")
                    # A handler that fails must not make the rest go unheard: a shutdown may be the next.
                    with contextlib.suppress(Exception):
                        self._on_event(str(event["event"]), data if isinstance(data, dict) else {})

    def execute(self, command: str, arguments: dict[str, Any] | None = None, *, seconds: float = 30.0) -> Any:
        """Send one command, return its answer. Raises `MonitorError`, or `GuestDied` when the session has ended."""
        loop = self._loop
        if loop is None:
            raise GuestDied(f"QEMU's monitor is closed, {command} was not sent")
        try:
            return _wait(loop, self._client.execute(command, arguments), seconds)
        except _ClosedError as fault:
            raise GuestDied(f"QEMU's monitor was closed before {command} was sent") from fault
        except CancelledError as fault:
            raise GuestDied(f"QEMU's monitor was closed while it was asked for {command}") from fault
        except TimeoutError as fault:
            raise MonitorTimeout(f"QEMU did not answer {command} within {seconds:.0f} s") from fault
        except QMPError as fault:
            if not self._client.runstate.name == "RUNNING":
                raise GuestDied(f"QEMU ended while it was asked for {command}") from fault
            raise MonitorError(f"QEMU refused {command}: {fault}") from fault

    def human(self, line: str, *, seconds: float = 30.0) -> str:
        """Run one line of the human monitor, for what QMP has no command for."""
        return str(self.execute("human-monitor-command", {"command-line": line}, seconds=seconds))

    def close(self) -> None:
        """End the session; safe to call twice, and before `connect`."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        # QEMU may be gone already, and the client re-raises whatever its end was; what is left is this side's thread.
        with contextlib.suppress(Exception):
            _wait(loop, self._disconnect(), _CLOSE_SECONDS)
        self._loop = self._thread = None
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_CLOSE_SECONDS)
        if not thread.is_alive():
            loop.close()

    async def _disconnect(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        await self._client.disconnect()


class _ClosedError(Exception):
    """Another thread has closed the session."""


def _wait(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Answer], seconds: float) -> Answer:
    """Have `loop` do it. Raises what the work raises, TimeoutError, and `_ClosedError` for a loop that is over."""
    try:
        future = asyncio.run_coroutine_threadsafe(work, loop)
    except RuntimeError as fault:
        work.close()
        raise _ClosedError from fault
    try:
        return future.result(seconds)
    except BaseException:
        future.cancel()
        raise
