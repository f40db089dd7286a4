"""Files in and out: by SFTP, by tar, by cat; each way with the same result."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from pathlib import Path

import pytest

from rig.deadline import Deadline
from rig.errors import InputError, TransportError, TransportTimeout
from rig.guest.copying import make_directories
from rig.guest.ssh import SshTransport
from rig.tests.guest.sshd import Sshd
from rig.tests.guest.test_archive import fill, picture

WAYS = ["sftp", "tar", "cat"]


def only(sshd: Sshd, way: str) -> None:
    """Leave the server no better way than this one."""
    if way != "sftp":
        sshd.sftp = "no"
    if way == "cat":
        tools = sshd.root.parent / "tools"
        tools.mkdir()
        for tool in ("sh", "cat", "mkdir", "chmod", "mv"):
            (tools / tool).symlink_to(str(shutil.which(tool)))
        sshd.path = str(tools)


@pytest.mark.parametrize("way", WAYS)
def test_a_tree_arrives_whole(way: str, sshd: Sshd, ssh: SshTransport, soon: Deadline, tmp_path: Path) -> None:
    only(sshd, way)
    source = fill(tmp_path / "in put")
    (source / "it's $HOME").write_text("odd name")
    target = sshd.root / "new" / "place's"
    ssh.push(source, str(target), soon)
    assert picture(target) == picture(source)
    assert any("tar xf" in line for line in sshd.commands) == (way == "tar")
    assert any("cat >" in line for line in sshd.commands) == (way == "cat")


@pytest.mark.parametrize("way", WAYS)
def test_a_file_arrives_whole(way: str, sshd: Sshd, ssh: SshTransport, soon: Deadline, tmp_path: Path) -> None:
    only(sshd, way)
    tool = tmp_path / "tool"
    tool.write_bytes(os.urandom(300_000))
    tool.chmod(0o755)
    ssh.push(tool, str(sshd.root / "deep" / "er" / "renamed"), soon)
    arrived = sshd.root / "deep" / "er" / "renamed"
    assert arrived.read_bytes() == tool.read_bytes()
    assert arrived.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in arrived.parent.iterdir()] == ["renamed"]


@pytest.mark.parametrize("way", WAYS)
def test_an_empty_directory_arrives(way: str, sshd: Sshd, ssh: SshTransport, soon: Deadline, tmp_path: Path) -> None:
    only(sshd, way)
    (tmp_path / "in").mkdir()
    ssh.push(tmp_path / "in", str(sshd.root / "made"), soon)
    assert (sshd.root / "made").is_dir()


@pytest.mark.parametrize("way", WAYS)
def test_a_place_that_cannot_be_written(
    way: str, sshd: Sshd, ssh: SshTransport, soon: Deadline, tmp_path: Path
) -> None:
    only(sshd, way)
    (tmp_path / "one").write_text("x")
    (sshd.root / "file").write_text("in the way")
    with pytest.raises(TransportError, match="guest/file"):
        ssh.push(tmp_path / "one", str(sshd.root / "file" / "one"), soon)


@pytest.mark.parametrize("sftp", ["no", "gone", "noise"])
def test_sftp_that_is_not_there_is_asked_for_once(
    sftp: str, sshd: Sshd, ssh: SshTransport, soon: Deadline, tmp_path: Path
) -> None:
    sshd.sftp = sftp
    source = fill(tmp_path / "in")
    ssh.push(source, str(sshd.root / "a"), soon)
    sshd.sftp = "yes"  # whoever asks again now would use it
    ssh.push(source, str(sshd.root / "b"), soon)
    assert picture(sshd.root / "a") == picture(sshd.root / "b") == picture(source)
    assert sum("tar xf" in line for line in sshd.commands) == 2
    assert sum("command -v tar" in line for line in sshd.commands) == 1


def test_what_the_image_is_known_to_lack_is_not_tried(sshd: Sshd, key: Path, soon: Deadline, tmp_path: Path) -> None:
    ssh = SshTransport(sshd.port, "root", key, sftp=False, tar=False)
    ssh.push(fill(tmp_path / "in"), str(sshd.root / "a"), soon)
    ssh.close()
    assert picture(sshd.root / "a") == picture(tmp_path / "in")
    assert not any("tar" in line.split() for line in sshd.commands)


def test_a_file_that_runs_is_replaced(sshd: Sshd, ssh: SshTransport, soon: Deadline, tmp_path: Path) -> None:
    only(sshd, "tar")
    busy = sshd.root / "busy"
    shutil.copy("/bin/sleep", busy)
    started = threading.Event()

    def run() -> None:
        with contextlib.suppress(TransportError):  # the test's end closes the connection
            ssh.run("echo up; exec ./busy 300", soon, on_output=lambda _: started.set())

    threading.Thread(target=run, daemon=True).start()
    assert started.wait(20)
    (tmp_path / "one").write_text("new")
    # Opened for writing it would be ETXTBSY.
    ssh.push(tmp_path / "one", str(busy), soon)
    assert busy.read_text() == "new"


def test_nothing_to_push(ssh: SshTransport, soon: Deadline, tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="nowhere: nothing to push"):
        ssh.push(tmp_path / "nowhere", "/tmp/x", soon)


@pytest.mark.parametrize("way", WAYS)
def test_a_push_ends_at_its_deadline(way: str, sshd: Sshd, ssh: SshTransport, soon: Deadline, tmp_path: Path) -> None:
    only(sshd, way)
    ssh.connect(soon)
    (tmp_path / "one").write_text("x")
    sshd.deaf_to = "open"
    with pytest.raises(TransportTimeout):
        ssh.push(tmp_path / "one", str(sshd.root / "one"), Deadline.after(1))


@pytest.mark.parametrize("what", ["open", "exec"])
def test_a_push_into_a_lost_guest_ends(
    what: str, sshd: Sshd, ssh: SshTransport, soon: Deadline, tmp_path: Path
) -> None:
    ssh.connect(soon)
    (tmp_path / "one").write_text("x")
    sshd.deaf_to = what
    dead = threading.Event()
    threading.Timer(0.3, dead.set).start()
    with pytest.raises(TransportError, match="lost"):
        ssh.push(tmp_path / "one", str(sshd.root / "one"), soon, lost=dead.is_set)
    assert not soon.expired


def test_a_broken_connection_is_no_lack_of_sftp(
    sshd: Sshd, ssh: SshTransport, soon: Deadline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh.connect(soon)
    (tmp_path / "one").write_text("x")

    def hang_up(*_: object) -> bool:
        sshd.hang_up()
        return False

    monkeypatch.setattr("rig.tests.guest.sshd._Server.check_channel_subsystem_request", hang_up)
    with pytest.raises(TransportError, match="broke where SFTP was asked for"):
        ssh.push(tmp_path / "one", str(sshd.root / "one"), soon)
    monkeypatch.undo()
    ssh.push(tmp_path / "one", str(sshd.root / "one"), soon)
    assert not any("cat" in line for line in sshd.commands)


def test_a_directory_comes_back(sshd: Sshd, ssh: SshTransport, soon: Deadline, tmp_path: Path) -> None:
    source = fill(sshd.root / "out's")
    ssh.pull(str(source), tmp_path / "here", soon)
    assert picture(tmp_path / "here") == picture(source)


def test_a_file_comes_back(sshd: Sshd, ssh: SshTransport, soon: Deadline, tmp_path: Path) -> None:
    content = os.urandom(2_000_000)
    (sshd.root / "data").write_bytes(content)
    ssh.pull(str(sshd.root / "data"), tmp_path / "named", soon)
    (tmp_path / "dir").mkdir()
    ssh.pull(str(sshd.root / "data"), tmp_path / "dir", soon)
    assert (tmp_path / "named").read_bytes() == (tmp_path / "dir" / "data").read_bytes() == content
    assert sorted(path.name for path in (tmp_path / "dir").iterdir()) == ["data"]


def test_what_is_not_there_is_told_in_the_guests_words(
    sshd: Sshd, ssh: SshTransport, soon: Deadline, tmp_path: Path
) -> None:
    (tmp_path / "kept").write_text("old")
    with pytest.raises(TransportError, match="No such file"):
        ssh.pull("/no/such/thing", tmp_path / "kept", soon)
    assert (tmp_path / "kept").read_text() == "old"
    assert not list(tmp_path.glob("*.part"))


def test_a_place_here_that_cannot_be_written(ssh: SshTransport, sshd: Sshd, soon: Deadline, tmp_path: Path) -> None:
    (sshd.root / "data").write_text("x")
    (tmp_path / "file").write_text("in the way")
    for place in (tmp_path / "no" / "such" / "dir", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="cannot be written"):
            ssh.pull(str(sshd.root / "data"), place, soon)
    with pytest.raises(InputError, match="is a file"):
        ssh.pull(str(sshd.root), tmp_path / "file", soon)


def test_a_directory_without_tar_is_told(sshd: Sshd, ssh: SshTransport, soon: Deadline, tmp_path: Path) -> None:
    only(sshd, "cat")
    with pytest.raises(TransportError, match="no tar"):
        ssh.pull(str(sshd.root), tmp_path / "here", soon)


def test_an_archive_that_lies_is_refused(sshd: Sshd, ssh: SshTransport, soon: Deadline, tmp_path: Path) -> None:
    tools = sshd.root / "bin"
    tools.mkdir()
    (sshd.root / "evil").symlink_to("/etc")
    (tools / "tar").write_text(f"#!/bin/sh\nexec {shutil.which('tar')} cf - evil\n")
    (tools / "tar").chmod(0o755)
    sshd.path = f"{tools}:{sshd.path}"
    with pytest.raises(TransportError, match="neither plain file nor directory"):
        ssh.pull(str(sshd.root), tmp_path / "here", soon)
    assert list((tmp_path / "here").iterdir()) == []


def test_many_directories_fit_into_command_lines() -> None:
    paths = [f"/tmp/{'x' * 200}/{number}" for number in range(100)]
    lines = list(make_directories([*paths, *paths]))
    assert max(map(len, lines)) < 8300
    assert sorted(word for line in lines for word in line.split()[2:]) == sorted(paths)
