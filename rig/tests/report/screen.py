"""Consoles to print on in tests."""

from __future__ import annotations

import io

from rich.console import Console


class Screen:
    """A console of a given width and encoding whose output can be read back; strict, as a real stdout is."""

    def __init__(self, width: int = 100, encoding: str = "utf-8", *, terminal: bool = True) -> None:
        self._bytes = io.BytesIO()
        self._file = io.TextIOWrapper(self._bytes, encoding=encoding, errors="strict", write_through=True)
        self.encoding = encoding
        self.console = Console(
            file=self._file, width=width, height=50, force_terminal=terminal, color_system=None, legacy_windows=False
        )

    @property
    def text(self) -> str:
        """All that was printed."""
        return self._bytes.getvalue().decode(self.encoding)

    @property
    def widest(self) -> int:
        """Length of the longest line printed."""
        return max(map(len, self.text.splitlines()), default=0)
