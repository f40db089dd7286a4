"""From a stored image to a guest that is ready: the accelerator, the machine, the stages, the way in."""

from __future__ import annotations

import contextlib
import math
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rig.console import Console, Watch
from rig.errors import (
    BootError,
    GuestDied,
    GuestError,
    HostError,
    LaunchError,
    PanicError,
    RigError,
    TransportError,
)
from rig.events import Events
from rig.guest.accel import FACTORS, Verdicts, candidates
from rig.guest.boot import SSH_STAGE, Boot, what_cpus_do
from rig.guest.flags import check_flags, type_flags, write_flags
from rig.guest.guest import PANIC_GRACE, Guest, disk_failed
from rig.guest.keeping import keep_disk
from rig.guest.options import GuestOptions
from rig.guest.reaching import reach
from rig.guest.setup import set_up
from rig.guest.ways import check_way_in, disks_of, machine_of
from rig.image.overlay import create_overlay
from rig.image.status import StoredImage
from rig.machine import Launch, Machine
from rig.machine.firmware import UefiFirmware, find_uefi
from rig.machine.guard import guard
from rig.machine.launch import MemoryFile
from rig.machine.process import qemu_version
from rig.machine.qmp import MonitorError
from rig.machine.template import DISK, VARIABLES, Template
from rig.paths import ensure, scratch_parent
from rig.spec import Accel, Clock, Firmware

_SSH_SECONDS = 30.0
_TRIAL_PATIENCE = 10.0
"""Seconds that an accelerator on trial may stand still. Hardware that works passes any stage in less."""
_LOGIN_SECONDS = 10.0
_EXACT_FACTOR = 2.0


def boot_guest(stored: StoredImage, options: GuestOptions, events: Events | None = None) -> Guest:
    """Boot `stored` to ready, on the best accelerator seen to work.

    Raises `BootError`, `PanicError`, `GuestDied` (all with evidence), `LaunchError`, `HostError`, `InputError`.
    """
    events = events or Events()
    check_way_in(stored, options)
    check_flags(stored.spec, options)
    verdicts = Verdicts(qemu_version(options.binary))
    failed: tuple[Accel, RigError] | None = None
    for one in candidates(options.accel, stored.spec.os, verdicts, options.clock):
        reason = f"{failed[0]} was tried and failed: {failed[1].message}" if failed else one.why
        events.emit("accel.chosen", accel=str(one.accel), reason=reason, trial=one.trial)
        try:
            guest = boot_once(stored, options, events, one.accel, reason, trial=one.trial)
        except (GuestError, LaunchError) as fault:
            if not one.trial:
                if one.accel is not Accel.TCG:
                    fault.hint = fault.hint or f"Where {one.accel} itself is at fault, --accel tcg boots."
                raise
            failed = (one.accel, fault)
            events.emit("accel.failed", accel=str(one.accel), reason=fault.message)
            continue
        if one.trial:
            verdicts.put(one.accel, stored.spec.os, works=True, why="booted a guest")
        if failed:
            # Only now is the accelerator, not the image, known to be at fault.
            verdicts.put(failed[0], stored.spec.os, works=False, why=failed[1].message)
        return guest
    raise AssertionError("the last candidate is never a trial")


def boot_once(
    stored: StoredImage,
    options: GuestOptions,
    events: Events,
    accel: Accel,
    reason: str,
    *,
    trial: bool = False,
    memory_file: MemoryFile | None = None,
) -> Guest:
    """One boot on this accelerator. Raises as `boot_guest` does."""
    spec = stored.spec
    with contextlib.ExitStack() as stack:
        guest = attach(stack, stored, options, events, accel, reason, memory_file=memory_file)
        patience = _TRIAL_PATIENCE if trial else math.inf
        boot = Boot(spec.boot, guest.machine, guest.console, events, factor=guest.factor, patience=patience)
        guest.stages = boot.reached
        with explained(guest, boot):
            boot.begin()
            type_flags(guest, boot)
            boot.follow(lambda stage: stage.name != SSH_STAGE)
            if not options.console_only:
                set_up(guest, boot)
                reach(guest, boot)
        guest.own(stack.pop_all())
    events.emit("guest.ready", image=spec.name, seconds=round(boot.reached[-1].at, 3) if boot.reached else 0.0)
    return guest


def attach(
    stack: contextlib.ExitStack,
    stored: StoredImage,
    options: GuestOptions,
    events: Events,
    accel: Accel,
    reason: str,
    *,
    template: Template | None = None,
    memory_file: MemoryFile | None = None,
) -> Guest:
    """A machine that is held before its first instruction, or before its state is loaded, with its console watched.

    `stack` ends and removes it all, the transport that the guest may get later included. Raises `LaunchError`,
    `HostError`, `InputError`.
    """
    ensure(options.logs)
    directory = _private_directory(stack)
    if options.keep:
        stack.callback(_keep, directory, options.logs, events)
    claim = stack.enter_context(stored.hold(f"a guest in {directory}"))
    launch = launch_of(stored, options, accel, directory, claim.fileno(), template)
    launch = replace(launch, memory_file=memory_file, incoming=template is not None)
    machine = Machine(launch, detached=options.detached)
    events.emit("machine.prepared", disk=str(launch.disk))
    machine.start()
    events.emit("machine.started", pid=machine.process.pid)
    stack.callback(machine.stop, soft_seconds=2.0)
    watch = Watch(stored.spec.dialect)
    try:
        console = Console.connect(launch.console_socket, watch, input_rate=stored.spec.console.input_rate)
    except TransportError as fault:
        raise machine.process.launch_error(f"QEMU gives no console: {fault.message}") from fault
    watch.on_alarm = console.alarm
    stack.callback(console.close)
    guest = Guest(stored, options, machine, console, accel, reason, factor_of(options, accel), events)
    stack.callback(guest.let_go_of_transport)
    return guest


def _private_directory(stack: contextlib.ExitStack) -> Path:
    """A directory for one start. `stack` removes it, and the keeper, should this process be killed before."""
    parent = scratch_parent()
    try:
        directory = Path(tempfile.mkdtemp(prefix="rig-", dir=parent))
    except OSError as fault:
        raise HostError(
            f"{parent}: no directory for a guest can be made there: {fault.strerror}",
            hint="Free some space, or let RIG_SCRATCH name another place.",
        ) from fault
    stack.callback(_remove, directory)
    guard.add(directory)
    return directory


def _remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    guard.drop(directory)


def _keep(directory: Path, logs: Path, events: Events) -> None:
    """Keep the disk of a guest that has ended; that it cannot be kept is told, and no reason to leave the rest."""
    try:
        kept = keep_disk(directory, logs)
    except RigError as fault:
        events.emit("guest.kept", path="", reason=fault.message)
    else:
        events.emit("guest.kept", path=str(kept), reason="")


@contextlib.contextmanager
def explained(guest: Guest, boot: Boot) -> Iterator[None]:
    """What fails on the way to readiness, told as what it means."""
    try:
        yield
    except RigError as fault:
        worse = _explain(guest, boot, fault)
        if worse is fault:
            raise
        raise worse from fault


def factor_of(options: GuestOptions, accel: Accel) -> float:
    """What every deadline of a guest is scaled by."""
    return options.time_factor or FACTORS[accel] * (_EXACT_FACTOR if options.clock is Clock.EXACT else 1.0)


def launch_of(
    stored: StoredImage,
    options: GuestOptions,
    accel: Accel,
    directory: Path,
    claim: int,
    template: Template | None = None,
) -> Launch:
    """A start in `directory`, with overlays of its own: of the image, or of the template's disk."""
    spec = machine_of(stored, options)
    base = template.file(DISK) if template else stored.disk
    disk = create_overlay(base, directory / DISK)
    if template is None:
        write_flags(stored.spec, options, disk)
    return Launch(
        spec=spec,
        disk=disk,
        directory=directory,
        logs=options.logs.absolute(),
        accel=accel,
        clock=options.clock,
        network=options.network,
        ssh_port=options.ssh_port,
        guest_ssh_port=stored.spec.ssh.port,
        guest_address=stored.spec.network.address if stored.spec.network.by == "static" else "",
        firmware=_firmware(directory, template) if spec.firmware is Firmware.UEFI else None,
        binary=options.binary,
        extra_disks=disks_of(stored, options, directory),
        # A guest that outlives this process keeps its image from being removed.
        keep_fds=(claim,) if options.detached else (),
    )


def _firmware(directory: Path, template: Template | None) -> UefiFirmware:
    """The host's UEFI code with this guest's own overlay over the variables."""
    found = find_uefi()
    variables = create_overlay(
        template.file(VARIABLES) if template else found.variables,
        directory / VARIABLES,
        base_format="qcow2" if template else "raw",
    )
    return UefiFirmware(found.code, variables)


def _explain(guest: Guest, boot: Boot, fault: RigError) -> RigError:
    """What a failure during boot means: a panic or QEMU's end where there is one, else what it says of itself."""
    stage = boot.reached[-1].name if boot.reached else "power on"
    report = guest.console.watch.panic(wait=PANIC_GRACE)
    evidence = guest.evidence(report.text if report else "", stage)
    if report is not None:
        evidence = replace(evidence, panic=report.facts)
        return PanicError(f"the kernel panicked during boot, after stage {stage!r}: {report.title}", evidence=evidence)
    # The monitor knows only that its connection ended, the process how.
    vague = (
        isinstance(fault, GuestDied) and guest.qemu_ended() and guest.machine.process.how_it_ended not in fault.message
    )
    if isinstance(fault, GuestError) and not vague:
        fault.evidence = evidence
        return fault
    if guest.qemu_ended():
        how = guest.machine.process.how_it_ended
        return GuestDied(f"QEMU ended ({how}) after boot stage {stage!r}", evidence=evidence)
    if guest.machine.disk_error:
        return disk_failed(guest.machine.disk_error, evidence)
    if guest.machine.powered_off:
        message = f"the guest {guest.machine.ending} after boot stage {stage!r}{what_cpus_do(guest.machine)}"
    elif isinstance(fault, TransportError):
        message = f"the guest booted to {stage!r} but cannot be reached: {fault.message}"
    elif isinstance(fault, MonitorError):
        message = f"QEMU stopped answering after boot stage {stage!r}: {fault.message}"
    else:
        return fault
    return BootError(message, evidence=evidence, hint=fault.hint)
