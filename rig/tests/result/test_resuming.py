"""A run that was cut off and is taken up again: nothing that was told is lost, nothing is written before it goes on."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rig.errors import InputError
from rig.events import Event
from rig.result import Outcome, RequestRecord, Resumption, RunDir, RunRecord, latest_run, load
from rig.result.ledger import CUT_OFF
from rig.result.place import writer_alive
from rig.tests.result import make
from rig.tests.result.test_reading import left_behind

NAMES = ["eof", "full", "empty", "short"]
IDS = [f"pipe.{name}" for name in NAMES]


def tell(run: RunDir, names: list[str], guest: str) -> None:
    run.add_guest(make.guest(guest))
    for name in names:
        run.start_case(f"pipe.{name}")
        run.add_case(make.case(name, guest=guest, metrics=(make.metric(1.0, 2.0),), notes=(guest,)))
    run.add_guest(make.guest(guest, ended="stopped"))


@pytest.fixture
def cut(run: RunDir) -> Path:
    """A run that was killed in its second case."""
    run.set_probes({"pipe": "1"}, "bundle")
    run.plan(IDS)
    run.add_guest(make.guest())
    run.add_case(make.case("eof", Outcome.FAIL))
    run.start_case("pipe.full")
    return left_behind(run)


def test_what_has_ended_stays_and_the_rest_is_to_be_run(cut: Path) -> None:
    with RunDir.resume(cut) as run:
        run.go_on(["rig", "test", "--resume"])
        assert (run.record.state, run.record.running, run.record.missing) == ("running", (), tuple(IDS[1:]))
        tell(run, NAMES[1:], "main.2-1")
        record = run.finish()
    assert record == load(cut) == RunRecord.model_validate_json((cut / "results.json").read_bytes())
    assert (record.state, record.missing, record.parts, record.damaged_events) == ("complete", (), 2, 0)
    assert [(case.id, case.attempts) for case in record.cases] == [(one, 1) for one in IDS]
    assert record.cases[0].outcome is Outcome.FAIL
    assert [guest.ended for guest in record.guests] == [CUT_OFF, "stopped"]
    assert record.resumed[0].argv == ("rig", "test", "--resume")
    assert latest_run() == cut.resolve()


def test_a_run_may_be_cut_off_again_and_again(cut: Path) -> None:
    for number in (2, 3, 4):
        run = RunDir.resume(cut)
        run.go_on()
        tell(run, [NAMES[number - 1]], f"main.{number}-1")
        left_behind(run)
    assert (load(cut).state, load(cut).parts, load(cut).missing) == ("interrupted", 4, ())


@pytest.mark.parametrize("state", ["interrupted", "complete"])
def test_a_run_that_ended_in_order_can_be_gone_on_with(run: RunDir, state: str) -> None:
    run.plan(IDS)
    run.finish("interrupted" if state == "interrupted" else "complete")
    with RunDir.resume(run.path) as again:
        assert again.record.state == state
        again.go_on()
        assert load(run.path).state == "running"
    assert load(run.path).state == "complete"


def test_taking_hold_changes_nothing(cut: Path) -> None:
    before = {path.name: path.read_bytes() for path in cut.iterdir() if path.is_file()}
    with RunDir.resume(cut) as run:
        run.listen(Event("too.early"))
        with pytest.raises(ValueError, match="comes too early"):
            run.start_case("pipe.full")
    assert {path.name: path.read_bytes() for path in cut.iterdir() if path.is_file()} == before
    with RunDir.resume(cut):
        pass


def test_a_run_being_written_is_left_alone(run: RunDir) -> None:
    with pytest.raises(InputError, match="being written now"):
        RunDir.resume(run.path)
    run.finish()
    with RunDir.resume(run.path), pytest.raises(InputError, match="being written now"):
        RunDir.resume(run.path)


def test_who_only_looks_does_not_keep_a_run_from_going_on(cut: Path) -> None:
    handle = os.open(cut, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)
    timer = threading.Timer(0.1, os.close, [handle])
    timer.start()
    with RunDir.resume(cut):
        assert writer_alive(cut)
    timer.join()


def test_what_is_no_run_is_one_clear_error(tmp_path: Path, cut: Path) -> None:
    with pytest.raises(InputError, match="absent: no such run"):
        RunDir.resume(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"has no events\.jsonl"):
        RunDir.resume(tmp_path / "empty")
    assert not list((tmp_path / "empty").iterdir())
    (cut / "events.jsonl").write_text("")
    for _ in range(2):  # the lock is let go
        with pytest.raises(InputError, match="no readable beginning"):
            RunDir.resume(cut)


def test_damaged_lines_cost_themselves_alone(cut: Path) -> None:
    with (cut / "events.jsonl").open("ab") as file:
        file.write(b'\xff\n{"at": 1, "event": "record.case", "case": 7}\n{"at": 2, "event": "rec')
    with RunDir.resume(cut) as run:
        run.go_on()
        tell(run, NAMES[1:], "main.2-1")
        record = run.finish()
    assert (record.damaged_events, [case.id for case in record.cases]) == (3, IDS)
    assert load(cut) == record
    events = [line for line in (cut / "events.jsonl").read_bytes().splitlines() if b"record.resume" in line]
    assert json.loads(events[0])["event"] == "record.resume", "not glued to the torn line"


def test_the_time_between_the_parts_does_not_count(cut: Path) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    later = Resumption(left=start + timedelta(seconds=10), started=start + timedelta(hours=9), rig_version="1")
    record = load(cut).model_copy(
        update={"started": start, "ended": start + timedelta(hours=9, seconds=5), "resumed": (later,)}
    )
    assert record.seconds == 15


def test_what_was_asked_for_is_kept(tmp_path: Path) -> None:
    asked = RequestRecord(image="reference", select=("pipes",), retries=2)
    RunDir.create(tmp_path / "r", image=make.IMAGE, host=make.HOST, request=asked).finish()
    with RunDir.resume(tmp_path / "r") as run:
        run.go_on()
    assert load(tmp_path / "r").request == asked


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RIG_HOME", str(tmp_path_factory.mktemp("home")))
        run = RunDir.create(tmp_path_factory.mktemp("whole") / "run", image=make.IMAGE, host=make.HOST)
        run.set_probes({"pipe": "1"}, "bundle")
        run.plan(IDS)
        tell(run, NAMES[:2], "main-1")
        run.listen(Event("probe.ended", {"probe": "pipe"}))
        tell(run, NAMES[2:], "main-2")
        run.finish()
    return run.path


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(at=st.floats(0, 1), again=st.booleans())
def test_a_cut_anywhere_costs_no_case_whose_line_is_whole(
    at: float, again: bool, whole: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    told = (whole / "events.jsonl").read_bytes()
    first = told.index(b"\n")
    cuts = 2 if again else 1
    place = tmp_path_factory.mktemp("cut")
    events = place / "events.jsonl"
    events.write_bytes(told[: first + round(at * (len(told) - first))])
    kept = [json.loads(line) for line in _whole_lines(events.read_bytes()) if b'"record.case"' in line]
    uncut = load(whole)
    for number in range(2, 2 + cuts):
        with RunDir.resume(place) as run:
            done = [case.id for case in run.record.cases]
            assert done == [f"pipe.{NAMES[at]}" for at in range(len(done))]
            if number == 2:
                assert done == [f"pipe.{one['case']['case']}" for one in kept]
            run.go_on()
            run.plan(IDS)
            missing = [one.partition(".")[2] for one in run.record.missing]
            if number <= cuts:  # cut off again, in the middle of a line
                tell(run, missing[:1], f"main.{number}-1")
                left_behind(run, 5)
                continue
            tell(run, missing, f"main.{number}-1")
    record = load(place)
    assert (record.state, record.missing, record.planned) == ("complete", (), uncut.planned)
    assert [(case.id, case.attempts, case.metrics) for case in record.cases] == [
        (case.id, 1, case.metrics) for case in uncut.cases
    ]
    assert record.cases[: len(kept)] == uncut.cases[: len(kept)]
    assert record.damaged_events <= cuts
    assert len({guest.id for guest in record.guests}) == len(record.guests)


def _whole_lines(told: bytes) -> list[bytes]:
    """Lines that can be read: the last one may lack its newline alone."""
    lines = told.splitlines()
    try:
        json.loads(lines[-1])
    except ValueError:
        lines.pop()
    return lines
