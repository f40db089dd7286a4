"""The pytest plugin, by pytest itself: collecting, selecting, outcomes, the fixture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rig.tests.run import fakes
from rig.tests.run.conftest import Probes

BEHAVIOURS = {"second": "fail", "third": "fail", "fourth": "unsupported", "two": "panic"}


@pytest.fixture(autouse=True)
def _alone(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)


def ids(result: pytest.RunResult) -> list[str]:
    return [line.partition(".yaml::")[2] for line in result.outlines if ".yaml::" in line and " " not in line]


def test_cases_are_collected_without_a_guest(pytester: pytest.Pytester, probes: Probes) -> None:
    result = pytester.runpytest_inprocess(probes(), "--collect-only", "-q", "--strict-markers")
    assert ids(result) == ["one", "two", "first", "second", "third", "fourth"]
    assert fakes.INSTALLED[-1].booted == 0


@pytest.mark.parametrize(
    ("select", "wanted"),
    [
        (["-k", "second or two"], ["two", "second"]),
        (["-k", "fifos"], ["one", "two"]),
        (["-k", "sample.first"], ["first"]),
        (["-m", "pipes"], ["first", "second", "third", "fourth"]),
        (["-m", "timing"], ["fourth"]),
        (["-m", "pipes and not timing"], ["first", "second", "third"]),
        (["-m", "not qemu"], []),
    ],
    ids=" ".join,
)
def test_cases_are_selected(select: list[str], wanted: list[str], pytester: pytest.Pytester, probes: Probes) -> None:
    result = pytester.runpytest_inprocess(probes(), "--collect-only", "-q", *select)
    assert ids(result) == wanted


def test_only_the_plugins_own_guest_is_marked(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_own="import pytest\n@pytest.fixture\ndef guest():\n    return 1\ndef test_own(guest): ...",
        test_made="import pytest\n@pytest.fixture\ndef guest(guest):\n    return guest\ndef test_made(guest): ...",
        test_plain="def test_plain(guest): ...",
        test_none="def test_none(): ...",
    )
    found = pytester.runpytest_inprocess("--collect-only", "-q", "-m", "qemu").outlines
    assert [line for line in found if "::" in line] == ["test_made.py::test_made", "test_plain.py::test_plain"]


def test_a_case_is_named_by_its_node(pytester: pytest.Pytester, probes: Probes) -> None:
    result = pytester.runpytest_inprocess(f"{probes()}/sample/sample.yaml::second", "-v")
    result.assert_outcomes(passed=1)
    assert fakes.INSTALLED[-1].starts == [("sample", ["second"])]


def test_outcomes_as_pytest_says_them(pytester: pytest.Pytester, probes: Probes) -> None:
    result = pytester.runpytest_inprocess(probes(behaviours=BEHAVIOURS), "-ra")
    result.assert_outcomes(passed=2, failed=2, xfailed=1, skipped=1)
    result.stdout.fnmatch_lines_random(
        [
            "*sample.second: fail (expected pass): fail it did*",
            "*sample.c:1: write: got EPIPE, want EBADF*",
            "*the contract: what it does [[]POSIX]*",
            "*other.two: panic (expected pass): the guest's kernel panicked: test, while this case ran*",
            "*| the last words*",
            "XFAIL*third*a known fault*",
            "*unsupported: unsupported it did*",
        ]
    )
    assert "Traceback" not in result.stdout.str()


def test_a_case_that_passes_against_expectation_passes(pytester: pytest.Pytester, probes: Probes) -> None:
    result = pytester.runpytest_inprocess(f"{probes()}/sample/sample.yaml::third")
    result.assert_outcomes(passed=1)


def test_exit_first_starts_no_further_probe(pytester: pytest.Pytester, probes: Probes) -> None:
    result = pytester.runpytest_inprocess(probes(behaviours={"one": "fail"}), "-x")
    result.assert_outcomes(failed=1)
    assert [probe for probe, _ in fakes.INSTALLED[-1].starts] == ["other"]
    assert fakes.INSTALLED[-1].guests[0].closed


def test_last_failed(pytester: pytest.Pytester, probes: Probes) -> None:
    place = probes(behaviours=BEHAVIOURS)
    pytester.runpytest_inprocess(place)
    result = pytester.runpytest_inprocess(place, "--lf")
    result.assert_outcomes(failed=2)
    assert fakes.INSTALLED[-1].starts == [("other", ["two"]), ("sample", ["second"])]


def test_a_broken_manifest_is_told_and_the_rest_collected(pytester: pytest.Pytester, probes: Probes) -> None:
    place = probes()
    manifest = place / "other" / "other.yaml"
    manifest.write_text(manifest.read_text().replace("version: 1", "verzion: 1"))
    result = pytester.runpytest_inprocess(place, "--continue-on-collection-errors")
    result.assert_outcomes(passed=4, errors=1)
    result.stdout.fnmatch_lines(["*other.yaml:*: verzion: unknown key (did you mean 'version'?)*"])
    assert "Traceback" not in result.stdout.str()


def test_other_yaml_files_are_not_ours(pytester: pytest.Pytester, home: Path) -> None:
    (pytester.path / "compose.yaml").write_text("services:\n  probe: x\n")
    (pytester.path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    result = pytester.runpytest_inprocess("--collect-only")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_session_without_a_guest_touches_nothing(pytester: pytest.Pytester, home: Path) -> None:
    pytester.makepyfile("def test_x(): pass")
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)
    assert not home.exists()


GUEST_TESTS = """
import pytest
def test_one(guest):
    assert guest.run("uname").stdout == b"guest says: uname"
    guest.seen = True
def test_two(guest):
    assert guest.seen, "the guest is shared"
    guest.dead = guest.lost = __import__("rig.errors").errors.PanicError("killed on purpose")
def test_three(guest):
    assert not hasattr(guest, "seen"), "a dead guest is replaced"
"""


def test_the_guest_fixture(pytester: pytest.Pytester, world: fakes.World) -> None:
    pytester.makepyfile(GUEST_TESTS)
    result = pytester.runpytest_inprocess("--strict-markers")
    result.assert_outcomes(passed=3)
    assert world.booted == 2
    assert all(guest.closed for guest in world.guests)


def test_tests_with_the_guest_carry_the_mark(pytester: pytest.Pytester, world: fakes.World) -> None:
    pytester.makepyfile(GUEST_TESTS + "def test_quick(): pass")
    pytester.runpytest_inprocess("-m", "not qemu").assert_outcomes(passed=1, deselected=3)
    assert world.booted == 0


def test_a_guest_that_does_not_boot_fails_its_tests_in_words(pytester: pytest.Pytester, world: fakes.World) -> None:
    world.boots = ["fails"] * 9
    pytester.makepyfile(GUEST_TESTS)
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines(["*boot stage 'kernel' was not reached in 25 s*", "*| the last words*"])
    assert world.booted == 2


def test_tests_that_kill_the_guest_cost_no_case(pytester: pytest.Pytester, probes: Probes) -> None:
    place = probes()
    (place / "a_test.py").write_text(GUEST_TESTS)
    result = pytester.runpytest_inprocess(place / "a_test.py::test_one", place / "a_test.py::test_two", place)
    assert result.ret == 0


def test_without_a_guest_the_cases_end_at_once(pytester: pytest.Pytester, probes: Probes) -> None:
    result = pytester.runpytest_inprocess(probes(boots=["fails"] * 9))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*no guest became ready: boot stage 'kernel' was not reached*"])
    assert fakes.INSTALLED[-1].booted == 2


def test_a_panic_behind_the_very_last_case_is_not_green(pytester: pytest.Pytester, probes: Probes) -> None:
    place = probes()
    (place / "sample" / "conftest.py").write_text(
        "from rig.errors import PanicError\nfrom rig.tests.run import fakes\n"
        "def pytest_runtest_logfinish(nodeid):\n"
        "    if nodeid.endswith('::fourth'):\n"
        "        fakes.INSTALLED[-1].guests[-1].dead = PanicError('the kernel panicked late')\n"
    )
    result = pytester.runpytest_inprocess(place)
    result.assert_outcomes(passed=6)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_probe_that_does_not_compile_costs_its_own_cases(
    pytester: pytest.Pytester, probes: Probes, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = probes()
    conftest = place / "conftest.py"
    conftest.write_text(
        conftest.read_text() + "import rig.run.worker, rig.errors, rig.tests.run.fakes as fakes\n"
        "calls = []\n"
        "def _build(manifests, *rest):\n"
        "    calls.append(manifests[0].probe)\n"
        "    assert calls.count('other') < 2, 'compiled again for each case'\n"
        "    if manifests[0].probe == 'other': raise rig.errors.ToolchainError('other.c:1: error: no such thing')\n"
        "    return fakes.build(manifests)\n"
        "rig.run.worker.build = _build\n"
    )
    result = pytester.runpytest_inprocess(place)
    result.assert_outcomes(passed=4, failed=2)
    result.stdout.fnmatch_lines(["*other.one: error (expected pass): the probe was not built: other.c:1: error*"])


def test_a_fault_of_the_rig_is_a_failure_not_a_gap(pytester: pytest.Pytester, probes: Probes) -> None:
    place = probes()
    conftest = place / "conftest.py"
    conftest.write_text(
        conftest.read_text()
        + "import json\ndef pytest_runtest_logreport(report):\n"
        + "    if hasattr(report, 'rig'): open('reports.jsonl', 'a').write(json.dumps(report.rig) + '\\n')\n"
        + "from rig.run.cases import CaseRunner\n"
        + "def fail(*_): raise ZeroDivisionError('a bug')\nCaseRunner.run = fail\n"
    )
    result = pytester.runpytest_subprocess(place)
    result.assert_outcomes(failed=6)
    reports = [json.loads(line) for line in (pytester.path / "reports.jsonl").read_text().splitlines()]
    assert {report["case"]["outcome"] for report in reports} == {"error"}
    assert "ZeroDivisionError: a bug" in reports[0]["case"]["reason"]


def test_workers_of_xdist_find_the_same(pytester: pytest.Pytester, probes: Probes) -> None:
    place = probes(behaviours=BEHAVIOURS)
    result = pytester.runpytest_subprocess(place, "-n", "2", "--dist", "loadfile")
    result.assert_outcomes(passed=2, failed=2, xfailed=1, skipped=1)
