"""The quarantine of a run, with guests that are not there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, get_args
from xml.etree import ElementTree as ET

import pytest

from rig.errors import InputError
from rig.probe.manifest import ProbeManifest
from rig.result import Outcome, Verdict
from rig.run.quarantine import check_quarantine, entry_for
from rig.spec import load_quarantine
from rig.spec.quarantine import Failing
from rig.tests.run import fakes
from rig.tests.run.conftest import Probes
from rig.tests.run.fakes import write_manifest
from rig.tests.run.test_front import Run
from rig.tests.spec.test_quarantine import ENTRY, write

FAR = "2999-01-01"
Go = Callable[..., Run]


@pytest.fixture
def go(tmp_path: Path, world: fakes.World, probes: Probes) -> Go:
    def start(behaviours: dict[str, str], *entries: dict[str, Any], retries: int = 0, **request: Any) -> Run:
        listed = [ENTRY | {"case": "sample.second", "expires": FAR} | entry for entry in entries]
        settings = {"quarantine": write(tmp_path, *listed), "retries": retries}
        return Run(probes(behaviours=behaviours), tmp_path / "run", settings, **request)

    return start


@pytest.fixture
def manifests(tmp_path: Path) -> list[ProbeManifest]:
    return [write_manifest(tmp_path, ["first", "second"])]


def test_an_entry_may_name_every_outcome_that_tells_of_the_guest() -> None:
    assert set(get_args(Failing)) == {str(one) for one in Outcome if one.is_bad} - {"error"}


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_quarantined_failure_is_told_and_not_red(workers: str, go: Go) -> None:
    run = go({"second": "fail"}, {}, workers=workers)
    assert (run.fault, run.code) == (None, 0)
    (case,) = run.record.with_verdict(Verdict.QUARANTINED)
    assert (case.id, case.outcome) == ("sample.second", Outcome.FAIL)
    assert not run.record.is_red
    for words in (f"quarantined until {FAR}: races", ENTRY["issue"], "No new failures; 1 case quarantined"):
        assert words in run.screen
    assert f'href="{ENTRY["issue"]}"' in (run.place / "report.html").read_text()
    (skipped,) = ET.parse(run.place / "junit.xml").findall(".//testcase/skipped")
    assert skipped.get("type") == "quarantined"
    told = f"quarantined until {FAR}: races ({ENTRY['issue']}): fail: fail it did"
    assert skipped.get("message") == told


@pytest.mark.parametrize("workers", ["0", "2"])
def test_an_entry_without_need_is_an_error(workers: str, go: Go) -> None:
    run = go({}, {}, workers=workers)
    assert run.code == 1
    assert run.record.is_red
    (case,) = run.record.with_verdict(Verdict.UNNEEDED_QUARANTINE)
    assert case.outcome is Outcome.PASS
    words = f"as expected, but quarantined until {FAR}: races; take its entry out of the quarantine"
    assert words in run.screen
    assert words in (run.place / "report.html").read_text()
    assert '"verdict": "quarantine-unneeded"' in (run.place / "results.json").read_text()
    (failure,) = ET.parse(run.place / "junit.xml").findall(".//testcase/failure")
    assert words in (failure.text or "")


@pytest.mark.parametrize(("ill", "verdict"), [("first fail", "flaky"), ("fail", "quarantined")])
def test_a_case_that_failed_at_all_needs_its_entry(ill: str, verdict: str, go: Go) -> None:
    run = go({"second": ill}, {}, retries=1)
    assert run.code == 0
    (case,) = [case for case in run.record.cases if case.id == "sample.second"]
    assert (case.verdict, case.attempts) == (verdict, 2)
    assert "quarantine-unneeded" not in run.screen and "without need" not in run.screen


@pytest.mark.parametrize(("named", "code"), [({}, 1), ({"outcome": ["fail", "panic"]}, 0)])
def test_a_panic_is_covered_only_by_name(named: dict[str, Any], code: int, go: Go) -> None:
    run = go({"second": "panic"}, named)
    assert (run.code, run.outcomes["sample.second"]) == (code, "panic")
    assert ("its quarantine covers only fail, timeout, crashed" in run.screen) == bool(code)
    assert run.outcomes["sample.fourth"] == "pass"


def test_entries_that_do_not_concern_the_run_are_let_be(go: Go) -> None:
    run = go({"two": "fail"}, {}, {"case": "other.two", "images": ["puredarwin-xnu20"]}, select=("other",))
    assert run.code == 1
    assert [case.id for case in run.record.with_verdict(Verdict.UNEXPECTED)] == ["other.two"]
    assert not run.record.with_verdict(Verdict.UNNEEDED_QUARANTINE)


def test_what_is_wrong_is_told_before_anything_boots(go: Go, tmp_path: Path) -> None:
    run = go({}, {"expires": "2026-01-31"}, {"case": "sample.first"})
    assert isinstance(run.fault, InputError)
    assert str(run.fault) == (
        f"{tmp_path}/known.yaml:2: the quarantine of sample.second expired on 2026-01-31: races ({ENTRY['issue']})\n"
        "  Take the entry out where the case passes again; else look at its issue and set a new date."
    )
    assert not (tmp_path / "run").exists()
    assert not fakes.INSTALLED[-1].booted


def test_an_entry_holds_through_its_last_day(manifests: list[ProbeManifest], tmp_path: Path) -> None:
    entries = load_quarantine(write(tmp_path, ENTRY | {"case": "sample.first"}))
    check_quarantine(entries, manifests, (), date(2026, 12, 1))
    with pytest.raises(InputError, match="expired on 2026-12-01"):
        check_quarantine(entries, manifests, (), date(2026, 12, 2))


def test_a_case_or_an_image_that_is_none_is_told_with_what_is_near(
    manifests: list[ProbeManifest], tmp_path: Path
) -> None:
    path = write(tmp_path, ENTRY | {"case": "sample.frist"}, ENTRY | {"case": "sample.second", "images": ["referense"]})
    with pytest.raises(InputError) as caught:
        check_quarantine(load_quarantine(path), manifests, {"reference"}, date(2026, 1, 1))
    assert caught.value.message == (
        f"{path}:2: there is no case 'sample.frist'\n{path}:6: there is no image 'referense'"
    )
    assert caught.value.hint == "Did you mean sample.first or sample.second? Did you mean reference?"
    path = write(tmp_path, ENTRY | {"case": "x.y"})
    with pytest.raises(InputError, match=r"there is no case 'x\.y'\n  `rig probes list` shows what there is\."):
        check_quarantine(load_quarantine(path), manifests, (), date(2026, 1, 1))


def test_an_entry_is_found_by_case_and_image(tmp_path: Path) -> None:
    entries = load_quarantine(write(tmp_path, ENTRY | {"images": ["a"]}, ENTRY | {"images": ["b"], "reason": "slow"}))
    found = entry_for(entries, "pipe.eof", "b")
    assert found is not None and found.reason == "slow"
    assert entry_for(entries, "pipe.eof", "c") is entry_for(entries, "pipe.eo", "a") is None


def test_plain_pytest_holds_it_too(pytester: pytest.Pytester, probes: Probes, tmp_path: Path) -> None:
    place = probes(behaviours={"second": "fail"})
    path = write(tmp_path, ENTRY | {"case": "sample.second", "expires": FAR})
    result = pytester.runpytest_inprocess(place, "-k", "sample", "--rig-quarantine", str(path))
    result.assert_outcomes(passed=3, xfailed=1, deselected=2)
    path = write(tmp_path, ENTRY | {"case": "sample.second", "expires": "2026-01-01"})
    result = pytester.runpytest_inprocess(place, "-k", "sample", "--rig-quarantine", str(path))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*the quarantine of sample.second expired on 2026-01-01*"])
