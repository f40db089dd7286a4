"""For all tests of the package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rig.probe.agent import build_agent
from rig.spec import GuestOS
from rig.tests.leaks import nothing_left

pytest_plugins = ["pytester"]


@pytest.fixture(scope="session")
def agent() -> Path:
    """The agent that serves the rig on a console, made with the user's own cache."""
    return build_agent(GuestOS.LINUX)


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """Each test leaves the process as it found it, for those of other modules."""
    with nothing_left():
        yield
