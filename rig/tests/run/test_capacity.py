"""Room for guests: what is counted, who waits, who is refused."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from rig.errors import HostError
from rig.events import Event, Events
from rig.run import capacity
from rig.run.capacity import QEMU_MIB, RESERVE_MIB, Capacity, need_mib, workers

MIB = 1 << 20


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """This host's memory in MiB, as one likes."""
    found = SimpleNamespace(available=4096, total=8192)
    monkeypatch.setattr(
        psutil,
        "virtual_memory",
        lambda: SimpleNamespace(available=found.available * MIB, total=found.total * MIB),
    )
    return found


@pytest.fixture
def room(tmp_path: Path) -> Capacity:
    return Capacity(tmp_path / "capacity")


@pytest.mark.parametrize(
    ("available", "cores", "cpus", "want"),
    [
        (RESERVE_MIB + 10 * need_mib(256), 4, 1, 4),
        (RESERVE_MIB + 3 * need_mib(256), 4, 1, 3),
        (RESERVE_MIB + 10 * need_mib(256), 4, 2, 2),
        (100, 4, 1, 1),
        (100_000, 1, 4, 1),
    ],
)
def test_workers(
    memory: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, available: int, cores: int, cpus: int, want: int
) -> None:
    memory.available = available
    monkeypatch.setattr(capacity, "free_cores", lambda: cores)
    assert workers(256, cpus) == want


def test_a_claim_counts_while_it_is_held(memory: SimpleNamespace, room: Capacity) -> None:
    with room.room(300, Events()), room.room(400, Events()):
        assert room.claimed_mib() == 700
    assert room.claimed_mib() == 0


def test_claims_of_a_process_that_was_killed_do_not_count(memory: SimpleNamespace, room: Capacity) -> None:
    code = (
        "import sys, time; from pathlib import Path; from rig.events import Events; from rig.run.capacity import *\n"
        f"with Capacity(Path({str(room._root)!r})).room(300, Events()):\n"
        "    print('held', flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    assert room.claimed_mib() == 300
    holder.kill()
    holder.communicate()
    assert room.claimed_mib() == 0


def test_too_little_memory_is_refused_at_once(memory: SimpleNamespace, room: Capacity) -> None:
    memory.available = 400
    with pytest.raises(HostError, match=r"a guest needs 300 MiB .* 400 MiB are available"), room.room(300, Events()):
        pass


def test_one_waits_until_another_ends(memory: SimpleNamespace, room: Capacity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "_STEP", 0.01)
    memory.total = RESERVE_MIB + 500
    told = threading.Event()
    reasons: list[str] = []

    def hear(event: Event) -> None:
        reasons.append(event.data["reason"])
        told.set()

    events = Events()
    events.listen(hear)
    let_go, held = threading.Event(), threading.Event()

    def holder() -> None:
        with room.room(300, Events()):
            held.set()
            assert let_go.wait(30)

    other = threading.Thread(target=holder)
    other.start()
    assert held.wait(30)

    def free() -> None:
        assert told.wait(30)
        let_go.set()

    waiter = threading.Thread(target=free)
    waiter.start()
    with room.room(400, events):
        assert room.claimed_mib() == 400
    other.join()
    waiter.join()
    assert len(reasons) == 1 and "guests that run may use 300 MiB" in reasons[0]


def test_waiting_has_an_end(memory: SimpleNamespace, room: Capacity) -> None:
    memory.total = RESERVE_MIB + 500
    with (
        room.room(300, Events()),
        pytest.raises(HostError, match="no room for a guest"),
        room.room(400, Events(), seconds=0),
    ):
        pass


def test_ahead_of_need_only_with_room_to_spare(memory: SimpleNamespace, room: Capacity) -> None:
    memory.available = RESERVE_MIB + 2 * need_mib(256)
    assert room.may_prepare(need_mib(256))
    memory.available -= 1
    assert not room.may_prepare(need_mib(256))
    assert not room.why_not(need_mib(256))


def test_a_guest_is_counted_with_its_qemu() -> None:
    assert need_mib(256) == 256 + QEMU_MIB


def test_who_came_first_is_served_first(
    memory: SimpleNamespace, room: Capacity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "_STEP", 0.01)
    memory.total = RESERVE_MIB + 500
    served: list[str] = []
    waiting = {name: threading.Event() for name in ("large", "small")}

    def guest(name: str, need: int) -> None:
        events = Events()
        events.listen(lambda _: waiting[name].set())
        with room.room(need, events):
            served.append(name)

    large = threading.Thread(target=guest, args=("large", 400))
    small = threading.Thread(target=guest, args=("small", 100))
    with room.room(300, Events()):
        assert room.may_prepare(50)
        large.start()
        assert waiting["large"].wait(30)
        assert not room.may_prepare(50), "who waits would wait longer"
        # There is room for it now, but another came first.
        small.start()
        assert waiting["small"].wait(30)
        assert not served
    large.join(30)
    small.join(30)
    assert served == ["large", "small"]
    assert room.may_prepare(50) and not list(room._root.glob("*.waiting"))


def test_ones_own_guests_are_not_waited_for_long(
    memory: SimpleNamespace, room: Capacity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "_OWN_SECONDS", 0)
    memory.total = RESERVE_MIB + 500
    with (
        room.room(300, Events()),
        pytest.raises(HostError, match="guests that run may use 300 MiB"),
        room.room(400, Events()),
    ):
        pass
