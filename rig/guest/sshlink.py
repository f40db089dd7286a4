"""One SSH connection by paramiko: reached with patience, its host key pinned, made anew when it has died."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import paramiko
from paramiko.common import MSG_CHANNEL_REQUEST

from rig.deadline import Deadline
from rig.errors import AuthError, TransportError, TransportTimeout
from rig.guest.keys import load_key
from rig.guest.patience import Question
from rig.guest.transport import Lost
from rig.guest.watchdog import Watchdog

KEEPALIVE_SECONDS = 15
_RETIRE_SECONDS = 1.0
_RETIRE_STEP = 0.002
FAULTS = (paramiko.SSHException, OSError, EOFError)
"""What paramiko raises when a connection or a channel fails."""
_LONGEST = 3600.0
_BANNER_SECONDS = 20.0

# paramiko logs each dropped connection with a traceback; without any handler Python would print that to the screen.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class SignalTransport(paramiko.Transport):
    """paramiko's transport, which drops `exit-signal` (RFC 4254, 6.10), with that message kept."""

    exit_signals: ClassVar[weakref.WeakKeyDictionary[paramiko.Channel, str]] = weakref.WeakKeyDictionary()

    @staticmethod
    def _keep_signal(channel: paramiko.Channel, message: paramiko.Message) -> None:
        start = message.packet.tell()
        if message.get_text() == "exit-signal":
            message.get_boolean()
            SignalTransport.exit_signals[channel] = message.get_text()
        message.packet.seek(start)
        channel._handle_request(message)  # type: ignore[attr-defined]  # not in the stubs

    _channel_handler_table: ClassVar[dict[int, Callable[..., None]]] = {
        **paramiko.Transport._channel_handler_table,  # type: ignore[attr-defined]
        MSG_CHANNEL_REQUEST: _keep_signal,
    }


class SshLink:
    """`host_key` is learned at the first contact with this running guest, and every later one must show the same."""

    def __init__(self, host: str, port: int, user: str, key: Path) -> None:
        self.host, self.port, self.user, self.key = host, port, user, key
        self.host_key: paramiko.PKey | None = None
        self.phases: dict[str, float] = {}
        """Seconds that the parts of the last connection's making took: until the banner, keys agreed, logged in."""
        self._transport: paramiko.Transport | None = None
        self._lock = threading.Lock()
        self._closed = False

    def connect(self, deadline: Deadline, lost: Lost | None = None) -> None:
        """Wait for the server's banner, agree on keys, log in.

        Raises `AuthError` (host key changed, key refused), `TransportTimeout`, `TransportError`, and `InputError` for
        a private key that cannot be read.
        """
        with self._alone(deadline):
            self._connect(deadline, lost)

    def session(self, deadline: Deadline, lost: Lost | None = None) -> paramiko.Channel:
        """A new channel; a connection that has died is made anew. Raises as `connect` does."""
        with self._alone(deadline):
            for last_try in (False, True):
                if self._transport is None or not self._transport.is_active():
                    self._connect(deadline, lost)
                assert self._transport is not None
                try:
                    with Watchdog(self.drop, deadline, lost):
                        return self._transport.open_session(timeout=_span(deadline))
                except FAULTS as fault:
                    self._give_up_if(deadline, lost)
                    if last_try:
                        raise TransportError(f"the guest opened no SSH channel: {_words(fault)}") from fault
                    # It died unseen, or its channels are used up by commands that go on after their deadline.
                    self.drop()
        raise AssertionError("two tries end in a channel or an error")

    def drop(self) -> None:
        """End the present connection; the next call makes a new one."""
        if self._transport is not None:
            self._transport.close()

    def close(self) -> None:
        """End the connection for good."""
        self._closed = True
        self.drop()

    @contextlib.contextmanager
    def _alone(self, deadline: Deadline) -> Iterator[None]:
        if not self._lock.acquire(timeout=_span(deadline)):
            raise TransportTimeout(f"SSH on {self.host}:{self.port} was busy for {deadline.total:.0f} s")
        try:
            yield
        finally:
            self._lock.release()

    def _give_up_if(self, deadline: Deadline, lost: Lost | None, last: str = "no answer") -> None:
        if self._closed:
            raise TransportError(f"SSH on {self.host}:{self.port} was closed on this side")
        if lost is not None and lost():
            raise TransportError("the guest was lost before it answered by SSH")
        if deadline.expired:
            raise TransportTimeout(f"SSH on {self.host}:{self.port} was not reached in {deadline.total:.0f} s: {last}")

    def _connect(self, deadline: Deadline, lost: Lost | None) -> None:
        private = load_key(self.key)
        last = "no answer"
        while True:
            self._give_up_if(deadline, lost, last)
            begun = time.monotonic()
            stream = self._banner(deadline, lost)
            self.phases = {"banner": time.monotonic() - begun}
            if stream is None:
                continue
            try:
                with Watchdog(self.drop, deadline, lost):
                    self._log_in(stream, private, deadline)
                return
            except AuthError:
                raise
            # paramiko hands on whatever its thread died of, and a server that starts up may drop its first clients.
            except Exception as fault:
                last = _words(fault)
                time.sleep(deadline.slice(0.2))

    def _banner(self, deadline: Deadline, lost: Lost | None) -> socket.socket | None:
        """A connection whose server has begun to speak. QEMU accepts before the guest listens, so only that counts."""
        patience = deadline.within(_BANNER_SECONDS)
        try:
            stream = socket.create_connection((self.host, self.port), max(0.01, deadline.slice(5)))
        except OSError:
            time.sleep(deadline.slice(0.1))
            return None
        stream.settimeout(0.25)
        while not (patience.expired or self._closed or (lost is not None and lost())):
            try:
                if stream.recv(1, socket.MSG_PEEK):
                    return stream
            except TimeoutError:
                continue
            except OSError:
                pass
            break
        stream.close()
        time.sleep(deadline.slice(0.05))
        return None

    def _log_in(self, stream: socket.socket, private: paramiko.PKey, deadline: Deadline) -> None:
        begun = time.monotonic()
        transport = self._transport = SignalTransport(stream)
        try:
            transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = _span(deadline)
            transport.start_client(timeout=_span(deadline))
            agreed = time.monotonic()
            found = transport.get_remote_server_key()
            if self.host_key is not None and found != self.host_key:
                raise AuthError(
                    f"the SSH host key of {self.host}:{self.port} changed while the guest ran "
                    f"(was {self.host_key.fingerprint}, is {found.fingerprint})",
                    hint="Another server answers on this port: rig down, then rig up.",
                )
            self._authenticate(transport, private, deadline)
            # Only now: a server that was not let in must not be what later ones are held against.
            self.host_key = found
            self.phases |= {"keys": agreed - begun, "login": time.monotonic() - agreed}
            transport.set_keepalive(KEEPALIVE_SECONDS)
        except BaseException:
            transport.close()
            raise

    def _authenticate(self, transport: paramiko.Transport, private: paramiko.PKey, deadline: Deadline) -> None:
        try:
            more = transport.auth_publickey(self.user, private)
        except paramiko.AuthenticationException as fault:
            # A connection that ends here is no refusal, though paramiko calls it one.
            if deadline.expired or not transport.is_active():
                raise paramiko.SSHException(f"the connection ended during the login: {_words(fault)}") from fault
            raise AuthError(
                f"the guest refused the key {self.key} for {self.user}: {_words(fault)}",
                hint="Import the image with the key it knows (rig images import --ssh-key), or let the rig put "
                "its own key in place over the console.",
            ) from fault
        if more:
            raise AuthError(f"the guest wants more than a key for {self.user}: {', '.join(more)}")


def ask_server(transport: paramiko.Transport) -> Question:
    """Ask for a sign of life on this connection, beside what goes on there; the question ends with the connection.

    RFC 4254, section 4: a server answers every global request that wants it, one that it does not know with a refusal.
    Its process has run then; no other is started, as a command would.
    """
    answered = threading.Event()

    def ask() -> None:
        with contextlib.suppress(*FAULTS):
            transport.global_request("keepalive@openssh.com", wait=True)
            if transport.is_active():
                answered.set()

    threading.Thread(target=ask, name="question", daemon=True).start()
    return answered.is_set


def retire(channel: paramiko.Channel, deadline: Deadline) -> None:
    """End a channel whose work is done, and wait a moment until the server has ended it, too.

    A server may give the next channel the number of this one; dropbear 2022.83 then takes what is still under way for
    this one as meant for the next, and closes that before its command has begun.
    """
    patience = deadline.within(_RETIRE_SECONDS)
    try:
        if not channel.eof_sent:
            channel.shutdown_write()
        while not channel.closed and not patience.expired and channel.get_transport().is_active():
            time.sleep(_RETIRE_STEP)
    except FAULTS:
        pass  # the connection is gone, and the channel with it
    finally:
        channel.close()


def _span(deadline: Deadline) -> float:
    """What is left, as paramiko and locks take it: neither nothing nor without end."""
    return min(max(0.01, deadline.remaining), _LONGEST)


def _words(fault: BaseException) -> str:
    return str(fault) or type(fault).__name__
