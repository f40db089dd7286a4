from __future__ import annotations

import pytest

from rig.report import print_summary
from rig.report.terminal import CONSOLE_LINES, FEW_GUESTS
from rig.result import FailedCheck, GuestRecord, KeptEvidence, Outcome, PanicRecord, RunRecord, StageTime
from rig.tests.report.sample import PLACE, sample_record
from rig.tests.report.screen import Screen
from rig.tests.result import make
from rig.tests.result.test_case import ENTRY
from rig.tests.result.test_model import START, record


def printed(run: RunRecord, width: int = 100, encoding: str = "utf-8", *, terminal: bool = True) -> Screen:
    screen = Screen(width, encoding, terminal=terminal)
    print_summary(run, screen.console, run_dir=PLACE, report=PLACE / "report.html")
    return screen


def test_everything_a_user_needs_is_there() -> None:
    text = printed(sample_record()).text
    for wanted in (
        "Image: puredarwin-xnu20",
        "Accelerator: tcg (/dev/kvm is absent)",
        "Guest main-1: booted in 1 min 15 s (firmware 3.1 s",
        "Unsupported here, expected to work (2)",
        "fifo.open_blocks: mkfifo on the guest's file system gives ENOTSUP",
        "Failures (4)",
        "pipe.c:212: fcntl(F_GETFD) of the read end: got 0, want FD_CLOEXEC",
        "reason: the guest's kernel panicked while this case ran",
        "    | System uptime in nanoseconds",
        "1 min 40 s  signals.wait_in_handler",
        "sysv_msg: sysv message queue 65537",
        "41 passed, 5 unsupported, 1 skipped, 2 failed, 1 timed out, 1 crashed, 1 panicked in 5 min 12 s",
        "4 cases not as expected",
        "report.html",
    ):
        assert wanted in text


def test_the_worst_failure_comes_first_and_the_conclusion_last() -> None:
    text = printed(sample_record()).text
    assert text.index("PANIC signals") < text.index("FAIL pipe.flag_cloexec") < text.index("4 cases not as expected")


def test_timings_are_scaled() -> None:
    lines = [" ".join(line.split()) for line in printed(sample_record()).text.splitlines()]
    assert any(line.startswith("posix_sem.post_wait_time uncontended 622 ± 7 ns") for line in lines)
    assert any(line.startswith("pipe.throughput one_way 64 KiB") and "MB/s" in line for line in lines)


@pytest.mark.parametrize("width", [20, 40, 72, 200])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "iso-8859-1", "cp437"])
def test_any_width_and_encoding(width: int, encoding: str) -> None:
    screen = printed(sample_record(), width, encoding)
    assert screen.widest <= width
    assert "FAIL" in screen.text


def test_lines_stay_whole_where_there_is_no_terminal() -> None:
    text = printed(sample_record(), 40, terminal=False).text
    assert "  fifo.nonblock_writer: mkfifo on the guest's file system gives ENOTSUP\n" in text
    assert "posix_sem.post_wait_time uncontended " in text


def test_the_console_shows_its_last_lines() -> None:
    evidence = KeptEvidence(console="\n".join(f"line {n}" for n in range(100)))
    text = printed(record(cases=(make.case(outcome=Outcome.HANG, evidence=evidence),))).text
    assert [line.strip() for line in text.splitlines() if "| line" in line] == [
        f"| line {n}" for n in range(100 - CONSOLE_LINES, 100)
    ]


def test_a_panic_is_told_in_its_main_points() -> None:
    panic = PanicRecord(
        system="darwin", kind="trap", message="Kernel trap at 0x1", process="mach_port", pid=3,
        signature="darwin trap: in f", signature_id="0123456789", calls=("f", "g"), uptime_ns=41_000_000_000,
        nested=(PanicRecord(system="darwin", message="lock", repeats=3),),
    )  # fmt: skip
    evidence = KeptEvidence(reason="the whole text", panic=panic)
    text = printed(record(cases=(make.case(outcome=Outcome.PANIC, evidence=evidence),))).text
    assert [line.strip() for line in text.splitlines() if line.startswith("  ") and ": " in line][-6:] == [
        "panic: Kernel trap at 0x1",
        "process: mach_port (pid 3)",
        "signature: 0123456789 darwin trap: in f",
        "calls: f < g",
        "uptime: 41.0 s",
        "nested: 3 panics while this was reported, first: lock",
    ]
    assert "the whole text" not in text


def test_the_guest_cannot_paint_on_the_terminal() -> None:
    case = make.case(
        outcome=Outcome.FAIL,
        reason="[bold red]markup[/] [link=x]\x1b[2Jgone",
        failed=(FailedCheck(what="[/nonsense]", got=":smile:"),),
        evidence=KeptEvidence(console="\x1b]0;title\x07[green]x"),
    )
    text = printed(record(cases=(case,))).text
    assert "reason: [bold red]markup[/] [link=x]gone" in text
    assert "[/nonsense]: got :smile:" in text
    assert "| [green]x" in text
    assert "\x1b]0;" not in text
    assert "\x1b[2J" not in text


def test_a_run_cut_short_names_what_is_missing() -> None:
    run = record(
        state="interrupted", ended=START, cases=(make.case(),), running=("pipe.slow",),
        planned=("pipe.eof", *(f"pipe.c{n}" for n in range(30))),
    )  # fmt: skip
    text = printed(run).text
    assert "Under way when the run ended" in text
    assert "pipe.slow" in text
    assert "Never ran (30)" in text
    assert "and 10 more" in text
    assert "Interrupted" in text


def test_a_quarantine_is_told_with_its_reason_link_and_day() -> None:
    cases = (
        make.case("a", Outcome.FAIL, reason="3 of 4", quarantine=ENTRY),
        make.case("b", quarantine=ENTRY),
        make.case("c", Outcome.PANIC, quarantine=ENTRY),
    )
    lines = printed(record(state="complete", ended=START, cases=cases), terminal=False).text.splitlines()
    known, unneeded, failures = (
        lines.index(heading)
        for heading in ("Quarantined failures (1)", "Quarantined without need: an error (1)", "Failures (1)")
    )
    assert [line.strip() for line in lines[known + 1 : known + 4]] == [
        "pipe.a: 3 of 4",
        "quarantined until 2026-12-01: races",
        "https://example.org/1",
    ]
    assert "as expected, but quarantined until 2026-12-01: races; take its entry out" in lines[unneeded + 2]
    assert any("its quarantine covers only fail, timeout; quar" in line for line in lines[failures:])


def test_a_run_of_nothing() -> None:
    assert "no results" in printed(record(state="complete", ended=START)).text


def test_many_guests_are_told_together() -> None:
    def started(number: int, way: str) -> GuestRecord:
        return make.guest(f"{way}-{number}", start=way, stages=(StageTime(name="ssh", seconds=number),))

    few = [started(number, "warm") for number in range(1, FEW_GUESTS)]
    assert "Guest warm-3: restored in 3.0 s (ssh 3.0 s)" in printed(record(guests=tuple(few))).text
    many = (*few, started(12, "cold"), started(14, "cold"), make.guest("never"))
    text = printed(record(guests=many)).text
    assert "Guest warm-3" not in text
    assert "Guests: 7 restored, median 4.0 s, slowest 7.0 s" in text
    assert "Guests: 2 booted, median 13.0 s, slowest 14.0 s" in text
