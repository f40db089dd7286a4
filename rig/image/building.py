"""Images that the rig builds itself, by the name that an entry's `source.builder` gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rig.errors import ImageError


@dataclass(frozen=True)
class Builder:
    """How an image is built, and what tells that it must be built again."""

    build: Callable[[Path, Path, Callable[[str], None]], tuple[Path, ...]]
    """(work directory kept between builds, where the qcow2 goes, say) -> files that are kept beside it."""
    inputs_digest: Callable[[], str]
    """sha256 of all that decides the outcome. Raises RigError when this host cannot tell."""


def _reference() -> Builder:
    from rig.image import reference

    def build(work: Path, out: Path, say: Callable[[str], None]) -> tuple[Path, ...]:
        info = reference.build_reference(work, out, say=say)
        manifest = reference.manifest_path(info.path)
        return (manifest,) if manifest.exists() else ()

    return Builder(build, reference.inputs_digest)


BUILDERS: dict[str, Callable[[], Builder]] = {"reference": _reference}
"""Every builder; the import is made when one is asked for."""


def builder(name: str | None) -> Builder:
    """The builder of that name. Raises ImageError."""
    if name not in BUILDERS:
        raise ImageError(f"no builder {name!r}; known: {', '.join(sorted(BUILDERS))}", hint="Mend `source.builder`.")
    return BUILDERS[name]()
