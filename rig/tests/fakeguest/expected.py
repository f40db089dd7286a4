"""What booting a script must come to: part of the script's file, judged by rig/tests/guest/test_boots.py."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from rig.spec.base import Spec
from rig.spec.image import Pattern


class Expected(Spec):
    """The end of `boot_guest` with console_only, every deadline as the image says (factor 1)."""

    ends: Literal["ready", "BootError", "PanicError", "GuestDied"]
    """The error's class."""
    stages: tuple[str, ...]
    """Stages reached by then, in order, those included whose line was missed."""
    message: Pattern | None = None
    """Regular expression for the error's message; needed where there is one."""
    console: tuple[Pattern, ...] = ()
    """Regular expressions for the console's text in the evidence."""
    reason: tuple[Pattern, ...] = ()
    """Regular expressions for the panic's text in the evidence."""
    registers: Pattern | None = None
    """Regular expression for the registers in the evidence."""

    @model_validator(mode="after")
    def _said(self) -> Self:
        if (self.ends == "ready") != (self.message is None):
            raise ValueError("`message` goes with an error, and an error with `message`")
        return self
