"""The guest that is measured: one image, cold or from a warm template that has a probe in it, its steps timed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from rig.bench.frame import Bed
from rig.errors import HostError, InputError
from rig.events import Event, Events
from rig.guest import Guest, GuestOptions
from rig.guest.warm import Layer, ready_guest
from rig.image.catalogue import Catalogue
from rig.image.status import StoredImage
from rig.image.store import Store
from rig.probe.bundle import Bundle, make_bundle
from rig.probe.manifest import CaseKind, ProbeManifest, load_manifests
from rig.probe.protocol import End, StreamReader
from rig.probe.toolchain import Target, build
from rig.run.cases import probes_directory
from rig.run.probe_run import probe_command
from rig.spec import GuestOS

PROBE, CASE = "pipe", "eof_after_last_writer"
"""What is run where any case serves: a small one that passes everywhere."""
_TRIES = 2
_BATCHES = 2


@dataclass
class Marks:
    """When what happened, in seconds after `begin`: each event's first time by its name, stages as `stage:NAME`."""

    at: dict[str, float] = field(default_factory=dict)
    _zero: float = 0.0

    def begin(self) -> Events:
        """Count from now; returns the bus to give to whatever is measured."""
        events = Events()
        events.listen(self._hear)
        self._zero = time.perf_counter()
        return events

    def now(self, name: str) -> float:
        """Note that this happens now."""
        return self.at.setdefault(name, time.perf_counter() - self._zero)

    def _hear(self, event: Event) -> None:
        self.now(f"stage:{event.data['stage']}" if event.name == "boot.stage" else event.name)


class Subject:
    """One image's guests."""

    def __init__(self, bed: Bed) -> None:
        self.bed = bed
        self.stored: StoredImage = Store().ensure(Catalogue.load().get(bed.image), bed.say)
        self.options = GuestOptions(logs=bed.directory / "guest")

    @property
    def os(self) -> GuestOS:
        """The guest's operating system."""
        return self.stored.spec.os

    @property
    def directory(self) -> str:
        """Where the probe lies in a guest."""
        return probes_directory(self.stored.spec)

    @cached_property
    def manifest(self) -> ProbeManifest:
        """The probe's."""
        return next(one for one in load_manifests() if one.probe == PROBE)

    @cached_property
    def bundle(self) -> Bundle:
        """The probe, compiled for this guest."""
        return make_bundle(build([self.manifest], Target.for_os(self.os), self.bed.say))

    @cached_property
    def layer(self) -> Layer:
        """The probe, as what every restored guest has."""

        def put(guest: Guest) -> None:
            guest.push(self.bundle.dir, self.directory)

        return Layer("probes", f"{self.bundle.digest} {self.directory}", put)

    def warm_up(self) -> None:
        """Make the template where there is none, and restore a guest once, so that its files are checked and read.

        Raises `HostError` for a guest that cannot be restored.
        """
        why: list[str] = []
        for _ in range(_TRIES):  # the first may be an accelerator's trial, which is cold
            events = Events()
            events.listen(lambda event: why.append(event.data["reason"]) if event.name == "template.unused" else None)
            with self.start(events) as guest:
                if guest.template is not None:
                    return
        told = why[-1] if why else "it is always booted"
        raise HostError(f"{self.bed.image} cannot be restored from a warm template: {told}")

    def start(self, events: Events, *, cold: bool = False) -> Guest:
        """A guest; close it. A cold one has no probe yet."""
        if cold:
            return ready_guest(self.stored, self._options(cold=True), events)
        return ready_guest(self.stored, self._options(), events, layers=(self.layer,))

    def _options(self, *, cold: bool = False) -> GuestOptions:
        return GuestOptions(logs=self.options.logs, cold=cold)

    def first_result(self, guest: Guest, done: Callable[[], object]) -> None:
        """Run the probe's case; `done` is called when its result has come. Raises `InputError` unless it passed."""
        reader = StreamReader()
        ended: list[End] = []

        def take(data: bytes) -> None:
            for message in reader.feed(data):
                if isinstance(message, End) and not ended:
                    ended.append(message)
                    done()

        guest.run(probe_command(self.manifest, [CASE], self.directory, guest.factor, _BATCHES), on_output=take)
        if not ended or ended[0].outcome != "pass":
            found = f"ended as {ended[0].outcome}: {ended[0].reason}" if ended else "never ended"
            raise InputError(f"{PROBE}.{CASE} {found}")

    def run_probe(self, guest: Guest) -> None:
        """Run all functional cases of the probe, as a suite would."""
        names = [name for name, spec in self.manifest.cases.items() if spec.kind is CaseKind.FUNCTIONAL]
        guest.run(probe_command(self.manifest, names, self.directory, guest.factor, _BATCHES), seconds=120)


def template_file(guest: Guest) -> Path | None:
    """The RAM file that a restored guest maps."""
    memory = guest.machine.launch.memory_file
    return None if memory is None else memory.path
