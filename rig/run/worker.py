"""What one pytest process holds: the image, the probes' executables, a guest, and the runner of cases."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from rig.errors import GuestError, RigError
from rig.events import EventFile, Events
from rig.guest import Guest
from rig.guest.warm import Layer
from rig.image.catalogue import Catalogue
from rig.image.status import StoredImage
from rig.image.store import Store
from rig.probe.bundle import make_bundle
from rig.probe.manifest import ProbeManifest
from rig.probe.toolchain import Target, build
from rig.result import CaseResult, GuestRecord, LeakRecord, Outcome, RubbishRecord
from rig.run.cases import CaseAnswer, CaseRunner, probes_directory
from rig.run.guests import GuestKeeper
from rig.run.making import Outfit
from rig.run.ordering import OrderFinder
from rig.run.probe_run import case_facts
from rig.run.settings import RunSettings
from rig.spec import Isolation, PlacedEntry, load_quarantine


@dataclass(frozen=True)
class Rest:
    """What is left to tell when a worker ends."""

    leaks: tuple[LeakRecord, ...] = ()
    rubbish: tuple[RubbishRecord, ...] = ()
    death: GuestError | None = None
    """Of a guest that died after its last case had ended."""
    guest: str = ""
    """That guest's id."""


@dataclass
class Worker:
    """Lazy: nothing is built, fetched or booted before a test asks for it."""

    settings: RunSettings
    make_logs: Callable[[], Path]
    name: str = "main"
    events: Events = field(default_factory=Events)
    say: Callable[[str], None] = lambda _: None
    guests: dict[str, GuestRecord] = field(default_factory=dict)
    """What is new about guests since it was told last."""
    rest: Rest = field(default_factory=Rest)
    """Known once it is closed."""
    manifests: tuple[ProbeManifest, ...] = ()
    """Those that have been selected."""
    _executables: dict[str, Path] = field(default_factory=dict)
    _unbuilt: dict[str, RigError] = field(default_factory=dict)

    @cached_property
    def stored(self) -> StoredImage:
        """The image, fetched or built when absent."""
        spec = Catalogue.load().get(self.settings.image)
        return Store(events=self.events).ensure(spec, self.say)

    @cached_property
    def quarantine(self) -> tuple[PlacedEntry, ...]:
        """What the quarantine file says. Raises `SpecError`."""
        return load_quarantine(self.settings.quarantine) if self.settings.quarantine is not None else ()

    @cached_property
    def keeper(self) -> GuestKeeper:
        """The keeper of this worker's guest."""
        return GuestKeeper(
            self.stored,
            self.settings,
            self.make_logs(),
            worker=self.name,
            events=self.events,
            on_guest=self._note,
            outfit=self._outfit,
        )

    def _outfit(self) -> Outfit:
        """All probes in the template, where guests are restored often; else they are pushed when one is wanted."""
        if self.settings.isolation is Isolation.SUITE:
            return Outfit()
        for manifest in self.manifests:
            self._built(manifest)
        bundle = make_bundle(self._executables)
        directory = probes_directory(self.stored.spec)

        def put(guest: Guest) -> None:
            guest.push(bundle.dir, directory)

        return Outfit((Layer("probes", f"{bundle.digest} {directory}", put),), frozenset(bundle.names))

    def _note(self, record: GuestRecord) -> None:
        self.guests[record.id] = record

    @cached_property
    def cases(self) -> CaseRunner:
        """The runner of cases."""
        return CaseRunner(self.keeper, self._executables)

    @property
    def gave_up(self) -> RigError | None:
        """Why no guest will ever run here; None as long as there is hope, or once there was one."""
        keeper: GuestKeeper | None = self.__dict__.get("keeper")
        return None if keeper is None or keeper.ever_ready else keeper.gave_up

    def guest(self) -> Guest:
        """A live guest, for a test that may do with it what it likes."""
        return self.keeper.get()

    def executables(self, manifests: Sequence[ProbeManifest]) -> Mapping[str, Path]:
        """Compile what is not compiled yet. Raises `ToolchainError`."""
        wanted = [manifest for manifest in manifests if manifest.probe not in self._executables]
        if wanted:
            self._executables |= build(wanted, Target.for_os(self.stored.spec.os), self.say)
        return self._executables

    def run_case(self, manifest: ProbeManifest, name: str, rest: Sequence[str]) -> CaseAnswer:
        """One case's answer; `rest` are the probe's cases still to come, `name` first.

        Raises what getting the image raises; all else is an outcome.
        """
        runner = self.cases
        self.events.emit("case.wanted", case=f"{manifest.probe}.{name}", mechanism=manifest.mechanism)
        for one in self.manifests:
            self._built(one)  # a guest gets all of them at once
        unbuilt = self._built(manifest)
        if unbuilt is not None:
            return CaseAnswer(self.error(manifest, name, f"the probe was not built: {unbuilt.message}"))
        return runner.run(manifest, name, rest)

    def run_alone(self, manifest: ProbeManifest, name: str) -> CaseAnswer:
        """The answer of one case in a guest that nothing else has run in; the worker's own guest is left as it is."""
        self.events.emit("case.again", case=f"{manifest.probe}.{name}")
        return self._alone.run(manifest, name, [name])

    def look_into_order(self, manifest: ProbeManifest, answer: CaseAnswer) -> None:
        """Where a case is not as expected: does what ran before it in its guest decide that?

        Unless it was asked for or refused, only where another guest costs little, and the case has left this one alive.
        """
        result, wanted = answer.result, self.settings.find_order
        if not result.missed or result.outcome is Outcome.ERROR or answer.broken or wanted is False:
            return
        ran = self.cases.before(result)
        if ran is None or not (wanted or (self.cases.keeper.warm and not result.outcome.costs_guest)):
            return
        if not wanted and not self.cases.keeper.may_have_another:
            answer.result = result.noted(
                "whether the order matters was not asked: the host has no room for a guest more"
            )
            return
        self.events.emit("order.asked", case=result.id)
        answer.result = self._order.look(manifest, result, *ran)
        if "_alone" in self.__dict__:
            self._alone.keeper.rest()

    @cached_property
    def _order(self) -> OrderFinder:
        return OrderFinder(lambda: self._alone)

    @cached_property
    def _alone(self) -> CaseRunner:
        settings = replace(self.settings, isolation=Isolation.CASE)
        keeper = GuestKeeper(
            self.stored,
            settings,
            self.make_logs(),
            worker=f"{self.name}-again",
            events=self.events,
            on_guest=self._note,
            outfit=self._outfit,
        )
        return CaseRunner(keeper, self._executables)

    def _built(self, manifest: ProbeManifest) -> RigError | None:
        """Why this probe has no executable; None where it has. Told once, not tried again."""
        if manifest.probe not in self._unbuilt:
            try:
                self.executables([manifest])
            except RigError as fault:
                self._unbuilt[manifest.probe] = fault
        return self._unbuilt.get(manifest.probe)

    def error(self, manifest: ProbeManifest, name: str, reason: str) -> CaseResult:
        """The result of a case that never got to a guest."""
        facts = case_facts(manifest, name, self.stored.spec.os, self.keeper.release)
        return CaseResult(**facts, outcome=Outcome.ERROR, reason=reason)

    def close(self) -> None:
        """End the guest; `rest` is known then. Safe to call twice."""
        keeper: GuestKeeper | None = self.__dict__.get("keeper")
        if keeper is None:
            return
        alone: CaseRunner | None = self.__dict__.get("_alone")
        if alone is not None:
            alone.close()
            alone.keeper.close()
        leaks, rubbish = self.cases.close()
        guest = keeper.id
        death = keeper.unseen_death()
        keeper.close()
        if leaks or rubbish or death:
            self.rest = Rest(tuple(leaks), tuple(rubbish), death[0] if death else None, guest)


WORKER = pytest.StashKey[Worker]()


def worker_of(config: pytest.Config) -> Worker:
    """This process's worker. Raises `RigError` outside a configured session."""
    worker = config.stash.get(WORKER, None)
    if worker is None:
        raise RigError("the rig's pytest plugin is not active in this process")
    return worker


def workers_place(run_dir: Path, part: int) -> Path:
    """Where the event files of xdist's workers lie: those of an earlier part are not read again."""
    return run_dir / ("workers" if part == 1 else f"workers.{part}")


def make_worker(config: pytest.Config, settings: RunSettings, worker_input: dict[str, Any] | None) -> Worker:
    """The worker of this process; an xdist worker's events go to a file that the controller reads."""

    def logs() -> Path:
        """In the run's directory, else in pytest's own temporary one; made only where a guest is booted."""
        if settings.run_dir is not None:
            return settings.run_dir / "guests"
        factory = getattr(config, "_tmp_path_factory", None)
        base = factory.getbasetemp() if factory is not None else Path(tempfile.mkdtemp(prefix="rig-logs-"))
        return Path(base) / "rig-guests"

    name = worker_input["workerid"] if worker_input else "main"
    if settings.part > 1:
        name = f"{name}.{settings.part}"
    worker = Worker(settings, logs, name)
    if worker_input and settings.run_dir is not None:
        worker.events.listen(EventFile(workers_place(settings.run_dir, settings.part) / f"{name}.jsonl"))
    config.stash[WORKER] = worker
    return worker
