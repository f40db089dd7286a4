"""Files of a run that go into its page: screenshots as data URIs, registers as text.

A record may come from anywhere, so a path in it is followed only inside its own run directory, and a picture must be
a picture.
"""

from __future__ import annotations

import base64
from pathlib import Path

from rig.result.text import clean

_PNG = b"\x89PNG\r\n\x1a\n"
PICTURE_LIMIT = 4 << 20
TEXT_LIMIT = 64 << 10


class Attachments:
    """Reads each file once for one page."""

    def __init__(self, run_dir: Path | None) -> None:
        self._root = run_dir.resolve() if run_dir else None
        self._shown: set[Path] = set()

    def picture(self, name: str | None) -> str:
        """A PNG file as a data URI; empty for one that is absent, no PNG, too large, or shown before on this page."""
        path = self._find(name)
        if path is None or path in self._shown:
            return ""
        data = _read(path, PICTURE_LIMIT)
        if not data.startswith(_PNG):
            return ""
        self._shown.add(path)
        return "data:image/png;base64," + base64.b64encode(data).decode("ascii")

    def text(self, name: str | None) -> str:
        """A text file; empty for one that is absent or too large."""
        path = self._find(name)
        return clean(_read(path, TEXT_LIMIT).decode("utf-8", "replace")) if path else ""

    def _find(self, name: str | None) -> Path | None:
        if not name or self._root is None or "\0" in name:
            return None
        try:
            path = (self._root / name).resolve()
            return path if path.is_relative_to(self._root) and path.is_file() else None
        except OSError:
            return None


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError:
        return b""
    return data if len(data) <= limit else b""
