"""`rig ps`, `ssh`, `cp`, `screenshot`, `console`, `down`, called as a user calls them, without QEMU."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from rig.cli import guests
from rig.errors import HostError
from rig.guest import registry
from rig.guest.keys import load_key, user_key
from rig.guest.registry import Registry, RunningGuest
from rig.guest.serialway import SerialWay
from rig.image.catalogue import Catalogue
from rig.spec import LoginSpec
from rig.tests.cli.calls import Rig
from rig.tests.guest.running import Sleepers
from rig.tests.guest.sshd import Sshd
from rig.tests.guest.terminal import Terminal


@pytest.fixture
def sshd(home: Path, tmp_path: Path) -> Iterator[Sshd]:
    root = tmp_path / "guest"
    root.mkdir()
    with Sshd(root, load_key(user_key())) as server:
        yield server


@pytest.fixture
def reachable(start: Sleepers, sshd: Sshd) -> RunningGuest:
    pin = f"{sshd.host_key.get_name()} {sshd.host_key.get_base64()}"
    return start("one", ssh_port=sshd.port, key=user_key(), host_key=pin)


@pytest.fixture
def spoken_to(agent: Path, start: Sleepers) -> Iterator[RunningGuest]:
    """One that is reached by its console."""
    way = SerialWay.of(Catalogue.load().get("reference"))
    place = start.place / "rig-one"
    disks = (str(place / "scratch.raw"), str(place / "payload.raw"))
    way = way.model_copy(update={"disks": disks, "workdir": str(start.place), "login": LoginSpec(kind="shell")})
    one = start("one", serial=way)
    with Terminal(place, agent, listen=one.console_socket):
        yield one


def test_a_guest_without_a_network(rig: Rig, spoken_to: RunningGuest, tmp_path: Path) -> None:
    answer = rig("ssh", "one", "--", "echo out; echo err >&2; exit 7")
    assert (answer.code, answer.out, answer.err) == (7, "out\n", "err\n")
    (tmp_path / "file").write_text("content")
    assert rig("cp", str(tmp_path / "file"), f"one:{tmp_path}/there/").code == 0
    assert rig("ssh", "--", "cat", f"{tmp_path}/there/file").out == "content"
    assert rig("cp", f"one:{tmp_path}/there", str(tmp_path / "back")).code == 0
    assert (tmp_path / "back" / "file").read_text() == "content"
    shell = rig("ssh", "one")
    assert shell.code == 2 and "no terminal but its console" in shell.err and "rig console one" in shell.err


def test_ps(rig: Rig, start: Sleepers) -> None:
    assert rig("ps").out == "no guest runs (rig up IMAGE boots one)\n"
    assert json.loads(rig("ps", "--json").out) == []
    one = start("one", ssh_port=2222)
    start("two")
    lines = rig("ps").out.splitlines()
    assert lines[1].split()[:5] == ["one", "reference", str(one.pid), "2222", "tcg"]
    assert lines[2].split()[3] == "none"
    assert [guest["name"] for guest in json.loads(rig("ps", "--json").out)] == ["one", "two"]


def test_ps_tells_what_it_cannot_read(rig: Rig, home: Path) -> None:
    (home / "state" / "guests").mkdir(parents=True)
    (home / "state" / "guests" / "half.json").write_text("{")
    answer = rig("ps", "--json")
    assert "half.json: cannot be read" in answer.err
    assert json.loads(answer.out) == []


def test_ssh_runs_a_command(rig: Rig, reachable: RunningGuest) -> None:
    answer = rig("ssh", "one", "--", "echo out; echo err >&2; exit 7")
    assert (answer.code, answer.out, answer.err) == (7, "out\n", "err\n")
    assert rig("ssh", "one", "--", "printf", "%s|", "two words", "$HOME").out == "two words|$HOME|"


def test_a_command_that_was_killed_is_told(rig: Rig, spoken_to: RunningGuest) -> None:
    answer = rig("ssh", "one", "--", "echo out; kill -SEGV $$")
    assert (answer.code, answer.out) == (128, "out\n")
    assert answer.err == "rig: the command was killed by SIGSEGV in the guest\n"


def test_ssh_to_the_only_guest(rig: Rig, reachable: RunningGuest) -> None:
    assert rig("ssh", "--", "echo", "one").out == "one\n"


def test_ssh_to_a_guest_that_does_not_answer(
    rig: Rig, reachable: RunningGuest, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guests, "_REACH_SECONDS", 0.5)
    sshd.drops = 1_000_000
    answer = rig("ssh", "one", "--", "true")
    assert answer.code == 2
    assert "guest one does not answer" in answer.err
    assert "rig console one" in answer.err


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("paused", "it was stopped"),
        ("shutdown", "its machine has powered off or asked for a reset"),
        ("suspended", "QEMU says suspended"),
    ],
)
def test_a_guest_that_stands_still_is_told_at_once(
    rig: Rig, reachable: RunningGuest, monkeypatch: pytest.MonkeyPatch, status: str, words: str, tmp_path: Path
) -> None:
    state = {"running": False, "status": status}
    monkeypatch.setattr(
        registry,
        "Monitor",
        lambda _: SimpleNamespace(
            connect=lambda seconds: None, close=lambda: None, execute=lambda command, seconds: state
        ),
    )
    (tmp_path / "file").write_text("content")
    for verb in (["ssh", "one", "--", "true"], ["cp", str(tmp_path / "file"), "one:/tmp/"]):
        answer = rig(*verb)
        assert answer.code == 2
        assert f"guest one stands still: {words}" in answer.err and "rig gdb one" in answer.err
    state["running"] = True
    assert rig("ssh", "one", "--", "true").code == 0


def test_a_guest_whose_qemu_is_stopped_is_told_at_once(rig: Rig, reachable: RunningGuest) -> None:
    os.kill(reachable.pid, signal.SIGSTOP)
    while psutil.Process(reachable.pid).status() != psutil.STATUS_STOPPED:
        time.sleep(0.01)
    answer = rig("ssh", "one", "--", "true")
    os.kill(reachable.pid, signal.SIGCONT)
    assert answer.code == 2
    assert f"guest one stands still: its QEMU, process {reachable.pid}, is stopped" in answer.err


def test_ssh_without_ssh_or_guest(rig: Rig, start: Sleepers) -> None:
    answer = rig("ssh", "nobody", "--", "true")
    assert (answer.code, answer.out) == (2, "")
    assert "no guest 'nobody' runs" in answer.err
    start("one")
    answer = rig("ssh", "one", "--", "true")
    assert answer.code == 2
    assert "rig console one" in answer.err


def test_cp_in_and_out(rig: Rig, reachable: RunningGuest, sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    assert rig("cp", tmp_path / "file", f"one:{sshd.root}/named").code == 0
    assert rig("cp", tmp_path / "file", f"one:{sshd.root}").code == 0
    assert rig("cp", tmp_path / "file", f":{sshd.root}/new/").code == 0
    for place in ("named", "file", "new/file"):
        assert (sshd.root / place).read_text() == "content"
    assert rig("cp", f"one:{sshd.root}/new", tmp_path / "back").code == 0
    assert (tmp_path / "back" / "file").read_text() == "content"
    assert rig("cp", f"one:{sshd.root}/named", tmp_path / "back").code == 0
    assert (tmp_path / "back" / "named").read_text() == "content"


def test_cp_refuses_what_makes_no_sense(rig: Rig, reachable: RunningGuest, tmp_path: Path) -> None:
    for args, words in (
        (("a", "b"), "must name a guest"),
        (("one:a", "one:b"), "must name a guest"),
        (("./with:colon", "b"), "must name a guest"),
        ((tmp_path / "nowhere", "one:/tmp"), "nowhere: no such file"),
        (("one:/no/such/thing", tmp_path), "No such file"),
        (("one:/etc/hostname", tmp_path / "no" / "dir"), "cannot be written"),
        (("two:/etc/hostname", tmp_path), "no guest 'two' runs"),
        (("", "one:/tmp"), "an empty path was given"),
        (("one:/etc/hostname", ""), "an empty path was given"),
    ):
        answer = rig("cp", *args)
        assert (answer.code, answer.out) == (2, "")
        assert words in answer.err
        assert "Traceback" not in answer.err


def test_cp_of_a_file_that_is_called_as_if_it_were_a_guests(
    rig: Rig, reachable: RunningGuest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "12:30.log").write_text("x")
    answer = rig("cp", "12:30.log", "one:/tmp")
    assert answer.code == 2 and "no guest '12' runs" in answer.err
    assert "./12:30.log" in answer.err


def test_screenshot(rig: Rig, start: Sleepers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start("one")
    asked: list[Any] = []

    @contextmanager
    def monitor(_: RunningGuest) -> Iterator[Any]:
        yield SimpleNamespace(execute=lambda *what: asked.append(what))

    monkeypatch.setattr(RunningGuest, "monitor", monitor)
    picture = tmp_path / "picture.png"
    assert rig("screenshot", "one", "-o", picture).out == f"{picture}\n"
    assert asked == [("screendump", {"filename": str(picture), "format": "png"})]
    answer = rig("screenshot", "--to", tmp_path / "no" / "dir.png")
    assert answer.code == 2
    assert "no such directory" in answer.err


def test_a_console_that_is_not_there(rig: Rig, start: Sleepers) -> None:
    start("one")
    answer = rig("console")
    assert answer.code == 2
    assert "the console of one cannot be reached" in answer.err


def test_down(rig: Rig, start: Sleepers) -> None:
    one, two, three = (start(name) for name in ("one", "two", "three"))
    answer = rig("down")
    assert (answer.code, one.alive) == (2, True)
    assert "3 guests run: name one" in answer.err
    assert rig("down", "two").out == f"two ended; its logs: {two.logs}\n"
    assert (one.alive, two.alive) == (True, False)
    assert rig("down", "--all").code == 0
    assert not one.alive
    assert not three.alive
    assert Registry().all() == []


def test_down_all_goes_on_behind_one_that_does_not_end(
    rig: Rig, start: Sleepers, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = RunningGuest.stop

    def stubborn(one: RunningGuest) -> None:
        if one.name == "a":
            raise HostError("guest a: process 1 does not end")
        stop(one)

    monkeypatch.setattr(RunningGuest, "stop", stubborn)
    one, two = start("a"), start("b")
    answer = rig("down", "--all")
    assert answer.code == 2
    assert "process 1 does not end" in answer.err
    assert (one.alive, two.alive) == (True, False)
