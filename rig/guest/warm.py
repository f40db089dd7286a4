"""A guest that is ready at once: restored from a warm template, which is made from a cold boot where there is none.

What two guests of one template share: the SSH host key (the rig pins it, and reaches each on the loopback only), the
boot id, and the state of the kernel's random numbers at the save, so keys made inside a guest are not to be relied
upon; none leaves the rig. MAC and IP address are the same, each behind a network of its own.
"""

from __future__ import annotations

import base64
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import paramiko

from rig.deadline import Deadline
from rig.errors import GuestDied, GuestError, HostError, ImageError, LaunchError, RigError
from rig.events import Events
from rig.guest.accel import Verdicts, candidates, host_name
from rig.guest.boot import Boot
from rig.guest.bringup import attach, boot_guest, boot_once, explained
from rig.guest.guest import Guest
from rig.guest.keys import public_line, user_key
from rig.guest.options import GuestOptions
from rig.guest.reaching import reach
from rig.guest.serialjob import TELLS_END
from rig.guest.templates import Templates, key_of
from rig.guest.ways import chosen_way, machine_of
from rig.image import qemuimg, space
from rig.image.status import StoredImage
from rig.machine.firmware import find_uefi
from rig.machine.launch import MemoryFile
from rig.machine.migration import StateError, StateTimeout, UnsavableError, load_state, save_state
from rig.machine.process import qemu_version
from rig.machine.qmp import MonitorError
from rig.machine.sparse import copy_sparse, digest
from rig.machine.template import DISK, RAM, STATE, VARIABLES, Stage, Template, write_meta
from rig.spec import Accel, Firmware, TransportKind

_FORMAT = "2"
"""Raised when what a template holds changes its meaning."""
_KEEP = "keep a warm template"
_TRIES = 2
_RESTORED = "restored"
_QUIET_SECONDS = 3.0
_END_SECONDS = 10.0


@dataclass(frozen=True)
class Layer:
    """Something put into a ready guest once, so that every guest restored later has it: a bundle of probes."""

    name: str
    digest: str
    """Of what `apply` puts there, and where."""
    apply: Callable[[Guest], None]


@dataclass(frozen=True)
class _Kind:
    """One kind of guest: all that decides whether a template serves."""

    stored: StoredImage
    options: GuestOptions
    accel: Accel
    reason: str
    layers: tuple[Layer, ...]

    def facts(self) -> dict[str, str]:
        spec, options = self.stored.spec, self.options
        facts = {
            "format": _FORMAT,
            "image": self.stored.digest,
            "machine": machine_of(self.stored, options).model_dump_json(),
            "boot": spec.boot.model_dump_json(),
            "ssh": spec.ssh.model_dump_json(),
            "transports": "console" if options.console_only else " ".join(spec.transports),
            "QEMU": f"{options.binary} {qemu_version(options.binary)}",
            "accelerator": str(self.accel),
            "clock": str(options.clock),
            "network": str(options.network),
            "flags": options.flags.model_dump_json(),
            "login": spec.login.model_dump_json(),
            "setup": f"{spec.network.model_dump_json()} {[line.model_dump_json() for line in spec.setup]}",
        }
        way = chosen_way(spec, options)
        if way is TransportKind.SERIAL and options.agent is not None:
            # The agent is at work in what is saved, and its shell waits behind it.
            facts["serial"] = f"{digest(options.agent(spec.os))} {' '.join(spec.serial_disks)} {TELLS_END}"
        if way is TransportKind.SSH:
            facts["key"] = public_line(self.stored.key or user_key())
        if self.accel is not Accel.TCG:
            facts["host"] = host_name()
        if spec.machine.firmware is Firmware.UEFI:
            found = find_uefi()
            facts["firmware"] = f"{digest(found.code)} {digest(found.variables)}"
        return facts | {f"layer {at}: {layer.name}": layer.digest for at, layer in enumerate(self.layers, start=1)}

    def below(self) -> _Kind:
        return replace(self, layers=self.layers[:-1])


def ready_guest(
    stored: StoredImage,
    options: GuestOptions,
    events: Events | None = None,
    *,
    layers: tuple[Layer, ...] = (),
    templates: Templates | None = None,
) -> Guest:
    """A guest that is ready, with `layers` in place; `options.cold` boots it in any case.

    Where no accelerator has been seen to work yet, or the guest cannot be saved, it is booted cold, and an event
    `template.unused` says why. Raises what `boot_guest` raises.
    """
    events = events or Events()
    one = candidates(options.accel, stored.spec.os, Verdicts(qemu_version(options.binary)), options.clock)[0]
    if options.cold or one.trial:
        return _cold(stored, options, events, layers)
    warm = _Warm(templates or Templates(events=events), events)
    kind = _Kind(stored, options, one.accel, one.why, layers)
    why = warm.templates.gave_up(key_of(kind.facts()))
    if not why:
        events.emit("accel.chosen", accel=str(one.accel), reason=one.why, trial=False)
        guest, why = warm.guest(kind)
        if guest is not None:
            return guest
    events.emit("template.unused", image=stored.spec.name, reason=why)
    return _cold(stored, options, events, layers)


def _cold(stored: StoredImage, options: GuestOptions, events: Events, layers: tuple[Layer, ...]) -> Guest:
    guest = boot_guest(stored, options, events)
    try:
        for layer in layers:
            layer.apply(guest)
    except BaseException:
        guest.close()
        raise
    return guest


class _Warm:
    """Making and restoring."""

    def __init__(self, templates: Templates, events: Events) -> None:
        self.templates = templates
        self.events = events

    def guest(self, kind: _Kind) -> tuple[Guest | None, str]:
        """A restored guest; or None and why there is none."""
        key = key_of(kind.facts())
        why = ""
        for _ in range(_TRIES):
            try:
                template = self.template(kind)
            except (StateError, HostError, ImageError) as fault:
                # A time-out, as the lack of room or of descriptors, says nothing of the next try.
                if isinstance(fault, UnsavableError):
                    self.templates.give_up(key, fault.message)
                return None, fault.message
            try:
                return self._restored(kind, template), ""
            except (LaunchError, ImageError) as fault:
                why = fault.message
                # A port that is taken, memory that the host lacks: no fault of the template's, unless somebody has
                # removed it meanwhile.
                if self.templates.find(key) is not None:
                    if isinstance(fault, ImageError):
                        raise
                    return None, why
            except (StateError, GuestError) as fault:
                why = fault.message
                self.templates.remove(key, f"a guest could not be restored from it: {why}")
        return None, why

    def _restored(self, kind: _Kind, template: Template) -> Guest:
        """A guest from `template`, which is not doubted at once: somebody may have killed or stopped its QEMU."""
        try:
            return self.restore(kind, template)
        except (GuestError, StateTimeout, LaunchError) as fault:
            if isinstance(fault, LaunchError) and not fault.by_chance:
                raise
            self.events.emit("template.restore.failed", image=kind.stored.spec.name, reason=fault.message)
        return self.restore(kind, template)

    def template(self, kind: _Kind) -> Template:
        """The template of this kind, made where there is none. Raises `StateError`, `HostError`, what a boot raises."""
        key = key_of(kind.facts())
        found = self.templates.find(key)
        if found is not None:
            return found
        below = self.template(kind.below()) if kind.layers else None
        return self.templates.make(key, lambda into: self.fill(kind, into, below))

    def fill(self, kind: _Kind, into: Path, below: Template | None) -> Template:
        """Make a template: boot, or restore the one below and add the last layer; then save."""
        facts = kind.facts()
        spec = machine_of(kind.stored, kind.options)
        space.require(into, spec.memory << 20, _KEEP)
        begun = time.monotonic()
        options = replace(kind.options, detached=False, ssh_port=0, keep=False)
        with self.events.step("template.make", key=key_of(facts), image=kind.stored.spec.name):
            if below is None:
                memory = MemoryFile(into / RAM, shared=True)
                guest = boot_once(kind.stored, options, self.events, kind.accel, kind.reason, memory_file=memory)
            else:
                with space.explained(into, _KEEP):
                    copy_sparse(below.file(RAM), into / RAM)
                guest = self.restore(replace(kind, options=options), below, MemoryFile(into / RAM, shared=True))
            with guest:
                with _death_told(guest):
                    if below is not None:
                        kind.layers[-1].apply(guest)
                    stages = tuple(Stage(name=stage.name, seconds=stage.took) for stage in guest.stages)
                    host_key = _host_key(guest)
                    _quieten(guest)
                    if not guest.alive and (death := guest.death()):
                        raise death  # QEMU would save a guest that has panicked, too
                    save_state(guest.machine, into / STATE)
                _end(guest)
                # Over the image itself: a template does not need the one below it.
                qemuimg.differences(guest.machine.launch.disk, into / DISK, kind.stored.disk)
                if guest.machine.launch.firmware is not None:
                    qemuimg.differences(
                        guest.machine.launch.firmware.variables, into / VARIABLES, find_uefi().variables, "raw"
                    )
            with space.explained(into, _KEEP):
                return write_meta(
                    into,
                    key=key_of(facts),
                    facts=facts,
                    image=kind.stored.spec.name,
                    made=time.time(),
                    took=time.monotonic() - begun,
                    stages=below.meta.stages if below else stages,
                    host_key=host_key,
                )

    def restore(self, kind: _Kind, template: Template, memory_file: MemoryFile | None = None) -> Guest:
        """A guest from `template`, reached. Raises `StateError`, `LaunchError`, `GuestError`."""
        spec = kind.stored.spec
        with contextlib.ExitStack() as stack:
            guest = attach(
                stack,
                kind.stored,
                kind.options,
                self.events,
                kind.accel,
                kind.reason,
                template=template,
                memory_file=memory_file or MemoryFile(template.file(RAM)),
            )
            guest.template = template.meta.key
            load_state(guest.machine, template.file(STATE))
            self.events.emit("machine.loaded", template=guest.template)
            boot = Boot(spec.boot, guest.machine, guest.console, self.events, factor=guest.factor)
            guest.stages = boot.reached
            with explained(guest, boot):
                boot.begin()
                boot.mark(_RESTORED)
                guest.clock_is_stale = True
                if not kind.options.console_only:
                    reach(guest, boot, _known_key(template), restored=True)
            guest.own(stack.pop_all())
        self.events.emit("guest.ready", image=spec.name, seconds=round(boot.reached[-1].at, 3), template=guest.template)
        return guest


def _host_key(guest: Guest) -> str | None:
    key = getattr(guest.transport, "host_key", None)
    return f"{key.get_name()} {key.get_base64()}" if key is not None else None


def _known_key(template: Template) -> paramiko.PKey | None:
    if template.meta.host_key is None:
        return None
    kind, data = template.meta.host_key.split(" ", 1)
    return paramiko.PKey.from_type_string(kind, base64.b64decode(data))


@contextlib.contextmanager
def _death_told(guest: Guest) -> Iterator[None]:
    """A guest that dies while it is saved is told of as one that dies anywhere else, with evidence."""
    try:
        yield
    except (GuestDied, StateError, MonitorError) as fault:
        death = guest.death()
        if death is None and isinstance(fault, MonitorError):
            raise StateTimeout(f"the machine was not saved: {fault.message}") from fault
        if death is None or death is fault:
            raise
        raise type(death)(
            f"{death.message}, while a warm template was made of it", evidence=death.evidence, hint=death.hint
        ) from fault


def _end(guest: Guest) -> None:
    """End QEMU so that its disks are whole: only its own end writes what they still hold in memory."""
    guest.machine.stop(soft_seconds=_END_SECONDS)
    if guest.machine.process.exit_code != 0:
        how = guest.machine.process.how_it_ended
        raise StateTimeout(f"QEMU did not end by itself within {_END_SECONDS:.0f} s after the save: {how}")


def _quieten(guest: Guest) -> None:
    """Leave the guest as one that nobody has a connection to: those would be dead in whatever is restored."""
    if guest.transport is None:
        return
    with contextlib.suppress(RigError):
        guest.run("sync", seconds=20)  # some guests have no such command
    guest.transport.close()
    until = Deadline.after(_QUIET_SECONDS, guest.factor)
    while "[ESTABLISHED]" in guest.machine.monitor.human("info usernet") and not until.expired:
        time.sleep(0.02)
