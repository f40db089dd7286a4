"""One look at a disk: all that can be told of it without running it."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

from rig.image.inspect import loaders
from rig.image.inspect.blocks import REACH, Damaged, Disk, Part, opened
from rig.image.inspect.fat import Fat
from rig.image.inspect.hfsplus import HfsPlus
from rig.image.inspect.kernels import Kernel, kernels_of, traces
from rig.image.inspect.loaders import Loader
from rig.image.inspect.partitions import Partition, read_tables
from rig.image.inspect.volumes import Volume, volume_of
from rig.spec import Firmware, ImageFormat

SCANNED = 4 << 30
"""Most bytes that are searched for a kernel's version string."""
_MOST_VOLUMES = 128
"""Partitions that are looked into, as many as a GPT has by default."""
_WRONG = (Damaged, struct.error, IndexError, ValueError, OverflowError)
"""What bytes that nobody vouches for may lead to."""


@dataclass
class Survey:
    """What was found; sizes and offsets in bytes."""

    file: str
    """How the file is called."""
    format: ImageFormat
    size: int
    """Of the disk that a guest would see."""
    archive: str | None = None
    scheme: str = "none"
    partitions: list[Partition] = field(default_factory=list)
    volumes: list[Volume] = field(default_factory=list)
    loaders: list[Loader] = field(default_factory=list)
    kernels: list[Kernel] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def starts(self, firmware: Firmware) -> list[Loader]:
        """Where this firmware would begin: the first sector's code, or EFI programs by their standard names."""
        entry = 0 if firmware is Firmware.BIOS else 2
        return [loader for loader in self.loaders if loader.firmware is firmware and loader.stage == entry]

    @property
    def releases(self) -> list[str]:
        """Kernel releases found, each once."""
        return list(dict.fromkeys(kernel.release for kernel in self.kernels if kernel.release))

    @property
    def arches(self) -> list[str]:
        """Processors that the kernels are for, each once."""
        return list(dict.fromkeys(arch for kernel in self.kernels for arch in kernel.arches))


def survey(path: Path, fmt: ImageFormat, name: str, archive: str | None = None) -> Survey:
    """Look into a disk image of a known format. Damage is among the findings.

    Raises ImageError and HostError only where the file itself cannot be read.
    """
    with opened(path, fmt) as disk:
        found = Survey(name, fmt, disk.size, archive)
        tables = read_tables(disk)
        found.scheme, found.partitions, found.damage = tables.scheme, tables.partitions, tables.damage
        code = loaders.first_sector(tables.boot_code)
        found.loaders += [code] if code else []
        if found.partitions:
            for part in found.partitions[:_MOST_VOLUMES]:
                _volume(found, Part(disk, part.start, part.size), f"partition {part.number}")
        else:
            _volume(found, Part(disk, 0, disk.size), "the whole disk")
        if not found.releases:
            _scan(found, disk)
    return found


def _volume(found: Survey, part: Part, where: str) -> None:
    try:
        volume, system = volume_of(part, where)
    except _WRONG as fault:
        kind = "HFS+" if part.size > 1026 and part.read(1024, 2) in (b"H+", b"HX") else "file system"
        found.volumes.append(Volume(kind, where, note="damaged"))
        found.damage.append(f"{where}: {fault}")
        return
    if volume is not None:
        found.volumes.append(volume)
    try:
        code = loaders.partition_sector(part, where, fat=isinstance(system, Fat))
        found.loaders += [code] if code else []
        if system is not None:
            _contents(found, system, where)
    except _WRONG as fault:
        found.damage.append(f"{where}: {fault}")


def _contents(found: Survey, system: Fat | HfsPlus, where: str) -> None:
    kernels, damage = kernels_of(system, where)
    found.kernels += kernels
    found.damage += damage
    extra = system.startup_file() if isinstance(system, HfsPlus) else None
    found.loaders += loaders.second_stage(system, where, extra)
    if isinstance(system, Fat):
        found.loaders += loaders.efi_programs(system, where)


def _scan(found: Survey, disk: Disk) -> None:
    found.kernels += traces(disk.pieces(SCANNED))
    if disk.size > SCANNED:
        found.notes.append(
            f"a kernel's version string was searched for in {SCANNED >> 30} GiB of data at most, of the disk's first "
            f"{REACH >> 30} GiB"
        )
