from __future__ import annotations

from pathlib import Path

import pytest
from harness_runs import HARNESS, build


@pytest.fixture(scope="session")
def selftest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(
        tmp_path_factory.mktemp("harness") / "selftest",
        HARNESS / "selftest" / "selftest.c",
    )
