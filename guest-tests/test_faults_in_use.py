"""What strikes a guest while a command runs in it, or files go into it: each is told as what it is, and ends in time.

| fault                        | what is seen                                                                   |
| ---------------------------- | ------------------------------------------------------------------------------ |
| QEMU stopped by SIGSTOP      | HangError within seconds: its process is stopped; it is ended                  |
| QEMU's CPUs held by QMP      | HangError within seconds: QEMU's state                                         |
| CPU spins, interrupts off    | asked soon, HangError: the CPU is busy, and where                              |
| kernel does nothing any more | HangError, with QEMU's registers and the screen                                |
| network link cut, and back   | nothing is lost: the command's whole output                                    |
| network link cut for good    | HangError: the console still answers                                           |
| guest's disk full            | the push fails, in the guest's own words; no part is left; the guest is well   |
| host's disk full             | GuestError at once: QEMU holds the guest, with the reason of the write         |
| QEMU killed, kernel panic    | test_guest_is_lost.py                                                          |
| CPU halted, interrupts off   | rig/tests/machine/test_vitals.py                                               |

What each does to a whole run, its cases and those behind it: rig/tests/run/test_faults.py.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults import Bench, bench_of, ended, own_templates, stop, wedge

from rig.errors import GuestError, HangError, TransportError
from rig.guest import Guest
from rig.guest.patience import Patience
from rig.guest.templates import Templates
from rig.machine import held, vitals
from rig.machine import machine as machine_module
from rig.spec import GuestOS

SAYS_ON = "echo up; for i in 1 2 3 4 5 6; do sleep 1; echo $i; done"


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> list[Templates]:
    """Filled by the first test that has a guest to copy from."""
    return []


@pytest.fixture
def bench(
    guest: Guest, templates: list[Templates], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    if not templates:
        templates.append(own_templates(guest, tmp_path_factory.mktemp("templates")))
    with bench_of(guest, templates[0], tmp_path / "logs") as found:
        yield found


def link(guest: Guest, up: bool) -> None:
    guest.machine.monitor.execute("set_link", {"name": "net0", "up": up})


def test_qemu_that_is_stopped(bench: Bench) -> None:
    one = bench.get()
    pid = one.machine.process.pid
    with pytest.raises(HangError, match=r"^the guest stands still; QEMU's process is stopped$") as caught:
        one.run(SAYS_ON, on_output=lambda _: stop(one))
    assert "'echo up; for i" in str(caught.value.__cause__), "the command is named, not what the rig puts before it"
    evidence = caught.value.evidence
    assert (evidence.screenshot, evidence.registers) == (None, "")
    assert evidence.command
    assert not one.alive
    one.close()
    assert ended(pid)


def test_a_machine_that_is_held(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "_LOOKS", 2)
    one = bench.get()
    with pytest.raises(HangError, match=r"^the guest stands still; QEMU's state: paused") as caught:
        one.run("echo up; sleep 600", on_output=lambda _: one.machine.pause())
    assert "RIP" in caught.value.evidence.registers
    assert not one.alive


def looked_into(_: float) -> Patience:
    """No question for long, unless the guest looks dead from outside."""
    return Patience(end=200, ask=100, answer=100)


def test_a_cpu_that_spins_without_interrupts(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vitals, "DEAF_LOOKS", 4)
    one = bench.get()
    with pytest.raises(HangError, match=r"nobody in the guest answered in the last 2 s\); the CPU is busy at 0x"):
        one.run("echo up; while :; do :; done", idle=looked_into, on_output=lambda _: wedge(one))


def test_a_kernel_that_does_nothing_any_more(bench: Bench) -> None:
    if bench.like.os is not GuestOS.LINUX:
        pytest.skip("/sys/power is Linux's")
    one = bench.get()
    with pytest.raises(HangError) as caught:
        one.run("echo up; echo freeze >/sys/power/state; echo back", idle=2)
    assert "said nothing for 2 s); the CPU idles" in caught.value.message
    assert "RIP" in caught.value.evidence.registers
    assert caught.value.evidence.screenshot is not None


def test_a_link_that_comes_back_loses_nothing(bench: Bench) -> None:
    one = bench.get()
    back = threading.Timer(3, link, (one, True))

    def cut(_: bytes) -> None:
        if not back.is_alive() and not back.finished.is_set():
            link(one, False)
            back.start()

    try:
        assert one.run(SAYS_ON, on_output=cut).text.split() == ["up", *"123456"]
    finally:
        back.join()
    assert back.finished.is_set()
    assert one.alive


def test_a_link_that_is_cut_for_good(bench: Bench) -> None:
    one = bench.get()
    with pytest.raises(HangError, match="its console still answers, so its network or its SSH server is at fault"):
        one.run(SAYS_ON, idle=2, on_output=lambda _: link(one, False))


def test_the_guests_disk_is_full(bench: Bench, tmp_path: Path) -> None:
    one = bench.get()
    (tmp_path / "big").write_bytes(b"x" * (1 << 20))
    assert one.run("mkdir /full && mount -t tmpfs -o size=512k none /full").ok
    with pytest.raises(TransportError, match="No space left on device") as caught:
        one.push(tmp_path / "big", "/full/big")
    assert not isinstance(caught.value, GuestError)
    assert one.alive
    assert one.run("ls -A /full").text == ""
    one.run("mount -o remount,size=4m /full")
    one.push(tmp_path / "big", "/full/big")
    assert one.run("wc -c </full/big").text.strip() == str(1 << 20)


def test_the_hosts_disk_is_full(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """QEMU's own fault injection below the overlay stands for a file system without room: the same errno."""
    build = machine_module.build_argv

    def without_room(*args: object, **keywords: object) -> list[str]:
        argv = build(*args, **keywords)  # type: ignore[arg-type]
        at = next(at for at, word in enumerate(argv) if '"node-name": "disk0"' in word)
        node = json.loads(argv[at])
        node["file"] = {
            "driver": "blkdebug",
            "image": node["file"],
            "inject-error": [{"event": "write_aio", "errno": 28}],
        }
        argv[at] = json.dumps(node)
        return argv

    monkeypatch.setattr(machine_module, "build_argv", without_room)
    one = bench.get()
    with pytest.raises(
        GuestError, match=r"QEMU holds the guest, its disk failed on this host \(write: No space"
    ) as caught:
        one.run("echo up; dd if=/dev/zero of=/root/x bs=65536 count=64; sync; sleep 600")
    assert not isinstance(caught.value, HangError)
    assert not one.alive
