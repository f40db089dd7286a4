"""A file that the user has, looked into: unpacked where it must be, surveyed, held against the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rig.errors import ImageError
from rig.image import bootsector, qemuimg
from rig.image.acquire import Bench
from rig.image.catalogue import Catalogue
from rig.image.digest import sha256_file
from rig.image.inspect.fit import Fit, fits_of
from rig.image.inspect.survey import Survey, survey
from rig.image.prepare import Opened, open_disk
from rig.image.status import Checksum, checksum_of
from rig.spec import ImageFormat


@dataclass(frozen=True)
class Look:
    """One look at a file."""

    opened: Opened
    survey: Survey
    fits: list[Fit]
    sha256: str | None
    """Of the file as it came; None where no pin made it worth reading all of it."""

    @property
    def fitting(self) -> list[str]:
        """Names of the entries that nothing speaks against."""
        return [one.name for one in self.fits if one.fits]


def look_into(file: Path, bench: Bench, catalogue: Catalogue, sha256: str | None = None) -> Look:
    """Look into a raw, qcow2 or vmdk disk, or an archive of one. `sha256`: the file's, where it is known already.

    Raises ImageError (no disk image that the rig takes, damaged beyond reading, reaching outside itself), HostError.
    """
    opened = open_disk(file, None, bench.work, file.name, bench.say)
    found = survey(opened.disk, opened.format, file.name, opened.archive)
    found.damage += _refused_later(opened, found)
    if sha256 is None and _worth_hashing(found, catalogue):
        sha256 = sha256_file(file)
    return Look(opened, found, fits_of(found, catalogue, sha256), sha256)


def _refused_later(opened: Opened, found: Survey) -> list[str]:
    """What an import would say of the first sectors, unless the survey says it."""
    head = qemuimg.read_start(opened.disk, bootsector.HEAD, opened.format)
    try:
        bootsector.check_start(head, found.size, found.file, whole=opened.format is ImageFormat.RAW)
    except ImageError as fault:
        words = fault.message.removeprefix(f"{found.file}: ")
        return [] if any("cut short" in told for told in found.damage) and "cut short" in words else [words]
    return []


def _worth_hashing(found: Survey, catalogue: Catalogue) -> bool:
    fitting = [catalogue.get(one.name) for one in fits_of(found, catalogue) if one.fits]
    return any(checksum_of(spec, None)[0] is Checksum.PINNED for spec in fitting)
