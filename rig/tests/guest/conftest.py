"""A home of the rig's for one test, a key pair, and an SSH server that takes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from rig.deadline import Deadline
from rig.guest.keys import load_key, user_key
from rig.guest.ssh import SshTransport
from rig.tests.guest.sshd import Sshd

PATIENCE = 30.0
"""Seconds: for a busy host; what is awaited takes a thousandth of it."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The rig's whole home, for this test alone."""
    monkeypatch.setenv("RIG_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def key(home: Path) -> Path:
    return user_key()


@pytest.fixture
def sshd(key: Path, tmp_path: Path) -> Iterator[Sshd]:
    root = tmp_path / "guest"
    root.mkdir()
    with Sshd(root, load_key(key)) as server:
        yield server


@pytest.fixture
def ssh(sshd: Sshd, key: Path) -> Iterator[SshTransport]:
    transport = SshTransport(sshd.port, "root", key)
    yield transport
    transport.close()


@pytest.fixture
def soon() -> Deadline:
    """A deadline that a working thing never meets."""
    return Deadline.after(PATIENCE)


def other_key() -> paramiko.PKey:
    return paramiko.RSAKey.generate(1024)
