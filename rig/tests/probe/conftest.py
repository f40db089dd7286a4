from __future__ import annotations

from pathlib import Path

import pytest

from rig import paths
from rig.probe.cache import Cache
from rig.tests.probe.make import Workshop

# The compiler's own cache is the user's: in an empty one each test would first build two C libraries.
_ZIG_CACHE = paths.cache_dir() / "probes" / "zig"


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """An empty cache of probes."""
    root = paths.ensure(tmp_path / "cache" / "probes")
    (root / "zig").symlink_to(paths.ensure(_ZIG_CACHE), target_is_directory=True)
    return Cache(root)


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """A place for probes of one's own, with a small harness."""
    return Workshop(tmp_path / "guest-tests")
