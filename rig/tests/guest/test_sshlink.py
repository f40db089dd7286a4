"""Reaching a server: patience with its start, none with a wrong key."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rig.deadline import Deadline
from rig.errors import AuthError, InputError, TransportError, TransportTimeout
from rig.guest.ssh import SshTransport
from rig.tests.guest.conftest import other_key
from rig.tests.guest.sshd import Sshd


def test_a_login_pins_the_host_key(sshd: Sshd, ssh: SshTransport, soon: Deadline) -> None:
    assert ssh.host_key is None
    ssh.connect(soon)
    assert ssh.host_key == sshd.host_key


def test_a_host_key_that_changes_is_refused(sshd: Sshd, ssh: SshTransport, soon: Deadline) -> None:
    ssh.connect(soon)
    sshd.host_key = other_key()
    sshd.hang_up()
    with pytest.raises(AuthError, match=r"host key .* changed while the guest ran"):
        ssh.run("true", soon)


def test_the_pin_may_come_from_elsewhere(sshd: Sshd, ssh: SshTransport, soon: Deadline) -> None:
    ssh.host_key = other_key()
    with pytest.raises(AuthError, match="host key"):
        ssh.connect(soon)
    assert sshd.logins == 0, "nothing may be shown to a server that is not the guest"


def test_a_refused_key_is_told_at_once(sshd: Sshd, ssh: SshTransport, soon: Deadline) -> None:
    sshd.user_key = other_key()
    with pytest.raises(AuthError, match=r"refused the key .*id_ed25519 for root") as caught:
        ssh.connect(soon)
    assert "--ssh-key" in caught.value.hint
    assert not soon.expired


def test_a_server_that_wants_more_is_no_login(sshd: Sshd, ssh: SshTransport, soon: Deadline) -> None:
    sshd.more_than_a_key = True
    with pytest.raises(AuthError, match="wants more than a key"):
        ssh.connect(soon)


def test_a_slow_banner_is_waited_for(sshd: Sshd, ssh: SshTransport, soon: Deadline) -> None:
    sshd.before_banner = threading.Event()
    threading.Timer(0.5, sshd.before_banner.set).start()
    assert ssh.run("echo here", soon).text == "here"


def test_words_before_the_banner_are_allowed(sshd: Sshd, ssh: SshTransport, soon: Deadline) -> None:
    # RFC 4253, 4.2: other lines may come before the version string.
    sshd.greeting = b"S\r\n"
    ssh.connect(soon)


@pytest.mark.parametrize("where", ["drops", "drops_at_login"])
def test_first_clients_may_be_dropped(where: str, sshd: Sshd, ssh: SshTransport, soon: Deadline) -> None:
    setattr(sshd, where, 3)
    ssh.connect(soon)
    assert getattr(sshd, where) == 0


def test_nobody_there_ends_at_the_deadline(sshd: Sshd, ssh: SshTransport) -> None:
    sshd.drops = 1_000_000
    with pytest.raises(TransportTimeout, match=r"SSH on 127\.0\.0\.1:\d+ was not reached in 1 s: no answer"):
        ssh.connect(Deadline.after(1))


def test_rubbish_instead_of_ssh_ends_at_the_deadline(sshd: Sshd, ssh: SshTransport) -> None:
    sshd.greeting = b"SSH-9.9-\xff\xfe\x00 what\r\n" * 3
    with pytest.raises(TransportTimeout, match="was not reached"):
        ssh.connect(Deadline.after(2))


def test_a_lost_guest_is_not_waited_for(sshd: Sshd, ssh: SshTransport, soon: Deadline) -> None:
    sshd.before_banner = threading.Event()
    dead = threading.Event()
    threading.Timer(0.3, dead.set).start()
    with pytest.raises(TransportError, match="the guest was lost"):
        ssh.connect(soon, lost=dead.is_set)
    assert not soon.expired


@pytest.mark.parametrize("what", ["open", "exec"])
def test_a_server_that_goes_deaf_ends_at_the_deadline(what: str, sshd: Sshd, ssh: SshTransport, soon: Deadline) -> None:
    ssh.connect(soon)
    sshd.deaf_to = what
    with pytest.raises(TransportTimeout):
        ssh.run("true", Deadline.after(1))


@pytest.mark.parametrize("what", ["open", "exec"])
def test_a_server_that_goes_deaf_ends_when_the_guest_is_lost(
    what: str, sshd: Sshd, ssh: SshTransport, soon: Deadline
) -> None:
    ssh.connect(soon)
    sshd.deaf_to = what
    dead = threading.Event()
    threading.Timer(0.5, dead.set).start()
    with pytest.raises(TransportError, match="the guest was lost"):
        ssh.run("true", soon, lost=dead.is_set)
    assert not soon.expired


@pytest.mark.parametrize("what", ["open", "exec"])
def test_a_guest_may_be_no_longer_idle_before_a_command_than_in_it(
    what: str, sshd: Sshd, ssh: SshTransport, soon: Deadline
) -> None:
    ssh.connect(soon)
    sshd.deaf_to = what
    with pytest.raises(TransportTimeout):
        ssh.run("true", soon, idle=1)
    assert not soon.expired


def test_a_connection_that_died_is_made_anew(sshd: Sshd, ssh: SshTransport, soon: Deadline) -> None:
    ssh.connect(soon)
    sshd.hang_up()
    assert ssh.run("echo again", soon).text == "again"
    assert sshd.logins == 2


def test_after_close_nothing_is_made_anew(sshd: Sshd, ssh: SshTransport, soon: Deadline) -> None:
    ssh.connect(soon)
    ssh.close()
    ssh.close()
    with pytest.raises(TransportError, match="closed on this side"):
        ssh.run("true", soon)
    assert sshd.logins == 1


def test_a_key_file_that_is_gone_is_bad_input(ssh: SshTransport, key: Path, soon: Deadline) -> None:
    key.unlink()
    with pytest.raises(InputError, match="no such key file"):
        ssh.connect(soon)


def test_dropped_connections_print_nothing(sshd: Sshd, key: Path) -> None:
    # In a process of its own: pytest gives logging a handler, without which Python prints to the terminal.
    sshd.drops = sshd.drops_at_login = 2
    script = (
        "import sys; from pathlib import Path; from rig.deadline import Deadline; from rig.guest.ssh import *\n"
        "ssh = SshTransport(int(sys.argv[1]), 'root', Path(sys.argv[2]))\n"
        "print(ssh.run('echo here', Deadline.after(30)).text); ssh.close()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(sshd.port), str(key)], capture_output=True, text=True, timeout=60, check=True
    )
    assert (done.stdout, done.stderr) == ("here\n", "")
