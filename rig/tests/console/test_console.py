"""Waiting on a console: matches, time, panics, the end; typing; the tail."""

import socket
import threading
from types import SimpleNamespace

import pytest

from rig.console import Console, Watch
from rig.console import console as module
from rig.console.console import ConsoleAlarmError
from rig.deadline import Deadline
from rig.errors import GuestDied, TransportError, TransportTimeout
from rig.spec import Dialect
from rig.tests.console.conftest import PATIENCE, Wire, recorded


def soon() -> Deadline:
    return Deadline.after(PATIENCE)


def arrived(wire: Wire, count: int) -> None:
    """Wait until the console has taken in so many bytes in all."""
    step = threading.Event()
    for _ in range(6000):
        if wire.watch.bytes_seen >= count:
            return
        step.wait(0.01)
    raise AssertionError("the bytes did not arrive")


def test_the_first_pattern_that_comes_is_told_with_what_was_before(wire):
    for chunk in (b"[  0.1] Linux ver", b"sion 6.1\r\n", b"rcS: up\r\nguest lo", b"gin: "):
        wire.guest.sendall(chunk)
    index, match = wire.console.expect([r"login: ?$", r"Linux version (\d)"], soon())
    assert (index, match[1], wire.console.before) == (1, b"6", b"[  0.1] ")
    index, match = wire.console.expect([b"login: ?$", "Linux version"], soon())
    assert (index, match[0], wire.console.before) == (0, b"login: ", b".1\r\nrcS: up\r\nguest ")


def test_lines_begin_where_lines_begin(wire):
    wire.guest.sendall(b"not # here\r\n# ")
    index, _ = wire.console.expect([r"^# ?$"], soon())
    assert index == 0 and wire.console.before == b"not # here\r\n"


def test_a_pattern_waits_for_the_rest_of_its_text(wire):
    wire.guest.sendall(b"RIG12 ")
    later = threading.Timer(0.05, wire.guest.sendall, [b"0\r\n"])
    later.start()
    _, match = wire.console.expect([r"RIG12 (\d+)[\r\n]"], soon())
    later.join()
    assert match[1] == b"0"


def test_a_recorded_boot_is_followed_stage_by_stage(wire):
    log = recorded("darwin20-boot.log")
    for start in range(0, len(log), 700):
        wire.guest.sendall(log[start : start + 700])
    stages = [
        "BdsDxe: starting",
        "XNU EFI loader start",
        "Darwin Kernel Version",
        r"BSD root: \S+, major",
        "RCBOOT end",
    ]
    for pattern in stages:
        index, _ = wire.console.expect([pattern, "never there"], soon())
        assert index == 0


def test_time_is_up(wire):
    wire.guest.sendall(b"something else")
    arrived(wire, 14)
    with pytest.raises(TransportTimeout, match=r"none of \['login', 'b'\] in 0 s"):
        wire.console.expect(["login", "b"], Deadline.after(0.01))
    assert wire.console.before == b"something else"
    assert wire.console.expect(["something"], Deadline.after(0))[0] == 0


def test_qemu_ends(wire):
    wire.guest.sendall(b"last words")
    wire.guest.close()
    assert wire.console.expect(["last"], soon())[0] == 0
    for _ in range(2):
        with pytest.raises(GuestDied, match="the console was closed"):
            wire.console.expect(["login"], soon())
    with pytest.raises(GuestDied):
        wire.console.forget()
        wire.console.expect(["words"], soon())
    with pytest.raises(GuestDied):
        for _ in range(100):
            wire.console.send(b"x")


def test_a_panic_wakes_whoever_waits_and_whoever_comes_later(wire):
    log = recorded("reference-panic.log")
    later = threading.Timer(0.05, wire.guest.sendall, [log])
    later.start()
    with pytest.raises(ConsoleAlarmError, match="kernel panic: Kernel panic - not syncing: sysrq triggered crash"):
        wire.console.expect(["never there"], soon())
    later.join()
    wire.console.forget()
    with pytest.raises(ConsoleAlarmError):
        wire.console.expect(["never there"], soon())


def test_a_panic_that_came_while_nobody_waited_is_not_forgotten(wire):
    log = recorded("reference-panic.log")
    wire.guest.sendall(log)
    arrived(wire, len(log))
    wire.console.forget()
    with pytest.raises(ConsoleAlarmError):
        wire.console.expect(["never there"], soon())


def test_what_came_before_the_panic_counts(wire):
    log = recorded("reference-panic.log")
    wire.guest.sendall(log)
    arrived(wire, len(log))
    assert wire.console.expect(["never there", "rcS: userland started"], soon())[0] == 1


def test_a_storm_wakes_once_and_the_console_goes_on(wire):
    wire.guest.sendall(500 * b"ata1: lost interrupt\r\n")
    with pytest.raises(ConsoleAlarmError, match="nothing new for"):
        wire.console.expect(["never there"], soon())
    wire.guest.sendall(b"ata1: recovered\r\n")
    assert wire.console.expect(["recovered"], soon())[0] == 0


def test_what_was_there_can_be_forgotten(wire):
    wire.guest.sendall(b"old login: ")
    arrived(wire, 11)
    wire.console.forget()
    wire.guest.sendall(b"new login: ")
    wire.console.expect(["login: "], soon())
    assert wire.console.before == b"new "


def test_a_console_that_nobody_reads_never_blocks_the_guest(wire):
    wire.guest.settimeout(PATIENCE)
    for _ in range(320):
        wire.guest.sendall(65536 * b"z")
    wire.guest.sendall(b"\r\nend")
    arrived(wire, 320 * 65536 + 5)
    assert wire.console._feed.arrivals.unread <= 1 << 20
    assert sum(map(len, wire.console._tail)) <= 2 << 16
    assert wire.console.tail(1) == "end"
    assert wire.console.expect(["end"], soon())[0] == 0


def test_the_tail_is_the_last_lines_clean(wire):
    log = recorded("reference-good-boot.log")
    for start in range(0, len(log), 100):
        wire.guest.sendall(log[start : start + 100])
    arrived(wire, len(log))
    lines = wire.console.tail(3).splitlines()
    assert len(lines) == 3 and all(line.isprintable() and line.strip() for line in lines)
    assert len(wire.console.tail(500).splitlines()) > 100


def test_typing_is_no_faster_than_the_guest_takes_it(monkeypatch):
    slept: list[float] = []
    monkeypatch.setattr(module, "time", SimpleNamespace(sleep=slept.append))
    wire = Wire(input_rate=900)
    wire.console.send("0123456789abcdefXYZ\n")
    assert wire.guest.recv(20, socket.MSG_WAITALL) == b"0123456789abcdefXYZ\n"
    assert slept == 3 * [8 / 900]
    wire.close()


def test_typing_without_a_limit_and_typing_nothing(wire):
    wire.console.send(b"\x03")
    wire.console.send("")
    wire.console.send("x\n")
    assert wire.guest.recv(3, socket.MSG_WAITALL) == b"\x03x\n"


def test_a_socket_that_comes_late_and_one_that_never_does(place):
    path = place / "console.sock"
    with pytest.raises(TransportError, match=r"console\.sock: the console cannot be reached: .*No such file"):
        Console.connect(path, Watch(Dialect.LINUX), seconds=0.05)
    listener = socket.socket(socket.AF_UNIX)

    def listen() -> None:
        listener.bind(str(path))
        listener.listen()

    later = threading.Timer(0.05, listen)
    later.start()
    console = Console.connect(path, Watch(Dialect.LINUX), seconds=PATIENCE)
    later.join()
    guest, _ = listener.accept()
    guest.sendall(b"hello")
    assert console.expect(["hello"], soon())[0] == 0
    console.close()
    console.close()
    guest.close()
    listener.close()


def test_a_console_that_was_closed_here(wire):
    wire.console.close()
    with pytest.raises(GuestDied):
        wire.console.expect(["x"], soon())
    with pytest.raises(GuestDied):
        wire.console.send("x")
    assert not wire.console._thread.is_alive()


def test_a_guest_that_takes_no_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rig.console.console._TAKEN_SECONDS", 0.05)
    wire = Wire()
    try:
        with pytest.raises(TransportTimeout, match="took no input"):
            wire.console.send(b"x" * (1 << 24))
    finally:
        wire.close()
