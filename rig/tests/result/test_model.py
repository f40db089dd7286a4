from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from rig.result import Outcome, RunRecord, Verdict
from rig.spec import Accel
from rig.tests.result import make

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def record(**more: Any) -> RunRecord:
    fields: dict[str, Any] = {"id": "r", "started": START, "rig_version": "1", "host": make.HOST, "image": make.IMAGE}
    return RunRecord(**{**fields, **more})


def test_timings_of_an_unknown_guest_are_refused() -> None:
    timed = make.case(metrics=(make.metric(1.0),))
    with pytest.raises(ValidationError, match="'main-1' is not in the record"):
        record(cases=(timed,))
    assert record(cases=(timed,), guests=(make.guest(),)).cases == (timed,)


def test_timings_without_an_image_digest_are_refused() -> None:
    image = make.IMAGE.model_copy(update={"digest": ""})
    with pytest.raises(ValidationError, match="digest is not known"):
        record(image=image, cases=(make.case(metrics=(make.metric(1.0),)),), guests=(make.guest(),))


def test_a_guest_ran_with_one_accelerator() -> None:
    with pytest.raises(ValidationError, match="not auto"):
        make.guest(accel=Accel.AUTO)


def test_counts_missing_and_order_of_failures() -> None:
    cases = (
        make.case("a"),
        make.case("b", Outcome.FAIL),
        make.case("c", Outcome.PANIC),
        make.case("d", Outcome.UNSUPPORTED),
        make.case("e", Outcome.FAIL),
    )
    run = record(cases=cases, planned=tuple(f"pipe.{name}" for name in "abcdefg"), state="complete", ended=START)
    assert run.counts == {"pass": 1, "fail": 2, "panic": 1, "unsupported": 1}
    assert run.missing == ("pipe.f", "pipe.g")
    assert [case.case for case in run.with_verdict(Verdict.UNEXPECTED)] == ["c", "b", "e"]
    assert run.seconds == 0.0


@pytest.mark.parametrize(
    ("fields", "red"),
    [
        ({"state": "complete", "cases": (make.case(),)}, False),
        ({"state": "complete", "cases": (make.case(outcome=Outcome.UNSUPPORTED),)}, False),
        ({"state": "complete", "cases": (make.case(outcome=Outcome.FAIL),)}, True),
        ({"state": "complete", "cases": (make.case(outcome=Outcome.FAIL, expected=Outcome.FAIL),)}, False),
        ({"state": "complete", "cases": (make.case(),), "planned": ("pipe.eof", "pipe.other")}, True),
        ({"state": "complete"}, True),
        ({"state": "interrupted", "cases": (make.case(),)}, True),
        ({"state": "running"}, False),
    ],
)
def test_a_run_is_red_when_something_is_wrong(fields: dict[str, Any], red: bool) -> None:
    assert record(**fields).is_red is red


def test_it_survives_json() -> None:
    run = record(cases=(make.case(metrics=(make.metric(1.5, bytes=64),)),), guests=(make.guest(),))
    assert RunRecord.model_validate_json(run.model_dump_json()) == run
