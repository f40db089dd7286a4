"""What becomes of a guest that a test kills: the test is told how, the next test has a new one."""

from __future__ import annotations

import os
import signal

import pytest

from rig.errors import GuestDied, PanicError
from rig.guest import Guest
from rig.spec import GuestOS


def test_a_kernel_panic_is_told_with_its_text(guest: Guest) -> None:
    if guest.os is not GuestOS.LINUX:
        pytest.skip("sysrq is Linux's")
    with pytest.raises(PanicError, match="sysrq triggered crash") as caught:
        guest.run("echo c >/proc/sysrq-trigger")
    evidence = caught.value.evidence
    assert "Kernel panic - not syncing" in evidence.reason
    assert "Kernel panic" in evidence.console
    assert evidence.screenshot is not None
    assert "RIP" in evidence.registers
    assert not guest.alive


def test_behind_a_panic_there_is_a_new_guest(guest: Guest) -> None:
    assert guest.alive
    assert guest.run("echo anew").text == "anew"


def test_qemu_that_is_killed_is_told_as_such(guest: Guest) -> None:
    def kill(_: bytes) -> None:
        os.kill(guest.machine.process.pid, signal.SIGKILL)

    with pytest.raises(GuestDied, match="killed by SIGKILL"):
        guest.run("echo up; sleep 600", on_output=kill)
    assert not guest.alive


def test_behind_a_kill_there_is_a_new_guest(guest: Guest) -> None:
    assert guest.run("echo again").text == "again"
