from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rig.guest import registry
from rig.tests.cli.calls import Rig
from rig.tests.guest.running import Sleepers


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "home"


@pytest.fixture
def rig(home: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Rig:
    return Rig(capfd, monkeypatch)


@pytest.fixture
def start(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sleepers]:
    monkeypatch.setattr(registry, "_STOP_SECONDS", 0.1)  # a sleeper has no monitor that could be asked
    with Sleepers(home / "state" / "guests", tmp_path) as sleepers:
        yield sleepers
