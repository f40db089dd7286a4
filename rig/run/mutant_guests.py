"""A guest as the place where mutants run: one that `rig up` left running, or one booted here, and again if it dies."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from rig.deadline import Deadline
from rig.errors import InputError
from rig.guest.commands import CommandTransport
from rig.guest.registry import Registry, RunningGuest
from rig.image.catalogue import Catalogue
from rig.image.store import Store
from rig.probe.bundle import Bundle, make_bundle
from rig.probe.mutant_runs import OnBytes, Place
from rig.probe.mutants import MutantFile, build_mutants
from rig.probe.toolchain import Target
from rig.run.guests import GuestKeeper
from rig.run.settings import RunSettings
from rig.spec.image import GuestOS

_RUN_SECONDS = 900.0
_IDLE_SECONDS = 60.0
_PUSH_SECONDS = 120.0
_USER = "mutants"
Say = Callable[[str], None]


class _Way(Protocol):
    """What a mutant run needs of a guest."""

    def push(self, source: Path, destination: str, *, seconds: float) -> None: ...

    def run(self, command: str, *, seconds: float, on_output: OnBytes, idle: float) -> object: ...


class _Running:
    """A guest of `rig ps`."""

    def __init__(self, one: RunningGuest, transport: CommandTransport) -> None:
        self.one = one
        self.transport = transport

    def _lost(self) -> bool:
        return not self.one.alive

    def push(self, source: Path, destination: str, *, seconds: float) -> None:
        self.transport.push(source, destination, Deadline.after(seconds, self.one.factor), lost=self._lost)

    def run(self, command: str, *, seconds: float, on_output: OnBytes, idle: float) -> object:
        deadline = Deadline.after(seconds, self.one.factor)
        limit = idle * self.one.factor
        return self.transport.run(command, deadline, on_output=on_output, idle=limit, lost=self._lost, keep=False)


class GuestPlace:
    """The probes pushed to a guest, once a guest."""

    def __init__(self, os: GuestOS, way: Callable[[], _Way], bundle: Bundle, directory: str, scale: float) -> None:
        self.os = os
        self.scale = scale
        self._way = way
        self._bundle = bundle
        self._directory = f"{directory}/mutants-{bundle.digest}"
        self._pushed_to: _Way | None = None

    def run(self, probe: str, arguments: Sequence[str], mutant: str, on_output: OnBytes) -> None:
        """See `Place.run`."""
        way = self._way()
        if way is not self._pushed_to:
            way.push(self._bundle.dir, self._directory, seconds=_PUSH_SECONDS)
            self._pushed_to = way
        command = f"cd {shlex.quote(self._directory)} && RIG_MUTANT={mutant} ./{shlex.join([probe, *arguments])}"
        way.run(command, seconds=_RUN_SECONDS, on_output=on_output, idle=_IDLE_SECONDS)

    def stop(self) -> None:
        """Nothing runs beside the caller."""


@contextmanager
def guest_place(
    image: str | None, guest: str | None, files: Sequence[MutantFile], say: Say, scale: float
) -> Iterator[tuple[Place, list[MutantFile]]]:
    """The place, and those of the files that have mutants for its OS. Raises `InputError` when none has."""
    if guest is not None:
        one = Registry().get(guest)
        spec = Catalogue.load().get(one.image)
        bundle, files = _built(files, spec.os, say)
        transport = one.transport()
        try:
            way = _Running(one, transport)
            yield GuestPlace(spec.os, lambda: way, bundle, spec.workdir, scale * one.factor), files
        finally:
            transport.close()
        return
    assert image is not None
    spec = Catalogue.load().get(image)
    bundle, files = _built(files, spec.os, say)
    with tempfile.TemporaryDirectory(prefix="rig-mutants-") as logs:
        keeper = GuestKeeper(Store().ensure(spec, say), RunSettings(image=image), Path(logs))
        try:
            factor = keeper.get(_USER).factor
            yield GuestPlace(spec.os, lambda: keeper.get(_USER), bundle, spec.workdir, scale * factor), files
        finally:
            keeper.lose("done")


def _built(files: Sequence[MutantFile], os: GuestOS, say: Say) -> tuple[Bundle, list[MutantFile]]:
    meant = [file for file in files if file.for_os(os)]
    if not meant:
        raise InputError(f"these mutants are not for {os.value}")
    return make_bundle(build_mutants(meant, Target.for_os(os), say)), meant
