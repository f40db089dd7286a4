"""The rig's own key: made once, whoever asks; and keys of every other kind, or none."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import paramiko
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rig.errors import HostError, InputError
from rig.guest.keys import load_key, public_line, user_key


def test_the_key_is_made_once_and_for_its_owner_alone(home: Path) -> None:
    old = os.umask(0)
    try:
        path = user_key()
    finally:
        os.umask(old)
    content = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert user_key() == path
    assert path.read_bytes() == content


def test_the_public_half_fits(home: Path) -> None:
    path = user_key()
    line = public_line(path)
    assert line.startswith("ssh-ed25519 ")
    assert path.with_suffix(".pub").read_text().split()[:2] == line.split()
    assert load_key(path).sign_ssh_data(b"data")


def test_many_processes_get_one_key(home: Path) -> None:
    ask = [sys.executable, "-c", "from rig.guest.keys import user_key; print(user_key().read_bytes().hex())"]
    processes = [subprocess.Popen(ask, stdout=subprocess.PIPE) for _ in range(3)]
    answers = {process.communicate(timeout=60)[0] for process in processes}
    assert len(answers) == 1
    assert len(answers.pop()) > 300


def test_what_a_killed_process_left_is_no_obstacle(home: Path) -> None:
    (home / "config").mkdir(parents=True)
    half = home / "config" / "id_ed25519.new"
    half.write_text("half a key")
    half.chmod(0o666)
    assert stat.S_IMODE(user_key().stat().st_mode) == 0o600
    assert load_key(user_key())


def test_a_place_that_cannot_be_written(home: Path) -> None:
    home.parent.mkdir(exist_ok=True)
    home.write_text("in the way")
    with pytest.raises(HostError):
        user_key()


def test_keys_of_other_kinds(tmp_path: Path) -> None:
    rsa = paramiko.RSAKey.generate(1024)
    rsa.write_private_key_file(str(tmp_path / "rsa"))
    assert load_key(tmp_path / "rsa") == rsa


def test_no_key_at_all(home: Path, tmp_path: Path) -> None:
    own = user_key()
    public = own.with_suffix(".pub")
    locked = tmp_path / "locked"
    paramiko.RSAKey.generate(1024).write_private_key_file(str(locked), password="secret")
    for path, words in (
        (tmp_path / "nowhere", "no such key file"),
        (tmp_path, "not a private key"),
        (public, "not a private key"),
        (locked, "not a private key"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            load_key(path)
        assert str(path) in caught.value.message
        assert "--ssh-key" in caught.value.hint
    own.write_text("damaged")
    with pytest.raises(InputError, match="not a private key") as caught:
        load_key(own)
    assert "remove it" in caught.value.hint


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.binary(max_size=200), armour=st.booleans())
def test_no_file_raises_anything_else(junk: bytes, armour: bool, tmp_path: Path) -> None:
    head, foot = b"-----BEGIN OPENSSH PRIVATE KEY-----\n", b"\n-----END OPENSSH PRIVATE KEY-----\n"
    (tmp_path / "key").write_bytes(head + junk + foot if armour else junk)
    with pytest.raises(InputError):
        load_key(tmp_path / "key")
