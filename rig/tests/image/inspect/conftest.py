from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rig.image.inspect.survey import Survey, survey
from rig.spec import ImageFormat


@pytest.fixture
def look(tmp_path: Path) -> Callable[[bytes | bytearray], Survey]:
    """Survey these bytes as a raw disk."""

    def call(content: bytes | bytearray) -> Survey:
        path = tmp_path / "surveyed.raw"
        path.write_bytes(content)
        return survey(path, ImageFormat.RAW, "x")

    return call
