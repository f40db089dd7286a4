"""What is done on the guest's console once a root shell is there: its network, and lines by hand."""

from __future__ import annotations

import string
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from rig.spec.base import Spec
from rig.spec.patterns import Seconds

PLACES = frozenset({"interface", "address", "netmask", "gateway"})
"""What a line may name in braces; braces of the shell's are doubled."""
Address = Annotated[str, Field(pattern=r"^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$")]


def _places(line: str) -> str:
    try:
        parts = list(string.Formatter().parse(line))
    except ValueError as fault:
        raise ValueError(f"{fault}; braces of the shell's own are doubled") from fault
    for _, name, form, turn in parts:
        if name is not None and (name not in PLACES or form or turn):
            known = ", ".join(sorted(PLACES))
            raise ValueError(f"{{{name}}} stands for nothing; known: {known}; the shell's own braces are doubled")
    return line


CommandLine = Annotated[str, Field(pattern=r"^[ -~]+$"), AfterValidator(_places)]
"""One line of sh, ASCII, as the console takes it."""


class SetupLine(Spec):
    """One command on the console, such as the start of an SSH server that nothing else starts."""

    run: CommandLine
    """`{interface}` stands for the guest's name of the card, `{address}` and the like for the network's values."""
    deadline: Seconds = 20
    """Seconds, scaled."""
    may_fail: bool = False
    """Whether a status other than 0 is no failure of the boot."""

    @property
    def needs_interface(self) -> bool:
        """Whether the guest must be asked what it calls its card."""
        return "interface" in {name for _, name, _, _ in string.Formatter().parse(self.run)}


class NetworkSpec(Spec):
    """How the guest's card gets its address. The interface is found by the card's MAC, never assumed."""

    by: Literal["image", "static", "dhcp"] = "image"
    """image: it sets it up itself. static and dhcp: the rig does, on the console."""
    address: Address = "10.0.2.15"
    """For static; QEMU's user network has 10.0.2.0/24, and forwards to this address."""
    netmask: Address = "255.255.255.0"
    gateway: Address = "10.0.2.2"
    deadline: Seconds = 30
    """Seconds for each command, scaled."""
    commands: tuple[CommandLine, ...] = ()
    """Instead of those that the operating system's own tools take."""
