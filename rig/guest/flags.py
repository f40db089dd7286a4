"""The kernel's flags of one boot: what is asked for, and how this image's loader comes to know them."""

from __future__ import annotations

import re
from pathlib import Path

from rig.errors import ImageError, InputError
from rig.guest.boot import Boot
from rig.guest.bootargs import meant, merged
from rig.guest.guest import Guest
from rig.guest.loader import LoaderDialog
from rig.guest.options import GuestOptions
from rig.image.efifile import change_efi_file
from rig.machine.keyboard import chords
from rig.machine.screen import Screen
from rig.spec import BootFlags, ImageSpec, LoaderFile, LoaderPrompt

FLAGS_STAGE = "flags"
_LINES = 40


def flags_of(spec: ImageSpec, options: GuestOptions) -> BootFlags:
    """The image's flags with what the options ask for. Raises `InputError` where the image knows no way to set them."""
    if options.flags and spec.boot.loader is None:
        raise InputError(
            f"image {spec.name}: the rig knows no way to give its kernel flags",
            hint="boot.loader in the image's entry says how its loader takes them: rig schema image.",
        )
    return spec.boot.flags.changed_by(options.flags)


def check_flags(spec: ImageSpec, options: GuestOptions) -> None:
    """Said before a boot, not in the middle of it. Raises `InputError`."""
    flags = flags_of(spec, options)
    line = merged("", flags)
    loader = spec.boot.loader
    if flags and isinstance(loader, LoaderPrompt):
        chords(loader.line.replace("{args}", line))
        if spec.machine.display == "none":
            raise InputError(f"image {spec.name}: its loader is on the screen, but machine.display is none")


def write_flags(spec: ImageSpec, options: GuestOptions, disk: Path) -> None:
    """Put them into the loader's file, in the guest's own overlay; with none asked for the file is left as it is.

    Raises `ImageError` where there is no such file, `HostError`.
    """
    flags, loader = flags_of(spec, options), spec.boot.loader
    if not flags or not isinstance(loader, LoaderFile):
        return
    try:
        change_efi_file(disk, loader.path, lambda present: merged(present, flags))
    except ImageError as fault:
        raise ImageError(
            f"image {spec.name}: the kernel's flags cannot be set: {fault.message}", hint=fault.hint
        ) from fault


def type_flags(guest: Guest, boot: Boot) -> None:
    """Type them at the loader's prompt, the machine having begun to run.

    Raises `LoaderError`, and what the monitor raises.
    """
    spec = guest.stored.spec
    flags, loader = flags_of(spec, guest.options), spec.boot.loader
    if not flags or not isinstance(loader, LoaderPrompt):
        return
    screen = Screen(guest.machine, guest.machine.launch.directory)
    boot.screen = screen

    def gone() -> str:
        said = guest.console.tail(_LINES).encode()
        begun = [one.name for one in spec.boot.stages if one.pattern and re.search(one.pattern.encode(), said, re.M)]
        return f"the boot went on without them to {begun[0]!r} before the prompt came" if begun else ""

    dialog = LoaderDialog(loader, guest.machine, screen, spec.boot.stuck, guest.factor, gone)
    dialog.give(" ".join(meant(flags)), guest.deadline(loader.deadline))
    boot.mark(FLAGS_STAGE)
