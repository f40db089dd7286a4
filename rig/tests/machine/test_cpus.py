"""What registers tell of the CPUs, and how a guest's end is named."""

from __future__ import annotations

import pytest

from rig.machine import Machine
from rig.machine.cpus import CpuState, describe, read_states

SHORT = """
CPU#0
EAX=00000000 EBX=00000000 ECX=00000000 EDX=00000663
EIP={ip:08x} EFL={flags:08x} [-------] CPL=0 II=0 A20=1 SMM=0 HLT={halted}
ES =0000 00000000 0000ffff 00009300
CS ={base:04x} {base:04x}0 0000ffff 00009b00
"""
LONG = """
CPU#{number}
RAX=0000000000000000 RBX=0000000000000000 RCX=0000000000000000 RDX=0000000000000000
RIP={ip:016x} RFL={flags:08x} [---Z-P-] CPL={ring} II=0 A20=1 SMM=0 HLT={halted}
ES =0010 0000000000000000 ffffffff 00cf9300 DPL=0 DS   [-WA]
CS =0008 0000000000000000 00000000 00af9b00 DPL=0 CS64 [-RA]
"""
ON, OFF = 0x246, 0x46


def long(ip: int, flags: int = ON, halted: int = 0, number: int = 0, ring: int = 0) -> list[CpuState]:
    return read_states(LONG.format(number=number, ip=ip, flags=flags, halted=halted, ring=ring))


def test_registers_of_each_mode_are_read() -> None:
    assert read_states(SHORT.format(ip=0xFFF0, flags=2, halted=0, base=0xF000)) == [
        CpuState(0, 0xFFFF0, halted=False, interrupts=False, ring=0)
    ]
    two = LONG.format(number=0, ip=0xFFFFFF8000212A10, flags=ON, halted=1, ring=0) + LONG.format(
        number=1, ip=0x7FFF20000000, flags=ON, halted=0, ring=3
    )
    assert read_states(two) == [
        CpuState(0, 0xFFFFFF8000212A10, halted=True, interrupts=True, ring=0, long=True),
        CpuState(1, 0x7FFF20000000, halted=False, interrupts=True, ring=3, long=True),
    ]


def test_registers_of_another_form_tell_nothing() -> None:
    assert read_states("") == read_states("CPU#0\nR00=00000000 R01=00000000") == []
    assert describe([[], []]) == ""


@pytest.mark.parametrize(
    ("address", "ring", "place"),
    [
        (0xFFFFFF8000212A10, 0, " (in the kernel)"),
        (0xFFFFFFFF81000000, 0, " (in the kernel)"),
        (0xFFFFFF7F80A00000, 0, " (in a kernel extension)"),
        (0x7FFF20000000, 3, " (in a process)"),
        (0x7E274000, 0, " (in firmware or loader)"),
        (0xFFFF888000000000, 0, ""),
    ],
)
def test_an_address_tells_whose_it_is(address: int, ring: int, place: str) -> None:
    assert describe([long(address, ring=ring)] * 2) == f"the CPU is busy at {address:#x}{place}"


def test_the_bios_is_the_firmware() -> None:
    looks = [read_states(SHORT.format(ip=ip, flags=2, halted=0, base=0xF000)) for ip in (0x1000, 0x1010)]
    assert describe(looks) == "the CPU is busy at 0xf1000 to 0xf1010 (in the firmware)"


def test_a_cpu_that_halts() -> None:
    kernel = 0xFFFFFF8000212A10
    idle, dead, busy = long(kernel, halted=1), long(kernel, OFF, halted=1), long(kernel + 16)
    at = "at 0xffffff8000212a10 (in the kernel)"
    assert describe([idle] * 3) == f"the CPU idles, woken by interrupts alone, {at}"
    assert describe([dead] * 3) == f"the CPU is halted for good, its interrupts off, {at}"
    assert describe([idle, busy, idle]) == (
        "the CPU mostly idles, but was busy in 1 of 3 looks, at 0xffffff8000212a20 (in the kernel)"
    )
    assert describe([dead]) == f"the CPU stood {at}"
    assert describe([dead + long(kernel, number=1)] * 2) == (
        f"CPU 0 is halted for good, its interrupts off, {at}; CPU 1 is busy {at}"
    )


@pytest.mark.parametrize(
    ("event", "reason", "log", "words"),
    [
        ("SHUTDOWN", "guest-reset", "CPU Reset (CPU 0)\n", "reset itself"),
        ("SHUTDOWN", "guest-reset", "CPU Reset (CPU 0)\nTriple fault\n", "was reset by a triple fault"),
        ("SHUTDOWN", "guest-shutdown", "Triple fault\n", "powered itself off"),
        ("GUEST_PANICKED", "", "", "reset or powered itself off"),
        ("SHUTDOWN", "host-signal", "", "was ended from outside (host-signal)"),
        ("STOP", "", "", ""),
    ],
)
def test_an_end_is_named_by_qemus_reason(launch, event: str, reason: str, log: str, words: str) -> None:
    machine = Machine(launch())
    machine.launch.logs.mkdir()
    assert machine.ending == ""
    machine._note(event, {"guest": True} | ({"reason": reason} if reason else {}))
    machine.launch.cpu_log.write_text(log)
    assert machine.ending == words


@pytest.mark.qemu
def test_the_cpus_of_a_machine(launch, disk) -> None:
    with Machine(launch(spec={"cpus": 2})) as machine:
        stood = "stood at 0xfffffff0 (in the firmware)"
        assert machine.cpu_states() == f"CPU 0 {stood}; CPU 1 {stood}"
        machine.resume()
        assert machine.cpu_states().startswith("CPU 0 ")
        assert machine.status() == "running"
        machine.pause()
        machine.cpu_states()
        assert machine.status() == "paused"
