"""A machine from start to stop, on a script that speaks QMP in QEMU's place."""

import os
from pathlib import Path

import psutil
import pytest

from rig.errors import HostError, InputError, LaunchError
from rig.machine import Machine
from rig.machine.guard import guard
from rig.machine.machine import Machine as MachineClass
from rig.spec import Clock
from rig.tests.machine.conftest import SPEAKS_QMP

TAME = SPEAKS_QMP.replace("@DEAF@", "False")
DEAF = SPEAKS_QMP.replace("@DEAF@", "True")

RUBBISH = "[[ $1 =~ id=qmp,fd=([0-9]+) ]]; echo rubbish >&${BASH_REMATCH[1]}; exit 7"


def descriptors() -> set[str]:
    """What this process holds open, but for the keeper's pipe, which comes with the first machine and stays.

    What an earlier test has left to the garbage collector may go at any time: only what is new is a leak.
    """
    held = set()
    for link in Path("/proc/self/fd").iterdir():
        try:
            held.add(f"{link.name} {link.readlink()}")
        except OSError:
            continue
    return {one for one in held if "pipe:" not in one and "/proc/" not in one}


def test_start_speak_stop(fake_qemu, launch):
    fake_qemu(TAME)
    before = descriptors()
    with Machine(launch()) as machine:
        assert (machine.qemu_version, machine.alive, machine.powered_off) == ("7.2.22", True, False)
        machine.resume()
        machine.pause()
        assert machine.process.pid in guard._held
        assert machine.process.output == "fake: warning: no such CPU feature\n"
        machine.stop(soft_seconds=60)
        assert machine.process.how_it_ended == "exit code 0"
    assert not machine.alive and machine.process.pid not in guard._held
    assert descriptors() <= before


def test_one_that_does_not_listen_is_ended_all_the_same(fake_qemu, launch):
    fake_qemu(DEAF)
    machine = Machine(launch())
    machine.start()
    machine.stop(soft_seconds=0.05)
    assert machine.process.how_it_ended == "killed by SIGKILL"
    machine.stop()


def test_what_goes_wrong_inside_ends_it(fake_qemu, launch):
    fake_qemu(TAME)
    with pytest.raises(KeyboardInterrupt), Machine(launch()) as machine:
        raise KeyboardInterrupt
    assert machine.process.how_it_ended == "killed by SIGKILL"


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ("echo \"qemu: -device e1001: 'e1001' is not a valid device model name\" >&2; exit 1", 1, "'e1001' is not"),
        ("exit 0", 0, ""),
        ("kill -ABRT $$", -6, ""),
        (f"exec bash -c '{RUBBISH}' - \"$*\"", 7, ""),
    ],
    ids=["refuses an option", "leaves at once", "crashes", "speaks no QMP"],
)
def test_one_that_does_not_start(fake_qemu, launch, body, code, words):
    path = fake_qemu(body)
    before = descriptors()
    machine = Machine(launch())
    with pytest.raises(LaunchError, match="QEMU did not start") as caught:
        machine.start()
    fault = caught.value
    assert fault.exit_code == code
    assert words in fault.output and words in str(fault)
    assert fault.command[0] == path.name and "-nodefaults" in fault.command
    assert not machine.alive and descriptors() <= before


def test_one_that_never_greets_is_ended(fake_qemu, launch, monkeypatch):
    fake_qemu("exec sleep 1000")
    monkeypatch.setattr("rig.machine.machine._MONITOR_SECONDS", 0.05)
    monkeypatch.setattr("rig.machine.process._LAST_WORDS_SECONDS", 0.05)
    machine = Machine(launch())
    with pytest.raises(LaunchError, match=r"QEMU did not start: .*did not answer within 0 s"):
        machine.start()
    assert machine.process.how_it_ended == "killed by SIGKILL"


def test_what_is_wrong_before_qemu_is_called_leaves_nothing(fake_qemu, launch):
    fake_qemu(TAME)
    before = descriptors()
    machine = Machine(launch(clock=Clock.EXACT, spec={"cpus": 2}))
    with pytest.raises(InputError):
        machine.start()
    assert not machine.alive and descriptors() <= before
    with pytest.raises(LaunchError, match="not started"):
        _ = machine.process
    with pytest.raises(LaunchError, match="not started"):
        _ = machine.monitor


def test_without_qemu(launch, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="not installed"), Machine(launch(binary="qemu-system-x86_64-absent")):
        pass


def test_descriptors_that_qemu_keeps(fake_qemu, launch, tmp_path):
    fake_qemu(TAME)
    claim = os.open(tmp_path / "claim", os.O_CREAT | os.O_RDWR)
    with Machine(launch(keep_fds=(claim,))) as machine:
        os.close(claim)
        held = {one.path for one in psutil.Process(machine.process.pid).open_files()}
        held |= {one.path for child in psutil.Process(machine.process.pid).children() for one in child.open_files()}
        assert str(tmp_path / "claim") in held


@pytest.mark.parametrize("detached", [True, False])
def test_only_a_detached_machine_may_be_left(fake_qemu, launch, detached):
    fake_qemu(TAME)
    machine = Machine(launch(), detached=detached)
    machine.start()
    try:
        assert {machine.process.pid, str(machine.launch.directory)} <= set(guard._held)
        machine.leave()
        assert machine.alive
        assert (machine.process.pid in guard._held) is not detached
        assert (str(machine.launch.directory) in guard._held) is not detached
    finally:
        MachineClass.stop(machine)
        guard.drop(machine.launch.directory)


def test_what_is_held_at_the_monitor_is_told(launch, monkeypatch):
    monkeypatch.setattr("rig.machine.held._LOOKS", 1)
    monkeypatch.setattr("rig.machine.held._STEP", 0.0)
    machine = Machine(launch())
    assert not machine.held
    machine._note("STOP", {})
    assert machine.held
    machine._note("RESUME", {})
    assert not machine.held


@pytest.mark.parametrize(
    ("event", "log", "ending"),
    [
        (("SHUTDOWN", {"reason": "guest-reset"}), b"CPU Reset (CPU 0)\n", "reset itself"),
        (("SHUTDOWN", {"reason": "guest-reset"}), b"CPU Reset (CPU 0)\nTriple fault\n", "was reset by a triple fault"),
        (("SHUTDOWN", {"reason": "guest-shutdown"}), b"Triple fault\n", "powered itself off"),
        (("GUEST_PANICKED", {}), b"", "reset or powered itself off"),
        (("SHUTDOWN", {"reason": "host-signal"}), b"", "was ended from outside (host-signal)"),
        (("STOP", {}), b"Triple fault\n", ""),
    ],
)
def test_how_a_guest_ended(launch, event, log, ending):
    """QMP has one word for every reset; QEMU's log of the CPUs tells them apart."""
    machine = Machine(launch())
    machine.launch.cpu_log.parent.mkdir(parents=True, exist_ok=True)
    machine.launch.cpu_log.write_bytes(log)
    machine._note(*event)
    if ending and machine._reason:
        machine._note("SHUTDOWN", {"reason": "host-qmp-quit"})  # the first word counts
    assert machine.ending == ending
