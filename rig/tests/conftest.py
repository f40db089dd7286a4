"""For all tests of the package."""

from __future__ import annotations

from pathlib import Path

import pytest

from rig.probe.agent import build_agent
from rig.spec import GuestOS

pytest_plugins = ["pytester"]


@pytest.fixture(scope="session")
def agent() -> Path:
    """The agent that serves the rig on a console, made with the user's own cache."""
    return build_agent(GuestOS.LINUX)
