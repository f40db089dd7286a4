"""By which way a case went, in the terminal, in lines and on the page."""

from __future__ import annotations

import pytest

from rig.report import LiveTable, print_summary, render_page
from rig.report.ways import by_way, lacking, via_note
from rig.result import Outcome, RunRecord
from rig.tests.report.screen import Screen
from rig.tests.result import make
from rig.tests.result.test_model import record

U = Outcome.UNSUPPORTED


def run() -> RunRecord:
    many = tuple(make.case(f"many{n}", probe="mach_port", via="mach") for n in range(8))
    return record(
        guests=(make.guest(),),
        cases=(
            make.case("usual", via="libsystem"),
            make.case("unsaid", via=None),
            make.case("raw", via="syscall"),
            make.case("broken", Outcome.FAIL, via="mach", reason="no reply"),
            *many,
            make.case("wrappers", U, expected=U, expected_reason="x", via="mach", reason="no wrapper: mach_port_names"),
            make.case("absent", U, expected=U, reason="Linux has none"),
            make.case("lost", U, via="syscall", reason="no wrapper: sem_open"),
        ),
    )


@pytest.mark.parametrize(
    ("via", "note"), [(None, ""), ("libsystem", ""), ("libc", ""), ("syscall", "via syscall"), ("mach", "via mach")]
)
def test_the_usual_way_is_not_told(via: str | None, note: str) -> None:
    assert via_note(make.case(via=via)) == note


def test_few_cases_of_a_way_are_named_and_many_are_counted() -> None:
    assert by_way(run()) == ["via mach: 10 cases (mach_port 8, pipe 2)", "via syscall: pipe.raw, pipe.lost"]
    assert [case.case for case in lacking(run())] == ["wrappers"]
    assert (by_way(record()), lacking(record())) == ([], [])


def test_the_terminal_tells_ways_and_missing_functions() -> None:
    screen = Screen(200)
    print_summary(run(), screen.console)
    lines = [line.strip() for line in screen.text.splitlines()]
    at = lines.index("Not by the library's functions")
    assert lines[at + 1 : at + 4] == [
        "via mach: 10 cases (mach_port 8, pipe 2)",
        "via syscall: pipe.raw, pipe.lost",
        "pipe.wrappers: no wrapper: mach_port_names",
    ]
    assert "pipe.lost (via syscall): no wrapper: sem_open" in lines
    assert "pipes, guest main-1, 1.0 ms, via mach" in lines


def test_a_run_by_the_usual_way_has_no_such_heading() -> None:
    screen = Screen(200)
    print_summary(record(cases=(make.case(via="libsystem"),), guests=(make.guest(),)), screen.console)
    assert "Not by the library" not in screen.text


def test_a_line_a_case_tells_it() -> None:
    screen = Screen(200, terminal=False)
    with LiveTable(screen.console, {}) as table:
        table.end_case(make.case("a", via="mach"))
        table.end_case(make.case("b", Outcome.FAIL, expected=Outcome.FAIL, via="syscall", reason="so it is"))
        table.end_case(make.case("c", via="libsystem"))
    assert screen.text.splitlines() == [
        "PASS        pipe.a (via mach)  1.0 ms",
        "FAIL        pipe.b (known; via syscall): so it is  1.0 ms",
        "PASS        pipe.c  1.0 ms",
    ]


def test_the_page_tells_it_beside_the_case_and_its_reason() -> None:
    page = render_page(run())
    assert 'pipe.raw <span class="muted small">via syscall</span></summary>' in page
    assert "<summary>pipe.usual</summary>" in page
    assert "guest main-1, 1.0 ms, via mach</span>" in page, "of the failure"
    assert "no wrapper: mach_port_names" in page and "no wrapper: sem_open" in page
    assert "via libsystem" in page, "in the details"


def test_the_record_keeps_it() -> None:
    assert '"via":"mach"' in run().model_dump_json()
