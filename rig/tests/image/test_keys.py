from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rig.errors import InputError
from rig.image.keys import read_private_key


def make_key(path: Path, *args: str, passphrase: str = "") -> Path:
    subprocess.run(["ssh-keygen", "-q", *args, "-N", passphrase, "-f", str(path)], check=True, capture_output=True)
    return path


@pytest.mark.parametrize(
    "args", [["-t", "ed25519"], ["-t", "ecdsa"], ["-t", "rsa", "-b", "2048"], ["-t", "rsa", "-b", "2048", "-m", "PEM"]]
)
def test_the_usual_keys_are_read(tmp_path: Path, args: list[str]) -> None:
    key = make_key(tmp_path / "k", *args)
    assert read_private_key(key) == key.read_bytes()


@pytest.mark.parametrize("form", [["-t", "ed25519"], ["-t", "rsa", "-b", "2048", "-m", "PEM"]])
def test_a_key_with_a_passphrase(tmp_path: Path, form: list[str]) -> None:
    key = make_key(tmp_path / "k", *form, passphrase="secret")
    with pytest.raises(InputError, match="protected by a passphrase") as caught:
        read_private_key(key)
    assert "ssh-keygen -p" in caught.value.hint


def test_the_public_half(tmp_path: Path) -> None:
    key = make_key(tmp_path / "k", "-t", "ed25519")
    with pytest.raises(InputError, match="this is the public key") as caught:
        read_private_key(key.with_suffix(".pub"))
    assert str(key) in caught.value.hint


def test_what_is_no_key(tmp_path: Path) -> None:
    path = tmp_path / "k"
    with pytest.raises(InputError, match="No such file"):
        read_private_key(path)
    for content, words in [
        (b"", "not a private key"),
        (b"\x00\xff" * 50, "not a private key"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", "not a private key"),
        (b"PuTTY-User-Key-File-3: ssh-ed25519\n", "PuTTY"),
    ]:
        path.write_bytes(content)
        with pytest.raises(InputError, match=words):
            read_private_key(path)
