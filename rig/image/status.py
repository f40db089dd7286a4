"""What the store can say of an entry: is the image there, is its checksum known, and if not, how does one get it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rig.errors import ImageError
from rig.image.disks import Disks
from rig.image.locks import Claim
from rig.image.record import Record
from rig.spec import ImageSpec, SourceKind, TransportKind


class State(StrEnum):
    """absent: never fetched, or removed. stale: there, but the entry has changed. damaged: its file was altered."""

    READY = "ready"
    ABSENT = "absent"
    STALE = "stale"
    DAMAGED = "damaged"


class Checksum(StrEnum):
    """pinned: the entry names the sha256. recorded: the first file's is enforced from then on. none: not known yet."""

    PINNED = "pinned"
    RECORDED = "recorded"
    NONE = "none"


@dataclass(frozen=True)
class ImageStatus:
    """An entry's state. Sizes in bytes, of the store's file and of the disk that the guest sees."""

    name: str
    state: State
    checksum: Checksum
    sha256: str | None
    """The one pinned, else the one recorded."""
    note: str = ""
    """Why it is stale or damaged."""
    record: Record | None = None
    disk: Path | None = None
    size: int | None = None
    virtual_size: int | None = None
    key: Path | None = None


@dataclass(frozen=True)
class StoredImage:
    """An image that is ready for use."""

    spec: ImageSpec
    disk: Path
    """A read-only qcow2; a guest gets an overlay of it."""
    digest: str
    """sha256 of the file that it was made from."""
    key: Path | None
    """The private key that opens the guest, where the user brought one."""
    root: Path
    """The store."""

    def hold(self, user: str) -> Claim:
        """Keep the disk from being removed or replaced; `user` names who, for the error of whoever tries.

        A context manager. For a guest that outlives this process, hand `fileno()` to its QEMU by `pass_fds`.
        Raises ImageError, HostError.
        """
        return Disks(self.root).hold(self.digest, user)


def checksum_of(spec: ImageSpec, record: Record | None) -> tuple[Checksum, str | None]:
    """How far an entry's checksum is known, and which it is."""
    if spec.source.sha256:
        return Checksum.PINNED, spec.source.sha256
    if record is not None:
        return Checksum.RECORDED, record.source_sha256
    return Checksum.NONE, None


def checksum_words(spec: ImageSpec, record: Record | None) -> str:
    """The same for a reader."""
    kind, sha256 = checksum_of(spec, record)
    if kind is Checksum.PINNED:
        return f"sha256 pinned in the catalogue: {sha256}"
    if record is not None:
        return f"sha256 recorded on {record.at[:10]}: {sha256}"
    return "no sha256 pinned or recorded: the first file's is recorded, and enforced from then on"


def how_to_get(spec: ImageSpec) -> str:
    """The command that brings an image, and the entry's own words."""
    key = " [--ssh-key KEY]" if TransportKind.SSH in spec.transports else ""
    command = {
        SourceKind.DOWNLOAD: f"Get it: rig images fetch {spec.name}",
        SourceKind.BUILD: f"Build it: rig images build {spec.name}",
        SourceKind.IMPORT: f"Bring its file: rig images import FILE --like {spec.name}{key}",
    }[spec.source.kind]
    return command + (f"\n  {spec.source.how}" if spec.source.how else "")


def missing(spec: ImageSpec, record: Record | None) -> ImageError:
    """The error for an image that is not there: how one gets it, and its checksum's state."""
    return ImageError(f"image {spec.name} is not in the store\n  {checksum_words(spec, record)}", hint=how_to_get(spec))
