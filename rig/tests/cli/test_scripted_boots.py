"""Boots that go wrong, by `rig up` in QEMU: the exit code, and what the user is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rig.paths import cache_dir
from rig.tests.cli.calls import Rig
from rig.tests.fakeguest.disk import Bench
from rig.tests.real import RealRig

pytestmark = pytest.mark.qemu


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("triple-fault", "error: boot stage 'userland' was not reached: the guest was reset by a triple fault"),
        ("root-device", "error: boot stage 'userland' will not be reached: the kernel has no driver for the disk"),
        ("panic-19", "error: the kernel panicked during boot, after stage 'kernel': panic(cpu 3 caller 0x"),
        ("silent-halted", "no byte on the console for 3 s; the CPU is halted for good, its interrupts off, at 0x"),
    ],
)
def test_a_boot_that_goes_wrong_is_told_with_its_evidence(
    name: str,
    told: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    probes = cache_dir() / "probes"
    probes.mkdir(parents=True, exist_ok=True)
    monkeypatch.setenv("RIG_HOME", str(tmp_path / "home"))
    cache_dir().mkdir(parents=True)
    (cache_dir() / "probes").symlink_to(probes, target_is_directory=True)
    monkeypatch.setenv("COLUMNS", "200")
    bench = Bench(tmp_path)
    entry = bench.entry(bench.script(name), name)
    answer = Rig(capfd, monkeypatch)("up", entry, "--accel", "tcg", "--time-factor", 1, "--cold")
    assert answer.code == 2
    assert told in answer.err
    assert "the console's last lines:" in answer.err
    picture = Path(answer.err.partition("the screen: ")[2].splitlines()[0])
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "RIP=" in (registers := (picture.parent / "registers.txt").read_text()) or "EIP=" in registers
    assert "CPU Reset" in (picture.parent / "cpu.log").read_text()


def test_a_panic_in_a_case_names_the_case_and_its_process(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "bench")
    entry = bench.entry(bench.script("panic-in-a-probe"), "panic-in-a-probe")
    name = "mach_port.destroy_takes_every_right_of_the_name"
    record = tmp_path / "record"
    with RealRig(tmp_path / "home", shared=False) as rig:
        ended = rig.run("test", name, "--image", entry, "--accel", "tcg", "--plain", "--cold", "--run-dir", record)
    assert ended.returncode == 1, ended.stderr
    (case,) = json.loads((record / "results.json").read_text())["cases"]
    assert (case["id"], case["outcome"]) == (name, "panic")
    assert "kernel panicked in process mach_port: panic(cpu 0 caller 0xffffff8000393e6d)" in case["reason"]
    assert "the panicking process was mach_port, the probe of this case" in case["reason"]
    assert f"PANIC {name}" in ended.stdout
