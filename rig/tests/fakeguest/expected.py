"""What booting a script must come to: part of the script's file, judged by rig/tests/guest/test_boots.py."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from rig.spec.base import Spec
from rig.spec.patterns import Pattern


class Expected(Spec):
    """The end of `boot_guest` with console_only, every deadline as the image says (factor 1)."""

    ends: Literal["ready", "BootError", "LoaderError", "PanicError", "GuestDied"]
    """The error's class."""
    stages: tuple[str, ...]
    """Stages reached by then, in order, those included whose line was missed."""
    message: Pattern | None = None
    """Regular expression for the error's message; needed where there is one."""
    console: tuple[Pattern, ...] = ()
    """Regular expressions for the console's text in the evidence."""
    reason: tuple[Pattern, ...] = ()
    """Regular expressions for the panic's text in the evidence."""
    panic: dict[str, Any] = Field(default_factory=dict)
    """What `evidence.panic` must hold, key by key."""
    answers: dict[str, str] = Field(default_factory=dict)
    """Of a guest that is ready: commands typed at its console shell, in order, and what they print."""
    dies_of: str | None = None
    """A command typed after those, which is not answered any more."""
    death: Literal["PanicError", "GuestDied", "HangError"] | None = None
    """What the guest is told to have come to then; `message`, `console` and `panic` are that error's."""

    @model_validator(mode="after")
    def _said(self) -> Self:
        if (self.ends == "ready" and not self.dies_of) != (self.message is None):
            raise ValueError("`message` goes with an error, and an error with `message`")
        if (self.dies_of is None) != (self.death is None):
            raise ValueError("`dies_of` and `death` go together")
        return self
