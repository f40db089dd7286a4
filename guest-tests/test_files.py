"""Files and commands in a real guest, by each way that the rig knows. Also an example: `guest` is all a test needs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko
import pytest

from rig.deadline import Deadline
from rig.errors import AuthError, TransportError, TransportTimeout
from rig.guest import Guest
from rig.guest.ssh import SshTransport

WAYS = {"sftp": (True, None), "tar": (False, True), "cat": (False, False)}
MEGABYTE = 1 << 20


def second_way(guest: Guest, *, sftp: bool | None = None, tar: bool | None = None) -> SshTransport:
    """Another connection to the same guest, which must show the same host key."""
    first = guest.transport
    if not isinstance(first, SshTransport):
        pytest.skip(f"{guest.stored.spec.name} has no SSH")
    found = SshTransport(first.port, guest.stored.spec.ssh.user, first.key, sftp=sftp, tar=tar)
    found.host_key = first.host_key
    return found


@pytest.fixture
def by(guest: Guest) -> Iterator[Callable[[str], SshTransport]]:
    """A transport that pushes in one way only."""
    made: list[SshTransport] = []

    def connect(way: str) -> SshTransport:
        if way == "sftp" and guest.stored.spec.has.get("sftp") is False:
            pytest.skip(f"{guest.stored.spec.name} has no SFTP server")
        sftp, tar = WAYS[way]
        made.append(second_way(guest, sftp=sftp, tar=tar))
        return made[-1]

    yield connect
    for transport in made:
        transport.close()


@pytest.fixture
def place(guest: Guest, request: pytest.FixtureRequest) -> Iterator[str]:
    """A directory of the guest that goes with the test."""
    path = f"{guest.stored.spec.workdir}/files-{os.getpid()}"
    yield path
    guest.run(f"rm -rf {path}")


def fill(root: Path) -> Path:
    (root / "sub" / "empty").mkdir(parents=True)
    (root / "it's $HOME").write_bytes(b"an odd name")
    (root / "sub" / "nothing").write_bytes(b"")
    (root / "big").write_bytes(os.urandom(MEGABYTE))
    tool = root / "sub" / "tool"
    tool.write_text("#!/bin/sh\necho ran $1\n")
    tool.chmod(0o755)
    return root


def picture(root: Path) -> dict[str, tuple[bool, bytes]]:
    files = [path for path in root.rglob("*") if path.is_file()]
    found = {str(path.relative_to(root)): (bool(path.stat().st_mode & 0o100), path.read_bytes()) for path in files}
    return found | {str(path.relative_to(root)): (True, b"") for path in root.rglob("*") if path.is_dir()}


@pytest.mark.parametrize("way", WAYS)
def test_a_tree_goes_in_and_comes_back(
    way: str, guest: Guest, by: Callable[[str], SshTransport], place: str, tmp_path: Path
) -> None:
    source = fill(tmp_path / "in")
    by(way).push(source, f"{place}/tree", guest.deadline(60))
    assert guest.run(f"{place}/tree/sub/tool well").text == "ran well"
    guest.pull(f"{place}/tree", tmp_path / "out", seconds=60)
    assert picture(tmp_path / "out") == picture(source)


@pytest.mark.parametrize("way", WAYS)
def test_a_program_that_runs_is_replaced(
    way: str, guest: Guest, by: Callable[[str], SshTransport], place: str, tmp_path: Path
) -> None:
    (tmp_path / "one").write_text("first")
    transport = by(way)
    for words in ("first", "second"):
        (tmp_path / "one").write_text(words)
        transport.push(tmp_path / "one", f"{place}/one", guest.deadline(60))
        assert guest.run(f"cat {place}/one").text == words


def test_a_place_that_cannot_be_written(guest: Guest, tmp_path: Path) -> None:
    (tmp_path / "one").write_text("x")
    with pytest.raises(TransportError, match="/proc"):
        guest.push(tmp_path / "one", "/proc/no/such/place")


def test_much_output_on_both_streams(guest: Guest) -> None:
    size = 2 * MEGABYTE
    zeros = f"dd if=/dev/zero bs=65536 count={size // 65536} 2>/dev/null"
    answer = guest.run(f"({zeros}) & ({zeros}) >&2 & wait", seconds=60)
    assert len(answer.stdout) == size
    # Some guests' servers write words of their own into standard error.
    assert len(answer.stderr) >= size


def test_much_input(guest: Guest) -> None:
    data = os.urandom(MEGABYTE)
    assert guest.run("cat", stdin=data, seconds=60).stdout == data


def test_status_and_signals(guest: Guest) -> None:
    assert [guest.run(f"exit {status}").status for status in (0, 1, 42, 255)] == [0, 1, 42, 255]
    killed = guest.run("sh -c 'kill -9 $$'")
    assert (killed.status, killed.signal) == (137, 9)
    shell = guest.run("kill -9 $$")
    assert shell.killed_by in {"KILL", ""}
    assert shell.status >= 128


def test_a_slow_command_is_slow_and_the_guest_is_well(guest: Guest) -> None:
    with pytest.raises(TransportTimeout, match="did not end within"):
        guest.run("sleep 600", seconds=1)
    assert guest.alive
    assert guest.run("echo well").text == "well"


def test_output_comes_as_it_is_written(guest: Guest, place: str) -> None:
    seen: list[bytes] = []
    other = second_way(guest)

    def go_on(data: bytes) -> None:
        seen.append(data)
        if len(seen) == 1:
            other.run(f"mkdir -p {place}", guest.deadline(20))
            other.close()

    answer = guest.run(f"echo first; while [ ! -d {place} ]; do sleep 1; done; echo second", on_output=go_on)
    assert answer.text == "first\nsecond"
    assert seen[0] == b"first\n"


def test_many_commands_in_a_row(guest: Guest) -> None:
    # A server may give a channel the number of the one before.
    assert [guest.run(f"echo {number}").text for number in range(40)] == [str(number) for number in range(40)]


def test_the_host_key_is_pinned(guest: Guest) -> None:
    stranger = second_way(guest)
    stranger.host_key = paramiko.RSAKey.generate(2048)
    with pytest.raises(AuthError, match="host key"):
        stranger.run("true", guest.deadline(20))
    stranger.close()


def test_a_key_that_the_guest_does_not_know(guest: Guest, tmp_path: Path) -> None:
    paramiko.RSAKey.generate(2048).write_private_key_file(str(tmp_path / "key"))
    way = second_way(guest)
    stranger = SshTransport(way.port, guest.stored.spec.ssh.user, tmp_path / "key")
    with pytest.raises(AuthError, match="refused the key"):
        stranger.connect(Deadline.after(60, guest.factor))
    stranger.close()
