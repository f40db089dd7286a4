"""What the watch finds in recorded consoles and made-up ones, however the bytes are cut."""

import threading
from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rig.console import PanicReport, Watch
from rig.console import watch as module
from rig.console.watch import STORM_LINES
from rig.spec import Dialect
from rig.tests.console.conftest import FIXTURES, PATIENCE, recorded

PANICS = {
    "darwin17-panic.log": PanicReport(
        title="panic(cpu 0 caller 0xffffff8000393e6d): "
        "Kernel trap at 0xffffff8000291b1c, type 14=page fault, registers:",
        process="mach_ports",
        text="BSD process name corresponding to current thread: mach_ports",
        before="bash-3.2# ./mach_ports",
        complete=True,
    ),
    "darwin20-panic.log": PanicReport(
        title='panic(cpu 0 caller 0xffffff8000490c2b): "zone_init: zone_map is too small"@osfmk/kern/zalloc.c:3121',
        process="",
        text="Process name corresponding to current thread: Unknown",
        before="Debugger called: <panic>",
        complete=True,
    ),
    "darwin20-nested-panic.log": PanicReport(
        title='panic(cpu 0 caller 0xffffff8000466f2d): "tsc_init: no bus frequency in leaf 0x15"@osfmk/i386/tsc.c:211',
        process="",
        text="x86_topo_lock: simple lock is not initialised",
        before="Darwin Kernel Version 20.5.0",
        complete=False,
    ),
    "darwin20-torn-panic.log": PanicReport(
        title='panic(cpu 0 caller 0xffffff80003a1c55): "ipc_kmsg_free: kmsg is still queued"@osfmk/ipc/ipc_kmsg.c:1204',
        process="",
        text="0xffffff80a1d2b960 : 0xffffff80004561d5 mach_ker",
        before="RCBOOT end",
        complete=False,
    ),
    "reference-panic.log": PanicReport(
        title="Kernel panic - not syncing: sysrq triggered crash",
        process="dash",
        text="---[ end Kernel panic - not syncing: sysrq triggered crash ]---",
        before="sysrq: Trigger a crash",
        complete=True,
    ),
    "linux-init-panic.log": PanicReport(
        title="Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009",
        process="init shell",
        text="Kernel Offset: disabled",
        before="Reference guest",
        complete=True,
    ),
}


def dialect_of(name: str) -> Dialect:
    return Dialect.DARWIN if name.startswith("darwin") else Dialect.LINUX


def watch(dialect: Dialect, *chunks: bytes) -> tuple[Watch, list[str]]:
    alarms: list[str] = []
    made = Watch(dialect, alarms.append)
    for chunk in chunks:
        made.feed(chunk)
    return made, alarms


@pytest.mark.parametrize("name", PANICS)
def test_recorded_panics(name):
    seen, alarms = watch(dialect_of(name), recorded(name))
    wanted = PANICS[name]
    report = seen.panic()
    assert report is not None and seen.panicked
    assert (report.title, report.process, report.complete) == (wanted.title, wanted.process, wanted.complete)
    assert report.text.startswith(wanted.title) and wanted.text in report.text
    assert wanted.before in report.before and wanted.title not in report.before
    assert len(alarms) == 1 and alarms[0].startswith("kernel panic: ")


@pytest.mark.parametrize("name", ["darwin20-boot.log", "reference-good-boot.log"])
@pytest.mark.parametrize("dialect", Dialect)
def test_a_good_boot_is_no_panic(name, dialect):
    seen, alarms = watch(dialect, recorded(name))
    assert alarms == [] and seen.panic() is None and not seen.panicked and seen.storm == ""


def verdict(seen: Watch, alarms: list[str]) -> tuple[object, ...]:
    return seen.panic(), seen.storm, [alarm.split(":")[0] for alarm in alarms], seen.bytes_seen


LOGS = st.sampled_from([*PANICS, "darwin20-boot.log"])


@given(LOGS, st.data())
@settings(max_examples=60, deadline=None)
def test_how_the_bytes_are_cut_makes_no_difference(name, data):
    log = recorded(name)[-3000:]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(log)), max_size=30)))
    chunks = [log[start:end] for start, end in zip([0, *cuts], [*cuts, len(log)], strict=True)]
    assert verdict(*watch(dialect_of(name), *chunks)) == verdict(*watch(dialect_of(name), log))


@pytest.mark.parametrize("name", PANICS)
def test_byte_by_byte(name):
    log = recorded(name)
    single = [bytes([byte]) for byte in log]
    assert verdict(*watch(dialect_of(name), *single)) == verdict(*watch(dialect_of(name), log))


PARTS = st.sampled_from(
    [
        b"panic(cpu 0 caller 0x1): why",
        b"45%",
        b"panic(cpu 0 caller 0xffffff8000393e6d): ",
        b"Debugger called: <panic>",
        b"System uptime in nanoseconds: 1",
        b"[    1.000000] Kernel panic - not syncing: why",
        b"# ",
        b"login: ",
        b"\r",
        b"\n",
        b"\r\n",
        b"\x1b[1m",
        b"\x1b",
        b"text",
        b" ",
        5000 * b"x",
    ]
)


@given(st.lists(PARTS, max_size=12), st.sampled_from(Dialect))
@example([b"\x1b]", b"panic(cpu 0 caller 0x1): why", b"\x07"], Dialect.DARWIN)
@example([5000 * b"x", b"\n", b"Debugger called: <panic>", b"\n", b"panic(cpu 0 caller 0x1): why"], Dialect.DARWIN)
@settings(max_examples=300, deadline=None)
def test_how_any_bytes_are_cut_makes_no_difference(parts, dialect):
    assert verdict(*watch(dialect, *parts)) == verdict(*watch(dialect, b"".join(parts)))


@pytest.mark.parametrize(
    ("dialect", "line"),
    [
        (Dialect.DARWIN, b"panic(cpu 0 caller 0xffffff80): why"),
        (Dialect.DARWIN, b"# panic(cpu 3 caller 0xffffff80): why"),
        (Dialect.DARWIN, b"bash-3.2# panic(cpu 0 caller 0xffffff80): why"),
        (Dialect.DARWIN, b"\x1b[2J\x1b[01;01HDebugger: Unexpected kernel trap number: 0x3"),
        (Dialect.DARWIN, b"progress 10%\rDebugger called: <panic>"),
        (Dialect.DARWIN, b"45%panic(cpu 0 caller 0xffffff8000393e6d): why"),
        (Dialect.DARWIN, b"Starting the daemons... panic(cpu 0 caller 0xffffff8000393e6d): why"),
        (Dialect.DARWIN, b"panic(cpu 0): 0x300 - Data access"),
        (Dialect.DARWIN, b"Unresolved kernel trap(cpu 0): 0x300 - Data access"),
        (Dialect.LINUX, b"Kernel panic - not syncing: why"),
        (Dialect.LINUX, b"[    1.234567] Kernel panic - not syncing: why"),
        (Dialect.LINUX, b"[    1.234567][  T123] Kernel panic - not syncing: why"),
        (Dialect.LINUX, b"Mounting root...[    1.234567] Kernel panic - not syncing: why"),
        (Dialect.LINUX, b"reference# [    1.234567] Kernel panic - not syncing: why"),
        (Dialect.LINUX, b"reference login: Kernel panic - not syncing: why"),
    ],
)
@pytest.mark.parametrize("end", [b"", b"\r\n"], ids=["line unfinished", "line finished"])
def test_a_panic_begins_where_the_cursor_stood(dialect, line, end):
    seen, alarms = watch(dialect, b"good line\r\n", line + end)
    assert seen.panicked and len(alarms) == 1


@pytest.mark.parametrize(
    ("dialect", "line"),
    [
        (Dialect.DARWIN, b"# echo 'panic(cpu 0 caller 0xffffff80): why'"),
        (Dialect.DARWIN, b"crash.log: panic(cpu 0 caller 0xffffff80): why"),
        (Dialect.DARWIN, b"PD-DIAG: FATAL user #PF rip=0x1 panic(cpu 0 caller"),
        (Dialect.DARWIN, b"panic: a word of its own"),
        (Dialect.DARWIN, b"panic(): a program's own"),
        (Dialect.DARWIN, b"old.log: panic(cpu 0 caller 0xffffff8000393e6d): why"),
        (Dialect.DARWIN, b"bash-3.2# grep panic(cpu 0 caller 0xffffff8000393e6d): why"),
        (Dialect.DARWIN, b"it said 'panic(cpu 0 caller 0xffffff8000393e6d): why'"),
        (Dialect.DARWIN, b"Failed to send exception EXC_CORPSE_NOTIFY. error code: 268435459"),
        (Dialect.DARWIN, b"Kernel panic - not syncing: why"),
        (Dialect.LINUX, b"panic(cpu 0 caller 0xffffff80): why"),
        (Dialect.LINUX, b"# echo 'Kernel panic - not syncing: why'"),
        (Dialect.LINUX, b'# echo "[    1.234567] Kernel panic - not syncing: why"'),
        (Dialect.LINUX, b"old.log:[    1.234567] Kernel panic - not syncing: why"),
        (Dialect.LINUX, b"[    1.234567] systemd: watching for Kernel panic - not syncing"),
    ],
)
def test_a_quoted_panic_is_none(dialect, line):
    seen, alarms = watch(dialect, b"good line\r\n", line, b"\r\n")
    assert not seen.panicked and alarms == []


def test_lines_that_never_end_are_bounded_and_known_by_their_beginning():
    seen, alarms = watch(Dialect.DARWIN, *(100 * [100_000 * b"x"]))
    assert len(seen._partial) <= 4096 and alarms == []
    seen.feed(b"\npanic(cpu 0 caller 0x1): " + 100_000 * b"y" + b"\n")
    report = seen.panic()
    assert report is not None and report.title.startswith("panic(cpu 0 caller 0x1): yyy") and len(report.title) <= 4096


def test_a_nested_storm_is_one_panic_and_costs_no_more():
    log = recorded("darwin20-nested-panic.log")
    cycle = b"".join(log.splitlines(keepends=True)[-2:])
    seen, alarms = watch(Dialect.DARWIN, log, *(2000 * [cycle]))
    report = seen.panic()
    assert report is not None and report.title == PANICS["darwin20-nested-panic.log"].title
    assert [alarm.split(":")[0] for alarm in alarms] == [
        "kernel panic",
        f"nothing new for {STORM_LINES} lines on end, the last",
    ]
    assert len(seen._panic_lines) <= 400 and len(report.before.splitlines()) <= 41


def test_a_storm_of_the_words_that_give_no_reason_costs_no_more():
    seen, _ = watch(Dialect.DARWIN, *(3000 * [b"Debugger called: <panic>\n"]))
    assert len(seen._panic_before) <= 41 and len(seen._panic_lines) <= 400
    report = seen.panic()
    assert report is not None and report.title == "Debugger called: <panic>"


@pytest.mark.parametrize(
    "lines",
    [
        [b"ata1: lost interrupt"],
        [b"[%5d.000000] ata1: lost interrupt"],
        [b"[%5d.000000] ata1: lost interrupt", b"[%5d.000001] ata1: reset", b"", b"[%5d.000002] ata1: EH complete"],
    ],
    ids=["one line", "with time stamps", "a few in turn"],
)
def test_a_storm(lines):
    def some(count: int) -> bytes:
        shown = [lines[number % len(lines)] for number in range(count)]
        return b"".join((line % number if b"%" in line else line) + b"\r\n" for number, line in enumerate(shown))

    _, quiet = watch(Dialect.LINUX, some(STORM_LINES - 5))
    assert quiet == []
    seen, alarms = watch(Dialect.LINUX, some(STORM_LINES * 2))
    assert len(alarms) == 1 and "ata1" in alarms[0] and "ata1" in seen.storm


def test_what_repeats_between_new_lines_is_no_storm():
    lines = b"".join(b"same\r\nsame\r\nnumber %d\r\n" % number for number in range(1000))
    assert watch(Dialect.LINUX, lines)[1] == []
    assert watch(Dialect.LINUX, 2000 * b"\r\n")[1] == []


def test_a_panic_in_the_chunk_in_which_a_storm_begins_is_not_lost():
    _, alarms = watch(Dialect.LINUX, STORM_LINES * b"same\n" + b"Kernel panic - not syncing: why\n")
    assert [alarm.split(" ")[0] for alarm in alarms] == ["nothing", "kernel"]


def test_the_report_waits_for_the_panics_last_line():
    head, tail = recorded("darwin17-panic.log").split(b"BSD process name", 1)
    seen, _ = watch(Dialect.DARWIN, head)
    assert seen.panic(0) == seen.panic(0.01)
    assert not seen.panic(0).complete  # type: ignore[union-attr]
    later = threading.Timer(0.05, seen.feed, [b"BSD process name" + tail])
    later.start()
    report = seen.panic(PATIENCE)
    later.join()
    assert report is not None and report.complete and report.process == "mach_ports"


def test_silence_is_counted_from_the_last_byte(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    seen = Watch(Dialect.LINUX)
    now[0] += 7
    assert seen.silence == 7
    seen.feed(b"x")
    assert seen.silence == 0
    now[0] += 3
    assert seen.silence == 3


def test_a_report_tells_what_its_text_says():
    report = watch(Dialect.DARWIN, recorded("darwin17-panic.log"))[0].panic()
    assert report is not None and report.facts is not None
    assert (report.facts["process"], report.facts["kind"], report.facts["cpu"]) == ("mach_ports", "trap", 0)
    assert report.facts["signature"].endswith("in mach_msg_overwrite_trap")


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted((FIXTURES.parent / "panics").glob("*.log"))), st.data())
def test_a_panic_that_is_seen_can_be_told(log, data):
    text = log.read_bytes()
    text = text[: data.draw(st.integers(0, len(text)))]
    dialect = dialect_of(log.name)
    report = watch(dialect, text)[0].panic()
    if report is not None:
        assert report.facts is not None
        assert report.facts["system"] == dialect.value
        assert report.facts["line"] == report.facts["last_line"] == 0


@pytest.mark.parametrize(
    "line", [b"Unresolved kernel trap(cpu 0): ", b"Unresolved kernel trap(cpu 0): 0x3", b"panic(cpu 0): "]
)
def test_an_old_panic_that_is_cut_in_its_first_line_can_be_told(line):
    report = watch(Dialect.DARWIN, line)[0].panic()
    assert report is not None and report.facts is not None


def test_a_long_list_of_tasks_before_the_panic_is_part_of_it():
    hung = b"[    9.0][   T31] INFO: task pipe:41 blocked for more than 120 seconds.\n"
    held = b"".join(b"[    9.1][   T31] %d locks held by b/%d:\n" % (at % 3, at) for at in range(190)) * 2
    trace = b"[    9.2][   T31] Call Trace:\n[    9.2][   T31]  pipe_read+0x1/0x2\n"
    text = (
        hung
        + trace
        + held[: len(held) // 2]
        + b"[    9.3][   T31] Kernel panic - not syncing: hung_task: blocked tasks\n"
    )
    report = watch(Dialect.LINUX, text)[0].panic()
    assert report is not None and report.facts is not None
    assert (report.facts["process"], report.facts["consequence"]) == ("pipe", "hung_task: blocked tasks")


def test_what_another_processor_printed_meanwhile_is_not_the_panic():
    text = b"""[    1.0][   T41] BUG: unable to handle page fault for address: 0000000000000008
[    1.1][   T42] BUG: kernel NULL pointer dereference, address: 0000000000000009
[    1.2][   T42] Kernel panic - not syncing: Fatal exception
[    1.3][   T41] CPU: 1 PID: 41 Comm: pipe Not tainted 6.1.0 #1
"""
    report = watch(Dialect.LINUX, text)[0].panic()
    assert report is not None and report.facts is not None
    assert report.facts["fault_address"] == "0000000000000009"


def test_an_oops_before_the_panic_is_part_of_it():
    text = (FIXTURES.parent / "panics" / "linux61-oops.log").read_bytes()
    older = b"[    9.000000] Oops: 0000 [#7] SMP\n[    9.100000] ---[ end trace 0 ]---\nLinux version 6\n"
    report = watch(Dialect.LINUX, older + text)[0].panic()
    assert report is not None and report.facts is not None
    assert report.title == "Kernel panic - not syncing: Fatal exception"
    assert report.facts["message"] == "BUG: kernel NULL pointer dereference, address: 0000000000000008"
    assert report.facts["process"] == report.process == "posix_mq"
