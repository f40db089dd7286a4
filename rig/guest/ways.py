"""Which way into a guest is taken, and what each needs before the guest is started."""

from __future__ import annotations

from pathlib import Path

from rig.errors import InputError
from rig.guest.disks import Disks
from rig.guest.keys import load_key, user_key
from rig.guest.options import GuestOptions
from rig.image.status import StoredImage
from rig.machine import Network
from rig.spec import ImageSpec, MachineSpec, TransportChoice, TransportKind


def chosen_way(spec: ImageSpec, options: GuestOptions) -> TransportKind | None:
    """The way in; None for a guest that has none but its console.

    Raises `InputError` for a way that was asked for and that the image does not have.
    """
    if options.console_only:
        return None
    if options.transport is TransportChoice.AUTO:
        may = [kind for kind in spec.transports if kind is TransportKind.SSH or _serial_goes(spec, options)]
        return may[0] if may else None
    kind = TransportKind(options.transport)
    if kind not in spec.transports:
        raise InputError(
            f"image {spec.name} is not reached by {kind}, only by: {', '.join(spec.transports)}",
            hint="Leave --transport out, or name one of these.",
        )
    if kind is TransportKind.SERIAL and spec.login.kind == "none":
        raise InputError(f"{spec.name}: its console takes no input, so there is no serial transport")
    if kind is TransportKind.SERIAL and options.agent is None:
        raise InputError("the serial transport needs the rig's agent", hint="GuestOptions(agent=build_agent)")
    return kind


def _serial_goes(spec: ImageSpec, options: GuestOptions) -> bool:
    return spec.login.kind != "none" and options.agent is not None


def check_way_in(stored: StoredImage, options: GuestOptions) -> None:
    """Said before a boot of minutes, not after it. Raises `InputError`."""
    spec = stored.spec
    if chosen_way(spec, options) is not TransportKind.SSH:
        return
    if stored.key is None and spec.login.kind == "none":
        raise InputError(
            f"{spec.name}: its console takes no input, so the rig cannot put its own SSH key in place",
            hint="Import the image with a key it knows: rig images import FILE --like ... --ssh-key KEY",
        )
    load_key(stored.key or user_key())


def machine_of(stored: StoredImage, options: GuestOptions) -> MachineSpec:
    """The image's machine with what the options change. What is reached by its console needs no network card."""
    changed: dict[str, object] = {"memory": options.memory, "cpus": options.cpus}
    if chosen_way(stored.spec, options) is TransportKind.SERIAL and options.network is Network.CLOSED:
        changed["nic"] = "none"
    return stored.spec.machine.model_copy(update={key: value for key, value in changed.items() if value is not None})


def disks_of(stored: StoredImage, options: GuestOptions, directory: Path) -> tuple[Path, ...]:
    """The disks that the way in needs beside the guest's own, made in `directory`. Raises as `Disks.create`."""
    if chosen_way(stored.spec, options) is not TransportKind.SERIAL or options.agent is None:
        return ()
    disks = Disks.create(directory, options.agent(stored.spec.os))
    return (disks.payload, disks.scratch)
