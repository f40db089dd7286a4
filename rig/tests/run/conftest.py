"""pytest in pytest: a directory with a probe, and the rig's guests replaced by fakes in every process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rig.guest.warm import ready_guest
from rig.image.store import Store
from rig.run import front, making, worker
from rig.tests.run.fakes import World, installed, write_manifest

CASES = ["first", "second", "third", "fourth"]
_CONFTEST = """\
from rig.tests.run.fakes import World, installed
_world = installed(World(**{world!r}))
_world.__enter__()
def pytest_unconfigure(config):
    _world.__exit__(None, None, None)
"""

Probes = Callable[..., Path]


@pytest.fixture(autouse=True, scope="module")
def no_fakes_left() -> Iterator[None]:
    """Tests of other modules, in the same process, boot real guests."""
    yield
    found = [vars(making)["ready_guest"], vars(worker)["Store"], vars(front)["Store"]]
    assert found == [ready_guest, Store, Store]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The rig's whole home, for this test alone."""
    monkeypatch.setenv("RIG_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def world(home: Path) -> Iterator[World]:
    """The fakes, in this process."""
    with installed(World()) as found:
        yield found


@pytest.fixture
def probes(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Probes]:
    """A directory of probes `sample` and `other` whose cases behave as said, also in the workers of xdist.

    A pytest in this process imports the directory's own conftest by the path; both end with the test.
    """
    monkeypatch.setattr(sys, "path", list(sys.path))
    conftest = sys.modules.get("conftest")

    def write(**world: object) -> Path:
        place = tmp_path / "probes"
        write_manifest(
            place,
            CASES,
            third={"expect": {"linux": "fail", "darwin": "pass"}, "reason": "a known fault"},
            fourth={"kind": "timing"},
        )
        write_manifest(place, ["one", "two"], "other", mechanism="fifos")
        (place / "conftest.py").write_text(_CONFTEST.format(world=world))
        return place

    yield write
    sys.modules.pop("conftest", None)
    if conftest is not None:
        sys.modules["conftest"] = conftest
