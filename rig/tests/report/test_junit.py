from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from rig.report import render_junit, write_junit
from rig.result import FailedCheck, KeptEvidence, Outcome, RunRecord, Verdict, load
from rig.tests.result import make

SAMPLE = Path(__file__).parents[3] / "fixtures" / "runs" / "sample"


def suite_of(record: RunRecord) -> ET.Element:
    suite = ET.fromstring(render_junit(record)).find("testsuite")
    assert suite is not None
    return suite


def record_of(*cases: Any, **more: Any) -> RunRecord:
    return load(SAMPLE).model_copy(update={"cases": cases, "planned": tuple(case.id for case in cases), **more})


def test_each_case_of_a_record_is_there_once() -> None:
    record = load(SAMPLE)
    suite = suite_of(record)
    cases = suite.findall("testcase")
    assert len(cases) == len({(case.get("classname"), case.get("name")) for case in cases})
    assert {case.get("name") for case in cases} == {case.case for case in record.cases} | {
        one.partition(".")[2] for one in record.missing
    }
    red = len(record.with_verdict(Verdict.UNEXPECTED))
    assert int(suite.get("failures", "")) + int(suite.get("errors", "")) == red > 0
    assert int(suite.get("tests", "")) == len(cases)
    assert len(suite.findall("testcase/skipped")) == int(suite.get("skipped", ""))
    names = {one.get("name"): one.get("value") for one in suite.findall("properties/property")}
    assert names["image"] == record.image.name


@pytest.mark.parametrize(
    ("case", "tag", "message"),
    [
        (make.case(), None, ""),
        (make.case("x", Outcome.UNSUPPORTED, expected=Outcome.UNSUPPORTED, reason="no such"), "skipped", "no such"),
        (make.case("x", Outcome.UNSUPPORTED, reason="gone"), "skipped", "unsupported: gone"),
        (make.case("x", Outcome.FAIL, expected=Outcome.FAIL, expected_reason="a bug"), "skipped", "fail: a bug"),
        (make.case("x", expected=Outcome.FAIL), None, ""),
        (make.case("x", Outcome.SKIP, reason="later"), "skipped", "skip: later"),
        (make.case("x", Outcome.FAIL, reason="bad"), "failure", "fail: bad"),
        (make.case("x", Outcome.PANIC, reason="dead"), "failure", "panic: dead"),
        (make.case("x", Outcome.ERROR, reason="not built"), "error", "error: not built"),
        (make.case("x", Outcome.CRASHED, reason="mute", broken=True), "error", "crashed: mute"),
        (make.case().after(make.case("eof", Outcome.FAIL, reason="once")), "skipped", "flaky: first fail: once"),
    ],
)
def test_a_verdict_is_one_element(case: Any, tag: str | None, message: str) -> None:
    (element,) = suite_of(record_of(case)).findall("testcase")
    assert (element.get("classname"), element.get("name")) == ("pipes.pipe", case.case)
    assert [(one.tag, message in one.get("message", "")) for one in element] == ([(tag, True)] if tag else [])
    assert float(element.get("time", "")) == pytest.approx(0.001)


def test_a_failure_says_all_that_is_known() -> None:
    failed = FailedCheck(what="write", got="EPIPE", want="EBADF", at="pipe.c:4")
    kept = KeptEvidence(console="one\ntwo <&>")
    case = make.case(
        "x", Outcome.FAIL, failed=(failed,), evidence=kept, what="contract", source="POSIX", reason="r\ufffe"
    )
    (failure,) = suite_of(record_of(case)).findall("testcase/failure")
    assert failure.text is not None
    for words in (
        "pipe.c:4: write: got EPIPE, want EBADF",
        "contract [POSIX]",
        "| two <&>",
        "r\N{REPLACEMENT CHARACTER}",
    ):
        assert words in failure.text


def test_a_case_that_never_ran_is_not_left_out() -> None:
    case = make.case()
    record = record_of(case, planned=("pipe.eof", "pipe.never", "other.x"), state="interrupted")
    suite = suite_of(record)
    names = [(one.get("classname"), one.get("name"), len(one)) for one in suite.findall("testcase")]
    assert names == [("pipes.pipe", "eof", 0), ("pipes.pipe", "never", 1), ("other", "x", 1)]
    assert suite.findall("testcase/skipped")[0].get("message") == "never ran: the run is interrupted"


def test_the_file_is_written_whole(tmp_path: Path) -> None:
    path = write_junit(load(SAMPLE), tmp_path / "junit.xml")
    assert path.read_bytes() == render_junit(load(SAMPLE))
    assert path.read_bytes().startswith(b"<?xml")
