"""`rig test` with real guests: QEMU killed in the middle, interrupts, two workers, images that do not boot."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from rig.errors import InputError
from rig.result import RunRecord, load
from rig.tests.real import RealRig, until

pytestmark = pytest.mark.qemu

SOURCE = """\
#include "rig.h"
#include <stdlib.h>
#include <unistd.h>
PROBE("NAME", "1");
CASE(before) { CHECK_EQ_INT(1, 1); }
CASE(bad) { CHECK_EQ_INT(1, 2); }
CASE(waits) { sleep(WAITS); CHECK_EQ_INT(1, 1); }
CASE(panics) { if (PANICS) { system("echo c >/proc/sysrq-trigger"); sleep(30); } CHECK_EQ_INT(1, 1); }
CASE(behind) { CHECK_EQ_INT(1, 1); }
CASE(last) { CHECK_EQ_INT(1, 1); }
"""
TEST = ("test", "--accel", "tcg", "--no-find-order")
"""Looking into `bad` would start guests that these tests do not count with."""
CASES = ["before", "bad", "waits", "panics", "behind", "last"]


def write_probe(place: Path, name: str, *, waits: int = 0, panics: bool = False) -> None:
    directory = place / name
    directory.mkdir(parents=True)
    source = SOURCE.replace("NAME", name).replace("WAITS", str(waits)).replace("PANICS", str(int(panics)))
    (directory / f"{name}.c").write_text(source)
    case = {"what": "x", "source": "x", "expect": {"linux": "pass", "darwin": "pass"}}
    plain = {
        "probe": name,
        "version": 1,
        "mechanism": name,
        "summary": "x",
        "sources": [f"{name}.c"],
        "cases": dict.fromkeys(CASES, case),
    }
    (directory / f"{name}.yaml").write_text(yaml.safe_dump(plain, sort_keys=False))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[RealRig]:
    with RealRig(tmp_path / "home") as found:
        yield found


def running(run_dir: Path, case: str) -> bool:
    """Whether a case is under way, as the record on disk tells."""
    try:
        return case in load(run_dir).running
    except InputError:
        return False  # its first line is not written yet


def under_way(rig: RealRig, process: subprocess.Popen[str], run_dir: Path, case: str) -> list[psutil.Process]:
    """Wait until a case runs in a guest; returns every QEMU that is up then."""
    found: list[psutil.Process] = []

    def begun() -> bool:
        found[:] = rig.qemus(process) if running(run_dir, case) else []
        return bool(found) or process.poll() is not None

    until(begun, case)
    assert process.poll() is None, "".join(process.communicate())
    return found


def outcomes(record: RunRecord) -> dict[str, str]:
    return {case.id: str(case.outcome) for case in record.cases}


def test_qemu_killed_in_the_middle_costs_one_case(rig: RealRig, tmp_path: Path) -> None:
    write_probe(tmp_path / "probes", "one", waits=6)
    run_dir = tmp_path / "run"
    process = rig.start(*TEST, "--probes", tmp_path / "probes", "--run-dir", run_dir, "--plain")
    (qemu,) = under_way(rig, process, run_dir, "one.waits")
    qemu.kill()
    out, err = process.communicate(timeout=300)
    record = load(run_dir)
    wanted = {f"one.{case}": "pass" for case in CASES} | {"one.bad": "fail", "one.waits": "panic"}
    assert outcomes(record) == wanted, out + err
    lost = next(case for case in record.cases if case.case == "waits")
    assert lost.reason == "QEMU ended: killed by SIGKILL, while this case ran"
    assert [guest.ended for guest in record.guests] == ["QEMU ended: killed by SIGKILL", "the run is over"]
    assert (process.returncode, record.state, record.missing) == (1, "complete", ())
    assert "PANIC       one.waits: QEMU ended: killed by SIGKILL" in out
    assert rig.qemus(process) == []


@pytest.mark.parametrize(("workers", "number"), [("0", signal.SIGINT), ("0", signal.SIGTERM), ("2", signal.SIGTERM)])
def test_an_interrupt_leaves_a_record_and_no_qemu(
    workers: str, number: signal.Signals, rig: RealRig, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        write_probe(tmp_path / "probes", name, waits=60)
    run_dir = tmp_path / "run"
    process = rig.start(*(*TEST, "--probes", tmp_path / "probes", "--run-dir", run_dir, "-n", workers, "--plain"))
    under_way(rig, process, run_dir, "one.waits")
    process.send_signal(number)
    out, err = process.communicate(timeout=300)
    record = load(run_dir)
    assert (process.returncode, record.state) == (130, "interrupted"), out + err
    assert {"one.before": "pass", "one.bad": "fail"}.items() <= outcomes(record).items()
    assert "one.behind" in record.missing
    assert (run_dir / "report.html").exists()
    assert rig.qemus(process) == []
    assert "Traceback" not in out + err


def test_two_workers_find_what_one_finds(rig: RealRig, tmp_path: Path) -> None:
    write_probe(tmp_path / "probes", "one", panics=True)
    write_probe(tmp_path / "probes", "two")
    found = []
    for workers in ("0", "2"):
        run_dir = tmp_path / f"run{workers}"
        done = rig.run(*(*TEST, "--probes", tmp_path / "probes", "--run-dir", run_dir, "-n", workers))
        assert done.returncode == 1, done.stdout + done.stderr
        record = load(run_dir)
        assert (record.state, record.missing, record.running) == ("complete", (), ())
        found.append(outcomes(record))
    assert found[0] == found[1]
    assert found[0]["one.panics"] == "panic"
    assert [case for case, outcome in found[0].items() if outcome == "fail"] == ["one.bad", "two.bad"]


NEVER = {
    "name": "never",
    "summary": "nothing to boot",
    "os": "linux",
    "source": {"kind": "import", "format": "raw"},
    "machine": {"memory": 64, "firmware_serial": True, "nic": "e1000"},
    "boot": {
        "stages": [
            {"name": "firmware", "pattern": "SeaBIOS", "deadline": 10},
            {"name": "kernel", "pattern": "Linux version", "deadline": 0.5},
        ]
    },
}


@pytest.mark.parametrize("verb", [("up", "never"), ("test", "--image", "never")], ids=["up", "test"])
def test_an_image_that_never_boots_shows_its_console(verb: tuple[str, ...], tmp_path: Path) -> None:
    entry = tmp_path / "home" / "config" / "images" / "never.yaml"
    entry.parent.mkdir(parents=True)
    entry.write_text(yaml.safe_dump(NEVER))
    disk = tmp_path / "disk.raw"
    with disk.open("wb") as file:
        file.write(b"not a loader".ljust(510, b"\0") + b"\x55\xaa")
        file.truncate(1 << 20)
    with RealRig(tmp_path / "home", shared=False) as rig:
        imported = rig.run("images", "import", disk, "--like", "never")
        assert imported.returncode == 0, imported.stderr
        write_probe(tmp_path / "probes", "one")
        more = ("--probes", tmp_path / "probes", "--run-dir", tmp_path / "run") if verb[0] == "test" else ()
        done = rig.run(*verb, "--accel", "tcg", *more)
        assert done.returncode == 2, done.stdout + done.stderr
        assert done.stderr.count("rig: error:") == 1
        assert "boot stage 'kernel' was not reached in 2 s (last stage reached: firmware" in done.stderr
        assert "| SeaBIOS" in done.stderr
        assert "Traceback" not in done.stderr
        assert rig.run("ps").stdout.startswith("no guest runs")
