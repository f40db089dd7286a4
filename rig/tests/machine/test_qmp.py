"""The monitor's client against a server of this test's own, good and bad."""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from rig.errors import GuestDied
from rig.machine.qmp import Monitor, MonitorError
from rig.tests.machine.conftest import PATIENCE, FakeQmp


@pytest.fixture
def serve() -> Iterator[Any]:
    """Make servers; they are closed at the end."""
    made: list[FakeQmp] = []

    def make(greeting: bytes | None = None, **answers: Any) -> FakeQmp:
        made.append(FakeQmp(greeting, **answers))
        return made[-1]

    yield make
    for one in made:
        one.close()


BEFORE: set[threading.Thread] = set()


@pytest.fixture(autouse=True)
def threads_before() -> None:
    """The process may hold a guest for other tests, with a session of its own."""
    BEFORE.clear()
    BEFORE.update(threading.enumerate())


def no_threads() -> bool:
    return not [thread for thread in threading.enumerate() if thread.name == "qmp" and thread not in BEFORE]


def test_a_command_and_its_answer(serve):
    server = serve(**{"query-status": {"return": {"status": "prelaunch"}}})
    monitor = Monitor(server.client)
    monitor.connect(PATIENCE)
    assert monitor.execute("query-status", {"a": 1}) == {"status": "prelaunch"}
    assert [(one["execute"], one.get("arguments")) for one in server.asked][1:] == [("query-status", {"a": 1})]
    monitor.close()
    monitor.close()
    assert no_threads()


def test_a_line_of_the_human_monitor(serve):
    server = serve(**{"human-monitor-command": {"return": "EAX=0\r\n"}})
    monitor = Monitor(server.client)
    monitor.connect(PATIENCE)
    assert monitor.human("info registers") == "EAX=0\r\n"
    assert server.asked[-1]["arguments"] == {"command-line": "info registers"}
    monitor.close()


def test_a_refusal_has_qemus_words(serve):
    error = {"class": "GenericError", "desc": "could not open file"}
    monitor = Monitor(serve(screendump={"error": error}).client)
    monitor.connect(PATIENCE)
    with pytest.raises(MonitorError, match="QEMU refused screendump: could not open file"):
        monitor.execute("screendump")
    monitor.close()


def test_no_answer_in_time_and_the_session_goes_on(serve):
    monitor = Monitor(serve(cont={"return": {}}).client)
    monitor.connect(PATIENCE)
    with pytest.raises(MonitorError, match="QEMU did not answer stop within 0 s"):
        monitor.execute("stop", seconds=0.01)
    assert monitor.execute("cont") == {}
    monitor.close()


def test_events_come_in_order_and_a_bad_handler_misses_none(serve):
    heard: list[tuple[str, dict[str, Any]]] = []
    done = threading.Event()

    def handler(name: str, data: dict[str, Any]) -> None:
        heard.append((name, data))
        if name == "LAST":
            done.set()
        raise ValueError

    server = serve(cont={"return": {}})
    monitor = Monitor(server.client, handler)
    monitor.connect(PATIENCE)
    stamp = {"seconds": 1, "microseconds": 2}
    server.say({"event": "SHUTDOWN", "data": {"guest": True}, "timestamp": stamp})
    server.say({"event": "LAST", "timestamp": stamp})
    assert done.wait(PATIENCE)
    assert heard == [("SHUTDOWN", {"guest": True}), ("LAST", {})]
    monitor.close()


def test_a_session_that_another_thread_closes_under_a_call(serve, monkeypatch):
    """Between the look whether it is there and the sending: no assertion, and no coroutine that nobody awaits."""
    monitor = Monitor(serve(cont={"return": {}}).client)
    monitor.connect(PATIENCE)
    real = monitor._client.execute

    def close_first(*arguments: Any) -> Any:
        work = real(*arguments)
        monitor.close()
        return work

    monkeypatch.setattr(monitor._client, "execute", close_first)
    with pytest.raises(GuestDied, match="was closed before cont was sent"):
        monitor.execute("cont", seconds=PATIENCE)
    assert no_threads()


def test_a_server_that_goes_while_it_is_asked(serve):
    server = serve()
    monitor = Monitor(server.client)
    monitor.connect(PATIENCE)
    killer = threading.Timer(0.05, server.die)
    killer.start()
    with pytest.raises(GuestDied, match="QEMU ended while it was asked for query-status"):
        monitor.execute("query-status", seconds=PATIENCE)
    with pytest.raises(GuestDied):
        monitor.execute("query-status", seconds=PATIENCE)
    monitor.close()
    with pytest.raises(GuestDied, match="monitor is closed, cont was not sent"):
        monitor.execute("cont")
    killer.join()
    assert no_threads()


@pytest.mark.parametrize(
    ("greeting", "answers"),
    [
        (b"", {}),
        (b"SSH-2.0-OpenSSH\r\n", {}),
        (b'{"hello": 1}\n', {}),
        (b"[]\n", {}),
        (b"\xff\xfe\n", {}),
        (None, {"qmp_capabilities": b"rubbish\n"}),
        (None, {"qmp_capabilities": {"error": {"class": "GenericError", "desc": "no"}}}),
    ],
)
def test_a_server_that_is_none(serve, greeting, answers):
    server = serve(greeting, **answers)
    if greeting == b"":
        server.die()
    monitor = Monitor(server.client)
    with pytest.raises(MonitorError, match="QEMU's monitor did not answer: "):
        monitor.connect(PATIENCE)
    assert no_threads()


def test_a_server_that_is_silent(serve):
    monitor = Monitor(serve(b"").client)
    with pytest.raises(MonitorError, match="QEMU's monitor did not answer within 0 s"):
        monitor.connect(0.05)
    assert no_threads()


def test_a_path_where_nobody_listens(place):
    monitor = Monitor(place / "qmp.sock")
    with pytest.raises(MonitorError, match="did not answer"):
        monitor.connect(PATIENCE)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(place / "qmp.sock"))
    monitor = Monitor(place / "qmp.sock")
    with pytest.raises(MonitorError, match="did not answer"):
        monitor.connect(PATIENCE)
    listener.close()
    assert no_threads()


def test_before_it_is_connected(serve):
    monitor = Monitor(serve().client)
    with pytest.raises(GuestDied):
        monitor.execute("cont")
    monitor.close()


def test_lost_connections_are_not_logged_on_the_users_terminal(serve, capfd):
    server = serve()
    monitor = Monitor(server.client)
    monitor.connect(PATIENCE)
    server.client.shutdown(socket.SHUT_RDWR)
    with pytest.raises(GuestDied):
        monitor.execute("cont", seconds=PATIENCE)
    monitor.close()
    assert capfd.readouterr().err == ""
