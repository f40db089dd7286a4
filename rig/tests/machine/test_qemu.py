"""Real QEMU on a disk that nothing boots from: what holds from the first instruction to the end, whoever ends it."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from rig.errors import GuestDied, LaunchError
from rig.machine import Machine
from rig.machine.firmware import UefiFirmware, find_uefi
from rig.machine.qmp import Monitor, MonitorError
from rig.paths import _SCRATCH_LIMIT
from rig.spec import Accel, Clock
from rig.tests.machine.conftest import PATIENCE, absent, gone

pytestmark = pytest.mark.qemu


def wait_for(what: str, seen) -> None:
    """Poll until `seen()`; fail with `what` when it never is."""
    until = time.monotonic() + PATIENCE
    while not seen():
        assert time.monotonic() < until, f"{what} did not come"
        time.sleep(0.02)


def status(machine: Machine) -> str:
    return str(machine.monitor.execute("query-status")["status"])


def first_instruction(machine: Machine) -> bool:
    """Whether the CPU still stands at the reset vector, F000:FFF0."""
    text = machine.registers()
    return "EIP=0000fff0" in text and "CS =f000" in text


def test_it_starts_before_its_first_instruction_and_runs_when_told(launch, disk):
    with Machine(launch()) as machine:
        assert status(machine) == "prelaunch" and first_instruction(machine)
        assert machine.launch.console_log.read_bytes() == b""
        machine.resume()
        assert status(machine) == "running"
        wait_for("the first instruction", lambda: not first_instruction(machine))
        machine.pause()
        assert status(machine) == "paused"
        machine.stop(soft_seconds=PATIENCE)
        assert machine.process.how_it_ended == "exit code 0"


def test_the_console_speaks_and_its_log_has_every_byte(launch, disk):
    with Machine(launch(spec={"firmware_serial": True})) as machine:
        console = socket.socket(socket.AF_UNIX)
        console.settimeout(PATIENCE)
        console.connect(str(machine.launch.console_socket))
        machine.resume()
        heard = b""
        with console:
            while b"No bootable device" not in heard:
                heard += console.recv(65536)
        assert b"SeaBIOS (version" in heard
        # QEMU writes a byte to the socket first.
        wait_for("all of it in the log", lambda: machine.launch.console_log.read_bytes().startswith(heard))


def test_a_picture_of_the_screen(launch, disk, place):
    with Machine(launch()) as machine:
        machine.resume()
        data = machine.screenshot(place / "screen.png").read_bytes()
        assert data.startswith(b"\x89PNG\r\n\x1a\n")
        width, height = struct.unpack(">II", data[16:24])
        assert width >= 640 and height >= 400
        with pytest.raises(MonitorError, match="QEMU refused screendump"):
            machine.screenshot(place / "no" / "such" / "directory.png")


def test_a_machine_without_a_screen_says_so(launch, disk, place):
    with Machine(launch(spec={"display": "none"})) as machine, pytest.raises(MonitorError, match="screendump"):
        machine.screenshot(place / "screen.png")


def test_keys_can_be_pressed(launch, disk):
    with Machine(launch()) as machine:
        machine.resume()
        machine.press("ctrl", "alt", "f8")
        with pytest.raises(MonitorError, match="nokey"):
            machine.press("nokey")


def test_ports_are_on_the_loopback_alone(launch, disk):
    with Machine(launch()) as machine:
        port = machine.ssh_port()
        listening = [
            one.laddr
            for one in psutil.Process(machine.process.pid).net_connections("inet")
            if one.status == psutil.CONN_LISTEN
        ]
        assert [(one.ip, one.port) for one in listening] == [("127.0.0.1", port)]
        socket.create_connection(("127.0.0.1", port), PATIENCE).close()


def test_no_card_no_port(launch, disk):
    with Machine(launch(spec={"nic": "none"})) as machine, pytest.raises(MonitorError, match="forwards no port"):
        machine.ssh_port()


def test_a_port_that_is_taken(launch, disk):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LaunchError, match=f"forwarding rule 'tcp:127.0.0.1:{port}") as caught:
            Machine(launch(ssh_port=port)).start()
    assert "The port is taken" in caught.value.hint


@pytest.mark.parametrize(
    ("spec", "rest", "words", "hint"),
    [
        ({"cpu": "Penrin"}, {}, "unable to find CPU model 'Penrin'", "-cpu help"),
        ({"extra_args": ("-device", "e1001")}, {}, "'e1001' is not a valid device model name", "without that device"),
        ({"extra_args": ("-nonsense",)}, {}, "-nonsense: invalid option", ""),
        ({}, {"accel": Accel.HVF}, "invalid accelerator hvf", "--accel tcg"),
        ({}, {"disk": Path("/nowhere/disk.qcow2")}, "Could not open '/nowhere/disk.qcow2'", ""),
    ],
)
def test_what_qemu_refuses_comes_with_its_words(launch, disk, spec, rest, words, hint):
    machine = Machine(launch(spec=spec, **rest))
    with pytest.raises(LaunchError) as caught:
        machine.start()
    assert words in caught.value.output and hint in caught.value.hint
    assert caught.value.exit_code == 1 and not machine.alive


def test_a_disk_that_another_qemu_writes(launch, disk, place):
    with Machine(launch()), pytest.raises(LaunchError) as caught:
        Machine(launch(directory=place)).start()
    assert caught.value.hint == "Another QEMU writes to this disk."


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"board": "pc", "disk": "ide", "nic": "rtl8139", "display": "cirrus"},
        {"disk": "ahci", "nic": "e1000", "display": "vmware", "keyboard": "usb", "rtc": "localtime"},
        {"nic": "pcnet", "cpus": 2},
    ],
    ids=["default", "pc", "usb", "smp"],
)
def test_every_kind_of_machine_starts_with_all_its_disks(launch, disk, place, spec):
    extra = []
    for number in range(3):
        extra.append(place / f"more {number},{number}")
        extra[-1].write_bytes(bytes(4096))
    with Machine(launch(spec=spec, extra_disks=tuple(extra))) as machine:
        blocks = machine.monitor.execute("query-named-block-nodes")
        names = {node["node-name"]: node["image"]["filename"] for node in blocks}
        assert [names[f"disk{number}"] for number in (1, 2, 3)] == [str(path) for path in extra]
        text = machine.monitor.human("info qtree")
        assert text.count('drive = "disk') == 4
        machine.resume()
        assert status(machine) == "running"


def test_uefi_with_variables_of_its_own(launch, disk, place):
    found = find_uefi()
    variables = place / "variables.qcow2"
    base = ["-b", str(found.variables), "-F", "raw", str(variables)]
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *base], check=True)
    before, template = variables.stat().st_mtime_ns, found.variables.read_bytes()
    uefi = UefiFirmware(found.code, variables)
    with Machine(launch(spec={"firmware": "uefi", "memory": 256}, firmware=uefi)) as machine:
        machine.resume()
        wait_for("a change of the variables", lambda: variables.stat().st_mtime_ns > before)
    assert found.variables.read_bytes() == template


def test_the_exact_clock_is_taken(launch, disk):
    with Machine(launch(clock=Clock.EXACT)) as machine:
        machine.resume()
        wait_for("the first instruction", lambda: not first_instruction(machine))


def test_a_reset_is_an_end(launch, disk):
    with Machine(launch()) as machine:
        machine.resume()
        assert not machine.powered_off
        machine.monitor.execute("system_reset")
        wait_for("the shutdown event", lambda: machine.powered_off)
        assert machine.alive


def test_kill_9_of_qemu_is_seen(launch, disk):
    with Machine(launch()) as machine:
        machine.resume()
        os.kill(machine.process.pid, signal.SIGKILL)
        assert machine.process.wait(PATIENCE)
        assert not machine.alive and machine.process.how_it_ended == "killed by SIGKILL"
        with pytest.raises(GuestDied):
            machine.monitor.execute("query-status")


def test_a_second_monitor_serves_another_process(launch, disk):
    with Machine(launch()) as machine:
        other = Monitor(machine.launch.qmp_socket)
        other.connect(PATIENCE)
        assert other.execute("query-status")["status"] == "prelaunch"
        third = Monitor(machine.launch.qmp_socket)
        with pytest.raises(MonitorError, match="did not answer within"):
            third.connect(0.2)
        other.close()


RIG = """
import os, signal, sys, threading
from pathlib import Path
from rig.machine import Launch, Machine
from rig.spec import MachineSpec
place = Path(sys.argv[1])
launch = Launch(spec=MachineSpec(memory=64), disk=place / "disk.qcow2", directory=place / "run", logs=place / "logs")
machine = Machine(launch, detached=sys.argv[2] == "detached")
machine.start()
machine.resume()
if sys.argv[2:] == ["detached", "leave"]:
    machine.leave()
print(machine.process.pid, flush=True)
if sys.argv[2:] == ["attached", "raise"]:
    raise ValueError("a crash, with nobody to stop the machine")
signal.pause()
"""


def rig(place: Path, *args: str) -> tuple[subprocess.Popen[str], int]:
    """A process of its own that starts a machine; its QEMU's number."""
    (place / "run").mkdir(exist_ok=True)
    argv = [sys.executable, "-c", RIG, str(place), *args]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    process.stdout.close()
    return process, int(line)


@pytest.mark.parametrize("kind", ["attached", "detached"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_rig_that_is_killed_leaves_neither_qemu_nor_directory(place, disk, kind, number):
    """A detached machine too, as long as nobody has written down where it is."""
    process, qemu = rig(place, kind)
    assert psutil.pid_exists(qemu) and (place / "run" / "console.sock").exists()
    process.send_signal(number)
    process.wait(PATIENCE)
    assert gone(qemu) and absent(place / "run")


def test_a_rig_that_crashes_leaves_neither(place, disk):
    process, qemu = rig(place, "attached", "raise")
    assert process.wait(PATIENCE) == 1
    assert gone(qemu) and absent(place / "run")


def test_a_machine_that_was_left_runs_on(place, disk):
    process, qemu = rig(place, "detached", "leave")
    try:
        process.kill()
        process.wait(PATIENCE)
        monitor = Monitor(place / "run" / "qmp.sock")
        monitor.connect(PATIENCE)
        assert monitor.execute("query-status")["status"] == "running"
        monitor.close()
    finally:
        os.kill(qemu, signal.SIGKILL)
        assert gone(qemu)


def test_the_longest_scratch_directory_takes_qemus_sockets(disk, launch):
    """What rig.paths allows, QEMU takes."""
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        deep = Path(short) / ("d" * (_SCRATCH_LIMIT - len(short) - 1)) / "rig-12345678"
        deep.mkdir(parents=True)
        with Machine(launch(directory=deep)) as machine:
            assert machine.launch.console_socket.exists()
