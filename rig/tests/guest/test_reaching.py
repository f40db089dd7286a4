"""How a guest is reached that was booted, and one that was restored: what is known of the second is held against it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import paramiko
import pytest

from rig.deadline import Deadline
from rig.guest import GuestOptions, reaching
from rig.tests.guest.fakes import make_spec


class Way:
    """A transport that says what it knew when it was connected."""

    def __init__(self) -> None:
        self.host_key: paramiko.PKey | None = None
        self.known: list[paramiko.PKey | None] = []
        self.fresh: list[bool | None] = []

    def connect(self, deadline: Deadline, *, lost: object, fresh: bool | None = None) -> None:
        self.known.append(self.host_key)
        self.fresh.append(fresh)


@pytest.fixture
def way(monkeypatch: pytest.MonkeyPatch) -> Way:
    found = Way()
    monkeypatch.setattr(reaching, "SshTransport", lambda *_, **__: found)
    monkeypatch.setattr("rig.guest.reaching.SerialWay.of", lambda _: SimpleNamespace(transport=lambda *_: found))
    return found


def guest(place: Path, key: Path | None, installed: list[str], **spec: Any) -> Any:
    return SimpleNamespace(
        stored=SimpleNamespace(spec=make_spec(**spec), key=key),
        options=GuestOptions(place, agent=lambda _: place),
        machine=SimpleNamespace(ssh_port=lambda: 2222, launch=SimpleNamespace(directory=place)),
        console=None,
        factor=1.0,
        alive=True,
        deadline=Deadline.after,
    )


@pytest.fixture
def boot() -> Any:
    marks: list[str] = []
    return SimpleNamespace(mark=marks.append, allowance=lambda _: None, marks=marks)


@pytest.mark.parametrize("restored", [False, True])
def test_a_restored_guest_must_show_the_host_key_it_had(
    restored: bool, way: Way, boot: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And has the rig's own key in place already."""
    installed: list[str] = []
    monkeypatch.setattr(reaching, "_install_key", lambda _, line: installed.append(line))
    known = paramiko.ECDSAKey.generate() if restored else None
    reaching.reach(guest(tmp_path, None, installed), boot, known, restored=restored)
    assert way.known == [known]
    assert (len(installed), boot.marks) == ((0, ["ssh"]) if restored else (1, ["key", "ssh"]))


def test_a_key_of_the_users_own_is_in_the_image(
    way: Way, boot: Any, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaching, "_install_key", lambda *_: pytest.fail("it was installed"))
    reaching.reach(guest(tmp_path, key, []), boot)
    assert boot.marks == ["ssh"]


@pytest.mark.parametrize("restored", [False, True])
def test_an_agent_is_looked_for_only_where_one_can_be(restored: bool, way: Way, boot: Any, tmp_path: Path) -> None:
    reaching.reach(guest(tmp_path, None, [], transports=["serial"]), boot, restored=restored)
    assert way.fresh == [not restored] and boot.marks == ["serial"]
