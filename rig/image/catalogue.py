"""The catalogue: the image entries that ship with the rig, and the user's own.

One YAML file an entry, named as the entry. The user's (`images/*.yaml` in the configuration directory, made by
`rig images import --name` or by hand) come first where both have a name. A file that cannot be read harms nobody else's
entry: its error comes up when it is asked for.
"""

from __future__ import annotations

import difflib
from pathlib import Path

from rig import paths
from rig.errors import ImageError, SpecError
from rig.spec import ImageSpec, load_spec

_SUFFIXES = {".yaml", ".yml"}


def user_dir() -> Path:
    """Where the user's own entries lie."""
    return paths.config_dir() / "images"


class Catalogue:
    """Image entries by name."""

    def __init__(self, entries: dict[str, tuple[ImageSpec, Path]], broken: dict[str, SpecError]) -> None:
        self._entries = entries
        self.broken = broken
        """Files that could not be read, by the name their entry would have."""

    @classmethod
    def load(cls, extra: Path | None = None) -> Catalogue:
        """Read the shipped entries, then the user's, then those of the directory `extra`; the later wins.

        Raises ImageError when `extra` is no directory.
        """
        if extra is not None and not extra.is_dir():
            raise ImageError(f"{extra}: no such directory of image entries", hint="Name a directory of YAML files.")
        entries: dict[str, tuple[ImageSpec, Path]] = {}
        broken: dict[str, SpecError] = {}
        for folder in (paths.images_dir(), user_dir(), extra):
            for path in sorted(folder.glob("*.yaml")) if folder else ():
                try:
                    spec = _load(path)
                except SpecError as fault:
                    broken[path.stem] = fault
                    entries.pop(path.stem, None)
                else:
                    entries[spec.name] = (spec, path)
                    broken.pop(spec.name, None)
        return cls(entries, broken)

    def names(self) -> list[str]:
        """Names of the entries that can be read, sorted."""
        return sorted(self._entries)

    def get(self, name: str) -> ImageSpec:
        """The entry of that name, or in the YAML file of that path.

        Raises ImageError for an unknown name, with the near ones; SpecError for a file that cannot be read.
        """
        if name in self._entries:
            return self._entries[name][0]
        if name in self.broken:
            raise self.broken[name]
        if Path(name).suffix in _SUFFIXES or "/" in name:
            return load_spec(ImageSpec, Path(name).expanduser())
        near = difflib.get_close_matches(name, [*self._entries, *self.broken], 3, 0.4)
        guess = f"Did you mean {' or '.join(near)}? " if near else ""
        raise ImageError(
            f"unknown image {name!r}; known: {', '.join(self.names()) or 'none'}",
            hint=f"{guess}All of them: rig images list",
        )

    def origin(self, name: str) -> Path | None:
        """The file that an entry comes from; None for a name that is not in the catalogue."""
        entry = self._entries.get(name)
        return entry[1] if entry else None

    def is_users(self, name: str) -> bool:
        """Whether an entry is the user's own."""
        origin = self.origin(name)
        return origin is not None and origin.parent == user_dir()


def _load(path: Path) -> ImageSpec:
    spec = load_spec(ImageSpec, path)
    if spec.name != path.stem:
        raise SpecError(
            f"{path}: name: found {spec.name!r}; in the catalogue it must be the file's name, {path.stem!r}",
            hint=f"Rename the file to {spec.name}.yaml, or the entry.",
        )
    return spec
