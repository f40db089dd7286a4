from __future__ import annotations

import threading

import pytest

from rig.report import LiveTable
from rig.result import Outcome
from rig.tests.report.screen import Screen
from rig.tests.result import make

PLANNED = {"pipes": 3, "signals": 2}


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def shown(table: LiveTable, screen: Screen) -> str:
    other = Screen(screen.console.width, screen.encoding)
    other.console.print(table.render())
    assert other.widest <= other.console.width
    return other.text


@pytest.mark.parametrize("width", [40, 60, 72, 120])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp437"])
def test_the_table_counts_by_mechanism(width: int, encoding: str) -> None:
    screen = Screen(width, encoding)
    clock = Clock()
    table = LiveTable(screen.console, PLANNED, clock=clock)
    assert not table.plain
    table.guest("gw0-1", "booting", "kernel")
    clock.now += 12.3
    table.start_case("signals.wait", "signals")
    table.end_case(make.case("a"))
    table.end_case(make.case("b", Outcome.CRASHED))
    clock.now += 2
    text = shown(table, screen)
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.split()}
    assert rows["pipes"][1:7] == ["1", "0", "0", "0", "1", "3"]
    assert rows["signals"][1:7] == ["0", "0", "0", "0", "0", "2"]
    assert rows["total"][1:7] == ["1", "0", "0", "0", "1", "5"]
    assert "guest gw0-1: booting, kernel 14.3 s" in text
    assert "wait 2.0 s" in text
    assert "2 of 5 cases, 14.3 s" in text
    table.end_case(make.case("wait", probe="signals", mechanism="signals"))
    assert "wait" not in shown(table, screen)


def test_a_table_on_a_terminal_appears_and_ends() -> None:
    screen = Screen(100)
    with LiveTable(screen.console, PLANNED) as table:
        table.end_case(make.case("good"))
        table.end_case(make.case("bad", Outcome.FAIL, reason="not so"))
        table.say("guest lost")
    assert "pipe.bad: not so" in screen.text
    assert "pipe.good" not in screen.text
    assert "guest lost" in screen.text
    assert "mechanism" in screen.text


def test_lines_where_there_is_no_terminal() -> None:
    screen = Screen(40, "ascii", terminal=False)
    clock = Clock()
    with LiveTable(screen.console, PLANNED, clock=clock) as table:
        assert table.plain
        clock.now += 3
        table.guest("gw0-1", "booting", "kernel")
        table.guest("gw0-1", "booting", "kernel")
        table.start_case("pipe.a", "pipes")
        table.end_case(make.case("a_case_with_a_rather_long_name", reason="ignored for a pass"))
        table.end_case(make.case("b", Outcome.UNSUPPORTED, reason="no such\nsecond line", ms=None))
        table.end_case(make.case("c", Outcome.FAIL, expected=Outcome.FAIL, reason="so it is"))
    assert screen.text.splitlines() == [
        "guest gw0-1 booting: kernel (at 3.0 s)",
        "PASS        pipe.a_case_with_a_rather_long_name  1.0 ms",
        "UNSUPPORTED pipe.b: no such",
        "FAIL        pipe.c (known): so it is  1.0 ms",
    ]


@pytest.mark.parametrize(
    ("terminal", "asked", "plain"),
    [(True, None, False), (True, True, True), (False, None, True), (False, False, False)],
)
def test_who_decides_between_table_and_lines(terminal: bool, asked: bool | None, plain: bool) -> None:
    assert LiveTable(Screen(terminal=terminal).console, {}, plain=asked).plain is plain


def test_no_color_asks_for_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert LiveTable(Screen().console, {}).plain


def test_a_mechanism_that_was_not_planned_is_shown_too() -> None:
    screen = Screen()
    table = LiveTable(screen.console, {})
    table.end_case(make.case("a", mechanism="[mach]"))
    assert "[mach]" in shown(table, screen)
    assert "1 of 1 cases" in shown(table, screen)


def test_the_plan_may_come_later() -> None:
    screen = Screen()
    table = LiveTable(screen.console, {})
    table.end_case(make.case("a"))
    table.plan({"pipes": 4, "fifos": 2})
    text = shown(table, screen)
    assert "1 of 6 cases" in text
    assert "fifos" in text


def test_lines_that_come_from_elsewhere_are_cleaned_too() -> None:
    screen = Screen(terminal=False)
    with LiveTable(screen.console, {}) as table:
        table.say("\x1b[2Jsaid \x07[b]so[/b]")
        table.guest("main-1", "booting", "\x1b]0;x\x07kernel")
    assert screen.text.splitlines()[0] == "said [b]so[/b]"
    assert screen.text.splitlines()[1].startswith("guest main-1 booting: kernel (at")


def test_many_threads_are_counted() -> None:
    screen = Screen(terminal=False)
    table = LiveTable(screen.console, {"pipes": 200}, plain=False)

    def work() -> None:
        for number in range(50):
            table.start_case(f"pipe.c{number}", "pipes")
            table.end_case(make.case(f"c{number}"))
            table.render()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "200 of 200 cases" in shown(table, screen)


def test_a_case_that_was_run_again_is_counted_once_as_what_it_is_now() -> None:
    screen = Screen(terminal=False)
    table = LiveTable(screen.console, {"pipes": 2})
    first = make.case("a", Outcome.FAIL)
    table.end_case(first)
    table.end_case(make.case("a").after(first))
    assert "1 of 2 cases" in shown(table, screen)
    assert table._tallies["pipes"].counts == {Outcome.PASS: 1, Outcome.FAIL: 0}


def test_what_an_earlier_part_did_is_counted_and_not_said() -> None:
    screen = Screen(terminal=False)
    table = LiveTable(screen.console, {"pipes": 3})
    table.show_done([make.case("a"), make.case("b", Outcome.FAIL)])
    assert screen.text == ""
    assert "2 of 3 cases" in shown(table, screen)
