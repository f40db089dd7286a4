"""By hand, as root on the console of a guest that has just booted: its network, and the lines that its entry lists."""

from __future__ import annotations

import re

from rig.console import ConsoleShell
from rig.errors import TransportError, TransportTimeout
from rig.guest.boot import Boot
from rig.guest.guest import Guest
from rig.spec import GuestOS, NetworkSpec

NETWORK_STAGE, SETUP_STAGE = "network-set", "setup"
_LOGIN_SECONDS = 10.0
_FRAME = 30
"""Characters of a console line that are not the command's: what asks for its status."""
_LIST = "ifconfig -a||ip link"
_COMMANDS = {
    (GuestOS.DARWIN, "static"): (
        "ifconfig {interface} {address} netmask {netmask} up",
        "route delete default;route add default {gateway}",
    ),
    (GuestOS.DARWIN, "dhcp"): ("ipconfig set {interface} DHCP",),
    (GuestOS.LINUX, "static"): (
        "ifconfig {interface} {address} netmask {netmask} up",
        "route del default;route add default gw {gateway}",
    ),
    (GuestOS.LINUX, "dhcp"): ("udhcpc -n -q -i {interface}",),
}
"""What the operating systems' own tools take; an image may have a route of its own already.

Darwin: ifconfig(8), route(8), ipconfig(8)."""
_BEGINS = re.compile(r"^(?:\d+: )?([A-Za-z][\w.-]*?)(?:@\w+)?(?::| +Link)")
_MAC = re.compile(r"(?:ether|HWaddr|lladdr)\s+((?:[0-9A-Fa-f]{1,2}:){5}[0-9A-Fa-f]{1,2})(?![:0-9A-Fa-f])")


def set_up(guest: Guest, boot: Boot) -> None:
    """Set the network and run the lines; a guest without a card has no network to be set.

    Raises `BootError` for a line that fails or takes too long, `AuthError`.
    """
    spec = guest.stored.spec
    carded = guest.machine.launch.spec.nic != "none"
    by_hand = spec.network.by != "image" and carded
    lines = [line for line in spec.setup if carded or not line.needs_interface]
    if not by_hand and not lines:
        return
    shell = guest.shell()
    shell.log_in(guest.deadline(_LOGIN_SECONDS))
    network = spec.network
    values = {"address": network.address, "netmask": network.netmask, "gateway": network.gateway}
    if by_hand or any(line.needs_interface for line in lines):
        values["interface"] = _find_interface(guest, shell, boot)
    if by_hand:
        for command in commands_of(network, spec.os):
            _run(guest, shell, boot, NETWORK_STAGE, command.format(**values), network.deadline)
        boot.mark(NETWORK_STAGE)
    for line in lines:
        _run(guest, shell, boot, SETUP_STAGE, line.run.format(**values), line.deadline, may_fail=line.may_fail)
    if lines:
        boot.mark(SETUP_STAGE)


def commands_of(network: NetworkSpec, system: GuestOS) -> tuple[str, ...]:
    """What sets the network, before names are filled in."""
    return network.commands or _COMMANDS[system, network.by]


def interface_of(listing: str, mac: str) -> str | None:
    """The name of the interface with this MAC, in what `ifconfig -a` or `ip link` says; None where there is none.

    Octets may lack their leading zeros, as some of Darwin's tools print them.
    """
    name = None
    for line in listing.splitlines():
        begins = _BEGINS.match(line)
        if begins is not None:
            name = begins[1]
        found = _MAC.search(line)
        if found is not None and name is not None and _octets(found[1]) == _octets(mac):
            return name
    return None


def _octets(mac: str) -> list[int]:
    return [int(octet, 16) for octet in mac.split(":")]


def _find_interface(guest: Guest, shell: ConsoleShell, boot: Boot) -> str:
    mac = guest.machine.launch.spec.mac
    try:
        listing = shell.ask(_LIST, guest.deadline(_LOGIN_SECONDS)).output
    except TransportTimeout as fault:
        raise boot.failure(NETWORK_STAGE, f"was not reached: {_LIST}: {fault.message}") from fault
    name = interface_of(listing, mac)
    if name is None:
        raise boot.failure(NETWORK_STAGE, f"was not reached: the guest has no interface with the MAC {mac}:\n{listing}")
    return name


def _run(
    guest: Guest, shell: ConsoleShell, boot: Boot, stage: str, command: str, seconds: float, *, may_fail: bool = False
) -> None:
    deadline = guest.deadline(seconds)
    try:
        answer = shell.run(_short(guest, shell, command), deadline)
    except TransportTimeout as fault:
        raise boot.failure(stage, f"was not reached: {command!r} did not end in {deadline.total:.0f} s") from fault
    except TransportError as fault:
        raise boot.failure(stage, f"was not reached: {command!r}: {fault.message}") from fault
    if answer.status and not may_fail:
        said = f": {answer.output.strip()}" if answer.output.strip() else ""
        raise boot.failure(stage, f"was not reached: {command!r} ended with status {answer.status}{said}")


def _short(guest: Guest, shell: ConsoleShell, command: str) -> str:
    """A line that the console takes: a longer one is put into a file of the guest, piece by piece."""
    spec = guest.stored.spec
    if len(command) <= spec.console.line_limit - _FRAME:
        return command
    path = f"{spec.workdir.rstrip('/')}/.rig-setup"
    shell.run(f"rm -f {path}", guest.deadline(_LOGIN_SECONDS))
    shell.write_line(command, path, guest.deadline(_LOGIN_SECONDS))
    return f". {path}"
