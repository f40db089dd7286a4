"""What a Darwin libSystem exports: read from the libraries themselves, from an SDK, or from a list of names.

Names are the linker's, with their underscore: `_pipe`, `_select$1050`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lief
import yaml

from rig.errors import InputError

# lief tells of oddities on stderr itself, in words that are not for the rig's user.
lief.logging.disable()

_NAME = re.compile(r"[A-Za-z_$.][\w$.]*")
_ALIAS = re.compile(r"(\S+) \(for \S+\)$")
_MACHO = {b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf"}
_LIBRARIES = ("usr/lib", "lib", ".")
_TBD_NAMES = ("symbols", "weak-symbols", "weak-def-symbols", "thread-local-symbols")


def read_exports(source: Path) -> frozenset[str]:
    """All names that `source` exports to x86_64 programs.

    A directory is an SDK or a root of a system: libSystem below its usr/lib is read. A file is a dylib (with the parts
    that it re-exports, as far as they lie beside it), a .tbd, or text with one name a line; `nm`'s output will do,
    too. Raises `InputError`.
    """
    return frozenset[str]().union(*map(_read_file, _libsystem_in(source) if source.is_dir() else [source]))


def _libsystem_in(directory: Path) -> list[Path]:
    for below in _LIBRARIES:
        if (library := directory / below / "libSystem.B.dylib").is_file():
            return [library]
        stubs = [*(directory / below).glob("libSystem*.tbd"), *(directory / below / "system").glob("*.tbd")]
        if found := sorted(stub for stub in stubs if stub.stat().st_size):
            return found
    raise InputError(
        f"{directory}: found no libSystem here",
        hint="Give the directory that holds usr/lib/libSystem.B.dylib or its .tbd, as an SDK does.",
    )


def _read_file(path: Path) -> frozenset[str]:
    try:
        data = path.read_bytes()
    except OSError as fault:
        raise InputError(
            f"{path}: {fault.strerror}", hint="Give a list of names, a dylib, a .tbd or an SDK."
        ) from fault
    if data[:4] in _MACHO:
        names = frozenset(_macho_names(path, set()))
    else:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as fault:
            raise InputError(f"{path}: neither a Mach-O library nor text") from fault
        names = frozenset(_tbd_names(path, text) if text.startswith("--- !tapi") else _listed_names(path, text))
    if not names:
        raise InputError(f"{path}: exports nothing to x86_64 programs")
    return names


def x86_64_slice(path: Path) -> lief.MachO.Binary:
    """The x86_64 part of a Mach-O file. Raises `InputError` when it has none or is no Mach-O file."""
    fat = lief.MachO.parse(str(path))
    if fat is None:
        raise InputError(f"{path}: not readable as a Mach-O file")
    # take(), not iteration: a part that is merely looked at dies with the whole.
    part = fat.take(lief.MachO.Header.CPU_TYPE.X86_64)
    if part is None:
        raise InputError(f"{path}: has no x86_64 part")
    return part


def _macho_names(path: Path, seen: set[Path]) -> Iterator[str]:
    if path in seen:
        return
    seen.add(path)
    binary = x86_64_slice(path)
    # Exports with a `$ld$` prefix are orders to the linker, not names that a program can bind.
    yield from (name for symbol in binary.exported_symbols if not (name := str(symbol.name)).startswith("$ld$"))
    for library in binary.libraries:
        if library.command == lief.MachO.LoadCommand.TYPE.REEXPORT_DYLIB:
            name = Path(str(library.name)).name
            for beside in (path.parent / name, path.parent / "system" / name):
                if beside.is_file():
                    yield from _macho_names(beside, seen)


class _TbdLoader(yaml.SafeLoader):
    """The safe loader, taking a .tbd's tag for the mapping that it stands before."""


_TbdLoader.add_multi_constructor("!tapi", lambda loader, _, node: loader.construct_mapping(node, deep=True))


def _tbd_names(path: Path, text: str) -> Iterator[str]:
    try:
        documents: list[dict[str, Any]] = list(yaml.load_all(text, _TbdLoader))
        for document in documents:
            for section in (*document.get("exports", ()), *document.get("reexports", ())):
                machines = [*section.get("targets", ()), *section.get("archs", ())]
                if any(machine in ("x86_64", "x86_64-macos") for machine in machines):
                    for key in _TBD_NAMES:
                        yield from (name for name in section.get(key, ()) if not name.startswith("$ld$"))
    except (yaml.YAMLError, AttributeError, TypeError) as fault:
        raise InputError(f"{path}: not readable as a text stub of a library: {fault}") from fault


def _listed_names(path: Path, text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#")[0].strip()
        if not words or words.endswith(":"):
            continue
        alias = _ALIAS.search(words)
        *before, last = [alias[1]] if alias else words.split()
        if before and before[-1] == "U":
            continue
        # A list cut from nm's "_memcpy (for __platform_memmove)" may have kept the parenthesis.
        name = last.rstrip(")")
        if not _NAME.fullmatch(name):
            raise InputError(f"{path}:{number}: found {line.strip()[:60]!r}, expected the name of a symbol")
        yield name
