"""One root error; its children say what the caller can do.

RigError                    anything the rig can say in one sentence
├── InputError              the user's input is wrong: mend it and call again
│   ├── SpecError           a YAML file; names file, line, key
│   ├── ToolchainError      C that does not compile; carries the compiler's words
│   └── ManifestError       a probe and its manifest disagree
├── HostError               this machine lacks something: install it, free it
├── ImageError              an image is absent, damaged or not what it claims
├── LaunchError             QEMU did not start; carries command, exit code, output
├── GuestError              a guest did not do what it must
│   ├── BootError           a stage was not reached; carries the console's tail
│   ├── PanicError          its kernel panicked
│   ├── HangError           it lives but does nothing
│   └── GuestDied           its QEMU ended
└── TransportError          a channel into the guest failed
    ├── AuthError           the guest refused the login
    └── TransportTimeout    the deadline passed
"""

from __future__ import annotations

import shlex
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXIT_INPUT = 2
"""Exit code of every error the rig can name (bad input, absent tool, guest that never boots)."""
EXIT_INTERRUPTED = 130
"""Exit code after Ctrl-C, SIGTERM or SIGHUP, as shells have it."""

_SHOWN_LINES = 12
"""Lines of each log that a guest's error shows; the whole logs are files."""


class RigError(Exception):
    """The root: `message` says what is wrong, `hint` the way out."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class InputError(RigError):
    """The user's input is wrong."""


class SpecError(InputError):
    """A YAML file is wrong at one place."""


class ToolchainError(InputError):
    """A probe does not compile; the message holds the compiler's words."""


class ManifestError(InputError):
    """A probe and its manifest disagree, or a probe's output is no stream."""


class HostError(RigError):
    """This machine lacks a tool, space, memory or a right."""


class ImageError(RigError):
    """An image is absent, damaged or not what it claims to be."""


def exit_words(code: int) -> str:
    """How a process ended, in words; `code` as `subprocess` gives it, negative for a signal."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"  # a real-time signal has no name of its own


class LaunchError(RigError):
    """QEMU did not start. `by_chance`: somebody killed or stopped it, so that another start may do better."""

    def __init__(
        self,
        message: str,
        *,
        command: list[str],
        exit_code: int | None,
        output: str = "",
        hint: str = "",
        by_chance: bool = False,
    ) -> None:
        self.command = command
        self.by_chance = by_chance
        self.exit_code = exit_code
        self.output = output
        words = f"\n  QEMU said: {output.strip()}" if output.strip() else ""
        code = "" if exit_code is None else f" ({exit_words(exit_code)})"
        called = f"\n  command: {shlex.join(command)}" if command else ""
        super().__init__(f"{message}{code}{words}{called}", hint=hint)


@dataclass(frozen=True)
class Evidence:
    """What is known of a guest at the moment of its failure.

    `console` is the log's tail (text, control bytes stripped); paths are absent when the thing could not be had.
    """

    console: str = ""
    reason: str = ""
    stage: str = ""
    screenshot: Path | None = None
    registers: str = ""
    qemu_output: str = ""
    command: tuple[str, ...] = ()
    panic: Mapping[str, Any] | None = None
    """What the kernel's last words tell, as plain data (`rig.console.panics.Panic.plain`)."""


class GuestError(RigError):
    """A guest did not do what it must; `evidence` shows why."""

    def __init__(self, message: str, *, evidence: Evidence | None = None, hint: str = "") -> None:
        self.evidence = evidence or Evidence()
        super().__init__(message, hint=hint)

    def __str__(self) -> str:
        told = super().__str__()
        for label, text in (
            ("the console's last lines", self.evidence.console),
            ("QEMU's last lines", self.evidence.qemu_output),
        ):
            shown = "".join(f"\n    | {line}" for line in text.rstrip().splitlines()[-_SHOWN_LINES:])
            told += f"\n  {label}:{shown}" if shown else ""
        panic = self.evidence.panic or {}
        if panic.get("signature"):
            told += f"\n  the panic's signature: {panic['signature']} ({panic.get('signature_id', '')})"
        return told + (f"\n  the screen: {self.evidence.screenshot}" if self.evidence.screenshot else "")


class BootError(GuestError):
    """A boot stage was not reached before its deadline."""


class PanicError(GuestError):
    """The guest's kernel panicked."""


class HangError(GuestError):
    """The guest's QEMU runs but the guest answers nothing."""


class GuestDied(GuestError):
    """The guest's QEMU process ended while it was needed."""


class TransportError(RigError):
    """A channel into the guest failed."""


class AuthError(TransportError):
    """The guest refused the login."""


class TransportTimeout(TransportError):
    """A command in the guest outlived its deadline."""
