"""Whether a compiled probe will load on every system that it is meant for.

dyld kills a program at once for one strong import that libSystem does not export. So every strong import must be
exported by all known libSystems; what one of them lacks is bound weakly and asked for before its use. Of the export
lists only the names that probes import are kept (`fixtures/abi/libsystem.yaml`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import lief

from rig.errors import InputError
from rig.probe.exports import x86_64_slice
from rig.probe.libsystem import Symbols
from rig.probe.toolchain import Target

_LIBSYSTEM = "/usr/lib/libSystem.B.dylib"
_OLDEST = (10, 13)
_RECORD = "do without it, or record it with `rig probes check --update-fixture --exports NAME=SDK-OR-LIST ...`"
_BIND_WEAKLY = "bind it weakly (RIG_MAKE_WEAK in darwin_weak.h) and ask RIG_HAVE() before the call"


@dataclass(frozen=True)
class Report:
    """What was found in one executable. `faults` is empty when it is fit."""

    probe: str
    target: Target
    size: int
    """Bytes."""
    strong: tuple[str, ...] = ()
    """Names without which dyld refuses the program; sorted."""
    weak: tuple[str, ...] = ()
    """Names that are null where they are missing; sorted."""
    faults: tuple[str, ...] = ()
    """In words, one sentence each."""


def check(probe: str, path: Path, target: Target, symbols: Symbols | None = None) -> Report:
    """Read one executable. Without `symbols` imports are listed, but not held against any libSystem.

    Raises `InputError` when the file is not there or no executable at all.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    size = path.stat().st_size
    if target is Target.LINUX:
        return Report(probe, target, size, faults=tuple(_elf_faults(path)))
    binary = x86_64_slice(path)
    strong, weak = _imports(binary)
    faults = [*_macho_faults(binary), *(_import_faults(strong, weak, symbols) if symbols else ())]
    return Report(probe, target, size, strong, weak, tuple(faults))


def _elf_faults(path: Path) -> Iterable[str]:
    binary = lief.ELF.parse(str(path))
    if binary is None:
        raise InputError(f"{path}: not readable as an ELF file")
    if binary.header.machine_type != lief.ELF.ARCH.X86_64:
        yield f"is for {_word(binary.header.machine_type)}, not for x86_64"
    needed = [str(library) for library in binary.libraries]
    if binary.has_interpreter or needed:
        yield f"is not static: a guest need not have {', '.join(needed) or binary.interpreter}"


def _macho_faults(binary: lief.MachO.Binary) -> Iterable[str]:
    if binary.header.file_type != lief.MachO.Header.FILE_TYPE.EXECUTE:
        yield f"is a {_word(binary.header.file_type)}, not an executable"
    minimum = _minimum(binary)
    if minimum is None:
        yield "names no minimum version of macOS"
    elif minimum[:2] != _OLDEST:
        yield f"is for macOS {'.'.join(map(str, minimum))} and newer, not for {'.'.join(map(str, _OLDEST))}"
    libraries = {str(library.name) for library in binary.libraries}
    if more := sorted(libraries - {_LIBSYSTEM}):
        yield f"needs {', '.join(more)}; a guest need not have any library but {_LIBSYSTEM}"
    if _LIBSYSTEM not in libraries:
        yield f"does not load {_LIBSYSTEM}"
    if binary.has_dyld_chained_fixups:
        yield "has chained fixups, which the dyld of Darwin 17 cannot read"


def _minimum(binary: lief.MachO.Binary) -> tuple[int, ...] | None:
    if (old := binary.version_min) is not None:
        return tuple(old.version)
    new = binary.build_version
    if new is not None and new.platform == lief.MachO.BuildVersion.PLATFORMS.MACOS:
        return tuple(new.minos)
    return None


def _imports(binary: lief.MachO.Binary) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Strong and weak imports. dyld goes by the bindings' flags; where they and the symbol table differ, the stricter
    reading counts."""
    weak_reference = 0x40  # N_WEAK_REF, mach-o/nlist.h
    strong: dict[str, bool] = {}
    for symbol in binary.imported_symbols:
        strong[str(symbol.name)] = not symbol.description & weak_reference
    for binding in binary.bindings:
        if binding.has_symbol and binding.symbol is not None:
            name = str(binding.symbol.name)
            strong[name] = strong.get(name, False) or not binding.weak_import
    return (
        tuple(sorted(name for name, is_strong in strong.items() if is_strong)),
        tuple(sorted(name for name, is_strong in strong.items() if not is_strong)),
    )


def _import_faults(strong: Iterable[str], weak: Iterable[str], symbols: Symbols) -> Iterable[str]:
    for name in strong:
        if not symbols.knows(name):
            yield f"imports {name}, of which {symbols.origin} says nothing: {_RECORD}"
        elif lacking := symbols.lacking(name):
            yield f"imports {name} strongly, which {' and '.join(lacking)} does not export: {_BIND_WEAKLY}"
    for name in weak:
        if not symbols.knows(name):
            yield f"imports {name} weakly, of which {symbols.origin} says nothing: {_RECORD}"
        elif name in symbols.absent and name in symbols.lists.get(symbols.reference, ()):
            yield f"imports {name} weakly, declared under `absent`, but {symbols.reference} exports it: take it out"
        elif not symbols.sane_weak(name):
            yield (
                f"imports {name} weakly, but {symbols.reference} does not export it: misspelt? "
                f"If it is meant, declare it under `absent` in {symbols.origin}"
            )


def _word(member: object) -> str:
    return str(member).rpartition(".")[2]
