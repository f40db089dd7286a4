"""`rig test`, called as a user calls it: what is wrong with its input is one message and exit code 2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rig.cli import test as command
from rig.run.request import TestRequest
from rig.run.resuming import ResumeRequest
from rig.spec import Accel, Clock
from rig.tests.cli.calls import Rig


@pytest.fixture
def rig(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setenv("RIG_HOME", str(tmp_path / "home"))
    return Rig(capfd, monkeypatch)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[TestRequest]:
    requests: list[TestRequest] = []

    def run(request: TestRequest, _: Any) -> int:
        requests.append(request)
        return 1

    monkeypatch.setattr(command, "run_tests", run)
    return requests


def test_options_become_a_request(rig: Rig, asked: list[TestRequest], tmp_path: Path) -> None:
    options = ["--image", "other", "-n", "2", "-k", "eof", "-m", "not timing", "-x", "--lf", "--run-dir", tmp_path]
    options += ["--accel", "tcg", "--clock", "exact", "--batches", "5", "--time-factor", "2", "--memory", "300"]
    assert rig("test", "pipe", "fifo.x", *options, "--net", "--plain", "--probes", tmp_path).code == 1
    (request,) = asked
    settings = request.settings
    assert (request.select, request.workers, request.keyword) == (("pipe", "fifo.x"), "2", "eof")
    assert (request.marks, request.exit_first, request.last_failed) == ("not timing", True, True)
    assert (request.plain, request.probes, settings.run_dir) == (True, tmp_path, tmp_path)
    assert (settings.image, settings.accel, settings.clock) == ("other", Accel.TCG, Clock.EXACT)
    assert (settings.batches, settings.time_factor, settings.memory, settings.network) == (5, 2.0, 300, "open")


SUITE = """
name: nightly
image: puredarwin-xnu20
probes: [pipes]
marks: timing
clock: exact
batches: 7
time_factor: 3
"""


def test_a_suite_gives_settings_and_options_win(rig: Rig, asked: list[TestRequest], tmp_path: Path) -> None:
    suite = tmp_path / "suite.yaml"
    suite.write_text(SUITE)
    rig("test", "--suite", suite)
    rig("test", "fifos", "--suite", suite, "-m", "functional", "--batches", "9", "--image", "reference")
    first, second = asked
    assert (first.select, first.marks, first.settings.image) == (("pipes",), "timing", "puredarwin-xnu20")
    assert (first.settings.clock, first.settings.batches, first.settings.time_factor) == (Clock.EXACT, 7, 3.0)
    assert (second.select, second.marks) == (("fifos",), "functional")
    assert (second.settings.batches, second.settings.image, second.settings.clock) == (9, "reference", Clock.EXACT)


def test_a_suites_quarantine_lies_beside_the_suite(rig: Rig, asked: list[TestRequest], tmp_path: Path) -> None:
    suite = tmp_path / "suites" / "suite.yaml"
    suite.parent.mkdir()
    suite.write_text(SUITE + "quarantine: ../known.yaml\nfind_order: false\n")
    rig("test", "--suite", suite)
    rig("test", "--suite", suite, "--quarantine", "other.yaml", "--find-order")
    found = [request.settings.quarantine for request in asked]
    assert [request.settings.find_order for request in asked] == [False, True]
    assert found == [suite.parent / "../known.yaml", Path("other.yaml")]


def test_without_options_there_are_defaults(rig: Rig, asked: list[TestRequest]) -> None:
    rig("test")
    (request,) = asked
    assert (request.select, request.settings.image, request.settings.batches) == ((), "reference", 30)
    assert (request.settings.accel, request.settings.clock, request.workers) == (Accel.AUTO, Clock.WALL, "0")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["nosuch"], "there is no probe, mechanism or case 'nosuch'"),
        (["pipes", "-n", "many"], "-n many: found 'many'; a number up to 256, or auto, is wanted"),
        (["-n", "-1"], "a number up to 256"),
        (["-n", "9999"], "a number up to 256"),
        (["--image", "referense"], "unknown image 'referense'"),
        (["--probes", "."], "no probe manifest (*/*.yaml) here"),
        (["--suite", "nowhere.yaml"], "nowhere.yaml: No such file"),
        (["--quarantine", "nowhere.yaml"], "nowhere.yaml: No such file"),
        (["--image", "puredarwin-17.4", "--transport", "ssh"], "is not reached by ssh, only by: serial"),
        (["--image", "puredarwin-xnu20"], "image puredarwin-xnu20 is not in the store"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input(args: list[str], words: str, rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = rig("test", *args)
    assert (answer.code, answer.out) == (2, "")
    assert words in answer.err
    assert answer.err.count("rig: error:") == 1
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("name: x\nprobez: [pipe]\n", "suite.yaml:2: probez: unknown key (did you mean 'probes'?)"),
        ("name: x\nbatches: many\n", "suite.yaml:2: batches: found 'many'"),
        ("name: [x\n", "suite.yaml:2: not readable as YAML"),
        ("- pipe\n", "expected a mapping"),
    ],
)
def test_a_suite_that_is_wrong(content: str, words: str, rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "suite.yaml").write_text(content)
    answer = rig("test", "--suite", tmp_path / "suite.yaml")
    assert answer.code == 2
    assert words in answer.err
    assert "Traceback" not in answer.err


@pytest.fixture
def again(monkeypatch: pytest.MonkeyPatch) -> list[ResumeRequest]:
    requests: list[ResumeRequest] = []

    def run(request: ResumeRequest, _: Any) -> int:
        requests.append(request)
        return 1

    monkeypatch.setattr(command, "resume_tests", run)
    return requests


def test_resume_takes_a_directory_and_how_to_go_on(rig: Rig, again: list[ResumeRequest]) -> None:
    for args in (["--resume"], ["--resume", "dir"], ["--run-dir", "dir", "--resume"]):
        assert rig("test", *args).code == 1
    rig("test", "--resume", "dir", "-n", "auto", "-x", "--live")
    rig("test", "-n", "0", "--resume")
    assert [one.place for one in again] == [None, Path("dir"), Path("dir"), Path("dir"), None]
    assert again[0] == ResumeRequest()
    assert again[3] == ResumeRequest(Path("dir"), "auto", exit_first=True, plain=False)
    assert again[4].workers == "0"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--image", "reference"], "--image cannot be given anew"),
        (["--clock", "wall"], "--clock cannot be given anew"),
        (["-k", "eof"], "-k cannot be given anew"),
        (["-m", "timing"], "-m cannot be given anew"),
        (["--lf"], "--lf cannot be given anew"),
        (["--isolation", "suite"], "--isolation cannot be given anew"),
        (["--suite", "x.yaml"], "--suite cannot be given anew"),
        (["--retries", "0"], "--retries cannot be given anew"),
        (["--quarantine", "x.yaml"], "--quarantine cannot be given anew"),
        (["--cold"], "--cold cannot be given anew"),
        (["--probes", "."], "--probes cannot be given anew"),
        (["dir", "pipes"], "--resume takes one run's directory, found: dir, pipes"),
        (["dir", "--run-dir", "other"], "--resume takes one run's directory, found: dir, other"),
        (["pipes"], "pipes: no such run"),
        (["-n", "many"], "-n many: found 'many'"),
        ([], "no run is known on this machine"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_stand_beside_resume(
    args: list[str], words: str, rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = rig("test", "--resume", *args)
    assert (answer.code, answer.out) == (2, "")
    assert words in answer.err
    assert answer.err.count("rig: error:") == 1


@pytest.mark.parametrize(
    ("option", "value"),
    [("--time-factor", "inf"), ("--time-factor", "1e300"), ("--time-factor", "nan"), ("--batches", "10001")],
)
def test_absurd_numbers_are_refused_before_anything_is_started(
    rig: Rig, asked: list[TestRequest], option: str, value: str
) -> None:
    answer = rig("test", option, value)
    assert answer.code == 2 and option in answer.err
    assert not asked


@pytest.mark.parametrize("accel", ["kvm", "hvf"])
def test_a_clock_that_an_accelerator_cannot_have_is_told_before_anything_is_built(rig: Rig, accel: str) -> None:
    answer = rig("test", "--clock", "exact", "--accel", accel, "pipe.capacity")
    assert (answer.code, answer.out) == (2, "")
    assert f"the exact clock needs TCG and one CPU, found {accel}" in answer.err


def test_an_empty_name_of_an_image_is_no_default(rig: Rig) -> None:
    answer = rig("test", "--image", "", "pipe.capacity")
    assert answer.code == 2 and "unknown image ''" in answer.err
