"""Makes fixtures/runs/sample: a run with one of everything that a report must show.

Write it anew with `python -m rig.tests.report.sample`. The names, texts and numbers are made up in the likeness of a
run on a Darwin guest; the picture is SeaBIOS with nothing to boot.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rig.console.panics import parse_panics
from rig.result import (
    Attempt,
    CaseResult,
    FailedCheck,
    GuestFacts,
    GuestRecord,
    HostRecord,
    ImageRecord,
    KeptEvidence,
    LeakRecord,
    MetricSamples,
    Outcome,
    PanicRecord,
    RubbishRecord,
    RunRecord,
    StageTime,
)
from rig.result.files import write_atomic
from rig.result.rundir import to_json
from rig.spec import Accel, Clock

PLACE = Path(__file__).resolve().parents[3] / "fixtures" / "runs" / "sample"
P, U, F = Outcome.PASS, Outcome.UNSUPPORTED, Outcome.FAIL

PLAIN: dict[tuple[str, str], list[str]] = {
    ("pipe", "pipes"): [
        "eof_after_last_writer: read returns 0 once the last writer has closed and the data is drained",
        "sigpipe_without_reader: write with no reader raises SIGPIPE, and EPIPE where that is ignored",
        "wrong_end: read from the write end and write to the read end give EBADF",
        "nonblock_empty: a non-blocking read of an empty pipe gives EAGAIN",
        "atomic_writes: writes of up to PIPE_BUF bytes from two writers do not mix",
        "stat_size: st_size counts the bytes that wait",
    ],
    ("fdpass", "descriptor-passing"): [
        "pass_pipe_end: a pipe's write end passed over AF_LOCAL still writes after the sender closed it",
        "unrelated_process: a server passes a descriptor to a client it did not fork",
        "control_truncated: too short a control buffer sets MSG_CTRUNC and leaks no descriptor",
        "bad_descriptor: passing a closed descriptor gives EBADF",
        "close_on_exec_not_set: a received descriptor has FD_CLOEXEC clear",
        "in_flight_survives: a descriptor in flight lives on after its last other holder closed it",
    ],
    ("signals", "signals"): [
        "mask_inherited: the signal mask passes through fork and exec",
        "siginfo_sender: si_pid and si_uid name the sender",
        "sigchld_once: several children that end while SIGCHLD is blocked raise it once",
        "restart_read: SA_RESTART restarts an interrupted read",
        "fault_unmapped: a write to an unmapped address raises SIGSEGV with its address",
    ],
    ("sysv_msg", "sysv-messages"): [
        "type_order: msgrcv of a negative type takes the lowest type first",
        "too_big: a receive buffer that is too small gives E2BIG and keeps the message",
        "removed_queue: use after IPC_RMID gives EINVAL",
    ],
    ("sysv_sem", "sysv-semaphores"): [
        "undo_at_exit: SEM_UNDO gives back what a process took when it ends",
        "nowait_zero: IPC_NOWAIT on a zero semaphore gives EAGAIN",
        "setval_range: SETVAL above the limit gives ERANGE",
    ],
    ("sysv_shm", "sysv-shared-memory"): [
        "visible_across_fork: a child's write is seen by its parent",
        "removed_while_attached: an attached segment stays readable after IPC_RMID",
    ],
    ("posix_sem", "posix-semaphores"): [
        "exclusive_create: O_EXCL on an existing name gives EEXIST",
        "trywait_zero: sem_trywait on a zero semaphore gives EAGAIN",
        "unlink_keeps_open: an unlinked semaphore works for those who have it open",
    ],
    ("posix_shm", "posix-shared-memory"): [
        "shared_mapping: two mappings of one object see each other's writes",
        "unlink_keeps_map: a mapping outlives shm_unlink",
    ],
}
METRICS: list[tuple[str, str, str, str, float, float, tuple[int, ...]]] = [
    # probe, case, metric, unit, level, noise, sizes
    ("pipe", "round_trip_time", "round_trip", "ns", 18_400, 0.05, ()),
    ("pipe", "throughput", "one_way", "B/s", 2.1e5, 0.04, (1, 64, 512, 4096, 16_384, 65_536)),
    ("fdpass", "pass_time", "send_and_receive", "ns", 61_000, 0.09, ()),
    ("signals", "kill_self_time", "kill_self", "ns", 7_900, 0.02, ()),
    ("posix_sem", "post_wait_time", "uncontended", "ns", 610, 0.03, ()),
    ("sysv_sem", "handoff_time", "hand_off", "ns", 1_240_000, 0.12, ()),
]
PANIC = """\
signals: case fault_past_object_end
panic(cpu 0 caller 0xffffff8000a2b1c4): "vm_fault: object past its end" @vm_fault.c:3310
Backtrace (CPU 0), Frame : Return Address
0xffffff8012c3bc10 : 0xffffff8000a0c9ad mach_kernel : _handle_debugger_trap + 0x3fd
0xffffff8012c3bc60 : 0xffffff8000b41f35 mach_kernel : _panic + 0x54
0xffffff8012c3bca0 : 0xffffff8000b333be mach_kernel : _vm_fault_internal + 0x9be
0xffffff8012c3bd10 : 0xffffff80009c2a40 mach_kernel : _vm_fault + 0x80

BSD process name corresponding to current thread: signals
Boot args: -v serial=3 debug=0x14e

Kernel version:
Darwin Kernel Version 20.5.0: root:xnu-7195/RELEASE_X86_64

System uptime in nanoseconds: 141802993817"""
REGISTERS = """\
RAX=0000000000000000 RBX=ffffff8012c3bd80 RCX=0000000000000008 RDX=00000000000003f8
RSI=0000000000000001 RDI=ffffff8000e12a40 RBP=ffffff8012c3bc10 RSP=ffffff8012c3bbd0
RIP=ffffff8000a0c9ad RFL=00000046 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1
CR0=8001003b CR2=000000010a3f1000 CR3=0000000004a1d000 CR4=00000660
"""


def samples(rng: random.Random, level: float, noise: float, count: int = 30) -> tuple[float, ...]:
    """Timing-like samples: a floor, a tail to the right, now and then an outlier."""
    found = [
        level * (1 + abs(rng.gauss(0, noise)) + (0.8 * noise * 4 if rng.random() < 0.06 else 0)) for _ in range(count)
    ]
    return tuple(round(value, 1) for value in found)


def guest(name: str, stretch: float, ended: str) -> GuestRecord:
    """One guest; `stretch` makes its boot slower."""
    stages = {
        "firmware": 3.1,
        "loader": 6.4,
        "kernel": 21.7,
        "userland": 18.2,
        "login": 9.5,
        "network": 6.8,
        "ssh": 8.9,
    }
    return GuestRecord(
        id=name,
        accel=Accel.TCG,
        accel_reason="/dev/kvm is absent",
        qemu_version="7.2.22",
        qemu_argv=("qemu-system-x86_64", "-S", "-nodefaults", "-machine", "q35", "-accel", "tcg", "-cpu", "Penryn"),
        cpus=1,
        memory=1024,
        clock=Clock.WALL,
        stages=tuple(StageTime(name=stage, seconds=round(took * stretch, 2)) for stage, took in stages.items()),
        facts=GuestFacts(
            os="Darwin",
            release="20.5.0",
            machine="x86_64",
            kernel="Darwin Kernel Version 20.5.0: root:xnu-7195/RELEASE_X86_64",
            clock="mach_absolute_time",
            tick_ns=1.0,
            clock_cost_ns=212.0,
            page=4096,
            limits={"open_files": 256, "processes": 266, "pipe_buf": 512, "iov": 1024},
        ),
        console_log=f"{name}.console.log",
        qemu_log=f"{name}.qemu.log",
        ended=ended,
    )


def sample_record() -> RunRecord:
    """The run; the same at each call."""
    rng = random.Random(20)
    cases: list[CaseResult] = []

    def add(probe: str, mechanism: str, text: str, outcome: Outcome = P, **more: Any) -> None:
        name, _, what = text.partition(": ")
        defaults: dict[str, Any] = {
            "probe_version": "1",
            "what": what,
            "source": "POSIX.1-2017",
            "ms": round(rng.lognormvariate(1.6, 1.2), 2),
            "checks": rng.randint(2, 14),
            "guest": "main-1",
            "via": "libsystem",
        }
        cases.append(CaseResult(probe=probe, mechanism=mechanism, case=name, outcome=outcome, **{**defaults, **more}))

    for (probe, mechanism), texts in PLAIN.items():
        for text in texts:
            add(probe, mechanism, text)
    _measured(rng, add)
    _odd(add)
    start = datetime(2026, 11, 22, 4, 30, 12, tzinfo=UTC)
    return RunRecord(
        id="20261122-043012-puredarwin-xnu20",
        started=start,
        ended=start + timedelta(seconds=312.4),
        state="complete",
        rig_version="0.1.0",
        argv=("rig", "test", "puredarwin-xnu20", "-k", "not mach"),
        host=HostRecord(
            cpu="AMD EPYC 7763", cores=2, memory=24_105, os="Linux 6.1.0-18-amd64 x86_64", load=(1.75, 0.84, 0.51)
        ),
        image=ImageRecord(name="puredarwin-xnu20", digest="9f2c" * 16, os="darwin", release="20.5.0"),
        probes=dict.fromkeys(sorted({case.probe for case in cases}), "1"),
        bundle="51be" * 16,
        planned=tuple(case.id for case in cases),
        guests=(guest("main-1", 1.0, "kernel panic"), guest("main-2", 1.08, "stopped")),
        cases=tuple(cases),
        leaks=(LeakRecord(probe="sysv_msg", kind="sysv", what="message queue 65537, key 0x52494701", guest="main-2"),),
        rubbish=(
            RubbishRecord(
                probe="signals", lines=2, excerpt="malloc: *** error for object 0x7f8: double free", guest="main-1"
            ),
        ),
    )


def _measured(rng: random.Random, add: Any) -> None:
    mechanisms = dict(PLAIN.keys())
    for probe, case, metric, unit, level, noise, sizes in METRICS:
        found = [
            MetricSamples(
                name=metric,
                unit="ns" if unit == "ns" else "B/s",
                bytes=count,
                inner=200,
                samples=samples(rng, level if count is None else level * count / (1 + count / 900), noise),
            )
            for count in (sizes or (None,))
        ]
        add(
            probe,
            mechanisms[probe],
            f"{case}: time of {metric.replace('_', ' ')}",
            kind="timing",
            metrics=tuple(found),
            ms=412.5,
        )
    add(
        "pipe",
        "pipes",
        "capacity: bytes that an empty pipe takes in",
        kind="fact",
        facts={"pipe_capacity": 65_536, "pipe_buf": 512},
    )
    add(
        "sysv_msg",
        "sysv-messages",
        "limits: what the kernel allows",
        kind="fact",
        facts={"msgmax": 16_384, "msgmnb": 2048, "msgtql": 40},
    )


def _odd(add: Any) -> None:
    add(
        "pipe", "pipes", "flag_cloexec: O_CLOEXEC given at creation holds across exec", F,
        reason="2 of 6 checks did not hold", checks=6, source="POSIX pipe(); xnu-7195 bsd/kern/sys_pipe.c",
        failed=(
            FailedCheck(what="fcntl(F_GETFD) of the read end", got="0", want="FD_CLOEXEC", at="pipe.c:212"),
            FailedCheck(what="the child's read of the descriptor", got="0 bytes", want="EBADF", at="pipe.c:231"),
        ),
    )  # fmt: skip
    add(
        "signals", "signals", "fault_past_object_end: a write past a shared object's end raises SIGBUS", Outcome.PANIC,
        reason="the guest's kernel panicked while this case ran", checks=0, ms=None, via=None,
        evidence=KeptEvidence(
            reason=PANIC.partition("\n")[2],
            panic=PanicRecord.model_validate(parse_panics(PANIC.encode())[0].plain()),
            console=PANIC,
            screenshot="evidence/signals.fault_past_object_end.png",
            registers="evidence/signals.fault_past_object_end.registers.txt",
            command=("qemu-system-x86_64", "-S", "-nodefaults", "-machine", "q35"),
        ),
    )  # fmt: skip
    add(
        "signals", "signals", "wait_in_handler: waitpid in a SIGCHLD handler reaps the child", Outcome.TIMEOUT,
        reason="no end within 100 s (10 s times 10 for tcg)", ms=100_004.0, guest="main-2",
    )  # fmt: skip
    add(
        "sysv_msg", "sysv-messages", "wake_on_remove: IPC_RMID wakes a sleeping receiver with EIDRM", Outcome.CRASHED,
        reason="ended by SIGSEGV", checks=2, guest="main-2", source="POSIX msgrcv()",
    )  # fmt: skip
    for probe, mechanism, text, reason in (
        ("posix_mq", "posix-message-queues", "open_close: mq_open makes a queue", "Darwin has no POSIX message queues"),
        (
            "posix_mq",
            "posix-message-queues",
            "priority_order: the highest priority comes first",
            "Darwin has no POSIX message queues",
        ),
        (
            "posix_sem",
            "posix-semaphores",
            "unnamed: sem_init makes a semaphore in shared memory",
            "sem_init gives ENOSYS",
        ),
    ):
        add(probe, mechanism, text, U, expected=U, expected_reason=reason, reason=reason, guest="main-2", via=None)
    for text in (
        "open_blocks: open for reading waits for a writer",
        "nonblock_writer: O_NONBLOCK for writing without a reader gives ENXIO",
    ):
        add("fifo", "fifos", text, U, reason="mkfifo on the guest's file system gives ENOTSUP", guest="main-2")
    add(
        "fifo",
        "fifos",
        "pipe_through_dev_fd: a fifo opened through /dev/fd",
        Outcome.SKIP,
        reason="/dev/fd is not mounted",
        guest="main-2",
    )
    add(
        "posix_shm", "posix-shared-memory", "second_ftruncate: a second ftruncate gives EINVAL", F, expected=F,
        expected_reason="the kernel sizes an object once", reason="ftruncate again gives EINVAL", guest="main-2",
    )  # fmt: skip
    add(
        "posix_shm", "posix-shared-memory", "grow_mapping: a mapping grows with its object", P, expected=U,
        expected_reason="no kernel so far could", guest="main-2",
    )  # fmt: skip
    add(
        "sysv_shm", "sysv-shared-memory", "attach_after_remove: attaching a removed segment gives EINVAL",
        guest="main-2",
    )  # fmt: skip
    add(
        "signals", "signals", "queue_order: pending signals are taken lowest number first", guest="main-2",
        first_outcome=Outcome.HANG, attempts=2,
        earlier=(Attempt(outcome=Outcome.HANG, reason="the guest answered nothing for 30 s", guest="main-1"),),
    )  # fmt: skip


def write(place: Path = PLACE) -> None:
    """Write results.json and the registers of the failure; the picture lies there already."""
    (place / "evidence").mkdir(parents=True, exist_ok=True)
    write_atomic(place / "results.json", to_json(sample_record()))
    write_atomic(place / "evidence" / "signals.fault_past_object_end.registers.txt", REGISTERS)


if __name__ == "__main__":
    write()
