from __future__ import annotations

import math
from datetime import date
from functools import reduce

import pytest
from pydantic import ValidationError

from rig.result import CaseResult, FailedCheck, Outcome, QuarantineRecord, Verdict
from rig.tests.result import make


def test_the_id_and_the_first_outcome_follow_from_the_rest() -> None:
    case = make.case("eof", Outcome.FAIL)
    assert (case.id, case.first_outcome, case.attempts) == ("pipe.eof", Outcome.FAIL, 1)


def test_text_of_the_guest_is_cleaned_on_its_way_in() -> None:
    case = make.case(
        reason="\x1b[31mbad\x1b[0m\x00",
        notes=("half \ud800",),
        failed=(FailedCheck(what="\x07beep", got="\x1b]0;x\x07EBADF"),),
    )
    assert case.reason == "bad"
    assert case.notes == ("half \N{REPLACEMENT CHARACTER}",)
    assert (case.failed[0].what, case.failed[0].got) == ("beep", "EBADF")


def test_facts_keep_their_kind_and_survive_json() -> None:
    facts = {"n": 65536, "huge": 2**70, "ratio": 0.5, "yes": True, "word": "x", "odd": math.nan}
    case = make.case(facts=facts)
    again = CaseResult.model_validate_json(case.model_dump_json())
    assert again.facts == {**facts, "odd": "nan"}
    assert again == case


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_sample_is_a_finite_number(value: float) -> None:
    with pytest.raises(ValidationError):
        make.metric(1.0, value)


def test_a_repeated_case_keeps_what_happened_before() -> None:
    first = make.case(outcome=Outcome.HANG, reason="silent", guest="main-1")
    second = make.case(outcome=Outcome.CRASHED, reason="SIGSEGV", guest="main-2").after(first)
    third = make.case(outcome=Outcome.PASS, guest="main-3").after(second)
    assert (third.outcome, third.first_outcome, third.attempts) == (Outcome.PASS, Outcome.HANG, 3)
    assert [(one.outcome, one.reason, one.guest) for one in third.earlier] == [
        ("hang", "silent", "main-1"),
        ("crashed", "SIGSEGV", "main-2"),
    ]
    assert third.flaky
    assert third.verdict is Verdict.FLAKY


def test_only_a_bad_attempt_makes_it_flaky() -> None:
    assert make.case().after(make.case()).verdict is Verdict.EXPECTED
    known = make.case(outcome=Outcome.FAIL, expected=Outcome.FAIL)
    assert known.after(known).verdict is Verdict.KNOWN_FAILURE
    assert make.case(outcome=Outcome.FAIL).after(make.case()).verdict is Verdict.UNEXPECTED


ENTRY = QuarantineRecord(
    reason="races", issue="https://example.org/1", expires=date(2026, 12, 1), outcomes=(Outcome.FAIL, Outcome.TIMEOUT)
)


@pytest.mark.parametrize(
    ("attempts", "expected", "verdict"),
    [
        ("fail", "pass", Verdict.QUARANTINED),
        ("fail timeout", "pass", Verdict.QUARANTINED),
        ("fail pass", "pass", Verdict.FLAKY),
        ("panic pass", "pass", Verdict.FLAKY),
        ("panic", "pass", Verdict.UNEXPECTED),
        ("panic fail", "pass", Verdict.UNEXPECTED),
        ("fail panic", "pass", Verdict.UNEXPECTED),
        ("error", "pass", Verdict.UNEXPECTED),
        ("pass", "pass", Verdict.UNNEEDED_QUARANTINE),
        ("fail", "fail", Verdict.UNNEEDED_QUARANTINE),
        ("pass", "fail", Verdict.UNNEEDED_QUARANTINE),
        ("unsupported", "unsupported", Verdict.UNNEEDED_QUARANTINE),
        ("unsupported", "pass", Verdict.UNSUPPORTED),
        ("skip", "pass", Verdict.SKIPPED),
    ],
)
def test_beside_the_quarantine(attempts: str, expected: str, verdict: Verdict) -> None:
    words = [Outcome(word) for word in attempts.split()]
    cases = [make.case(outcome=one, expected=Outcome(expected), quarantine=ENTRY) for one in words]
    case = reduce(lambda before, one: one.after(before), cases)
    assert case.verdict is verdict
    assert verdict.is_red == (verdict in {Verdict.UNEXPECTED, Verdict.UNNEEDED_QUARANTINE})


def test_the_verdict_is_written_and_follows_from_the_rest() -> None:
    case = make.case(outcome=Outcome.FAIL, quarantine=ENTRY)
    written = case.model_dump(mode="json")
    assert (written["verdict"], written["quarantine"]["expires"]) == ("quarantined", "2026-12-01")
    again = CaseResult.model_validate(written | {"verdict": "expected"})
    assert (again, again.verdict) == (case, Verdict.QUARANTINED)


def test_attempts_that_agree_are_not_flaky() -> None:
    assert not make.case(outcome=Outcome.FAIL).after(make.case(outcome=Outcome.FAIL)).flaky


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValidationError, match="surprise"):
        make.case(surprise=1)
