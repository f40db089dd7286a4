"""`rig test --resume`, with guests that are not there: a run cut off at any line goes on, and nothing runs twice."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from rig.errors import InputError
from rig.machine import Network
from rig.result import HostRecord, RequestRecord, RunRecord, load
from rig.run.front import run_tests
from rig.run.request import OF_THE_CALL, TestRequest, from_record, to_record
from rig.run.resuming import ResumeRequest, resume_tests
from rig.run.settings import RunSettings
from rig.spec import Accel, BootFlags, Clock, Isolation, OnPanic, PanicMode, TransportChoice
from rig.tests.run import fakes
from rig.tests.run.conftest import Probes
from rig.tests.run.test_front import ALL


class Part:
    """One call: exit code and screen."""

    def __init__(self, request: TestRequest | ResumeRequest) -> None:
        screen = io.StringIO()
        console = Console(file=screen, width=200)
        call: Any = run_tests if isinstance(request, TestRequest) else resume_tests
        worlds = len(fakes.INSTALLED)
        self.code: int = call(request, console)
        self.screen = screen.getvalue()
        starts = [start for world in fakes.INSTALLED[worlds:] for start in world.starts]
        self.started = [f"{probe}.{case}" for probe, cases in starts for case in cases]
        """Ids of the cases that fake probes of this process were asked for."""


def asked(place: Path, run_dir: Path, settings: dict[str, Any] | None = None, **request: Any) -> TestRequest:
    chosen = RunSettings(run_dir=run_dir, accel=Accel.TCG, **(settings or {}))
    return TestRequest(chosen, probes=place, plain=True, **request)


def cut(run_dir: Path, cases: int, torn: bytes = b'{"at": 5, "event": "rec') -> RunRecord:
    """Leave the run as a kill does, behind its `cases`-th result."""
    events = run_dir / "events.jsonl"
    kept, count = [], 0
    for line in events.read_bytes().splitlines(keepends=True):
        if b'"record.case"' in line:
            count += 1
        if count > cases or (count == cases and b'"record.end"' in line):
            break
        kept.append(line)
    events.write_bytes(b"".join(kept) + torn)
    # What is written in the end was not.
    (run_dir / "results.json").unlink()
    (run_dir / "junit.xml").unlink()
    (run_dir / "report.html").unlink()
    return load(run_dir)


def events_in(run_dir: Path) -> Iterator[dict[str, Any]]:
    for line in (run_dir / "events.jsonl").read_text().splitlines():
        with contextlib.suppress(ValueError):  # torn
            yield json.loads(line)


def resumed(run_dir: Path, **anew: Any) -> Part:
    return Part(ResumeRequest(run_dir, plain=True, **anew))


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("cases", range(7))
def test_what_has_no_result_is_run_and_nothing_else(cases: int, probes: Probes, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    Part(asked(probes(behaviours={"second": "fail"}), run_dir))
    before = cut(run_dir, cases)
    assert (len(before.cases), before.state) == (cases, "interrupted")
    part = resumed(run_dir)
    record = load(run_dir)
    assert (part.code, record.state, record.missing, record.running, record.parts) == (1, "complete", (), (), 2)
    assert record.planned == before.planned
    assert record.cases[:cases] == before.cases
    assert sorted(case.id for case in record.cases) == sorted(ALL)
    assert all(case.attempts == 1 for case in record.cases)
    assert part.started == list(before.missing)
    assert f"{cases} case" in part.screen
    assert len(ET.parse(run_dir / "junit.xml").findall(".//testcase")) == 6
    assert (run_dir / "report.html").stat().st_size > 1000
    guests = [guest.id for guest in record.guests]
    assert guests == ["main-1", *(["main.2-1"] if cases < 6 else [])]
    assert all(guest.ended for guest in record.guests)


@pytest.mark.usefixtures("world")
def test_with_workers_it_is_the_same(probes: Probes, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    Part(asked(probes(), run_dir, workers="2"))
    first = (run_dir / "workers" / "gw0.jsonl").read_bytes()
    before = cut(run_dir, 3)
    part = resumed(run_dir)
    cut_again = cut(run_dir, 4)
    last = resumed(run_dir, workers="0")
    record = load(run_dir)
    assert (part.code, last.code, record.parts, record.state) == (0, 0, 3, "complete")
    assert sorted(case.id for case in record.cases) == sorted(ALL)
    assert all(case.attempts == 1 for case in record.cases)
    assert record.cases[:3] == before.cases
    assert record.cases[:4] == cut_again.cases
    assert len({guest.id for guest in record.guests}) == len(record.guests)
    assert {guest.id.rpartition("-")[0] for guest in record.guests} <= {"gw0", "gw1", "gw0.2", "gw1.2", "main.3"}
    assert (run_dir / "workers" / "gw0.jsonl").read_bytes() == first
    events = list(events_in(run_dir))
    begins = [at for at, data in enumerate(events) if data["event"] == "record.resume"]
    assert len(begins) == 2
    told = {data["guest"] for data in events[begins[-1] :] if data["event"].startswith("guest.")}
    assert told == {"main.3-1"}, "what an earlier part told is not told again"


@pytest.mark.usefixtures("world")
def test_a_run_cut_off_before_its_plan_begins_as_at_first(probes: Probes, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    Part(asked(probes(), run_dir, keyword="second or two"))
    lines = (run_dir / "events.jsonl").read_bytes().splitlines(keepends=True)
    planned = next(at for at, line in enumerate(lines) if b'"record.plan"' in line)
    for keep in (1, planned):
        (run_dir / "events.jsonl").write_bytes(b"".join(lines[:keep]))
        (run_dir / "results.json").unlink()
        assert load(run_dir).planned == ()
        assert resumed(run_dir).code == 0
        assert sorted(case.id for case in load(run_dir).cases) == ["other.two", "sample.second"]
        assert load(run_dir).bundle is not None


@pytest.mark.usefixtures("world")
def test_a_run_that_is_complete_is_left_alone(probes: Probes, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    code = Part(asked(probes(behaviours={"one": "fail"}), run_dir)).code
    before = (run_dir / "events.jsonl").read_bytes()
    (run_dir / "junit.xml").unlink()
    part = resumed(run_dir)
    assert part.code == code == 1
    assert "complete, nothing of it is left to run" in part.screen
    assert part.started == []
    assert (run_dir / "events.jsonl").read_bytes() == before
    assert (run_dir / "junit.xml").is_file()


@pytest.mark.usefixtures("world")
def test_an_interrupted_run_goes_on_and_says_how(probes: Probes, tmp_path: Path) -> None:
    place, run_dir = probes(), tmp_path / "run"
    trap = place / "sample" / "conftest.py"
    trap.write_text("def pytest_runtest_logstart(nodeid):\n    if nodeid.endswith('third'): raise KeyboardInterrupt\n")
    first = Part(asked(place, run_dir))
    assert first.code == 130
    assert f"To go on: rig test --resume {run_dir}" in first.screen
    trap.unlink()
    assert Part(ResumeRequest(plain=True)).code == 0, "without a directory it is the last run"
    record = load(run_dir)
    assert (record.state, record.missing) == ("complete", ())
    assert [guest.id for guest in record.guests] == ["main-1", "main.2-1"]


@pytest.mark.usefixtures("world")
def test_a_broken_probe_of_the_first_part_still_decides_the_exit_code(probes: Probes, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    assert Part(asked(probes(behaviours={"two": "crash"}), run_dir)).code == 2
    cut(run_dir, 3)
    assert resumed(run_dir).code == 2


@pytest.mark.usefixtures("world")
def test_a_run_that_stopped_at_its_first_failure_shows_the_rest(probes: Probes, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    place = probes(behaviours={"one": "fail", "two": "fail", "first": "fail"})
    Part(asked(place, run_dir, exit_first=True))
    assert [case.id for case in load(run_dir).cases] == ["other.one"]
    resumed(run_dir, exit_first=True)
    assert [case.id for case in load(run_dir).cases] == ["other.one", "other.two"]
    resumed(run_dir)
    assert len(load(run_dir).cases) == 6


@pytest.mark.usefixtures("world")
def test_a_run_killed_before_its_first_failure_stops_there_again(probes: Probes, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    Part(asked(probes(behaviours={"two": "fail"}), run_dir, exit_first=True))
    cut(run_dir, 1)
    resumed(run_dir)
    assert [case.id for case in load(run_dir).cases] == ["other.one", "other.two"]


@pytest.mark.usefixtures("world")
def test_what_failed_since_does_not_change_the_plan(probes: Probes, tmp_path: Path) -> None:
    place, run_dir = probes(behaviours={"one": "fail", "two": "fail", "second": "fail"}), tmp_path / "run"
    Part(asked(place, tmp_path / "before"))
    Part(asked(place, run_dir, last_failed=True))
    assert cut(run_dir, 1).missing == ("other.two", "sample.second")
    cache = tmp_path / "home" / "state" / "pytest-cache" / "v" / "cache" / "lastfailed"
    cache.write_text(json.dumps({"sample/sample.yaml::second": True}))
    resumed(run_dir)
    assert load(run_dir).missing == ()


@pytest.mark.usefixtures("world")
def test_the_screen_counts_what_was_done_before(probes: Probes, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    Part(asked(probes(), run_dir))
    cut(run_dir, 5)
    screen = resumed(run_dir).screen
    assert "5 cases of 6 have a result" in screen
    assert screen.count("PASS ") == 1, "what was shown is not shown again"
    assert "6 passed" in screen


def changed_image(run_dir: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(fakes.FakeStored, "digest", "1" * 64)
    patch.setattr("rig.run.front.Store.ensure", lambda *_: fakes.FakeStored(fakes.make_spec(), digest="1" * 64))


def changed_probe(run_dir: Path, patch: pytest.MonkeyPatch) -> None:
    (run_dir.parent / "probes" / "sample" / "sample.c").write_text("int main(void) { return 1; }\n")


def absent_probe(run_dir: Path, patch: pytest.MonkeyPatch) -> None:
    (run_dir.parent / "probes" / "sample" / "sample.yaml").unlink()


def absent_case(run_dir: Path, patch: pytest.MonkeyPatch) -> None:
    fakes.write_manifest(run_dir.parent / "probes", ["first", "second"])


def other_host(run_dir: Path, patch: pytest.MonkeyPatch) -> None:
    other = HostRecord.read().model_copy(update={"cpu": "another"})
    patch.setattr(HostRecord, "read", lambda: other)


def without(word: bytes) -> Any:
    def strike(run_dir: Path, patch: pytest.MonkeyPatch) -> None:
        lines = (run_dir / "events.jsonl").read_bytes().splitlines(keepends=True)
        (run_dir / "events.jsonl").write_bytes(b"".join(line for line in lines if word not in line))

    return strike


def older(run_dir: Path, patch: pytest.MonkeyPatch) -> None:
    lines = (run_dir / "events.jsonl").read_text().splitlines(keepends=True)
    head = json.loads(lines[0])
    del head["run"]["request"], head["run"]["resumed"]
    (run_dir / "events.jsonl").write_text("".join([json.dumps(head) + "\n", *lines[1:]]))


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (changed_image, "its image reference changed (then 0000000000000000, now 1111111111111111)"),
        (changed_probe, "its compiled probes changed"),
        (absent_probe, "probes of this run that are not there any more: sample"),
        (absent_case, "cases of this run that are not there any more: sample.third, sample.fourth"),
        (other_host, "its host changed"),
        (without(b'"record.probes"'), "its compiled probes changed (then not known any more"),
        (without(b'"record.plan"'), "its plan cannot be read any more"),
        (older, "does not say what it was asked for"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_world_that_changed_is_refused_and_the_run_left_as_it_was(
    change: Any, words: str, probes: Probes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dir = tmp_path / "run"
    Part(asked(probes(), run_dir))
    cut(run_dir, 3)
    change(run_dir, monkeypatch)
    before = (run_dir / "events.jsonl").read_bytes()
    with pytest.raises(InputError) as caught:
        resumed(run_dir)
    assert words in caught.value.message
    assert caught.value.hint == "Begin a new run: rig test"
    assert (run_dir / "events.jsonl").read_bytes() == before
    assert load(run_dir).state == "interrupted"


def test_every_setting_is_kept_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = RunSettings(
        image="mine/x.yaml", accel=Accel.TCG, clock=Clock.EXACT, time_factor=2.0, batches=7, network=Network.OPEN,
        transport=TransportChoice.SERIAL,
        memory=300, cpus=1, isolation=Isolation.CASE, cold=True, retries=3, quarantine=Path("q"), find_order=False,
            flags=BootFlags(panic=PanicMode.REBOOT, boot_args="-x a=1"), keep=True, on_panic=OnPanic.HOLD,
    )  # fmt: skip
    request = TestRequest(
        settings, select=("pipes",), keyword="k", marks="m", exit_first=True, last_failed=True, workers="auto",
        probes=Path("p"), pytest_args=("-v",),
    )  # fmt: skip
    kept = to_record(request)
    names = {one.name for one in (*fields(RunSettings), *fields(TestRequest))} - OF_THE_CALL
    assert set(RequestRecord.model_fields) == names
    plain = to_record(TestRequest(RunSettings()))
    same = [name for name in names if getattr(kept, name) == getattr(plain, name)]
    assert same == [], "each is another than its default here"
    at_place = replace(settings, image=str(tmp_path / "mine/x.yaml"), quarantine=tmp_path / "q")
    whole = replace(request, settings=at_place, probes=tmp_path / "p")
    assert from_record(RequestRecord.model_validate_json(kept.model_dump_json())) == whole
    assert from_record(plain) == TestRequest(RunSettings())


@pytest.mark.usefixtures("world")
def test_last_failed_knows_both_parts(probes: Probes, tmp_path: Path) -> None:
    place, run_dir = probes(behaviours={"one": "fail", "second": "fail"}), tmp_path / "run"
    Part(asked(place, run_dir))
    cut(run_dir, 3)
    (tmp_path / "home" / "state" / "pytest-cache" / "v" / "cache" / "lastfailed").unlink()
    resumed(run_dir)
    Part(asked(place, tmp_path / "again", last_failed=True))
    assert {case.id for case in load(tmp_path / "again").cases} == {"other.one", "sample.second"}


def test_a_record_that_no_rig_has_written_is_no_request() -> None:
    kept = to_record(TestRequest(RunSettings())).model_copy(update={"network": "half"})
    with pytest.raises(InputError, match="network 'half'; known: closed, open"):
        from_record(kept)
