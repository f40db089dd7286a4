"""A guest that has booted, or was restored, is reached: its transport is set up and seen to answer."""

from __future__ import annotations

import paramiko

from rig.errors import TransportError
from rig.guest.boot import SSH_STAGE, Boot
from rig.guest.guest import Guest
from rig.guest.keys import public_line, user_key
from rig.guest.serialway import SerialWay
from rig.guest.ssh import SshTransport
from rig.guest.ways import chosen_way
from rig.spec import TransportKind

SERIAL_STAGE = "serial"
_SSH_SECONDS = 30.0
_SERIAL_SECONDS = 20.0
_LOGIN_SECONDS = 10.0


def reach(guest: Guest, boot: Boot, host_key: paramiko.PKey | None = None, *, restored: bool = False) -> None:
    """Set up the transport that was chosen; its stage is reached with the first answer.

    With `host_key` the guest is known already: its key is in place, and it must show this one.
    """
    way = chosen_way(guest.stored.spec, guest.options)
    if way is TransportKind.SSH:
        _reach_ssh(guest, boot, host_key)
    elif way is TransportKind.SERIAL:
        _reach_serial(guest, boot, restored)


def _reach_ssh(guest: Guest, boot: Boot, host_key: paramiko.PKey | None) -> None:
    spec = guest.stored.spec
    guest.key = guest.stored.key or user_key()
    if guest.stored.key is None and host_key is None:
        _install_key(guest, public_line(guest.key))
        boot.mark("key")
    transport = SshTransport(
        guest.machine.ssh_port(), spec.ssh.user, guest.key, sftp=spec.has.get("sftp"), tar=spec.has.get("tar")
    )
    transport.host_key = host_key
    guest.transport = transport
    deadline = guest.deadline(boot.allowance(SSH_STAGE) or _SSH_SECONDS)
    try:
        transport.connect(deadline, lost=lambda: not guest.alive)
    except BaseException:
        transport.close()
        raise
    boot.mark(SSH_STAGE)


def _reach_serial(guest: Guest, boot: Boot, restored: bool) -> None:
    way = SerialWay.of(guest.stored.spec)
    transport = way.transport(guest.console, guest.machine.launch.directory, guest.factor)
    guest.transport = transport
    # In a guest that was just booted nobody answers; in a restored one the agent runs.
    transport.connect(guest.deadline(_SERIAL_SECONDS), lost=lambda: not guest.alive, fresh=not restored)
    boot.mark(SERIAL_STAGE)


def _install_key(guest: Guest, line: str) -> None:
    """Put the rig's public key where the guest's SSH server looks for it, by the root shell on the console."""
    ssh = guest.stored.spec.ssh
    shell = guest.shell()
    deadline = guest.deadline(_LOGIN_SECONDS)
    shell.log_in(deadline)
    path = ssh.authorized_keys
    if not path.startswith("/"):
        home = shell.ask(f"echo ~{ssh.user}", deadline).output.strip()
        if not home.startswith("/"):
            raise TransportError(f"the guest does not know {ssh.user}'s home directory: {home!r}")
        path = f"{home.rstrip('/')}/{path}"
    parent = path.rpartition("/")[0]
    for command in (f"mkdir -p {parent}", f"chmod 700 {parent}"):
        answer = shell.run(command, deadline)
        if answer.status != 0:
            raise TransportError(f"the rig's key cannot be put in place: {command}: {answer.output}")
    shell.write_line(line, path, deadline)
    shell.run(f"chmod 600 {path}", deadline)
