"""The recorder: workers' event files followed, and events that come late or damaged."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from rig.deadline import Deadline
from rig.errors import HostError
from rig.events import Event, EventFile
from rig.report import LiveTable
from rig.result import CaseResult, GuestFacts, ImageRecord, Outcome, RunDir
from rig.run import tail
from rig.run.plugin import RIG_DATA
from rig.run.probe_run import case_facts
from rig.run.recorder import Recorder
from rig.run.tail import Tail
from rig.spec import GuestOS
from rig.tests.result.make import guest
from rig.tests.run.fakes import write_manifest

FACTS = GuestFacts(
    os="Linux", release="6.1.0", machine="x86_64", kernel="#1", clock="raw", tick_ns=1, clock_cost_ns=1, page=4096
)


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return RunDir.create(tmp_path / "run", image=ImageRecord(name="x", digest="d", os="linux"))


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def recorder(run: RunDir, screen: io.StringIO, tmp_path: Path) -> Recorder:
    manifest = write_manifest(tmp_path, ["first", "second"])
    return Recorder(run, LiveTable(Console(file=screen, width=200), {}, plain=True), [manifest], GuestOS.LINUX)


def report(recorder: Recorder, name: str = "first", outcome: str = "pass", **more: Any) -> Any:
    facts = case_facts(recorder._manifests["sample"], name, GuestOS.LINUX, None)
    case = CaseResult(**facts, outcome=Outcome(outcome)).model_dump(mode="json")
    data = {"guests": [], "case": case, "leaks": [], "rubbish": [], "broken": False, **more}
    return SimpleNamespace(**{RIG_DATA: data})


def wanted(case: str = "sample.first") -> Event:
    return Event("case.wanted", {"case": case, "mechanism": "pipes"})


def test_a_case_under_way_is_in_the_record(recorder: Recorder, run: RunDir) -> None:
    recorder.hear(wanted())
    assert list(run.record.running) == ["sample.first"]
    recorder.pytest_runtest_logreport(report(recorder))
    assert list(run.record.running) == []


def test_a_case_that_has_ended_is_not_begun_by_late_news(recorder: Recorder, run: RunDir) -> None:
    recorder.pytest_runtest_logreport(report(recorder))
    recorder.hear(wanted())
    assert list(run.record.running) == []


def test_cases_of_workers_are_planned_by_their_nodes(recorder: Recorder, run: RunDir) -> None:
    ids = ["pipes/sample.yaml::first", "pipes/sample.yaml::second", "tests/test_x.py::test_y", "sample.yaml::nosuch"]
    recorder.pytest_xdist_node_collection_finished(ids)
    recorder.pytest_xdist_node_collection_finished(ids)
    assert run.record.planned == ("sample.first", "sample.second")


def test_reports_of_others_are_not_ours(recorder: Recorder, run: RunDir) -> None:
    other: Any = SimpleNamespace(nodeid="test_x.py::test_y")
    recorder.pytest_runtest_logreport(other)
    recorder.pytest_handlecrashitem("test_x.py::test_y")
    assert run.record.cases == ()


def test_a_worker_that_crashed_leaves_a_case_held_against_its_guests_release(
    run: RunDir, screen: io.StringIO, tmp_path: Path
) -> None:
    expect = {"linux": {"5": "pass", "6": "fail"}, "darwin": "pass"}
    entry = {"expect": expect, "reason": "6 forgets it"}
    manifest = write_manifest(tmp_path, ["first", "second"], first=entry, second=entry)
    table = LiveTable(Console(file=screen, width=200), {}, plain=True)
    recorder = Recorder(run, table, [manifest], GuestOS.LINUX)
    run.set_image(run.record.image.model_copy(update={"release": "5.10.0"}))
    recorder.pytest_handlecrashitem("pipes/sample.yaml::first")
    recorder.add_guest(guest(facts=FACTS).model_dump(mode="json"))
    recorder.pytest_handlecrashitem("pipes/sample.yaml::second")
    first, second = run.record.cases
    assert (first.outcome, first.expected) == (Outcome.ERROR, Outcome.PASS)
    assert (second.expected, second.expected_reason) == (Outcome.FAIL, "6 forgets it")


def test_leaks_and_rubbish_are_kept_and_said(recorder: Recorder, run: RunDir, screen: io.StringIO) -> None:
    leak = {"probe": "sample", "kind": "sysv", "what": "queue 7", "guest": "main-1"}
    rubbish = {"probe": "sample", "lines": 3, "excerpt": "line 2: not JSON: malloc\nmore", "guest": "main-1"}
    recorder.pytest_runtest_logreport(report(recorder, leaks=[leak], rubbish=[rubbish]))
    assert (run.record.leaks[0].what, run.record.rubbish[0].lines) == ("queue 7", 3)
    assert "sample left behind: sysv queue 7" in screen.getvalue()
    assert "sample printed 3 lines that are no stream: line 2: not JSON: malloc" in screen.getvalue()


def test_the_same_collection_fault_from_each_worker_is_one(recorder: Recorder) -> None:
    for words in ("broken", "broken", "also broken"):
        fault: Any = SimpleNamespace(failed=True, longrepr=words)
        recorder.pytest_collectreport(fault)
    assert recorder.failed_collection == ["broken", "also broken"]


def test_a_record_that_cannot_be_written_ends_the_session(
    recorder: Recorder, run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise HostError("the disk is full")

    monkeypatch.setattr(run, "add_case", full)
    with pytest.raises(pytest.exit.Exception, match="cannot be recorded: the disk is full"):
        recorder.pytest_runtest_logreport(report(recorder))
    assert recorder.fault is not None
    recorder.pytest_runtest_logreport(report(recorder, "second"))  # said once


def test_a_worker_that_ended_without_a_word(recorder: Recorder, run: RunDir) -> None:
    recorder.pytest_testnodedown(SimpleNamespace())
    recorder.pytest_testnodedown(SimpleNamespace(workeroutput={}))
    assert run.record.guests == ()


def until(done: Callable[[], bool]) -> None:
    patience = Deadline.after(20)
    while not done() and not patience.expired:
        time.sleep(0.01)


def test_files_are_followed_while_they_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "_STEP", 0.01)
    heard: list[Event] = []
    follower = Tail(tmp_path / "workers", heard.append)
    follower.start()
    one = EventFile(tmp_path / "workers" / "gw0.jsonl")
    one(Event("boot.stage", {"stage": "login"}, at=5.0))
    until(lambda: len(heard) == 1)
    two = EventFile(tmp_path / "workers" / "gw1.jsonl")
    two(Event("boot.stage", {"stage": "ssh", "worker": "named"}))
    until(lambda: len(heard) == 2)
    one(Event("guest.ended"))
    follower.stop()
    assert [(event.name, event.data.get("stage"), event.data["worker"]) for event in heard] == [
        ("boot.stage", "login", "gw0"),
        ("boot.stage", "ssh", "named"),
        ("guest.ended", None, "gw0"),
    ]
    assert heard[0].at == 5.0
    one.close()
    two.close()


def test_damaged_lines_cost_themselves_alone(tmp_path: Path) -> None:
    heard: list[str] = []

    def hear(event: Event) -> None:
        if event.name == "bad":
            raise ValueError
        heard.append(event.name)

    good = b'{"at": 1, "event": "good"}\n'
    lines = [good, b"{half\n", b"[]\n", b"\xff\n", b'{"event": "x"}\n', b'{"at": 1, "event": "bad"}\n', good, b'{"at":']
    (tmp_path / "gw0.jsonl").write_bytes(b"".join(lines))
    follower = Tail(tmp_path, hear)
    follower.start()
    follower.stop()
    assert heard == ["good", "good"]


def test_a_follower_that_never_began_ends(tmp_path: Path) -> None:
    Tail(tmp_path, lambda _: None).stop()
