"""`rig test` as a bench starts it: which cases, how it ends, and what is told of isolation and of many guests."""

import signal
import subprocess
from pathlib import Path

import pytest

from rig.bench import guests, isolation, suites
from rig.bench.frame import Bed
from rig.bench.subject import CASE, PROBE
from rig.errors import RigError
from rig.probe.manifest import CaseKind, load_manifests
from rig.spec import Isolation


def suite_run(wall, cases=10, unexpected=()):
    return suites.SuiteRun(wall, 1.0, 1.5, wall - 1.0, cases, unexpected, Path())


def test_isolation_is_judged():
    good = isolation.tell({one: [suite_run(4.0)] for one in Isolation})
    assert [one.met for one in good.targets] == [True, True]
    bad = isolation.tell({one: [suite_run(6.0, unexpected=("pipe.eof",))] for one in Isolation})
    assert [one.met for one in bad.targets] == [False, False]
    assert "pipe.eof (isolation case)" in bad.targets[1].why


def test_guests_are_held_against_one():
    found = guests.tell({1: [suite_run(60.0, 80)], 2: [suite_run(30.0, 80)], 4: [suite_run(40.0, 80)]})
    assert [row[1] for row in found.rows] == ["80", "160", "120"]
    assert [row[3] for row in found.rows] == ["1.00", "2.00", "1.50"]
    assert "with 2 guests" in found.notes[0]


def test_cases_are_taken_evenly_and_pass_everywhere():
    manifests = load_manifests()
    some = suites.functional_cases(manifests, 50)
    assert len(some) == len(set(some)) == 50
    by_name = {one.probe: one for one in manifests}
    for name in some:
        probe, _, case = name.partition(".")
        assert by_name[probe].only is None and by_name[probe].cases[case].kind is CaseKind.FUNCTIONAL
    assert len({name.split(".")[0] for name in some}) > 8
    every = suites.functional_cases(manifests, 10**6)
    assert len(every) == len(set(every)) >= 200
    assert CASE in next(one for one in manifests if one.probe == PROBE).cases


def test_one_case_of_each_probe():
    assert suites.one_of_each(["pipe.a", "pipe.b", "fifo.c", "pipe.d"]) == ["pipe.a", "fifo.c"]


def test_a_suite_that_cannot_be_run_is_told_with_its_words(tmp_path):
    with pytest.raises(RigError, match=r"(?s)status 2:.*no_such_probe_at_all"):
        suites.run_suite(Bed(tmp_path, 1, print), "odd", "no_such_probe_at_all")


def test_an_interrupt_ends_what_was_started(tmp_path, monkeypatch):
    seen: list[subprocess.Popen[bytes]] = []

    class Interrupted(subprocess.Popen):  # type: ignore[type-arg]
        def wait(self, timeout=None):
            if not seen:
                seen.append(self)
                raise KeyboardInterrupt
            return super().wait(timeout)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        suites._follow(["sleep", "600"], tmp_path / "log")
    assert seen[0].returncode == -signal.SIGTERM
