"""The table of mechanisms, and its place in a Markdown file."""

from __future__ import annotations

from pathlib import Path

import pytest

from rig.errors import InputError, ManifestError
from rig.probe.manifest import load_manifests
from rig.probe.table import BEGIN, END, Row, check, make_rows, markdown, total, write
from rig.tests.probe.make import Workshop, bare, case, only_darwin


@pytest.fixture
def rows(workshop: Workshop) -> list[Row]:
    kernel = "POSIX read(); xnu-4570 bsd/kern/sys_pipe.c pipe_read, bsd/sys/pipe.h; measured on Darwin 20.5"
    workshop.probe(
        "pipe",
        cases={
            "a": case(source=kernel),
            "b": case(source="POSIX write(), xnu bsd/kern/sys_pipe.c:3", kind="timing"),
            "c": case(
                source="a | b", kind="fact", expect={"linux": "skip", "darwin": {17: "pass", 20: "fail"}}, reason="x"
            ),
        },
    )
    workshop.probe("other", cases={"a": case(source="Linux pipe(7); LTP pipe14; FreeBSD x; lmbench; perf bench")})
    mach = only_darwin("Linux has none", a=bare(source="xnu osfmk/ipc/ipc_port.c"), b=bare(source="by heart"))
    workshop.probe("mach_port", mechanism="mach-ports", **mach)
    return make_rows(workshop.load())


def test_a_row_a_mechanism(rows: list[Row]) -> None:
    assert [row.cells() for row in rows] == [
        ("mach-ports", "mach_port", "2", "0", "2 unsupported", "2 pass", "xnu 1 (ipc_port.c), others 1"),
        (
            "pipes",
            "other, pipe",
            "3",
            "1",
            "3 pass, 1 skip",
            "4 pass; from 20: 3 pass, 1 fail",
            "POSIX 2, xnu 2 (sys_pipe.c, pipe.h), BSD 1, LTP 1, Linux 1, lmbench 1, measured on Darwin 1, "
            "perf bench 1, others 1",
        ),
    ]
    assert rows[1].kinds == {"functional": 2, "timings": 1, "facts": 1}


def test_the_totals(rows: list[Row]) -> None:
    assert total(rows).cells()[:6] == (
        "2 mechanisms",
        "3 probes",
        "5",
        "1",
        "3 pass, 2 unsupported, 1 skip",
        "6 pass; from 20: 5 pass, 1 fail",
    )


def test_releases_that_differ_stand_side_by_side(workshop: Workshop) -> None:
    def odd(*steps: tuple[int, str]) -> dict[str, object]:
        return case(expect={"linux": "pass", "darwin": dict(steps)}, reason="so")

    cases = {"a": odd((17, "pass"), (20, "fail")), "b": odd((19, "fail"), (21, "pass")), "c": odd((18, "skip"))}
    workshop.probe("one", mechanism="fifos", cases=cases)
    workshop.probe(
        "two", mechanism="pipes", cases={"a": odd((17, "fail"), (20, "pass")), "b": odd((17, "pass"), (22, "pass"))}
    )
    rows = make_rows(workshop.load())
    assert rows[0].expected["darwin"] == {
        0: {"pass": 1, "fail": 1, "skip": 1},
        20: {"fail": 2, "skip": 1},
        21: {"pass": 1, "fail": 1, "skip": 1},
    }
    assert rows[1].cells()[5] == "1 pass, 1 fail; from 20: 2 pass"
    assert total(rows).cells()[5] == ("2 pass, 2 fail, 1 skip; from 21: 3 pass, 1 fail, 1 skip"), (
        "what changes and changes back at 20 is the same in sum"
    )
    assert rows[0].cells()[4] == "3 pass"


def test_markdown_has_as_many_cells_in_each_line(rows: list[Row]) -> None:
    lines = markdown(rows).splitlines()
    assert len(lines) == 5
    assert {line.count("|") for line in lines} == {8}


@pytest.fixture
def readme(tmp_path: Path) -> Path:
    path = tmp_path / "README.md"
    path.write_text(f"# Head\n\n{BEGIN}\nold\n{END}\n\nTail\n")
    return path


def test_a_table_is_written_between_its_marks_and_nothing_else_changes(rows: list[Row], readme: Path) -> None:
    assert write(readme, rows)
    assert readme.read_text() == f"# Head\n\n{BEGIN}\n\n{markdown(rows)}\n{END}\n\nTail\n"
    check(readme, rows)
    assert not write(readme, rows)


def test_a_table_that_is_old_is_told_with_its_line(rows: list[Row], readme: Path) -> None:
    write(readme, rows)
    changed = readme.read_text().replace("| 2 unsupported |", "| 1 unsupported |")
    readme.write_text(changed)
    at = next(n for n, line in enumerate(changed.splitlines(), 1) if "| 1 unsupported |" in line)
    with pytest.raises(ManifestError) as caught:
        check(readme, rows)
    assert f"{readme}:{at}: " in str(caught.value) and "| 2 unsupported |" in str(caught.value)
    assert caught.value.hint == f"rig probes table --write {readme}"
    assert readme.read_text() == changed, "looking changes nothing"


def test_a_table_with_a_line_too_much_or_too_few(rows: list[Row], readme: Path) -> None:
    write(readme, rows)
    whole = readme.read_text()
    for text in (whole.replace(f"\n{END}", f"| more |\n\n{END}"), whole.replace("| mach-ports |", "|x|", 1)):
        readme.write_text(text)
        with pytest.raises(ManifestError):
            check(readme, rows)


@pytest.mark.parametrize("text", ["", BEGIN, END, f"{END}\n{BEGIN}", f"{BEGIN}\n{END}\n{BEGIN}\n{END}"])
def test_a_file_without_the_place_for_it(rows: list[Row], readme: Path, text: str) -> None:
    readme.write_text(text)
    for do in (check, write):
        with pytest.raises(InputError, match="no place for the table") as caught:
            do(readme, rows)
        assert BEGIN in caught.value.hint
    assert readme.read_text() == text


def test_a_file_that_cannot_be_read(rows: list[Row], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        check(tmp_path / "none.md", rows)
    (tmp_path / "odd.md").write_bytes(b"\xff")
    with pytest.raises(InputError, match="UTF-8"):
        check(tmp_path / "odd.md", rows)


def test_the_readmes_table_is_that_of_the_manifests() -> None:
    check(Path(__file__).parents[3] / "README.md", make_rows(load_manifests()))
