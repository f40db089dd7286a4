"""The rig's own SSH key: one per user, made at first use, never shipped."""

from __future__ import annotations

import os
from pathlib import Path

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from filelock import FileLock

from rig.errors import HostError, InputError
from rig.paths import config_dir, ensure

KEY_NAME = "id_ed25519"


def user_key() -> Path:
    """The private key's path; the public one stands beside it with `.pub`. Made under a lock when absent.

    Raises `HostError` where it cannot be written.
    """
    directory = config_dir()
    path = directory / KEY_NAME
    try:
        ensure(directory, 0o700)
        with FileLock(directory / ".key.lock"):
            if not path.exists():
                _make(path)
    except OSError as fault:
        raise HostError(
            f"{directory}: the rig's SSH key cannot be made there: {fault.strerror}",
            hint="Check the path and its rights.",
        ) from fault
    return path


def _make(path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    path.with_suffix(".pub").write_bytes(public + b" puredarwin-rig\n")
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)  # left by a process that was killed here
    # Created with its final mode: a key is never readable by others, not even for a moment.
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(private)
    fresh.replace(path)


def load_key(path: Path) -> paramiko.PKey:
    """Read a private key of any kind that paramiko knows. Raises `InputError`."""
    try:
        return paramiko.PKey.from_path(path)
    except FileNotFoundError as fault:
        raise InputError(f"{path}: no such key file", hint=_way_out(path)) from fault
    # cryptography has many errors for what is no key, and no common parent for them.
    except Exception as fault:
        raise InputError(
            f"{path}: not a private key that can be read: {fault or type(fault).__name__}", hint=_way_out(path)
        ) from fault


def _way_out(path: Path) -> str:
    if path == config_dir() / KEY_NAME:
        return "It is the rig's own: remove it, and a new one is made."
    return "An OpenSSH key without passphrase is needed; give it at import (--ssh-key)."


def public_line(path: Path) -> str:
    """The line for authorized_keys that belongs to a private key."""
    key = load_key(path)
    return f"{key.get_name()} {key.get_base64()}"
