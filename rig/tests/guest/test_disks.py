from __future__ import annotations

import tarfile
import zlib
from pathlib import Path

import pytest

from rig.errors import HostError, InputError, TransportError
from rig.guest import disks as module
from rig.guest.disks import BLOCK, BOOT_BLOCK, SIZE, Disks, Extent


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    path = tmp_path / "agent"
    path.write_bytes(b"program" * 20_000)
    return path


@pytest.fixture
def disks(tmp_path: Path, agent: Path) -> Disks:
    return Disks.create(tmp_path, agent)


def test_the_agent_is_what_tar_finds(disks: Disks, agent: Path) -> None:
    with disks.payload.open("rb") as file:
        archive = file.read(disks.boot_blocks * BOOT_BLOCK)
    (disks.payload.parent / "archive").write_bytes(archive)
    with tarfile.open(disks.payload.parent / "archive") as found:
        (member,) = found.getmembers()
        content = found.extractfile(member)
        assert content is not None and content.read() == agent.read_bytes()
        assert (member.name, member.mode) == ("rig-agent", 0o755)
    assert Disks.open(disks.payload.parent) == disks


def test_both_are_sparse_and_of_one_size(disks: Disks) -> None:
    for path in (disks.payload, disks.scratch):
        assert path.stat().st_size == SIZE
        assert path.stat().st_blocks * 512 < 1 << 20


def test_what_is_put_lies_in_whole_blocks(disks: Disks) -> None:
    one, two = disks.put(b"one", b"second")
    assert one.at % BLOCK == two.at % BLOCK == 0 and two.at - one.at == BLOCK
    with disks.payload.open("rb") as file:
        file.seek(two.at)
        assert file.read(6) == b"second"
    assert two == Extent(two.at, 6, zlib.crc32(b"second")) and str(two) == f"{two.at:x},6,{two.crc:x}"
    assert disks.put(b"again")[0].at == one.at


def test_too_much_is_refused(disks: Disks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SIZE", (4 << 20) + 8192)
    with pytest.raises(TransportError, match="too much to push at once"):
        disks.put(b"x" * 5000, b"y")


def test_what_the_guest_wrote_is_checked_first(disks: Disks) -> None:
    data = b"r" * (3 << 20)
    with disks.scratch.open("r+b") as file:
        file.seek(1 << 20)
        file.write(data)
    taken: list[bytes] = []
    disks.take(Extent(1 << 20, len(data), zlib.crc32(data)), taken.append)
    assert b"".join(taken) == data
    taken.clear()
    with pytest.raises(TransportError, match="not all have arrived"):
        disks.take(Extent(1 << 20, len(data), zlib.crc32(data) ^ 1), taken.append)
    with pytest.raises(TransportError, match="where it may not"):
        disks.take(Extent(0, 10, 0), taken.append)
    with pytest.raises(TransportError, match="where it may not"):
        disks.take(Extent(1 << 20, SIZE, 0), taken.append)
    assert taken == []


def test_what_cannot_be_had_is_told(tmp_path: Path, disks: Disks, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        Disks.create(tmp_path, tmp_path / "none")
    with pytest.raises(HostError, match="cannot be made"):
        Disks.create(tmp_path / "none", tmp_path / "agent")
    with pytest.raises(HostError, match="no payload disk"):
        Disks.open(tmp_path / "none")
    monkeypatch.setattr(module, "_DATA", 1000)
    with pytest.raises(HostError, match="too large for the payload disk"):
        Disks.create(tmp_path, tmp_path / "agent")
