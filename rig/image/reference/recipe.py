"""What goes into the image, as `images/reference/recipe.yaml` says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rig.errors import SpecError
from rig.paths import images_dir

PackageName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]
GuestPath = Annotated[str, Field(pattern=r"^[^/\s\"'][^\s\"']*$")]
"""A path inside the guest, without the leading slash."""
Mode = Annotated[str, Field(pattern=r"^[01]?[0-7]{3}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Modules(_Part):
    """Kernel modules by name; their dependencies follow by themselves."""

    network: tuple[str, ...]
    disk: tuple[str, ...]
    other: tuple[str, ...]


class Loader(_Part):
    """The boot loader: packages that hold it and its maker, and the loader's modules."""

    packages: tuple[PackageName, ...]
    modules: tuple[str, ...]


class Disk(_Part):
    """The disk and the one file system on it. All identities are fixed, so that builds agree."""

    size_mib: Annotated[int, Field(ge=64, le=8192)]
    inodes: Annotated[int, Field(ge=1024)]
    journal_mib: Annotated[int, Field(ge=4)]
    uuid: Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    signature: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
    """Of the partition table, four bytes in hexadecimal."""


class Recipe(_Part):
    """The whole recipe."""

    architecture: str
    kernel: PackageName
    modules: Modules
    packages: dict[PackageName, tuple[GuestPath, ...]]
    """Package -> the files taken from it."""
    loader: Loader
    initramfs_commands: tuple[str, ...]
    modes: dict[GuestPath, Mode]
    directories: dict[GuestPath, Mode]
    links: dict[GuestPath, str]
    disk: Disk
    epoch: Annotated[int, Field(ge=1)]
    """Every time stamp in the image, in seconds since 1970."""

    def all_packages(self) -> tuple[str, ...]:
        """Every package the build asks apt for, the kernel's as the one that pulls the real one in."""
        return (self.kernel, *self.packages, *self.loader.packages)


def data_dir() -> Path:
    """Where the recipe and the files that go into the image lie."""
    return images_dir() / "reference"


def load_recipe(directory: Path | None = None) -> Recipe:
    """Read the recipe. Raises SpecError naming the file and what is wrong in it."""
    path = (directory or data_dir()) / "recipe.yaml"
    try:
        return Recipe.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as fault:
        raise SpecError(f"{path}: {fault.strerror}", hint="the rig's own images directory is incomplete") from fault
    except (yaml.YAMLError, ValidationError) as fault:
        words = re.sub(r"\s*For further information.*", "", str(fault))
        raise SpecError(f"{path}: {words}") from fault
