from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from rig.report import words
from rig.result import OrderRecord, Outcome, Resumption, summarize
from rig.tests.result import make
from rig.tests.result.test_case import ENTRY
from rig.tests.result.test_model import record

ORDER = OrderRecord(after=("pipe.x",), then=Outcome.FAIL, alone=Outcome.PASS)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.1234, "0.123"),
        (1.236, "1.24"),
        (12.34, "12.3"),
        (123.4, "123"),
        (12345, "12345"),
        (math.nan, "-"),
        (-2.5, "-2.50"),
    ],
)
def test_number(value: float, text: str) -> None:
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (812.4, "ns", "812 ns"), (18_400, "ns", "18.4 µs"), (1.24e6, "ns", "1.24 ms"), (2.5e9, "ns", "2.50 s"),
        (2.1e6, "B/s", "2.10 MB/s"), (900, "B/s", "900 B/s"), (3, "apples", "3.00 apples"), (0, "ns", "0 ns"),
    ],
)  # fmt: skip
def test_quantity(value: float, unit: str, text: str) -> None:
    assert words.quantity(value, unit) == text


def test_a_median_and_its_deviation_share_one_scale() -> None:
    assert words.median_mad(summarize([998, 1000, 1004, 1100]), "ns") == "1.00 ± 0.00 µs"
    assert words.median_mad(summarize([800, 812, 830]), "ns") == "812 ± 12 ns"
    assert words.interval(summarize([1.0]), "ns") == "-"
    assert words.interval(summarize([float(n) for n in range(10_000, 10_010)]), "ns") == "10.0 to 10.0 µs"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.0, "0.00 s"), (0.42, "0.42 s"), (0.96, "1.0 s"), (12.34, "12.3 s"), (59.96, "1 min 00 s"),
     (125, "2 min 05 s"), (3725, "1 h 02 min"), (math.nan, "-")],
)  # fmt: skip
def test_seconds(value: float | None, text: str) -> None:
    assert words.seconds(value) == text


def test_milliseconds() -> None:
    assert [words.milliseconds(value) for value in (None, 3.14159, 100_004.0)] == ["-", "3.1 ms", "1 min 40 s"]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (1023, "1023 B"),
        (4096, "4 KiB"),
        (1536, "1.5 KiB"),
        (3 << 20, "3 MiB"),
        (5 << 40, "5120 GiB"),
    ],
)
def test_size(count: int, text: str) -> None:
    assert words.size(count) == text


def test_what_must_not_be_misread_has_a_note() -> None:
    assert words.outcome_note(make.case()) == ""
    assert words.outcome_note(make.case(outcome=Outcome.FAIL, expected=Outcome.FAIL)) == "known"
    assert words.outcome_note(make.case(expected=Outcome.UNSUPPORTED)) == "not expected to pass"
    twice = make.case().after(make.case(outcome=Outcome.HANG).after(make.case(outcome=Outcome.CRASHED)))
    assert words.outcome_note(twice) == "flaky; first crashed, then hang"
    failed = make.case(outcome=Outcome.FAIL)
    assert words.outcome_note(failed.after(failed)) == "the same in 2 attempts"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"state": "complete", "cases": (make.case(),)}, "All as expected"),
        ({"state": "complete", "cases": (make.case(outcome=Outcome.FAIL),)}, "1 case not as expected"),
        (
            {"state": "complete", "cases": (make.case(outcome=Outcome.UNSUPPORTED),)},
            "No failures; some forms are absent",
        ),
        (
            {"state": "complete", "cases": (make.case().after(make.case(outcome=Outcome.FAIL)),)},
            "No failures; 1 case flaky",
        ),
        (
            {"state": "complete", "cases": (make.case(outcome=Outcome.FAIL, quarantine=ENTRY),)},
            "No new failures; 1 case quarantined",
        ),
        (
            {"state": "complete", "cases": (make.case("a", Outcome.FAIL), make.case("b", quarantine=ENTRY))},
            "1 case not as expected; 1 case quarantined without need: take the entry out",
        ),
        (
            {"state": "complete", "cases": (make.case("a", Outcome.FAIL), make.case("b", Outcome.FAIL, order=ORDER))},
            "2 cases not as expected, 1 order-dependent",
        ),
        ({"state": "complete", "cases": (make.case(),), "planned": ("x", "y")}, "2 cases never ran"),
        ({"state": "complete"}, "No case was run"),
        ({"state": "interrupted", "cases": (make.case(),)}, "Interrupted: not all was run"),
        ({"state": "running"}, "Still running"),
    ],
)
def test_conclusion(fields: dict[str, object], text: str) -> None:
    run = record(**fields)
    assert words.conclusion(run) == text
    assert run.is_red == (text[0] in "123I" or text == "No case was run")


def test_circumstances_name_what_ran_on_what_and_skip_what_is_not_known() -> None:
    guests = (make.guest("a"), make.guest("b", qemu_version="9.0", accel_reason="no /dev/kvm"))
    found = dict(words.circumstances(record(guests=guests, argv=("rig", "test"))))
    assert found["QEMU"] == "7.2.22 / 9.0"
    assert found["Accelerator"] == "tcg / tcg (no /dev/kvm)"
    assert found["Guest"] == "linux 6.1.0"
    assert found["Started"] == "2026-01-02 03:04:05 UTC"
    assert "Kernel" not in found
    assert "Took" not in found
    done = record(ended=datetime(2026, 1, 2, 3, 5, 5, tzinfo=UTC))
    assert dict(words.circumstances(done))["Took"] == "1 min 00 s"
    assert "Resumed" not in dict(words.circumstances(done))
    again = Resumption(left=done.started, started=done.started + timedelta(seconds=20), rig_version="1")
    resumed = dict(words.circumstances(done.model_copy(update={"resumed": (again,)})))
    assert resumed["Resumed"] == "2026-01-02 03:04:25 UTC"
    assert resumed["Took"] == "40.0 s"
