"""Kernel modules: which ones a driver needs, and the tables that modprobe reads.

A module says in its own .modinfo section what it depends on and which devices it serves (kernel include/linux/module.h,
scripts/mod/modpost.c). Debian's kernel package ships no ready tables: they are made when it is installed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rig.errors import ImageError
from rig.image.reference.archive import Archive


@dataclass(frozen=True)
class Module:
    """One kernel module as the package holds it. `path` is inside the guest, `name` with underscores."""

    name: str
    path: str
    data: bytes
    depends: tuple[str, ...]
    aliases: tuple[str, ...]

    @property
    def filename(self) -> str:
        """The last part of the path."""
        return self.path.rsplit("/", 1)[-1]


def modinfo(data: bytes) -> dict[str, list[str]]:
    """A module's .modinfo section (`key=value` strings, each ended by NUL): the values of each key, in order."""
    import lief  # half a second that only a build should cost

    elf = lief.ELF.parse(data)
    section = elf.get_section(".modinfo") if isinstance(elf, lief.ELF.Binary) else None
    if section is None:
        raise ImageError("a kernel module has no .modinfo section: is it one?")
    found: dict[str, list[str]] = {}
    for line in bytes(section.content).split(b"\0"):
        key, equals, value = line.decode(errors="replace").partition("=")
        if equals:
            found.setdefault(key, []).append(value)
    return found


class ModuleSet:
    """The modules of one kernel package, read when they are asked for."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._paths = {_name(path): path for path in archive.match("*.ko")}
        self._read: dict[str, Module] = {}

    def closure(self, names: Sequence[str]) -> list[Module]:
        """The modules and all they depend on, each after what it needs: the order to load them in.

        Raises ImageError when the package does not hold one.
        """
        ordered: dict[str, Module] = {}
        for name in names:
            self._visit(_name(name), ordered)
        return list(ordered.values())

    def _visit(self, name: str, ordered: dict[str, Module]) -> None:
        if name in ordered:
            return
        module = self._module(name)
        for needed in module.depends:
            self._visit(needed, ordered)
        ordered[name] = module

    def _module(self, name: str) -> Module:
        if name not in self._read:
            if name not in self._paths:
                raise ImageError(f"the kernel package holds no module {name}", hint="see modules in the recipe")
            data = self._archive.read(self._paths[name]).data
            info = modinfo(data)
            depends = tuple(_name(n) for line in info.get("depends", []) for n in line.split(",") if n)
            self._read[name] = Module(name, self._paths[name], data, depends, tuple(info.get("alias", [])))
        return self._read[name]


def dependency_table(modules: Sequence[Module]) -> bytes:
    """The text of modules.dep: each module's path with the paths of all it needs, the nearest first."""
    by_name = {m.name: m for m in modules}

    def needs(module: Module) -> list[str]:
        found: dict[str, None] = {}
        for name in module.depends:
            found[by_name[name].path] = None
            found.update(dict.fromkeys(needs(by_name[name])))
        return list(found)

    lines = [f"{_inside(m.path)}:{''.join(' ' + _inside(p) for p in needs(m))}\n" for m in modules]
    return "".join(sorted(lines)).encode()


def alias_table(modules: Sequence[Module]) -> bytes:
    """The text of modules.alias: patterns of device names with the module that serves them."""
    return "".join(f"alias {alias} {m.name}\n" for m in sorted(modules, key=_by_name) for alias in m.aliases).encode()


def _by_name(module: Module) -> str:
    return module.name


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1].removesuffix(".ko").replace("-", "_")


def _inside(path: str) -> str:
    """A module's path as modules.dep has it: from the directory of the kernel's release on."""
    return path.split("/", 3)[3]
