"""Which entries of the catalogue a disk fits, and why it does not fit the others."""

from __future__ import annotations

from dataclasses import dataclass

from rig.image.catalogue import Catalogue
from rig.image.inspect.survey import Survey
from rig.spec import Firmware, GuestOS, ImageSpec, SourceKind

_FIRMWARE = {Firmware.BIOS: "BIOS", Firmware.UEFI: "UEFI"}


@dataclass(frozen=True)
class Fit:
    """One entry held against a disk."""

    name: str
    against: tuple[str, ...]
    """Why a guest of this entry would not come up on this disk; empty: it fits."""
    remarks: tuple[str, ...]
    """What else is worth knowing."""

    @property
    def fits(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.against


def fits_of(found: Survey, catalogue: Catalogue, sha256: str | None = None) -> list[Fit]:
    """Each entry that takes a file, in the catalogue's order; `sha256` is that of the file as it came, where known."""
    specs = [catalogue.get(name) for name in catalogue.names()]
    return [fit(found, spec, sha256) for spec in specs if spec.source.kind is not SourceKind.BUILD]


def fit(found: Survey, spec: ImageSpec, sha256: str | None = None, *, own_release: bool = False) -> Fit:
    """Hold one entry against a disk. `own_release`: the kernel's release may be any (the file gets its own entry)."""
    pinned = spec.source.sha256
    if pinned and sha256 == pinned:
        return Fit(spec.name, (), ("it is the very file that the entry pins by its sha256",))
    against = _boot(found, spec)
    remarks: list[str] = []
    if spec.os is GuestOS.DARWIN:
        against += _kernel(found)
        (remarks if own_release else against).extend(_release(found, spec))
        remarks += _doubts(found, spec)
    elif any(kernel.found_by == "path" for kernel in found.kernels):
        against.append("a Darwin kernel is on it, the entry is for Linux")
    if any("cut short" in words for words in found.damage):
        against.append("it was cut short")
    if pinned and sha256 and not against and not own_release:
        remarks.append(
            f"the entry pins another file (sha256 {pinned}); this one can have an entry of its own: "
            f"--like {spec.name} --name NAME"
        )
    return Fit(spec.name, tuple(against), tuple(remarks))


def _boot(found: Survey, spec: ImageSpec) -> list[str]:
    wanted = spec.machine.firmware
    other = Firmware.BIOS if wanted is Firmware.UEFI else Firmware.UEFI
    starts = found.starts(wanted)
    if wanted is Firmware.UEFI:
        right = [loader for loader in starts if "x86_64" in loader.arches]
        if starts and not right:
            return [f"its EFI programs are for {', '.join(sorted({a for x in starts for a in x.arches}))} only"]
        starts = right
        lack = "no FAT partition has \\EFI\\BOOT\\BOOTX64.EFI"
    else:
        lack = "its first sector has no boot code"
        if found.scheme == "Apple partition map":
            lack = "an Apple partition map is for PowerPC's firmware"
    if starts:
        return []
    instead = f"; it boots by {_FIRMWARE[other]}" if found.starts(other) else ""
    return [f"the entry boots by {_FIRMWARE[wanted]}, but {lack}{instead}"]


def _kernel(found: Survey) -> list[str]:
    if not found.kernels:
        unread = [f"{v.kind} on {v.where}" for v in found.volumes if "not read" in v.note]
        also = f" (not read: {', '.join(unread)})" if unread else ""
        return [f"no Darwin kernel was found on it{also}"]
    arches = found.arches
    if not arches or "x86_64" in arches:
        return []
    if arches == ["i386"]:
        return ["its kernel is for i386 only; the entries and the probes are for x86_64 kernels, Darwin 17 and later"]
    return [f"its kernel is for {', '.join(arches)}: qemu-system-x86_64 cannot run that"]


def _release(found: Survey, spec: ImageSpec) -> list[str]:
    if spec.release is None or not found.releases:
        return []
    wanted = spec.release.partition(".")[0]
    if any(release.partition(".")[0] == wanted for release in found.releases):
        return []
    return [f"its kernel is Darwin {' and '.join(found.releases)}, the entry is for {spec.release}"]


def _doubts(found: Survey, spec: ImageSpec) -> list[str]:
    told = []
    if found.kernels and all(kernel.found_by == "string" for kernel in found.kernels):
        told.append("no kernel lies where loaders look, only its version string was found on the disk")
    elif found.kernels and not found.releases:
        told.append("the kernel's release could not be read")
    if spec.release and found.releases and spec.release not in found.releases:
        told.append(f"the kernel is Darwin {' and '.join(found.releases)}; the entry was written for {spec.release}")
    mine = [loader for loader in found.loaders if loader.firmware is spec.machine.firmware]
    if mine and not any(loader.darwin for loader in mine):
        told.append(f"the loader ({mine[0].kind}) is none that the rig knows to load Darwin")
    for loader in mine:
        if loader.boot_args is not None and "serial=" not in loader.boot_args:
            told.append(f"serial= is not among the boot-args ({loader.args_from}): the console will be silent")
    return told
