from __future__ import annotations

from pathlib import Path

import pytest
from harness_runs import HARNESS, build

from rig.guest import Guest
from rig.run.worker import worker_of


@pytest.fixture(scope="session")
def selftest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(
        tmp_path_factory.mktemp("harness") / "selftest",
        HARNESS / "selftest" / "selftest.c",
    )


TRIED = pytest.StashKey[bool]()


@pytest.fixture
def guest(guest: Guest, request: pytest.FixtureRequest) -> Guest:
    """As the plugin's, but restored where that can be.

    A user's very first guest is booted, to see which accelerator works; the next one can be restored.
    """
    config = request.config
    if guest.template is not None or config.stash.get(TRIED, False):
        return guest
    config.stash[TRIED] = True
    worker = worker_of(config)
    worker.keeper.lose("one that is restored is wanted")
    return worker.guest()
