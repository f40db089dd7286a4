from __future__ import annotations

import os
from pathlib import Path

import pytest

from rig.errors import ToolchainError
from rig.probe.bundle import make_bundle
from rig.probe.cache import Cache


def test_a_bundle_holds_the_executables_by_their_probes_names(tmp_path: Path, cache: Cache) -> None:
    source = tmp_path / "built"
    source.write_bytes(b"code")
    bundle = make_bundle({"pipe": source, "fifo": source}, cache=cache)
    assert bundle.names == ("fifo", "pipe")
    assert sorted(path.name for path in bundle.dir.iterdir()) == ["fifo", "pipe"]
    assert (bundle.dir / "pipe").read_bytes() == b"code"
    assert os.access(bundle.dir / "pipe", os.X_OK)
    assert bundle.size == 8


def test_the_same_content_is_the_same_bundle(tmp_path: Path, cache: Cache) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"code")
    two.write_bytes(b"code")
    first = make_bundle({"pipe": one}, cache=cache)
    assert make_bundle({"pipe": two}, cache=cache) == first
    assert make_bundle({"pipe2": one}, cache=cache).digest != first.digest
    two.write_bytes(b"other")
    assert make_bundle({"pipe": two}, cache=cache).digest != first.digest


def test_an_executable_that_is_gone_is_named(tmp_path: Path, cache: Cache) -> None:
    with pytest.raises(ToolchainError, match="probe pipe"):
        make_bundle({"pipe": tmp_path / "gone"}, cache=cache)
