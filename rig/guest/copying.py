"""Files into and out of a guest over SSH: by SFTP where the guest has it, else tar, else cat, over command channels."""

from __future__ import annotations

import contextlib
import shlex
import struct
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

import paramiko

from rig.deadline import Deadline
from rig.errors import InputError, TransportError, TransportTimeout
from rig.guest.archive import Entry, unpack_untrusted
from rig.guest.sshlink import FAULTS

_LINE = 8000
"""Bytes of one command line: far below what any kernel takes."""
_IN_MEMORY = 16 << 20
Take = Callable[[bytes], None]
_SFTP_FAULTS = (*FAULTS, paramiko.SFTPError, struct.error)


def open_sftp(channel: paramiko.Channel) -> paramiko.SFTPClient | None:
    """SFTP on a fresh channel; None where the guest has none, or something else answers in its place."""
    try:
        channel.invoke_subsystem("sftp")
        return paramiko.SFTPClient(channel)
    except _SFTP_FAULTS as fault:
        transport = channel.get_transport()
        if isinstance(fault, TimeoutError) or not transport.is_active():
            raise TransportError(f"the SSH connection broke where SFTP was asked for: {fault}") from fault
        return None


class PutError(TransportError):
    """The guest's SFTP server did not take a file. It has no word for most reasons, a full disk among them."""


def put_all(sftp: paramiko.SFTPClient, tree: Sequence[tuple[Entry, str]], deadline: Deadline) -> None:
    """Put the files of `tree`, each with its place in the guest; directories must be there.

    Raises `PutError` naming the file, `TransportError` where the connection broke, `TransportTimeout`.
    """

    def look_at_clock(_done: int, _total: int) -> None:
        if deadline.expired:
            raise TimeoutError

    for entry, target in tree:
        if entry.is_dir:
            continue
        try:
            sftp.put(str(entry.path), target, look_at_clock)
            sftp.chmod(target, entry.mode)
        except TimeoutError as fault:
            raise TransportTimeout(f"pushing {entry.path} did not end within {deadline.total:.0f} s") from fault
        except _SFTP_FAULTS as fault:
            channel = sftp.get_channel()
            message = f"{entry.path} could not be put at {target} of the guest: {fault}"
            if channel is None or channel.closed:
                raise TransportError(message) from fault
            # What is there of it would run as a program cut short, and keep a full disk full.
            with contextlib.suppress(*_SFTP_FAULTS):
                sftp.remove(target)
            raise PutError(message) from fault


def make_directories(paths: Sequence[str]) -> Iterator[str]:
    """Commands that make these directories, none of them too long for a command line."""
    line = ""
    for path in dict.fromkeys(paths):
        quoted = shlex.quote(path)
        if line and len(line) + len(quoted) > _LINE:
            yield f"mkdir -p{line}"
            line = ""
        line += f" {quoted}"
    if line:
        yield f"mkdir -p{line}"


def write_command(target: str, mode: int) -> str:
    """The command that makes a file of its standard input: whole or not at all, also over one that runs now."""
    part, where = shlex.quote(f"{target}.part"), shlex.quote(target)
    return f"cat >{part} && chmod {mode:o} {part} && mv -f {part} {where} || {{ rm -f {part}; exit 1; }}"


@contextlib.contextmanager
def received_tree(destination: Path) -> Iterator[Take]:
    """Takes a tar stream; it is unpacked into `destination` when the block ends well."""
    if destination.exists() and not destination.is_dir():
        raise InputError(f"{destination}: is a file; the guest's directory needs a directory")
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as stream:
        yield _writer(stream, destination)
        stream.seek(0)
        unpack_untrusted(stream, destination)


@contextlib.contextmanager
def received_file(source: str, destination: Path) -> Iterator[Take]:
    """Takes a file's bytes; it becomes `destination` (or goes into that directory) when the block ends well."""
    target = destination / PurePosixPath(source).name if destination.is_dir() else destination
    fresh = target.with_name(target.name + ".part")
    try:
        with _here(target), fresh.open("wb") as file:
            yield _writer(file, target)
        with _here(target):
            fresh.replace(target)
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink()


def _writer(file: IO[bytes], target: Path) -> Take:
    def take(data: bytes) -> None:
        with _here(target):
            file.write(data)

    return take


@contextlib.contextmanager
def _here(target: Path) -> Iterator[None]:
    """This host's own trouble with a file is not the connection's: `InputError`."""
    try:
        yield
    except OSError as fault:
        raise InputError(f"{target}: cannot be written: {fault.strerror or fault}") from fault
