"""`rig test` from end to end, with guests that are not there."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from rig.errors import HostError, InputError, RigError
from rig.machine import Network
from rig.probe.manifest import load_manifests
from rig.result import ImageRecord, Outcome, RunDir, RunRecord, Verdict, load
from rig.run import front
from rig.run.front import arguments, run_tests, select
from rig.run.request import TestRequest
from rig.run.settings import RunSettings
from rig.spec import Accel, BootFlags, PanicMode, TransportChoice
from rig.tests.run import fakes
from rig.tests.run.conftest import Probes

pytestmark = pytest.mark.usefixtures("world")
ALL = ["other.one", "other.two", "sample.first", "sample.second", "sample.third", "sample.fourth"]


class Run:
    """One `rig test`: exit code, screen, record."""

    def __init__(self, place: Path, run_dir: Path, settings: dict[str, Any] | None = None, **request: Any) -> None:
        screen = io.StringIO()
        chosen = RunSettings(run_dir=run_dir, accel=Accel.TCG, **(settings or {}))
        console = Console(file=screen, width=200)
        self.fault: RigError | None = None
        self.code = -1
        try:
            self.code = run_tests(TestRequest(chosen, probes=place, plain=True, **request), console)
        except RigError as fault:
            self.fault = fault
        self.screen = screen.getvalue()
        self.place = run_dir

    @property
    def record(self) -> RunRecord:
        return load(self.place)

    @property
    def outcomes(self) -> dict[str, str]:
        return {case.id: str(case.outcome) for case in self.record.cases}


Go = Callable[..., Run]


@pytest.fixture
def go(tmp_path: Path) -> Go:
    def start(place: Path, settings: dict[str, Any] | None = None, **request: Any) -> Run:
        return Run(place, tmp_path / f"run{len(list(tmp_path.glob('run*')))}", settings, **request)

    return start


def test_a_run_is_recorded_whole(go: Go, probes: Probes) -> None:
    run = go(probes(leaks=1))
    record = run.record
    assert (run.code, record.state, record.missing, record.running) == (0, "complete", (), ())
    assert sorted(record.planned) == sorted(ALL)
    assert run.outcomes == dict.fromkeys(ALL, "pass")
    assert (record.probes, record.image.name) == ({"other": "1", "sample": "1"}, "reference")
    (guest,) = record.guests
    assert (guest.id, guest.ended, guest.console_log) == ("main-1", "the run is over", "guests/main-1/console.log")
    assert [(leak.probe, leak.guest) for leak in record.leaks] == [("other", "main-1"), ("sample", "main-1")]
    assert (run.place / "report.html").stat().st_size > 1000
    assert len(ET.parse(run.place / "junit.xml").findall(".//testcase")) == 6
    events = [json.loads(line)["event"] for line in (run.place / "events.jsonl").read_text().splitlines()]
    assert {"guest.boot.started", "boot.stage", "probe.started", "probe.ended", "guest.ended"} <= set(events)


def test_the_user_sees_stages_cases_and_summary(go: Go, probes: Probes) -> None:
    screen = go(probes(behaviours={"second": "fail"})).screen
    for words in (
        "guest main-1 booting: login 1.0 s",
        "guest main-1: accelerator tcg: asked for",
        "PASS        sample.first",
        "FAIL        sample.second: fail it did",
        "sample.c:1: write: got EPIPE, want EBADF",
        "Report: ",
    ):
        assert words in screen


@pytest.mark.parametrize("behaviours", [{}, {"one": "panic", "second": "crash", "third": "fail"}], ids=["well", "ill"])
def test_two_workers_find_what_one_finds(behaviours: dict[str, str], go: Go, probes: Probes) -> None:
    place = probes(behaviours=behaviours, leaks=1)
    one, two = go(place), go(place, workers="2")
    assert one.outcomes == two.outcomes
    assert set(one.outcomes) == set(ALL)
    assert (one.code, sorted(one.record.planned)) == (two.code, sorted(two.record.planned))
    assert two.record.missing == two.record.running == ()
    assert len(one.record.leaks) == len(two.record.leaks)
    ended = {guest.id: guest.ended for guest in two.record.guests}
    assert set(ended) <= {f"gw{worker}-{number}" for worker in (0, 1) for number in (1, 2, 3)}
    assert all(ended.values())
    names = [json.loads(line)["event"] for line in (two.place / "events.jsonl").read_text().splitlines()]
    assert names.count("guest.ended") == len(ended), "the workers' last events are not lost"
    assert "ready: tcg" in two.screen


def test_a_worker_that_crashes_costs_no_case(go: Go, probes: Probes) -> None:
    run = go(probes(behaviours={"second": "worker"}), workers="2")
    record = run.record
    assert run.outcomes == dict.fromkeys(ALL, "pass")
    (again,) = [case for case in record.cases if case.attempts != 1]
    # A dying worker may take its last words with it: then xdist blames the case before, reported or not.
    assert again.case in {"first", "second"}
    assert again.flaky
    crash = [attempt for attempt in again.earlier if attempt.outcome is Outcome.ERROR]
    assert [attempt.reason for attempt in crash] == ["the pytest worker that ran this case crashed"]


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize("ill", ["fail", "panic", "crash"])
def test_pass_after_fail_is_flaky_and_never_a_plain_pass(workers: str, ill: str, go: Go, probes: Probes) -> None:
    run = go(probes(behaviours={"second": f"first {ill}"}), {"retries": 2}, workers=workers)
    assert run.code == 0
    (case,) = run.record.with_verdict(Verdict.FLAKY)
    assert (case.id, case.outcome, case.attempts) == ("sample.second", Outcome.PASS, 2)
    (first,) = case.earlier
    assert first.outcome is case.first_outcome is not Outcome.PASS
    assert (first.guest, case.guest) != (None, None) and first.guest != case.guest
    assert first.failed if ill == "fail" else first.evidence is not None
    assert "Flaky: as expected only when run again (1)" in run.screen
    assert "flaky" in (run.place / "report.html").read_text()
    skipped = ET.parse(run.place / "junit.xml").findall(".//testcase/skipped")
    assert [one.get("message", "").partition(":")[0] for one in skipped] == ["flaky"]


def test_a_failure_that_stays_keeps_every_attempt(go: Go, probes: Probes) -> None:
    run = go(probes(behaviours={"second": "fail"}), {"retries": 2})
    assert run.code == 1
    (case,) = run.record.with_verdict(Verdict.UNEXPECTED)
    assert (case.attempts, len(case.earlier)) == (3, 2)
    assert len({case.guest, *(attempt.guest for attempt in case.earlier)}) == 3
    assert run.outcomes == dict.fromkeys(ALL, "pass") | {"sample.second": "fail"}
    assert all(guest.ended for guest in run.record.guests)


def test_evidence_of_each_attempt_is_a_file_of_its_own(go: Go, probes: Probes) -> None:
    run = go(probes(behaviours={"second": "panic"}), {"retries": 1})
    (case,) = run.record.with_verdict(Verdict.UNEXPECTED)
    (first,) = case.earlier
    assert "the panicking process was sample, the probe of this case" in case.reason
    assert case.evidence is not None and first.evidence is not None
    assert case.evidence.registers != first.evidence.registers
    for kept in (case.evidence, first.evidence):
        assert kept.panic is not None and (kept.panic.message, kept.panic.process) == ("delayed", "sample")
        assert kept.registers is not None and (run.place / kept.registers).is_file()


def test_what_is_no_fault_of_the_guest_is_not_run_again(go: Go, probes: Probes) -> None:
    place = probes(mute=("sample",))
    run = go(place, {"retries": 3})
    assert all(case.attempts == 1 for case in run.record.cases)


def test_an_interrupt_leaves_a_readable_record(go: Go, probes: Probes) -> None:
    place = probes()
    (place / "sample" / "conftest.py").write_text(
        "def pytest_runtest_logstart(nodeid):\n    if nodeid.endswith('third'): raise KeyboardInterrupt\n"
    )
    run = go(place)
    assert (run.code, run.record.state) == (130, "interrupted")
    assert set(run.outcomes) == {"other.one", "other.two", "sample.first", "sample.second"}
    assert run.record.missing == ("sample.third", "sample.fourth")
    assert run.record.guests[-1].ended == "the run is over"
    assert fakes.INSTALLED[-1].guests[0].closed
    assert (run.place / "report.html").exists()
    assert "Interrupted: the guests are ended" in run.screen


@pytest.mark.parametrize("again", [signal.SIGINT, None])
def test_a_worker_that_ends_its_guests_is_not_interrupted_in_that(again: signal.Signals | None) -> None:
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "import _thread, os, signal, time\n"
            "from types import SimpleNamespace as N\n"
            "from rig.run import plugin\n"
            "def close():\n"
            "    _thread.interrupt_main()\n"  # as xdist's own way of ending a worker does
            + ("    os.kill(os.getpid(), signal.SIGINT)\n" if again else "")
            + "    time.sleep(0.1)\n"
            "    print('ended')\n"
            "plugin.worker_of = lambda _: N(close=close, guests={}, rest=N(leaks=(), rubbish=(), death=None))\n"
            "plugin.pytest_sessionfinish(N(config=N(workeroutput={})))\n",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (said.returncode, said.stdout, said.stderr) == (0, "ended\n", "")


@pytest.mark.parametrize("workers", ["0", "2"])
def test_no_guest_at_all_is_one_error(workers: str, go: Go, probes: Probes) -> None:
    run = go(probes(boots=["fails"] * 99), workers=workers)
    assert run.fault is not None
    words = str(run.fault)
    assert words.startswith("boot stage 'kernel' was not reached in 25 s")
    assert "| the last words" in words
    assert str(run.place / "guests") in words
    assert "Failures" not in run.screen
    assert run.record.is_red


def test_exit_first_still_tells_what_was_seen(go: Go, probes: Probes) -> None:
    run = go(probes(behaviours={"one": "rubbish", "two": "fail"}, order={"other": ["one", "two"]}), exit_first=True)
    assert run.code == 1
    assert [(rubbish.probe, rubbish.lines) for rubbish in run.record.rubbish] == [("other", 2)]


def test_a_panic_behind_the_very_last_case_is_not_green(go: Go, probes: Probes) -> None:
    place = probes()
    (place / "sample" / "conftest.py").write_text(
        "from rig.errors import PanicError\nfrom rig.tests.run import fakes\n"
        "def pytest_runtest_logfinish(nodeid):\n"
        "    if nodeid.endswith('::fourth'):\n"
        "        late = PanicError('the kernel panicked late', evidence=fakes.EVIDENCE)\n"
        "        fakes.INSTALLED[-1].guests[-1].dead = late\n"
    )
    run = go(place)
    last = run.record.cases[-1]
    assert (run.code, last.id, last.outcome) == (1, "sample.fourth", Outcome.PANIC)
    assert last.reason == (
        "the kernel panicked late, after this case, the last in that guest, had ended; "
        "the panicking process was sample, the probe of this case"
    )
    assert last.evidence is not None
    assert last.evidence.console == "the last words"
    assert run.record.guests[-1].ended == "the kernel panicked late"


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_disk_that_fills_up_ends_the_run_in_words(
    workers: str, go: Go, probes: Probes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise HostError("results.json: cannot be written: No space left on device")

    monkeypatch.setattr(RunDir, "add_case", full)
    run = go(probes(), workers=workers)
    assert isinstance(run.fault, HostError)
    assert "No space left" in run.fault.message
    if workers == "0":
        assert fakes.INSTALLED[-1].guests[0].closed


def test_broken_probes_alone_are_bad_input(go: Go, probes: Probes) -> None:
    assert go(probes(mute=("other",))).code == 2
    assert go(probes(has={"other": ["one"]})).code == 2
    assert go(probes(behaviours={"two": "crash"})).code == 2
    assert go(probes(behaviours={"two": "crash", "first": "fail"})).code == 1


def test_the_users_own_pytest_settings_are_not_ours(go: Go, probes: Probes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option -x")
    monkeypatch.setenv("PYTEST_PLUGINS", "no.such.plugin")
    assert go(probes()).code == 0
    assert os.environ["PYTEST_ADDOPTS"] == "--no-such-option -x"


def test_selections(go: Go, probes: Probes) -> None:
    place = probes()
    assert set(go(place, select=("pipes",)).outcomes) == {f"sample.{name}" for name in fakes_cases("sample")}
    assert set(go(place, select=("other", "sample.second", "first")).outcomes) == {
        *("other.one", "other.two", "sample.first", "sample.second")
    }
    once = go(place, select=("sample", "sample.second"))
    assert len(once.outcomes) == 4
    assert all(case.attempts == 1 for case in once.record.cases)
    assert set(go(place, keyword="second", marks="pipes").outcomes) == {"sample.second"}


def fakes_cases(probe: str) -> list[str]:
    return [case.partition(".")[2] for case in ALL if case.startswith(probe)]


def test_last_failed(go: Go, probes: Probes) -> None:
    place = probes(behaviours={"second": "fail", "one": "panic"})
    go(place)
    again = go(place, last_failed=True)
    assert set(again.outcomes) == {"sample.second", "other.one"}
    assert "Nothing failed last time" not in again.screen


def test_last_failed_says_that_nothing_did(go: Go, probes: Probes) -> None:
    run = go(probes(), last_failed=True)
    assert "Nothing failed last time: all that was selected is run" in run.screen
    assert set(run.outcomes) == set(ALL)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"select": ("nosuch",)}, "there is no probe, mechanism or case 'nosuch'"),
        ({"keyword": "nosuch"}, "no case matches the selection"),
        ({"marks": "nosuch"}, "no case matches the selection"),
        ({"keyword": "a b c("}, "pytest did not take its arguments: .*Wrong expression passed to '-k'"),
        ({"workers": "many"}, "pytest did not take its arguments"),
    ],
)
def test_bad_input_is_one_error(request_: dict[str, Any], words: str, go: Go, probes: Probes) -> None:
    run = go(probes(), **request_)
    assert isinstance(run.fault, InputError)
    assert re.search(words, run.fault.message)
    assert fakes.INSTALLED[-1].booted == 0


def test_a_manifest_that_is_broken_is_told_before_anything(go: Go, probes: Probes, tmp_path: Path) -> None:
    place = probes()
    (place / "other" / "other.yaml").write_text("probe: other\ncases: {}\n")
    run = go(place)
    assert isinstance(run.fault, InputError)
    assert not run.place.exists()


def test_a_way_in_that_is_not_there_is_told_before_anything(tmp_path: Path, probes: Probes) -> None:
    settings = RunSettings(image="puredarwin-17.4", transport=TransportChoice.SSH, run_dir=tmp_path / "run")
    with pytest.raises(InputError, match=r"image puredarwin-17\.4 is not reached by ssh, only by: serial"):
        run_tests(TestRequest(settings, probes=probes()), Console(file=io.StringIO()))
    entry = tmp_path / "mute.yaml"
    entry.write_text(
        "{name: mute, summary: x, os: linux, source: {kind: import}, transports: [serial], login: {kind: none},"
        " boot: {stages: [{name: kernel, pattern: Linux, deadline: 1}]}}"
    )
    settings = RunSettings(image=str(entry), run_dir=tmp_path / "run")
    with pytest.raises(InputError, match="image mute has no way in"):
        run_tests(TestRequest(settings, probes=probes()), Console(file=io.StringIO()))


def test_a_fault_inside_pytest_is_not_called_bad_input(
    go: Go, probes: Probes, capfd: pytest.CaptureFixture[str]
) -> None:
    place = probes()
    (place / "sample" / "conftest.py").write_text("def pytest_runtest_logstart(nodeid): raise ZeroDivisionError\n")
    run = go(place)
    assert run.fault is not None
    assert not isinstance(run.fault, InputError)
    assert "ZeroDivisionError" in run.fault.message
    assert capfd.readouterr().err == ""


def test_the_settings_reach_pytest(probes: Probes, tmp_path: Path) -> None:
    settings = RunSettings(
        image="x", accel=Accel.KVM, time_factor=2.5, memory=512, batches=7, network=Network.OPEN, run_dir=tmp_path,
        transport=TransportChoice.SERIAL, keep=True, flags=BootFlags(panic=PanicMode.REBOOT, boot_args="-v a=1"),
    )  # fmt: skip
    image = ImageRecord(name="x", digest="", os="linux")
    with RunDir.create(tmp_path / "run", image=image) as run:
        args = " ".join(arguments(TestRequest(settings, workers="3", exit_first=True), ["node"], run))
        plain = arguments(TestRequest(replace(settings, network=Network.CLOSED), workers="0"), ["node"], run)
    for part in ("--rig-image x", "--rig-accel kvm", "--rig-time-factor 2.5", "--rig-memory 512", "--rig-batches 7"):
        assert part in args
    assert '--rig-keep --rig-flags {"panic":"reboot","boot_args":"-v a=1"}' in args
    assert "--rig-net" in args and "--rig-transport serial" in args
    assert "-n 3 --dist loadfile" in args
    assert " -x " in args
    assert not {"--rig-net", "-n", "-x"} & set(plain)


def test_only_what_was_selected_is_compiled(probes: Probes) -> None:
    manifests = load_manifests(probes())
    assert [one.probe for one in select(manifests, ["fifos"]).manifests] == ["other"]
    assert [one.probe for one in select(manifests, ["second"]).manifests] == ["sample"]
    assert front.select(manifests, []).nodes == tuple(str(one.path) for one in manifests)
