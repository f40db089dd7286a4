"""Commands over SSH: both streams, input, ends of every kind."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from rig.deadline import Deadline
from rig.errors import TransportError, TransportTimeout
from rig.guest import command
from rig.guest.patience import Patience
from rig.guest.ssh import SshTransport
from rig.tests.guest.sshd import Sshd

FIVE_MB = 5_000_000


@pytest.fixture(autouse=True)
def _connected(ssh: SshTransport, soon: Deadline) -> None:
    ssh.connect(soon)


def test_output_and_status(ssh: SshTransport, soon: Deadline) -> None:
    answer = ssh.run("echo out; echo err >&2; exit 7", soon)
    assert (answer.status, answer.stdout, answer.stderr) == (7, b"out\n", b"err\n")
    assert not answer.ok
    assert answer.signal is None


def test_a_command_that_a_signal_kills(ssh: SshTransport, soon: Deadline) -> None:
    answer = ssh.run("sh -c 'kill -SEGV $$'", soon)
    assert (answer.status, answer.signal) == (139, 11)


def test_a_shell_that_a_signal_kills(ssh: SshTransport, soon: Deadline) -> None:
    answer = ssh.run("echo before; kill -KILL $$", soon)
    assert (answer.status, answer.killed_by, answer.stdout) == (128, "KILL", b"before\n")


def test_a_killed_shell_whose_child_holds_the_streams(
    ssh: SshTransport, soon: Deadline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "LEFT_OPEN_QUIET", 0.2)
    answer = ssh.run("sleep 300 & kill -KILL $$", soon)
    assert answer.killed_by == "KILL"
    assert not soon.expired


def test_noise_on_stderr_never_mixes(ssh: SshTransport, soon: Deadline) -> None:
    answer = ssh.run("for i in 1 2 3; do echo 'malloc: noise' >&2; echo $i; done", soon)
    assert answer.text == "1\n2\n3"
    assert answer.stderr.count(b"malloc") == 3


def test_much_on_both_streams_at_once(ssh: SshTransport, soon: Deadline) -> None:
    # Each stream alone fills its window many times over: one drained after the other would never end.
    script = f"(head -c {FIVE_MB} /dev/zero) & (head -c {FIVE_MB} /dev/zero >&2) & wait"
    answer = ssh.run(script, soon)
    assert (len(answer.stdout), len(answer.stderr)) == (FIVE_MB, FIVE_MB)


def test_output_comes_while_the_command_runs(ssh: SshTransport, soon: Deadline, sshd: Sshd) -> None:
    go_on = sshd.root / "go_on"
    seen: list[bytes] = []

    def hear(data: bytes) -> None:
        seen.append(data)
        go_on.touch()

    answer = ssh.run("echo first; while [ ! -e go_on ]; do sleep 0.05; done; echo second", soon, on_output=hear)
    assert seen[0] == b"first\n"
    assert b"".join(seen) == answer.stdout == b"first\nsecond\n"


def test_stderr_comes_while_the_command_runs(ssh: SshTransport, soon: Deadline) -> None:
    seen: list[bytes] = []
    ssh.run("echo words >&2", soon, on_error=seen.append)
    assert b"".join(seen) == b"words\n"


def test_huge_input_arrives_whole(ssh: SshTransport, soon: Deadline) -> None:
    data = bytes(range(256)) * (FIVE_MB // 256)
    assert ssh.run("cat", soon, stdin=data).stdout == data


@pytest.mark.parametrize("script", ["true", "head -c 10 >/dev/null", "exec <&-; sleep 0.2"])
def test_input_need_not_be_read(script: str, ssh: SshTransport, soon: Deadline) -> None:
    assert ssh.run(script, soon, stdin=bytes(FIVE_MB)).ok


def test_without_input_a_command_sees_the_end(ssh: SshTransport, soon: Deadline) -> None:
    assert ssh.run("cat; echo done", soon).text == "done"


def test_a_command_that_never_ends(ssh: SshTransport) -> None:
    with pytest.raises(TransportTimeout, match=r"'sleep 300' did not end within 1 s"):
        ssh.run("sleep 300", Deadline.after(1))


def test_a_command_that_never_reads_its_input(ssh: SshTransport) -> None:
    with pytest.raises(TransportTimeout):
        ssh.run("sleep 300", Deadline.after(1), stdin=bytes(50_000_000))


def test_the_connection_survives_a_timeout(ssh: SshTransport, sshd: Sshd, soon: Deadline) -> None:
    with pytest.raises(TransportTimeout):
        ssh.run("sleep 300", Deadline.after(0.5))
    assert ssh.run("echo well", soon).text == "well"
    assert sshd.logins == 1


def test_a_command_that_falls_silent(ssh: SshTransport, soon: Deadline) -> None:
    with pytest.raises(TransportTimeout, match=r"said nothing for 1 s"):
        ssh.run("echo word; sleep 300", soon, idle=1)


def test_a_server_is_asked_beside_a_silent_command(
    ssh: SshTransport, sshd: Sshd, soon: Deadline, tmp_path: Path
) -> None:
    go = sshd.root / "go"

    def patience(_: float) -> Patience:
        if sshd.asked:
            go.touch()
        return Patience(end=60, ask=0.0, answer=60)

    assert ssh.run("until [ -e go ]; do sleep 0.05; done; echo asked", soon, idle=patience).text == "asked"
    assert set(sshd.asked) == {"keepalive@openssh.com"}
    assert len(sshd.commands) == 1


def test_a_server_that_answers_is_waited_for_longer(ssh: SshTransport, soon: Deadline) -> None:
    with pytest.raises(TransportTimeout, match=r"said nothing for 2 s$"):
        ssh.run("sleep 300", soon, idle=lambda _: Patience(end=2, ask=0.0, answer=0.4))


def test_a_server_that_does_not_answer_is_given_up(ssh: SshTransport, sshd: Sshd, soon: Deadline) -> None:
    sshd.deaf_to = "global"
    with pytest.raises(TransportTimeout, match=r"said nothing for \d+ s, and nobody in the guest answered"):
        ssh.run("sleep 300", soon, idle=lambda _: Patience(end=60, ask=0.1, answer=0.3))
    assert not soon.expired


def test_a_command_that_keeps_talking_is_not_idle(ssh: SshTransport, soon: Deadline) -> None:
    assert ssh.run("for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo $i; sleep 0.3; done", soon, idle=3).ok


def test_a_lost_guest_ends_the_wait(ssh: SshTransport, soon: Deadline) -> None:
    dead = threading.Event()
    with pytest.raises(TransportError, match=r"the guest was lost while it ran 'echo up; sleep 300'"):
        ssh.run("echo up; sleep 300", soon, on_output=lambda _: dead.set(), lost=dead.is_set)
    assert not soon.expired


def test_a_process_left_behind_does_not_hold_the_caller(
    ssh: SshTransport, soon: Deadline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "LEFT_OPEN_QUIET", 0.3)
    answer = ssh.run("sleep 300 & echo told", soon)
    assert (answer.status, answer.text) == (0, "told")
    assert not soon.expired


def test_a_chatterer_left_behind_does_not_hold_the_caller(
    ssh: SshTransport, soon: Deadline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "LEFT_OPEN_TOTAL", 0.5)
    answer = ssh.run("(while :; do echo chatter; sleep 0.01; done) & exit 3", soon)
    assert answer.status == 3
    assert not soon.expired


def test_output_without_end_is_stopped(ssh: SshTransport, soon: Deadline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "OUTPUT_LIMIT", 1 << 20)
    with pytest.raises(TransportError, match=r"'yes' printed more than 1 MiB"):
        ssh.run("yes", soon)


def test_what_is_not_kept_has_no_limit(ssh: SshTransport, soon: Deadline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "OUTPUT_LIMIT", 1 << 10)
    sizes: list[int] = []
    answer = ssh.run(f"head -c {FIVE_MB} /dev/zero", soon, on_output=lambda data: sizes.append(len(data)), keep=False)
    assert (sum(sizes), answer.stdout) == (FIVE_MB, b"")


def test_a_connection_that_breaks_in_the_middle(ssh: SshTransport, sshd: Sshd, soon: Deadline) -> None:
    with pytest.raises(TransportError, match=r"connection broke in 'echo x; sleep 300'") as caught:
        ssh.run("echo x; sleep 300", soon, on_output=lambda _: sshd.hang_up())
    assert not isinstance(caught.value, TransportTimeout)


def test_a_listener_that_fails_is_not_the_connections_fault(ssh: SshTransport, soon: Deadline) -> None:
    class OurOwnError(Exception):
        pass

    def fail(_: bytes) -> None:
        raise OurOwnError

    with pytest.raises(OurOwnError):
        ssh.run("echo x; sleep 300", soon, on_output=fail)


def test_a_line_of_any_kind_is_the_shells(ssh: SshTransport, soon: Deadline) -> None:
    assert ssh.run("cat <<'END'\nof lines\nEND", soon).text == "of lines"
    assert ssh.run("# a comment alone", soon).ok
    assert ssh.run("false # at the end", soon).status == 1
    assert ssh.run("printf %s \udcff", soon).stdout == b"\xff"
    with pytest.raises(TransportError, match="NUL"):
        ssh.run("echo a\0b", soon)


def test_a_long_command_is_told_short(ssh: SshTransport) -> None:
    with pytest.raises(TransportTimeout) as caught:
        ssh.run("sleep 300 #" + "x" * 500 + "\nsecond line", Deadline.after(0.3))
    assert len(str(caught.value)) < 150


def test_ping(ssh: SshTransport, sshd: Sshd, soon: Deadline) -> None:
    assert ssh.ping(soon)
    sshd.hang_up()
    assert ssh.ping(soon)


def test_ping_of_a_deaf_guest(ssh: SshTransport, sshd: Sshd) -> None:
    sshd.deaf_to = "exec"
    assert ssh.ping(Deadline.after(1)) is False


def test_ping_tells_a_stuck_connection_from_a_dead_guest(ssh: SshTransport, sshd: Sshd) -> None:
    sshd.deaf_to = "exec"
    threading.Timer(0.5, lambda: setattr(sshd, "deaf_to", "")).start()
    # The first connection's thread stays stuck; a second one is answered.
    assert ssh.ping(Deadline.after(6))
    assert sshd.logins == 2


def test_ping_never_raises(ssh: SshTransport, key: Path, sshd: Sshd) -> None:
    sshd.hang_up()
    key.unlink()
    assert ssh.ping(Deadline.after(1)) is False
