"""What one pytest process holds: the image, the probes' executables, a guest, and the runner of cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from rig.errors import RigError
from rig.events import EventFile, Events
from rig.guest import Guest
from rig.image.catalogue import Catalogue
from rig.image.status import StoredImage
from rig.image.store import Store
from rig.probe.manifest import ProbeManifest
from rig.probe.toolchain import Target, build
from rig.result import GuestRecord
from rig.run.cases import CaseAnswer, CaseRunner
from rig.run.guests import GuestKeeper
from rig.run.settings import RunSettings


@dataclass
class Worker:
    """Lazy: nothing is built, fetched or booted before a test asks for it."""

    settings: RunSettings
    logs: Path
    name: str = "main"
    events: Events = field(default_factory=Events)
    say: Callable[[str], None] = lambda _: None
    guests: dict[str, GuestRecord] = field(default_factory=dict)
    _executables: dict[str, Path] = field(default_factory=dict)

    @cached_property
    def stored(self) -> StoredImage:
        """The image, fetched or built when absent."""
        spec = Catalogue.load().get(self.settings.image)
        return Store(events=self.events).ensure(spec, self.say)

    @cached_property
    def keeper(self) -> GuestKeeper:
        """The keeper of this worker's guest."""
        return GuestKeeper(
            self.stored, self.settings, self.logs, worker=self.name, events=self.events, on_guest=self._note
        )

    def _note(self, record: GuestRecord) -> None:
        self.guests[record.id] = record

    @cached_property
    def cases(self) -> CaseRunner:
        """The runner of cases."""
        return CaseRunner(self.keeper, self._executables)

    def guest(self) -> Guest:
        """A live guest."""
        return self.keeper.get()

    def executables(self, manifests: Sequence[ProbeManifest]) -> Mapping[str, Path]:
        """Compile what is not compiled yet. Raises `ToolchainError`."""
        wanted = [manifest for manifest in manifests if manifest.probe not in self._executables]
        if wanted:
            self._executables |= build(wanted, Target.for_os(self.stored.spec.os), self.say)
        return self._executables

    def run_case(self, manifest: ProbeManifest, name: str, rest: Sequence[str]) -> CaseAnswer:
        """One case's answer; `rest` are the probe's cases still to come, `name` first."""
        self.executables([manifest])
        self.events.emit("case.wanted", case=f"{manifest.probe}.{name}", mechanism=manifest.mechanism)
        return self.cases.run(manifest, name, rest)

    def close(self) -> None:
        """End the guest."""
        if "keeper" in self.__dict__:
            self.keeper.lose("the run is over")


WORKER = pytest.StashKey[Worker]()


def worker_of(config: pytest.Config) -> Worker:
    """This process's worker. Raises `RigError` outside a configured session."""
    worker = config.stash.get(WORKER, None)
    if worker is None:
        raise RigError("the rig's pytest plugin is not active in this process")
    return worker


def make_worker(
    config: pytest.Config, settings: RunSettings, logs: Path, worker_input: dict[str, Any] | None
) -> Worker:
    """The worker of this process; an xdist worker's events go to a file that the controller reads."""
    name = worker_input["workerid"] if worker_input else "main"
    worker = Worker(settings, logs, name)
    if worker_input and settings.run_dir is not None:
        worker.events.listen(EventFile(settings.run_dir / "workers" / f"{name}.jsonl"))
    config.stash[WORKER] = worker
    return worker
