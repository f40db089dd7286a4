"""Faults of whole runs: each costs the case that it strikes and no other, the run goes on, and nothing is left.

| fault                              | outcome of its case | what is seen beside                                      |
| ---------------------------------- | ------------------- | -------------------------------------------------------- |
| guest's kernel panics              | panic               | the panic's own words                                    |
| QEMU killed                        | panic               | killed by SIGKILL                                        |
| QEMU stopped                       | hang                | its process is stopped, and gone behind it all the same  |
| QEMU's CPUs held by QMP            | hang                | QEMU's state                                             |
| guest's kernel does nothing        | hang                | registers and the screen are kept                        |
| guest runs one process for ever    | hang                | the CPU is busy, and where                               |
| network cut for good               | hang                | its console still answers                                |
| network cut and back               | pass                | the guest goes on                                        |
| guest's disk full                  | pass                | the probes behind it, sent before, run all the same      |
| QEMU killed at boot                | pass                | one more try                                             |
| two runs make one template         | pass                | one boots, the other waits for it and restores           |
| the run that makes it is killed    | (it has none)       | one that waited makes it; no half of it stays            |

Behind each fault the probe's other cases pass, in a fresh guest where theirs was lost. The same faults at a guest
alone, and those of saves and restores: guest-tests/test_faults_in_use.py and test_faults_in_the_making.py.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from rig.machine.qmp import Monitor
from rig.paths import scratch_parent
from rig.result import CaseResult, load
from rig.tests.real import PATIENCE, RealRig, until
from rig.tests.run.test_real import running

pytestmark = pytest.mark.qemu

SOURCE = """\
#include "rig.h"
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
PROBE("NAME", "1");
/* In no process's time but its own: SCHED_FIFO at its highest. No function of musl leads there. */
__attribute__((unused)) static bool spins_above_all(void)
{
    int priority = 99;
    if (syscall(SYS_sched_setscheduler, 0, 1, &priority) != 0)
        return false;
    for (volatile int turn = 0;; turn++) {
    }
}
CASE(before) { CHECK_EQ_INT(1, 1); }
CASE(struck) { CHECK(DOES); }
CASE(behind) { CHECK_EQ_INT(1, 1); }
"""
SLEEPS = "sleep(4) == 0"
PROBES = {
    "panics": 'system("echo c >/proc/sysrq-trigger; sleep 60") == 0',
    "freezes": 'system("echo freeze >/sys/power/state") == 0',
    "killed": SLEEPS,
    "stopped": SLEEPS,
    "held": SLEEPS,
    "spins": 'system("echo -1 >/proc/sys/kernel/sched_rt_runtime_us") == 0 && spins_above_all()',
    "cut": SLEEPS,
    "torn": SLEEPS,
    # Where probes are put; the file is the guest's, so that it stays behind the case.
    "fills": 'system("mount -o remount,size=8m /tmp; dd if=/dev/zero of=/tmp/full bs=4096 2>/dev/null") != 0',
    "last": "1 == 1",
}
FACTOR = 1.0
"""Of every deadline: a guest that says nothing is asked behind the 10 s of its case, not behind 50."""


def write(place: Path) -> Path:
    case = {"what": "x", "source": "x", "expect": {"linux": "pass", "darwin": "pass"}}
    for number, (name, does) in enumerate(PROBES.items()):
        directory = place / f"{number}"
        directory.mkdir(parents=True)
        (directory / f"{name}.c").write_text(SOURCE.replace("NAME", name).replace("DOES", does))
        plain = {
            "probe": name,
            "version": 1,
            "mechanism": name,
            "summary": "x",
            "sources": [f"{name}.c"],
            "cases": dict.fromkeys(("before", "struck", "behind"), case),
        }
        (directory / f"{name}.yaml").write_text(yaml.safe_dump(plain, sort_keys=False))
    return place


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRig]:
    """One home for all, so that one template serves."""
    with RealRig(tmp_path_factory.mktemp("faults") / "home") as found:
        yield found


@pytest.fixture(scope="module")
def probes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("probes"))


@pytest.fixture
def warm(rig: RealRig, probes: Path, tmp_path: Path) -> RealRig:
    """With a template: short deadlines are for guests that are restored, never for a boot."""
    if not list(rig.home.glob("cache/templates/*/template.json")):
        out, err = start(rig, probes, tmp_path / "first", "last.before").communicate(timeout=PATIENCE)
        assert list(rig.home.glob("cache/templates/*/template.json")), out + err
    return rig


def start(rig: RealRig, probes: Path, run_dir: Path, *more: object) -> subprocess.Popen[str]:
    return rig.start("test", "--probes", probes, "--accel", "tcg", "--run-dir", run_dir, "--plain", *more)


def events(run_dir: Path) -> list[dict[str, Any]]:
    """A run's events so far."""
    path = run_dir / "events.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def heard(run_dir: Path) -> list[str]:
    """Names of a run's events so far."""
    return [str(one["event"]) for one in events(run_dir)]


def left(rig: RealRig) -> list[str]:
    """What no run may leave: claims on the host, halves of templates."""
    found = [*rig.home.glob("cache/templates/.*"), *rig.home.glob("state/capacity/*.guest")]
    return [path.name for path in found]


def machines(rig: RealRig, process: subprocess.Popen[str]) -> list[psutil.Process]:
    """QEMUs that have been seen below a run and are there; not those that are only asked for their version."""
    found = []
    for one in rig.qemus(process):
        with contextlib.suppress(psutil.Error):
            if "-name" in one.cmdline():
                found.append(one)
    return found


def alive(qemus: set[psutil.Process]) -> list[psutil.Process]:
    """Those that have not ended; one that nobody reaps (a container without init) has."""
    found = []
    for one in qemus:
        with contextlib.suppress(psutil.NoSuchProcess):
            if one.is_running() and one.status() != psutil.STATUS_ZOMBIE:
                found.append(one)
    return found


def directory_of(qemu: psutil.Process) -> Path:
    """Where its sockets and its overlay lie."""
    line = qemu.cmdline()
    return scratch_parent() / line[line.index("-name") + 1]


def test_makers_of_one_template_that_are_killed_are_followed(rig: RealRig, probes: Path, tmp_path: Path) -> None:
    runs: dict[Path, subprocess.Popen[str]] = {}

    def begin(name: str) -> Path:
        place = tmp_path / name
        runs[place] = start(rig, probes, place, "last.before")
        until(lambda: "guest.boot.started" in heard(place), f"the start of {name}")
        return place

    first = begin("first")
    until(lambda: machines(rig, runs[first]), "the maker's QEMU")
    (qemu,) = machines(rig, runs[first])
    directory = directory_of(qemu)
    assert [path for path in left(rig) if path.endswith(".guest")]
    second = begin("second")
    assert len(list(rig.home.glob("cache/templates/.*"))) == 1
    assert machines(rig, runs[second]) == [qemu], "it waits for the first"
    runs[first].kill()
    # The second makes it now, and its QEMU ends in the middle of that: it has another try.
    until(lambda: set(machines(rig, runs[second])) - {qemu}, "the second maker's QEMU")
    (other,) = set(machines(rig, runs[second])) - {qemu}
    other.kill()
    third = begin("third")
    for place in (second, third):
        out, err = runs[place].communicate(timeout=PATIENCE)
        assert runs[place].returncode == 0, out + err
        record = load(place)
        assert [str(case.outcome) for case in record.cases] == ["pass"]
        assert [guest.start for guest in record.guests] == ["warm"]
    (fault,) = [one["fault"] for one in events(second) if one["event"] == "guest.boot.failed"]
    assert "killed by SIGKILL" in fault
    assert [heard(place).count("template.make.ended") for place in runs].count(1) == 1, "one makes it, the other waits"
    assert not alive({qemu, other})
    assert not directory.exists()
    assert left(rig) == []
    assert len([path for path in (rig.home / "cache" / "templates").iterdir() if path.is_dir()]) == 1


def link(qemu: psutil.Process, up: bool) -> None:
    """Plug the guest's network cable in, or pull it."""
    monitor = Monitor(directory_of(qemu) / "qmp.sock")
    monitor.connect(30)
    monitor.execute("set_link", {"name": "net0", "up": up})
    monitor.close()


def pause(qemu: psutil.Process) -> None:
    """Hold the guest's CPUs."""
    monitor = Monitor(directory_of(qemu) / "qmp.sock")
    monitor.connect(30)
    monitor.execute("stop")
    monitor.close()


def tear(qemu: psutil.Process) -> None:
    link(qemu, up=False)
    threading.Event().wait(2)
    link(qemu, up=True)


STRIKES = {
    "killed": psutil.Process.kill,
    "stopped": psutil.Process.suspend,
    "held": pause,
    "cut": lambda qemu: link(qemu, up=False),
    "torn": tear,
}
OUTCOMES = {
    "panics": ("panic", "the guest's kernel panicked"),
    "killed": ("panic", "QEMU ended: killed by SIGKILL, while this case ran"),
    "stopped": ("hang", "the guest stands still; QEMU's process is stopped, while this case ran"),
    "held": ("hang", "the guest stands still; QEMU's state: paused, while this case ran"),
    "spins": ("hang", "nobody in the guest answered in the last "),
    "freezes": ("hang", "while this case ran"),
    "cut": ("hang", "; its console still answers, so its network or its SSH server is at fault, while this case ran"),
}


def qemu_of(run_dir: Path, probe: str, qemus: set[psutil.Process]) -> psutil.Process:
    """The one that runs a probe now."""
    guests = [one["guest"] for one in events(run_dir) if one["event"] == "probe.started" and one["probe"] == probe]
    logs = str(run_dir / "guests" / guests[-1])
    return next(one for one in qemus if one.is_running() and any(f"{logs}/" in word for word in one.cmdline()))


def struck(rig: RealRig, probes: Path, place: Path, names: Sequence[str], *more: object) -> dict[str, CaseResult]:
    """The cases of a run of these probes, in which each that is to be struck from outside is, once."""
    process = start(rig, probes, place, "--time-factor", FACTOR, *more, *names)
    qemus: set[psutil.Process] = set()
    waiting = {name: strike for name, strike in STRIKES.items() if name in names}
    while process.poll() is None:
        qemus |= set(machines(rig, process))
        for name in [name for name in waiting if running(place, f"{name}.struck")]:
            waiting.pop(name)(qemu_of(place, name, qemus))
        time.sleep(0.1)
    out, err = process.communicate(timeout=PATIENCE)
    record = load(place)
    assert waiting == {}, out + err
    assert (process.returncode, record.state, record.missing) == (1, "complete", ()), out + err
    assert "Traceback" not in out + err
    assert not alive(qemus)
    assert left(rig) == []
    cases = {case.id: case for case in record.cases}
    for name in names:
        outcome, words = OUTCOMES.get(name, ("pass", ""))
        one = cases[f"{name}.struck"]
        assert (str(one.outcome), words in one.reason) == (outcome, True), one.reason
        before, behind = cases[f"{name}.before"], cases[f"{name}.behind"]
        assert (str(before.outcome), str(behind.outcome)) == ("pass", "pass"), behind.reason
        assert before.guest == one.guest
        assert (behind.guest == one.guest) is (outcome == "pass"), "a guest that was lost is not used again"
    return cases


def test_what_ends_a_guest(warm: RealRig, probes: Path, tmp_path: Path) -> None:
    cases = struck(warm, probes, tmp_path / "run", ["panics", "killed", "torn", "fills", "last"])
    # All probes are sent at once. A guest that takes none: rig/tests/run/test_cases.py.
    assert cases["last.behind"].guest == cases["fills.before"].guest


def test_what_makes_a_guest_silent(warm: RealRig, probes: Path, tmp_path: Path) -> None:
    names = ["freezes", "cut", "spins", "stopped", "held"]
    cases = struck(warm, probes, tmp_path / "run", names, "-n", "3")
    for name, has in (("stopped", False), ("held", True), ("freezes", True), ("spins", True), ("cut", True)):
        evidence = cases[f"{name}.struck"].evidence
        assert evidence is not None
        assert bool(evidence.registers) is has
        assert bool(evidence.screenshot) is has
    assert "; the CPU is busy at " in cases["spins.struck"].reason
