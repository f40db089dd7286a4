"""Signatures: equal for one panic on two boots, other for another one; warnings that a kernel outlives."""

from __future__ import annotations

import pytest

from rig.console.panics import Panic, parse_panics
from rig.console.panics.noise import is_noise
from rig.tests.console.test_panics import one


def signed(text: str) -> str:
    (panic,) = parse_panics(text.encode())
    return panic.signature.text


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("BUG: soft lockup - CPU#1 stuck for 134s! [a:7]", "BUG: soft lockup - CPU#0 stuck for 23s! [b:9]", True),
        ("INFO: task a:7 blocked for more than 99 seconds.", "INFO: task b c:9 blocked for more than 9 seconds.", True),
        ("INFO: task a:7 blocked for more than 9 seconds.", "INFO: task a:7 can't die for more than 9 seconds.", False),
        ("BUG: scheduling while atomic: a/7/0x1", "BUG: scheduling while atomic: kworker/u8:1/9/0x2", True),
        ("BUG: spinlock bad magic on CPU#0, a/7", "BUG: spinlock bad magic on CPU#1, b/9", True),
        ("BUG: spinlock bad magic on CPU#0, a/7", "BUG: spinlock lockup suspected on CPU#0, a/7", False),
        ("general protection fault: 0000 [#1] SMP", "general protection fault: 0000 [#2] PREEMPT SMP KASAN", True),
        ("Oops: 0002 [#1] SMP", "invalid opcode: 0000 [#1] SMP", False),
        ("WARNING: kernel stack regs at 0f in a:7 has bad 'bp' value 0f",
         "WARNING: kernel stack regs at 0f in b-c:9 has bad 'bp' value 0f", True),
        ("BUG x (Not tainted): Poison overwritten", "BUG x (Tainted: G    B ): Poison overwritten", True),
        ("INFO: rcu_sched detected stalls on CPUs: { 0 1} (t=7)", "INFO: rcu_sched detected stalls on CPUs:", True),
        ("BUG: using f() in preemptible [0] code: a/7", "BUG: using f() in preemptible code: b/9", True),
        ("panic(cpu 0 caller 0x1): kernel abort type 4: a=0x1", "panic(cpu 0): kernel abort type 4: a=0xf", True),
        ("panic(cpu 0 caller 0x1): Kernel data abort. at pc 0x1, lr 0x2",
         "panic(cpu 1 caller 0x2): Kernel data abort. at pc 0x3, lr 0x4", True),
        ("panic(cpu 0 caller 0x1): none from logd in 120 s", "panic(cpu 0 caller 0x1): none from a in 120 s", False),
        ("panic(cpu 0 caller 0x1): kernel abort type 4: a=0x1", "panic(cpu 0): kernel abort type 8: a=0x1", False),
        ("panic(cpu 0 caller 0x1): exit reason namespace 6 subcode 0x1",
         "panic(cpu 0 caller 0x1): exit reason namespace 2 subcode 0x4", False),
        ("Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b",
         "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100", False),
        ("panic(cpu 0 caller 0x1): busy (60s)", "panic(cpu 0 caller 0x1): busy (120s)", True),
        ("panic(cpu 0 caller 0xFFFF0003): 0x300 - Data access",
         "Unresolved kernel trap(cpu 1): 0x300 - Data access DAR=0x1 PC=0x2", True),
        ("panic(cpu 0 caller 0xFFFF0003): 0x300 - Data access", "panic(cpu 0): 0x400 - Inst access", False),
    ],
)  # fmt: skip
def test_whether_two_boots_had_the_same_one(a: str, b: str, same: bool) -> None:
    first, second = (
        signed(f"[    {at}.000001] {text}" if "cpu" not in text else text) for at, text in enumerate((a, b), 1)
    )
    assert (first == second) is same


def oops(*calls: str, message: str = "BUG: KASAN: use-after-free in f+0x1/0x2") -> Panic:
    lines = [message, "Call Trace:", *(f" {call}+0x10/0x20" for call in calls)]
    return one("".join(f"[    1.000001] {line}\n" for line in lines).encode())


def test_what_checks_and_locks_is_no_call_of_its_own() -> None:
    calls = ("dump_stack_lvl", "print_report", "kasan_report", "__lock_acquire", "_raw_spin_lock", "f", "g", "h")
    assert oops(*calls).signature == oops("f", "g", "h").signature
    assert oops("g", "f", "h").signature != oops("f", "g", "h").signature
    assert not is_noise("example_put")


def test_a_stall_is_where_the_timer_struck() -> None:
    stall = "rcu: INFO: rcu_sched self-detected stall on CPU"
    timer = ("rcu_dump", "hrtimer_interrupt", "asm_sysvec_apic_timer_interrupt")
    assert oops(*timer, "f", "g", message=stall).signature == oops("f", "g", message=stall).signature
    assert "f < g" in oops(*timer, "f", "g", message=stall).signature.text
    assert "f < g" not in oops(*timer, "f", "g").signature.text


WARNED = b"""[    1.000001] WARNING: CPU: 0 PID: 41 at a/b.c:7 f+0x1/0x2
[    1.000101] ---[ end trace 0 ]---
"""


def test_a_line_that_came_between_a_warning_and_its_words_makes_no_difference() -> None:
    cut = b"[    1.0] ------------[ cut here ]------------\n"
    told, torn = (
        one(cut + line + WARNED) for line in (b"[    1.0] f: underflow\n", b"[    1.0] br0: up\n[    1.0] f: u\n")
    )
    assert told.message == "WARNING: f: underflow"
    assert told.signature == torn.signature == one(WARNED).signature


def test_a_warning_is_told_apart_from_what_kills() -> None:
    assert [panic.is_outlived for panic in parse_panics(WARNED)] == [True]
    for died in (b"panic_on_warn set ...", b"hung_task: blocked tasks"):
        (panic,) = parse_panics(WARNED + b"[    1.0002] Kernel panic - not syncing: " + died + b"\n")
        assert (panic.is_outlived, panic.consequence) == (False, died.decode())
    first, second = parse_panics(WARNED + b"[    9.0] Kernel panic - not syncing: VFS: no root\n")
    assert (first.is_outlived, second.message, second.nested) == (True, "VFS: no root", [])


def test_an_oops_after_a_warning_is_not_nested_in_it() -> None:
    lockdep = b"[    1.0] WARNING: suspicious RCU usage\n"
    found = parse_panics(
        lockdep + b"[    2.0] BUG: unable to handle page fault for address: 0000000000000008\n" + WARNED
    )
    assert [(panic.kind, len(panic.nested)) for panic in found] == [("warning", 0), ("oops", 0)]


def test_a_panic_on_purpose_is_no_consequence_of_an_oops_before() -> None:
    text = b"[    1.0] BUG: soft lockup - CPU#0 stuck for 23s! [a:7]\n"
    text += b"[    2.0] Kernel panic - not syncing: sysrq triggered crash\n"
    assert [panic.consequence for panic in parse_panics(text)] == [""]
    assert parse_panics(text)[0].nested[0].message == "sysrq triggered crash"
