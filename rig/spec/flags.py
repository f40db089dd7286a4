"""What a boot's kernel flags are for, and how this image's loader is given them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from rig.spec.base import Spec
from rig.spec.patterns import Pattern, Seconds, Typed

BootArgs = Annotated[str, Field(pattern=r"^([!-~]+( +[!-~]+)*)?$", max_length=1023)]
"""Kernel flags as they are, with blanks between; xnu's line has room for 1023 characters (pexpert, boot.h)."""


class PanicMode(StrEnum):
    """What the kernel does once it has panicked.

    report: it prints all it knows and stands still. debugger: it prints and waits for a debugger, on the network or
    at QEMU's stub. reboot: it prints and resets, which QEMU tells the rig.
    """

    REPORT = "report"
    DEBUGGER = "debugger"
    REBOOT = "reboot"


class BootFlags(Spec):
    """Flags by purpose; what is absent is left as the image has it."""

    console: Literal["serial", "screen"] | None = None
    """Where the kernel's console is. The rig reads, and types on, the serial one only."""
    panic: PanicMode | None = None
    verbose: bool | None = None
    """Whether the kernel says what it does as it boots; false takes the flag away, where the image has it."""
    boot_args: BootArgs = ""
    """Further flags as they are; they win over what the purposes above come to."""

    def __bool__(self) -> bool:
        """Whether anything is asked for."""
        return self != BootFlags()

    def changed_by(self, more: BootFlags) -> BootFlags:
        """These, with what `more` asks for in their place; raw flags of both, those of `more` last."""
        changed = {name: value for name, value in more if value is not None and name != "boot_args"}
        raw = " ".join(part for part in (self.boot_args, more.boot_args) if part)
        return BootFlags.model_validate({**dict(self), **changed, "boot_args": raw})


class LoaderPrompt(Spec):
    """A BIOS loader on the screen: a key brings its prompt, where a line is typed."""

    kind: Literal["prompt"] = "prompt"
    key: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")] = "f8"
    """The key that stops its countdown, by QEMU's name (qcode)."""
    heard: Pattern | None = None
    """Text on the screen from which on the key is listened to; absent: it is pressed from the first picture on."""
    prompt: Pattern = r"boot: *$"
    """The prompt, on a screen in text mode. A graphical one is taken to be reached when nothing new is drawn."""
    line: Typed = "{args}"
    """What is typed there, `{args}` standing for the flags; Enter follows."""
    deadline: Seconds = 30
    """Seconds from the first instruction until the line is entered, scaled."""

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        if "{args}" not in self.line:
            raise ValueError(f"line must hold {{args}}, found {self.line!r}")
        return self


class LoaderFile(Spec):
    """A loader that reads the flags from a text file of the EFI system partition."""

    kind: Literal["file"] = "file"
    path: Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._~-]+)+$")]
    """Of the file, from that partition's root."""


Loader = Annotated[LoaderPrompt | LoaderFile, Field(discriminator="kind")]
