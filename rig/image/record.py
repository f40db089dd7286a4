"""What the store writes down of an image: JSON files, replaced whole or not at all."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from rig.errors import ImageError
from rig.image import space
from rig.spec import SourceKind

Kept = TypeVar("Kept", bound=BaseModel)


class _Json(BaseModel):
    # Keys of a later rig are passed over, so that two versions can share a store.
    model_config = ConfigDict(frozen=True, extra="ignore")


class Disk(_Json):
    """One disk of the store; sizes in bytes, `mtime_ns` the file's own, by which a touched file is noticed."""

    sha256: str
    size: int
    virtual_size: int
    mtime_ns: int
    damaged: str = ""
    """What a check found wrong; empty: nothing."""


class Record(_Json):
    """Which disk serves a catalogue entry, and where it came from."""

    name: str
    kind: SourceKind
    """How this file came: an entry of kind download may be served by an imported file."""
    origin: str
    """URL, path or builder."""
    source_sha256: str
    """Of the file as it came; also the disk's address in the store."""
    source_size: int
    at: str
    """When, in UTC, as ISO 8601."""
    inputs_digest: str | None = None
    """For a built image: of all that decided the build."""
    key: bool = False
    """Whether a private key lies in the store for it."""


def now() -> str:
    """The time for `Record.at`."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read_json(model: type[Kept], path: Path) -> Kept | None:
    """A JSON file as `model`; None when there is none. Raises ImageError when it cannot be understood."""
    try:
        return model.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValidationError, OSError) as fault:
        words = fault.errors()[0]["msg"] if isinstance(fault, ValidationError) else fault.strerror
        raise ImageError(
            f"{path}: damaged: {words}", hint=f"Remove it (rig images rm {path.stem}) and get the image again."
        ) from fault


def write_json(model: BaseModel, path: Path) -> None:
    """Write a model as JSON. Raises HostError."""
    write_whole(path, model.model_dump_json(indent=1).encode() + b"\n")


def write_whole(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file so that a reader, or a crash, finds the old content or the new, never a part. Raises HostError."""
    with space.explained(path, f"write {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(fd, "wb") as file:
                os.fchmod(fd, mode)
                file.write(content)
                file.flush()
                os.fsync(fd)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
