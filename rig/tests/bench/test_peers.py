"""The peers' words are read right, what they start is ended, and where one is absent or fails the bench goes on."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import psutil
import pytest
import yaml

from rig.bench import peers, peers_venv
from rig.bench.frame import Bed
from rig.bench.peers import COLD, KIRK, LABGRID, WARM, Measured, in_turns, tell
from rig.bench.peers_machine import devices, free_port, machine_type
from rig.bench.peers_process import Spoken, follow
from rig.bench.peers_sides import Took, cut_short, labgrid_config, read_kirk, read_labgrid
from rig.errors import HostError, InputError, RigError
from rig.spec import Firmware, MachineSpec
from rig.tests.real import until

REFERENCE = MachineSpec(firmware_serial=True, cpu="Penryn,+rdrand", memory=256)


def spoken(*lines: str, status: int | None = 0, seconds: float = 30.0) -> Spoken:
    return Spoken(tuple((float(number), line) for number, line in enumerate(lines, start=1)), seconds, status)


def done(what: str, **more: object) -> str:
    return json.dumps({"what": what, **more})


LABGRID_SAID = (done("on"), done("login"), "a warning", done("first"), done("probe", name="a"), done("probe", name="b"))
KIRK_SAID = (
    "Connecting to SUT: default",
    "Exit code: 0",
    "pipe: pass  (1.2s)",
    "fifo: pass  (0.2s)",
    "Session stopped",
)


def test_labgrids_steps_are_timed() -> None:
    took = read_labgrid(spoken(*LABGRID_SAID))
    assert (took.first, took.probes, took.whole) == (4.0, 2.0, 30.0)
    assert took.steps["login"] == 2.0


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (spoken(done("on"), "ssh: refused", status=1), "labgrid ended with status 1: .*ssh: refused"),
        (spoken(done("on"), status=None, seconds=420.0), "had to be ended after 420 s"),
        (spoken(done("on"), done("first")), "labgrid ended with status 0"),
        (spoken("[1]", "3", "null"), "labgrid ended with status 0"),
    ],
)
def test_labgrid_that_did_not_come_to_its_end(said: Spoken, words: str) -> None:
    with pytest.raises(RigError, match=words):
        read_labgrid(said)


def test_kirks_words_are_timed() -> None:
    took = read_kirk(spoken(*KIRK_SAID), ["pipe", "fifo"])
    assert (took.first, took.probes, took.whole) == (2.0, 2.0, 30.0)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (spoken("Could not access KVM kernel module", status=1), "kirk ended with status 1: Could not access KVM"),
        (spoken("Connecting to SUT: default", status=None), "had to be ended .* no farther than: Connecting to SUT"),
        (spoken("Exit code: 127", *KIRK_SAID), "first command ended with status 127"),
        (spoken("Exit code: 0", "pipe: fail  (1s)"), "kirk calls pipe: fail"),
        (spoken("Exit code: 0", "pipe: pass  (1s)"), "told nothing of: fifo"),
    ],
)
def test_kirk_that_did_not_do_it_all(said: Spoken, words: str) -> None:
    with pytest.raises(RigError, match=words):
        read_kirk(said, ["pipe", "fifo"])


def test_kirks_report_shows_which_streams_are_whole(tmp_path: Path) -> None:
    logs = {"pipe": '{"t":"hello"}\n{"t":"goodbye","cases":1}', "fifo": '{"t":"hello"}'}
    results = [{"test_fqn": name, "test": {"log": log}} for name, log in logs.items()]
    (tmp_path / "report.json").write_text(json.dumps({"results": results}))
    assert cut_short(tmp_path / "report.json", ["pipe", "fifo", "signals"]) == ["fifo", "signals"]
    with pytest.raises(RigError, match="cannot be read"):
        cut_short(tmp_path / "absent.json", ["pipe"])


def test_the_peers_machine_is_the_rigs() -> None:
    argv = devices(REFERENCE, Path("/x/disk.qcow2"), (2222, 22))
    assert "e1000-82545em,netdev=net0,romfile=" in argv
    assert "ide-hd,drive=disk0,bus=ahci.0,bootindex=0" in argv
    assert any("restrict=on" in one and "hostfwd=tcp:127.0.0.1:2222-:22" in one for one in argv)
    assert machine_type(REFERENCE) == "q35,graphics=off"
    # kirk splits its channel's parameters at colons
    assert not any(":" in one for one in devices(REFERENCE, Path("/x/disk.qcow2")))


def test_machines_that_the_peers_cannot_have() -> None:
    with pytest.raises(InputError, match="BIOS alone"):
        devices(MachineSpec(firmware=Firmware.UEFI), Path("/x/disk.qcow2"))
    with pytest.raises(InputError, match="no path with a colon"):
        devices(REFERENCE, Path("/x:y/disk.qcow2"))


def test_labgrids_configuration_holds_the_machine() -> None:
    text = labgrid_config(REFERENCE, Path("/x/disk.qcow2"), (2222, 22), "root", Path("/key"))
    main = yaml.safe_load(text)["targets"]["main"]
    qemu = main["drivers"]["QEMUDriver"]
    assert (qemu["cpu"], qemu["memory"], qemu["machine"]) == ("Penryn,+rdrand", "256M", "q35,graphics=off")
    assert shlex.split(qemu["extra_args"])[:2] == ["-accel", "tcg,tb-size=256"]
    assert main["resources"]["NetworkService"]["port"] == 2222


def test_a_peer_is_followed_to_its_end(tmp_path: Path) -> None:
    said = follow(
        [sys.executable, "-c", "print('one'); print('two'); raise SystemExit(3)"],
        seconds=60,
        log=tmp_path / "log",
        cwd=tmp_path,
    )
    assert ([line for _, line in said.lines], said.status) == (["one", "two"], 3)
    assert (tmp_path / "log").read_text() == "one\ntwo\n"


def test_a_peer_that_takes_too_long_is_ended_with_what_it_started(tmp_path: Path) -> None:
    child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    text = (
        "import subprocess, sys, time\n"
        f"one = subprocess.Popen([sys.executable, '-c', {child!r}])\n"
        "print(one.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    said = follow([sys.executable, "-c", text], seconds=2, log=tmp_path / "log", cwd=tmp_path)
    assert said.status is None
    pid = int(said.lines[0][1])

    def gone() -> bool:
        try:
            return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    until(gone, f"the end of process {pid}")


def test_an_absent_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="no-such-peer"):
        follow([str(tmp_path / "no-such-peer")], seconds=5, log=tmp_path / "log", cwd=tmp_path)


def fake_python(at: Path, pip: str) -> str:
    """An interpreter whose `-m venv` makes one whose pip does `pip`."""
    at.write_text(
        '#!/bin/sh\nmkdir -p "$3/bin"\n'
        f"printf '%s\\n' '#!/bin/sh' {shlex.quote(pip)} >\"$3/bin/python\"\nchmod +x \"$3/bin/python\"\n"
    )
    at.chmod(0o755)
    return str(at)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RIG_HOME", str(tmp_path / "home"))
    return tmp_path


def test_peers_are_installed_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(sys, "executable", fake_python(home / "python", "exit 0"))
    first = peers_venv.peers_python(asked.append)
    assert first.is_file()
    assert peers_venv.peers_python(asked.append) == first
    assert len(asked) == 1


def test_peers_that_cannot_be_installed_are_a_finding(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = "ERROR: No matching distribution found for labgrid"
    monkeypatch.setattr(sys, "executable", fake_python(home / "python", f"echo '{words}' >&2; exit 1"))
    found = peers.run(Bed(home / "bench", 1, lambda _: None))
    assert [row[1] for row in found.rows] == ["no", "no"]
    assert words in found.notes[0]
    monkeypatch.setattr(sys, "executable", fake_python(home / "python", "exit 0"))
    assert peers_venv.peers_python(lambda _: None).is_file()  # what is half made is made again


def test_pins_are_names_and_versions() -> None:
    known = peers_venv.versions()
    assert {"labgrid", "kirk"} <= set(known)
    lines = [line for line in peers_venv.PINS.read_text().splitlines() if not line.startswith("#")]
    assert all(line == f"{name}=={version}" for line, (name, version) in zip(lines, known.items(), strict=True))


def sides(broken: str = "") -> dict[str, peers.Side]:
    def side(name: str, first: float) -> peers.Side:
        def run(number: int) -> Took:
            if name == broken:
                raise RigError(f"{name} broke in round {number}")
            return Took(first, 4.0, first + 5)

        return run

    return {name: side(name, first) for name, first in ((WARM, 1.0), (COLD, 10.0), (LABGRID, 12.0), (KIRK, 8.0))}


def test_a_peer_that_fails_is_left_out_and_told_of() -> None:
    measured = in_turns(sides(broken=LABGRID), 2, lambda _: None)
    assert {name: len(took) for name, took in measured.took.items()} == {WARM: 2, COLD: 2, KIRK: 2}
    assert measured.failed == {LABGRID: "labgrid broke in round 1"}
    found = tell(measured, cases=40, probes=4, kvm="it hung")
    assert "labgrid is not in the table: labgrid broke in round 1" in found.notes
    assert all(row[1] != LABGRID for row in found.rows)


def test_a_rig_that_fails_is_no_finding() -> None:
    with pytest.raises(RigError, match="rig, cold broke"):
        in_turns(sides(broken=COLD), 1, lambda _: None)


def test_peers_are_held_against_ours() -> None:
    found = tell(in_turns(sides(), 2, lambda _: None), cases=40, probes=4, kvm="it hung")
    first = {row[1]: row[2:] for row in found.rows[:4]}
    assert first[LABGRID] == ("12.00 s", "12.00 - 12.00", "12.00 (12.00)", "1.20 (1.20)")
    assert first[WARM] == ("1.00 s", "1.00 - 1.00", "", "")
    assert found.rows[-1][:3] == ("a probe; a case", KIRK, "1.00 s; 100 ms")
    assert any("it hung" in note for note in found.notes)
    assert {len(row) for row in found.rows} == {len(found.columns)}
    json.dumps(found.data)


def test_nothing_is_left_out_without_a_word() -> None:
    found = tell(Measured({WARM: [Took(1, 1, 3)], COLD: [Took(9, 1, 11)]}, {KIRK: "gone"}), cases=1, probes=1, kvm="x")
    assert "kirk, its KVM overridden is not in the table: gone" in found.notes


def test_a_free_port_is_one() -> None:
    assert 1024 <= free_port() < 65536
