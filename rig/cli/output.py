"""Standard output as it may be: closed, a pipe whose reader has gone, a file on a full disk; and tables on it."""

from __future__ import annotations

import errno
import os
import sys
from typing import Any, TextIO

from rich.console import Console

_UNBOUNDED = 10_000
"""Columns: more than any table here has."""


def open_what_is_closed() -> None:
    """Give each closed standard stream the null device.

    Else the next file that is opened gets its number, and what is meant for the screen, a child's words among it, is
    written into that file.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", errors="replace", closefd=False))  # noqa: SIM115


def table_console(*, highlight: bool = True) -> Console:
    """For tables: where there is no terminal their lines are as long as they are, so that no name is cut off."""
    console = Console(highlight=highlight)
    if console.is_terminal or os.environ.get("COLUMNS"):
        return console
    return Console(highlight=highlight, width=_UNBOUNDED)


class Enduring:
    """Standard output of a command whose work is worth more than its words.

    What cannot be written any more is dropped from then on; `fault` says why, unless it is only that nobody reads.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self.fault: OSError | None = None

    def write(self, text: str) -> int:
        """As a text stream's."""
        try:
            return self._stream.write(text)
        except OSError as fault:
            self._drop(fault)
            return len(text)

    def flush(self) -> None:
        """As a text stream's."""
        try:
            self._stream.flush()
        except OSError as fault:
            self._drop(fault)

    def _drop(self, fault: OSError) -> None:
        if fault.errno != errno.EPIPE:
            self.fault = fault
        # What is buffered still goes somewhere: a stream that cannot be flushed complains again when Python ends.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._stream.fileno())
        os.close(null)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
