from __future__ import annotations

import itertools

import pytest

from rig.result import Outcome, Verdict, judge, worst


def test_worst_wins_in_every_order() -> None:
    for first, second in itertools.permutations(Outcome, 2):
        expected = first if first.severity > second.severity else second
        assert worst([first, second]) is expected


def test_the_order_is_the_one_that_reports_rely_on() -> None:
    ranked = sorted(Outcome, key=lambda outcome: outcome.severity)
    assert ranked == ["pass", "unsupported", "skip", "fail", "error", "timeout", "crashed", "hang", "panic"]


def test_nothing_combined_is_a_pass() -> None:
    assert worst([]) is Outcome.PASS


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        ("pass", "passed"), ("unsupported", "skipped"), ("skip", "skipped"), ("fail", "failed"), ("error", "failed"),
        ("crashed", "failed"), ("timeout", "failed"), ("hang", "failed"), ("panic", "failed"),
    ],
)  # fmt: skip
def test_pytest_word(outcome: str, word: str) -> None:
    assert Outcome(outcome).as_pytest == word
    assert Outcome(outcome).is_bad == (word == "failed")


@pytest.mark.parametrize(
    ("outcome", "expected", "verdict", "red"),
    [
        ("pass", "pass", Verdict.EXPECTED, False),
        ("unsupported", "unsupported", Verdict.EXPECTED, False),
        ("fail", "fail", Verdict.KNOWN_FAILURE, False),
        ("unsupported", "pass", Verdict.UNSUPPORTED, False),
        ("unsupported", "fail", Verdict.UNSUPPORTED, False),
        ("pass", "unsupported", Verdict.UNEXPECTED_PASS, False),
        ("pass", "fail", Verdict.UNEXPECTED_PASS, False),
        ("skip", "pass", Verdict.SKIPPED, False),
        ("fail", "pass", Verdict.UNEXPECTED, True),
        ("fail", "unsupported", Verdict.UNEXPECTED, True),
        ("crashed", "fail", Verdict.UNEXPECTED, True),
        ("error", "unsupported", Verdict.UNEXPECTED, True),
        ("panic", "pass", Verdict.UNEXPECTED, True),
    ],
)
def test_judge(outcome: str, expected: str, verdict: Verdict, red: bool) -> None:
    found = judge(Outcome(outcome), Outcome(expected))
    assert (found, found.is_red) == (verdict, red)


def test_only_hang_and_panic_cost_the_guest() -> None:
    assert [outcome for outcome in Outcome if outcome.costs_guest] == ["hang", "panic"]
