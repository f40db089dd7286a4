"""The keeper of a worker's guest: when it boots, when it boots again, when it gives up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rig.errors import BootError, HostError, LaunchError, PanicError
from rig.events import Event, Events
from rig.probe.protocol import Hello, StreamReader
from rig.result import GuestRecord
from rig.run.guests import BOOT_TRIES, MOST_HELD, GuestKeeper
from rig.run.settings import RunSettings
from rig.spec import BootFlags, Isolation, LoaderFile
from rig.tests.guest.fakes import make_spec
from rig.tests.run.fakes import EVIDENCE, STORED, FakeGuest, FakeStored, World, hello

# Guests of this user that really run have claims on the host.
pytestmark = pytest.mark.usefixtures("home")
DEATH = PanicError("the guest's kernel panicked: test", evidence=EVIDENCE)


@pytest.fixture
def heard() -> list[Event]:
    return []


@pytest.fixture
def told() -> list[GuestRecord]:
    return []


@pytest.fixture
def keeper(world: World, heard: list[Event], told: list[GuestRecord], tmp_path: Path) -> GuestKeeper:
    events = Events()
    events.listen(heard.append)
    stored: Any = STORED
    return GuestKeeper(stored, RunSettings(), tmp_path, worker="gw1", events=events, on_guest=told.append)


def test_a_guest_is_booted_when_asked_for_and_kept(world: World, keeper: GuestKeeper, told: list[GuestRecord]) -> None:
    assert world.booted == 0
    assert keeper.get("one") is keeper.get("two")
    assert world.booted == 1
    assert (keeper.id, [record.id for record in told]) == ("gw1-1", ["gw1-1"])
    assert told[0].boot_seconds == 1.0


def test_the_kernels_release_is_the_images_until_a_probe_was_told_it(keeper: GuestKeeper) -> None:
    assert keeper.release == STORED.spec.release
    keeper.get()
    (said,) = StreamReader().feed(hello(["a"]))
    assert isinstance(said, Hello)
    keeper.note_hello(said)
    assert keeper.release == "6.1"
    # Another guest of the same image has the same kernel.
    keeper.lose("lost")
    keeper.get()
    assert (keeper.record and keeper.record.facts, keeper.release) == (None, "6.1")


def test_its_record_has_the_kernels_flags(world: World, tmp_path: Path) -> None:
    """Timings of a kernel that was booted otherwise are not to be compared."""
    boot = make_spec().boot.model_copy(
        update={"loader": LoaderFile(path="/boot-args.txt"), "flags": BootFlags(verbose=True)}
    )
    stored: Any = FakeStored(make_spec().model_copy(update={"boot": boot}))
    keeper = GuestKeeper(stored, RunSettings(flags=BootFlags(boot_args="maxmem=64")), tmp_path)
    keeper.get()
    assert keeper.record and keeper.record.kernel_flags == "-v maxmem=64"


def test_a_guest_that_does_not_end_is_told_of_and_the_run_goes_on(
    world: World, keeper: GuestKeeper, told: list[GuestRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper.get()

    def hangs(_: FakeGuest) -> None:
        raise HostError("QEMU (process 7) was killed and does not end")

    with monkeypatch.context() as patch:
        patch.setattr(FakeGuest, "close", hangs)
        keeper.lose("lost")
        assert told[-1].ended == "lost; it could not be ended: QEMU (process 7) was killed and does not end"
        keeper.get()
        assert len(world.guests) == 2
        keeper.close()
    assert told[-1].ended.startswith("the run is over; it could not be ended")


def test_events_of_a_boot_name_its_guest(keeper: GuestKeeper, heard: list[Event]) -> None:
    keeper.get()
    keeper.lose("over")
    assert {event.data["guest"] for event in heard} == {"gw1-1"}
    assert {"guest.boot.started", "boot.stage", "guest.boot.ended", "guest.ended"} <= {event.name for event in heard}


def test_a_dead_guest_is_replaced(world: World, keeper: GuestKeeper, told: list[GuestRecord]) -> None:
    keeper.get()
    first = world.guests[0]
    first.dead = first.lost = DEATH
    keeper.get()
    assert (first.closed, len(world.guests)) == (True, 2)
    assert (told[-2].id, told[-2].ended) == ("gw1-1", DEATH.message)
    assert (told[-1].id, told[-1].ended) == ("gw1-2", "")


def test_boots_that_fail_are_tried_again_then_given_up(world: World, keeper: GuestKeeper) -> None:
    world.boots = ["fails"] * 5
    with pytest.raises(BootError) as caught:
        keeper.get()
    assert world.booted == BOOT_TRIES
    with pytest.raises(BootError) as again:
        keeper.get()
    assert again.value is caught.value
    assert world.booted == BOOT_TRIES
    assert keeper.gave_up is caught.value
    assert not keeper.ever_ready


def test_only_failures_in_a_row_count(world: World, keeper: GuestKeeper) -> None:
    world.boots = ["fails", "ok", "fails", "ok"]
    for _ in range(2):
        keeper.get()
        keeper.lose("on purpose")
    assert (world.booted, keeper.gave_up, keeper.ever_ready) == (4, None, True)


def test_what_no_second_boot_mends_is_not_tried_again(
    world: World, keeper: GuestKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []

    def boot(*_: Any, **__: Any) -> None:
        tries.append(1)
        raise HostError("qemu-system-x86_64 is not installed")

    monkeypatch.setattr(world, "boot", boot)
    for _ in range(2):
        with pytest.raises(HostError):
            keeper.get()
    assert tries == [1]


@pytest.mark.parametrize(("by_chance", "tries"), [(True, BOOT_TRIES), (False, 1)])
def test_qemu_that_is_killed_as_it_starts_is_started_once_more(
    by_chance: bool, tries: int, world: World, keeper: GuestKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def boot(*_: Any, **__: Any) -> None:
        tried.append(1)
        raise LaunchError("QEMU did not start", command=["qemu"], exit_code=-9, by_chance=by_chance)

    monkeypatch.setattr(world, "boot", boot)
    with pytest.raises(LaunchError):
        keeper.get()
    assert len(tried) == tries


def test_a_death_that_nobody_saw_is_told_once(world: World, keeper: GuestKeeper) -> None:
    assert keeper.unseen_death() is None
    keeper.get("pipe")
    assert keeper.unseen_death() is None
    world.guests[0].dead = DEATH
    assert keeper.unseen_death() == (DEATH, "pipe")
    assert world.guests[0].closed
    assert keeper.unseen_death() is None


def test_whoever_may_kill_a_guest_is_not_blamed(world: World, keeper: GuestKeeper) -> None:
    keeper.get("pipe")
    keeper.get()
    world.guests[0].dead = DEATH
    assert keeper.unseen_death() is None


def test_how_a_guest_ended(world: World, keeper: GuestKeeper, told: list[GuestRecord]) -> None:
    keeper.lose("there is none")
    keeper.get()
    keeper.lose("the run is over")
    keeper.lose("twice")
    assert told[-1].ended == "the run is over"
    keeper.get()
    world.guests[-1].machine.process.alive = False
    keeper.lose("lost")
    assert told[-1].ended == "QEMU ended: killed by SIGKILL"


def test_evidence_is_the_faults_else_the_guests(world: World, keeper: GuestKeeper) -> None:
    assert keeper.evidence().console == ""
    assert keeper.evidence(DEATH) == EVIDENCE
    keeper.get()
    assert keeper.evidence(PanicError("without any")) == EVIDENCE


def isolated(world: World, told: list[GuestRecord], place: Path, isolation: Isolation) -> GuestKeeper:
    world.warm = True
    stored: Any = STORED
    return GuestKeeper(stored, RunSettings(isolation=isolation), place, worker="gw1", on_guest=told.append)


@pytest.mark.parametrize(
    ("isolation", "want"),
    [
        (Isolation.SUITE, ["gw1-1", "gw1-1", "gw1-1", "gw1-1"]),
        (Isolation.PROBE, ["gw1-1", "gw1-1", "gw1-2", "gw1-3"]),
        (Isolation.CASE, ["gw1-1", "gw1-2", "gw1-3", "gw1-4"]),
    ],
)
def test_who_shares_a_guest(
    world: World, told: list[GuestRecord], tmp_path: Path, isolation: Isolation, want: list[str]
) -> None:
    keeper = isolated(world, told, tmp_path, isolation)
    seen = []
    for probe in ("pipe", "pipe", "fifo", "pipe"):
        keeper.begin(probe)
        seen.append(keeper.id)
    keeper.close()
    assert seen == want
    assert all(guest.closed for guest in world.guests)
    # Each that was used is told of, with its end; the one made ready ahead and never used is not.
    assert {record.id for record in told} == set(want)
    assert {record.id for record in told if record.ended} == set(want)
    assert {record.start for record in told} == {"warm"}


def test_what_is_booted_cold_is_not_made_ahead_of_need(world: World, told: list[GuestRecord], tmp_path: Path) -> None:
    keeper = isolated(world, told, tmp_path, Isolation.CASE)
    world.warm = False
    keeper.begin("pipe")
    keeper.begin("pipe")
    keeper.close()
    assert world.booted == 2


def test_a_guest_that_died_is_replaced_within_its_probe(world: World, told: list[GuestRecord], tmp_path: Path) -> None:
    keeper = isolated(world, told, tmp_path, Isolation.PROBE)
    keeper.begin("pipe")
    keeper.lose("killed")
    keeper.begin("pipe")
    assert (keeper.id, world.guests[0].closed) == ("gw1-2", True)
    keeper.close()


def test_a_keeper_that_rests_holds_no_guest(world: World, told: list[GuestRecord], tmp_path: Path) -> None:
    world.warm = True
    keeper = isolated(world, told, tmp_path, Isolation.CASE)
    keeper.begin("pipe")
    keeper.rest()
    keeper._pool._threads.shutdown(wait=True)
    assert world.guests and all(guest.closed for guest in world.guests)
    assert told[-1].ended
    keeper.close()


def test_no_room_on_the_host_is_told_and_final(
    world: World, told: list[GuestRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rig.run.capacity.available_mib", lambda: 100)
    keeper = isolated(world, told, tmp_path, Isolation.SUITE)
    with pytest.raises(HostError, match=r"no room for a guest: .* 100 MiB are available"):
        keeper.begin("pipe")
    assert keeper.gave_up is not None and world.booted == 0
    keeper.close()


def test_the_first_guests_that_go_down_are_held(
    world: World, told: list[GuestRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[FakeGuest] = []

    def keep(guest: Any) -> str:
        kept.append(guest)
        return f"held-{len(kept)}"

    monkeypatch.setattr("rig.run.guests.hold", keep)
    monkeypatch.setattr("rig.run.guests.may_be_held", lambda guest: guest.lost is not None)
    keeper = isolated(world, told, tmp_path, Isolation.SUITE)
    for _ in range(MOST_HELD + 1):
        guest: Any = keeper.get("pipe")
        guest.dead = DEATH
        guest.death()
        keeper.lose("panicked")
    assert kept == world.guests[:MOST_HELD]
    assert [guest.closed for guest in world.guests] == [False] * MOST_HELD + [True]
    last = {record.id: record for record in told}
    assert [record.held for record in last.values()] == [*(f"held-{n + 1}" for n in range(MOST_HELD)), None]
    keeper.get("pipe")
    keeper.close()
    assert world.guests[-1].closed, "a guest that is well is never held"


def test_a_guest_that_cannot_be_held_is_ended(
    world: World, told: list[GuestRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Any) -> str:
        raise HostError("no space")

    monkeypatch.setattr("rig.run.guests.hold", refuse)
    monkeypatch.setattr("rig.run.guests.may_be_held", lambda guest: guest.lost is not None)
    keeper = isolated(world, told, tmp_path, Isolation.SUITE)
    guest: Any = keeper.get("pipe")
    guest.dead = DEATH
    guest.death()
    keeper.lose("panicked")
    assert guest.closed
    assert told[-1].ended.endswith("; it could not be held: no space") and told[-1].held is None
    keeper.close()
