"""Linux logs whose lines tell who printed them (`[T123]`, `[C1]`: CONFIG_PRINTK_CALLER), taken apart again.

Two processors that go down at once print into each other; by these marks each report gets its own lines.
"""

from __future__ import annotations

from rig.console.panics.lines import Line
from rig.console.panics.linux import LinuxReader, may_open
from rig.console.panics.model import Panic


class LinuxReaders:
    """One reader for each printer that ever said something of interest, and one for lines without a mark."""

    def __init__(self) -> None:
        self._readers = {"": LinuxReader()}

    def feed(self, line: Line) -> None:
        """Take in the next line."""
        reader = self._readers.get(line.caller)
        if reader is None:
            if not may_open(line):
                self._end_all(line)
                return
            reader = self._readers[line.caller] = LinuxReader()
        reader.feed(line)
        self._end_all(line)

    def close(self) -> list[Panic]:
        """No more lines will come."""
        return [panic for reader in self._readers.values() for panic in reader.close()]

    def _end_all(self, line: Line) -> None:
        """Whoever says that the machine starts again says it for all."""
        if line.caller and LinuxReader.is_restart(line):
            for reader in self._readers.values():
                reader.end()
