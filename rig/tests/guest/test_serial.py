"""The serial transport against the real agent on a terminal of this host, by a good line and by bad ones."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rig.deadline import Deadline
from rig.errors import TransportError, TransportTimeout
from rig.guest import serialjob
from rig.guest.frames import Frame
from rig.guest.patience import Patience
from rig.guest.serial import SerialTransport
from rig.guest.serialjob import Line, SilentAgentError
from rig.tests.guest.terminal import Terminal

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the agent is compiled for guests: Linux runs one")
DATA = bytes(range(256)) * 3000


@pytest.fixture
def terminal(tmp_path: Path, agent: Path) -> Iterator[Terminal]:
    with Terminal(tmp_path, agent) as found:
        yield found


@pytest.fixture
def serial(terminal: Terminal) -> SerialTransport:
    found = terminal.transport()
    found.connect(Deadline.after(30), fresh=True)
    return found


@pytest.fixture
def soon() -> Deadline:
    return Deadline.after(60)


def tree(root: Path) -> Path:
    (root / "sub" / "empty").mkdir(parents=True)
    (root / "it's $HOME").write_bytes(b"an odd name")
    (root / "sub" / "big").write_bytes(DATA)
    (root / "run").write_bytes(b"#!/bin/sh\n")
    (root / "run").chmod(0o755)
    return root


def content(root: Path) -> dict[str, object]:
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mode & 0o111) if path.is_file() else None
        for path in root.rglob("*")
    }


def test_output_status_and_signals(serial: SerialTransport, soon: Deadline, tmp_path: Path) -> None:
    answer = serial.run("echo out; echo err >&2; pwd; exit 3", soon)
    assert (answer.status, answer.stdout, answer.stderr) == (3, f"out\n{tmp_path}\n".encode(), b"err\n")
    killed = serial.run("kill -SEGV $$", soon)
    assert (killed.status, killed.killed_by) == (128, "SEGV")
    assert serial.run("sh -c 'kill -TERM $$'; exit $?", soon).signal == 15
    assert serial.run("not-there", soon).status == 127


def test_a_command_has_no_terminal_and_a_session_of_its_own(serial: SerialTransport, soon: Deadline) -> None:
    asked = "(: </dev/tty) 2>/dev/null || echo none; [ -t 0 ] || echo no; cat; echo $TERM; ls /proc/self/fd"
    assert serial.run(asked, soon).stdout == b"none\nno\n\n0\n1\n2\n3\n"


def test_input_arrives_whole_and_need_not_be_read(serial: SerialTransport, soon: Deadline) -> None:
    assert serial.run("cat", soon, stdin=DATA).stdout == DATA
    assert serial.run("echo no reader", soon, stdin=DATA).text == "no reader"
    assert serial.run("wc -c", soon, stdin=b"x").text.strip() == "1"


def test_long_lines_and_odd_ones(serial: SerialTransport, soon: Deadline) -> None:
    assert serial.run(f"echo {'y' * 5000}", soon, stdin=b"x").text == "y" * 5000
    assert serial.run("printf '%s' '{}~;ä\t\r'", soon).stdout == "{}~;ä\t\r".encode()
    with pytest.raises(TransportError, match="NUL"):
        serial.run("echo \0", soon)


def test_little_is_typed_where_little_is_taken_in(
    terminal: Terminal, soon: Deadline, monkeypatch: pytest.MonkeyPatch
) -> None:
    serial = terminal.transport(input_rate=900)
    serial.connect(soon, fresh=True)
    typed: list[bytes] = []
    real = terminal.console.send

    def send(data: bytes) -> None:
        typed.append(data)
        real(data)

    monkeypatch.setattr(terminal.console, "send", send)
    assert serial.run(f"echo {'y' * 3000}; cat", soon, stdin=DATA).stdout == b"y" * 3000 + b"\n" + DATA
    assert max(map(len, typed)) < 100


def test_trees_and_files_go_both_ways(serial: SerialTransport, soon: Deadline, tmp_path: Path) -> None:
    source = tree(tmp_path / "source")
    serial.push(source, str(tmp_path / "guest" / "deep"), soon)
    serial.pull(str(tmp_path / "guest" / "deep"), tmp_path / "back", soon)
    assert content(tmp_path / "back") == content(source)
    serial.push(source / "run", str(tmp_path / "guest" / "one"), soon)
    serial.pull(str(tmp_path / "guest" / "one"), tmp_path / "one", soon)
    assert (tmp_path / "one").read_bytes() == b"#!/bin/sh\n"
    with pytest.raises(TransportError, match="could not do"):
        serial.pull("/not/there", tmp_path / "two", soon)


def test_without_tar_a_push_is_by_cat(terminal: Terminal, soon: Deadline, tmp_path: Path) -> None:
    serial = terminal.transport(tar=False)
    serial.connect(soon, fresh=True)
    source = tree(tmp_path / "source")
    serial.push(source, str(tmp_path / "guest"), soon)
    assert content(tmp_path / "guest") == content(source)


def test_an_archive_that_lies_is_refused(serial: SerialTransport, soon: Deadline, tmp_path: Path) -> None:
    (tmp_path / "guest").mkdir()
    (tmp_path / "guest" / "link").symlink_to("/etc/passwd")
    with pytest.raises(TransportError, match="neither plain file nor directory"):
        serial.pull(str(tmp_path / "guest"), tmp_path / "back", soon)


def test_output_comes_while_the_command_runs(serial: SerialTransport, soon: Deadline, tmp_path: Path) -> None:
    heard: list[bytes] = []

    def hear(data: bytes) -> None:
        heard.append(data)
        (tmp_path / "go").touch()

    answer = serial.run("echo first; until [ -e go ]; do sleep 0.01; done; echo second", soon, on_output=hear)
    assert heard == [b"first\n", b"second\n"] and answer.ok


def test_a_command_in_the_place_of_a_chatty_one(serial: SerialTransport, terminal: Terminal, tmp_path: Path) -> None:
    """Whoever sent the first may have been killed. The agent waits for no word of the second: its pipes have the
    numbers of the first one's, which had much to say."""
    line = Line(terminal.console)

    def hear(kind: str, job: int) -> bool:
        patience = Deadline.after(20)
        while not patience.expired:
            if any((frame.type, frame.job) == (kind, job) for frame in line.receive(patience)):
                return True
        return False

    for first in range(100, 110):  # the second must come while the first is heard
        line.send(Frame("S", first, 0, b";;;exec yes"))
        assert hear("o", first)
        line.send(Frame("S", first + 100, 0, b";;;until [ -e go ]; do sleep 0.01; done"))
        line.send(Frame("P", first + 200))
        assert hear("p", first + 200)
    (tmp_path / "go").touch()
    assert hear("x", 209)


def test_a_command_that_does_not_end_is_killed(serial: SerialTransport, soon: Deadline, tmp_path: Path) -> None:
    with pytest.raises(TransportTimeout, match="did not end within"):
        serial.run("echo $$ >pid; exec sleep 600", Deadline.after(0.5))
    with pytest.raises(TransportTimeout, match="said nothing"):
        serial.run("sleep 600", soon, idle=0.3)
    pid = (tmp_path / "pid").read_text().strip()
    assert serial.run(f"kill -0 {pid}", soon).status == 1
    assert serial.ping(soon)


def test_an_agent_that_answers_is_waited_for_and_a_stopped_one_is_not(serial: SerialTransport, soon: Deadline) -> None:
    asking = Patience(end=2.0, ask=0.2, answer=0.8)
    with pytest.raises(TransportTimeout, match=r"said nothing for 2 s$"):
        serial.run("sleep 600", soon, idle=lambda _: asking)
    with pytest.raises(SilentAgentError, match=r"said nothing for \d+ s, and nobody in the guest answered"):
        serial.run("kill -STOP $PPID; sleep 600", soon, idle=lambda _: asking)
    assert not soon.expired


def test_an_agent_that_is_killed_is_missed_at_once(
    serial: SerialTransport, soon: Deadline, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []  # its shell tells; nobody need ask
    monkeypatch.setattr(serialjob.SerialJob, "_ask", lambda *_: asked.append(1))
    with pytest.raises(SilentAgentError, match=r"the agent in the guest has ended \(status 137\), in 'kill -KILL"):
        serial.run("kill -KILL $PPID; sleep 600", soon)
    assert asked == []
    assert serial.run("echo anew", soon).text == "anew"


@pytest.mark.parametrize("undisturbed", [True, False])
def test_a_measurement_is_left_alone(
    undisturbed: bool, serial: SerialTransport, soon: Deadline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serialjob, "_NUDGE_SECONDS", (0.1, 0.1))
    sent: list[str] = []
    real = Line.send

    def send(line: Line, frame: Frame) -> None:
        sent.append(frame.type)
        real(line, frame)

    monkeypatch.setattr(Line, "send", send)
    quiet = Patience(end=60, ask=60, answer=60, undisturbed=undisturbed)
    assert serial.run("sleep 1.5; echo measured", soon, idle=lambda _: quiet).text == "measured"
    before_the_end = sent[: -1 if sent[-1] == "A" else None]
    assert (before_the_end == ["S"]) is undisturbed


def test_what_is_left_behind_does_not_hold_the_line(
    serial: SerialTransport, soon: Deadline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serialjob, "LEFT_OPEN_QUIET", 0.2)
    left = serial.run("sleep 600 & echo $!", soon).text
    assert serial.run(f"kill {left} && echo it ran on", soon).text == "it ran on"


def test_what_is_left_behind_and_holds_the_scratch_disk_is_told(
    serial: SerialTransport, soon: Deadline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serialjob, "LEFT_OPEN_QUIET", 0.2)
    taken: list[bytes] = []
    with pytest.raises(TransportError, match="never whole on the guest's scratch disk"):
        serial._stream("sleep 3 & echo begun", soon, None, taken.append)
    assert taken == []


def test_a_lost_guest_ends_the_wait(serial: SerialTransport, soon: Deadline) -> None:
    with pytest.raises(TransportError, match="the guest was lost"):
        serial.run("sleep 600", soon, lost=lambda: True)


def test_output_without_end_is_stopped(
    serial: SerialTransport, soon: Deadline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serialjob, "OUTPUT_LIMIT", 100_000)
    with pytest.raises(TransportError, match="printed more than"):
        serial.run("yes", soon)
    assert serial.run("echo well", soon).text == "well"


@pytest.mark.parametrize(("noise", "loss"), [(0.3, 0.0), (0.05, 0.01)], ids=["noise", "loss"])
def test_a_bad_line_loses_nothing(noise: float, loss: float, terminal: Terminal, soon: Deadline) -> None:
    serial = terminal.transport()
    serial.connect(soon, fresh=True)
    terminal.noise, terminal.loss = noise, loss
    wanted = b"".join(b"%d\n" % number for number in range(5000))
    answer = serial.run("i=0; while [ $i -lt 5000 ]; do echo $i; i=$((i+1)); done", soon)
    assert answer.stdout == wanted
    assert terminal.woven > 5 and bool(terminal.lost) == bool(loss)


def test_noise_while_the_agent_is_brought(tmp_path: Path, agent: Path, soon: Deadline) -> None:
    with Terminal(tmp_path, agent, noise=0.2, seed=3) as terminal:
        serial = terminal.transport()
        serial.connect(soon, fresh=True)
        assert serial.run("echo well", soon).text == "well"
        assert terminal.woven  # how often depends on how the bytes come


def test_a_console_that_was_taken_back_is_taken_again(
    serial: SerialTransport, terminal: Terminal, soon: Deadline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serialjob, "_BEGIN_SECONDS", 0.1)
    terminal.console.send("\x03")
    terminal.console.expect([r"# $"], soon)
    assert serial.run("echo again", soon).text == "again"


def test_the_agent_stays_for_the_next(terminal: Terminal, serial: SerialTransport, soon: Deadline) -> None:
    serial.close()
    with pytest.raises(TransportError, match="was closed"):
        serial.run("echo", soon)
    second = terminal.transport()
    second.connect(soon)
    assert second.run("echo second", soon).text == "second"


def test_a_payload_that_changed_on_its_way_is_noticed(
    serial: SerialTransport, terminal: Terminal, soon: Deadline, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = type(terminal.disks).put

    def put_and_spoil(disks, *parts):
        extents = real(disks, *parts)
        with disks.payload.open("r+b") as file:
            file.seek(extents[0].at)
            file.write(b"?")
        return extents

    monkeypatch.setattr(type(terminal.disks), "put", put_and_spoil)
    with pytest.raises(TransportError, match=r"does not read from .*payload.raw what was put"):
        serial.run("cat", soon, stdin=b"well")


def test_disks_that_are_not_there_are_told(terminal: Terminal, soon: Deadline) -> None:
    terminal.disks.scratch.write_bytes(bytes(8192))
    with pytest.raises(TransportError, match=r"disks \S+payload.raw -; version 1 and two disks"):
        terminal.transport().connect(soon, fresh=True)
    terminal.disks.payload.write_bytes(bytes(8192))
    terminal.console.send("\x03")
    there = r"finds the payload disk at none of [^;]*; it has \S+payload.raw, \S+scratch.raw:\n"
    with pytest.raises(TransportError, match=there):
        terminal.transport().connect(soon, fresh=True)


def test_a_console_that_is_left_to_its_shell(
    serial: SerialTransport, terminal: Terminal, soon: Deadline, monkeypatch: pytest.MonkeyPatch
) -> None:
    serial.leave_console()
    terminal.console.expect([r"# $"], soon)
    asked: list[object] = []  # known to be gone, the agent is not waited for
    monkeypatch.setattr(SerialTransport, "_answers", calls(SerialTransport._answers, asked))
    assert serial.run("echo back", soon).text == "back"
    assert len(asked) == 1


def calls(real: Callable[..., bool], asked: list[object]) -> Callable[..., bool]:
    def called(*args: object) -> bool:
        asked.append(args)
        return real(*args)

    return called


def test_a_console_that_ends_is_a_way_that_broke(serial: SerialTransport, terminal: Terminal, soon: Deadline) -> None:
    terminal.hang_up()
    with pytest.raises(TransportError, match="the console was closed"):
        serial.run("echo", soon)
    assert not serial.ping(soon)
