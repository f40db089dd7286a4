"""Private keys that users bring with an image: checked before they are needed, and copied into the store.

The store has its own copy (mode 0600), so that an image goes on working when the user moves the file or its rights are
too wide for an SSH client.
"""

from __future__ import annotations

from pathlib import Path

from rig.errors import InputError

_PUBLIC = (b"ssh-", b"ecdsa-", b"sk-", b"---- BEGIN SSH2 PUBLIC KEY")
_KINDS = "Ed25519, ECDSA and RSA keys, in OpenSSH's or PEM form"


def read_private_key(path: Path) -> bytes:
    """The content of a private key file, once it is certain that the rig's SSH client can use it.

    Raises InputError: not there, a public key, protected by a passphrase, of a kind that paramiko does not read.
    """
    try:
        content = path.expanduser().read_bytes()
    except OSError as fault:
        raise InputError(
            f"SSH key {path}: {fault.strerror}", hint="Name a private key file that you may read."
        ) from fault
    if content.startswith(_PUBLIC) or b"BEGIN PUBLIC KEY" in content[:100]:
        private = path.with_suffix("") if path.suffix == ".pub" else "the file without .pub"
        raise InputError(
            f"SSH key {path}: this is the public key; the private one is needed", hint=f"Most often that is {private}."
        )
    if content.startswith(b"PuTTY-User-Key-File"):
        raise InputError(
            f"SSH key {path}: this is a PuTTY key", hint=f"Convert it: puttygen {path} -O private-openssh -o KEY"
        )
    _try(path)
    return content


def _try(path: Path) -> None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from paramiko import PKey, SSHException
    from paramiko.pkey import UnknownKeyType

    protected = InputError(
        f"SSH key {path}: it is protected by a passphrase, which the rig cannot ask for in the middle of a run",
        hint=f"Make a copy without one: cp {path} KEY && ssh-keygen -p -N '' -f KEY",
    )
    try:
        PKey.from_path(path.expanduser())
    except TypeError as fault:
        raise protected from fault
    except (ValueError, SSHException, UnsupportedAlgorithm, UnknownKeyType, OSError) as fault:
        if "encrypted" in str(fault).lower() or "password" in str(fault).lower():
            raise protected from fault
        raise InputError(
            f"SSH key {path}: not a private key that the rig can use", hint=f"It reads {_KINDS}."
        ) from fault
