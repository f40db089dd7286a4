from __future__ import annotations

from pathlib import Path

import pytest

from rig.tests.result import make


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own for each test, so that no test sees the user's runs."""
    place = tmp_path / "home"
    monkeypatch.setenv("RIG_HOME", str(place))
    return place


@pytest.fixture
def run(tmp_path: Path) -> make.RunDir:
    return make.RunDir.create(tmp_path / "run", image=make.IMAGE, host=make.HOST)
