from __future__ import annotations

from rig.report.tally import COLUMNS, by_mechanism, slowest, timings
from rig.result import Outcome
from rig.tests.result import make
from rig.tests.result.test_model import record


def test_every_outcome_has_exactly_one_column() -> None:
    assert sorted(outcome for _, outcomes in COLUMNS for outcome in outcomes) == sorted(Outcome)


def test_by_mechanism() -> None:
    cases = [make.case("a"), make.case("b", Outcome.FAIL), make.case("c", mechanism="fifos")]
    assert [(tally.name, tally.total, tally.counts[Outcome.FAIL]) for tally in by_mechanism(cases)] == [
        ("fifos", 1, 0),
        ("pipes", 2, 1),
    ]


def test_timings_stand_by_case_and_size_and_need_samples() -> None:
    sized = tuple(make.metric(1.0, bytes=count) for count in (4096, 1, 64))
    run = record(
        cases=(make.case("z", metrics=sized), make.case("a", metrics=(make.metric(2.0), make.metric(name="empty")))),
        guests=(make.guest(),),
    )
    assert [(row.case.case, row.metric.bytes) for row in timings(run)] == [
        ("a", None),
        ("z", 1),
        ("z", 64),
        ("z", 4096),
    ]


def test_slowest_leaves_out_what_has_no_time() -> None:
    run = record(cases=tuple(make.case(f"c{n}", ms=ms) for n, ms in enumerate([5.0, None, 9.0, 1.0])))
    assert [case.case for case in slowest(run, 2)] == ["c2", "c0"]
