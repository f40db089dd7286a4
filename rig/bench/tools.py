"""Independent tools from Debian's packages, laid out to run in a guest that has none of them.

No package is installed anywhere: the program, the libraries that it needs and its own dynamic loader are taken out of
the packages, as the reference image's builder does, and the program is started by that loader.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rig.errors import HostError, ImageError
from rig.image.reference.archive import Archive, PackedFile
from rig.image.reference.packages import fetch, resolve
from rig.paths import cache_dir, ensure

ARCHITECTURE = "amd64"
LOADER = "ld-linux-x86-64.so.2"
_LIBRARIES = "lib"


class Opened(Protocol):
    """A package whose files can be found and read: `Archive`."""

    def match(self, pattern: str) -> list[str]:
        """Paths of files and links that a pattern matches."""
        ...

    def take(self, patterns: Sequence[str]) -> list[PackedFile]:
        """Files, and what links among them lead to. Raises `ImageError`."""
        ...


@dataclass(frozen=True)
class Tool:
    """A program in a package, and the packages whose libraries it and they need."""

    name: str
    package: str
    path: str
    libraries: tuple[str, ...]


PERF = Tool(
    "perf",
    "linux-perf",
    "usr/bin/perf",
    (
        "libbabeltrace1",
        "libbz2-1.0",
        "libc6",
        "libcap2",
        "libcrypt1",
        "libdw1",
        "libelf1",
        "libexpat1",
        "libgcc-s1",
        "libglib2.0-0",
        "liblzma5",
        "libnuma1",
        "libopencsd1",
        "libpcre2-8-0",
        "libperl5.36",
        "libpython3.11",
        "libslang2",
        "libstdc++6",
        "libunwind8",
        "libuuid1",
        "libzstd1",
        "zlib1g",
    ),
)
HACKBENCH = Tool("hackbench", "rt-tests", "usr/bin/hackbench", ("libc6", "libnuma1"))


@dataclass(frozen=True)
class Toolbox:
    """A directory to push: the programs, the loader, and `lib` with every library."""

    directory: Path
    versions: dict[str, str]
    """Of the tools' own packages."""

    def command(self, tool: Tool, arguments: Iterable[str], at: str) -> str:
        """The line that runs a tool in a guest where the directory lies at `at`."""
        return " ".join([f"{at}/{LOADER}", "--library-path", f"{at}/{_LIBRARIES}", f"{at}/{tool.name}", *arguments])


def gather(tools: tuple[Tool, ...], into: Path, say: Callable[[str], None]) -> Toolbox:
    """Lay the tools out in `into`. Raises `ImageError` where apt or a package lacks something."""
    names = sorted({name for tool in tools for name in (tool.package, *tool.libraries)})
    packages = resolve(names, ARCHITECTURE)
    debs = fetch(packages.values(), ensure(cache_dir() / "bench-packages"), say=say)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rig-bench-")))
        opened = {name: stack.enter_context(Archive(deb, scratch)) for name, deb in debs.items()}
        try:
            _lay_out(tools, opened, into)
        except OSError as fault:
            raise HostError(f"{into}: {fault.strerror}") from fault
    return Toolbox(into, {tool.package: packages[tool.package].version for tool in tools})


def _lay_out(tools: tuple[Tool, ...], opened: Mapping[str, Opened], into: Path) -> None:
    (into / _LIBRARIES).mkdir(parents=True, exist_ok=True)
    done: set[str] = set()
    for tool in tools:
        program = _content(opened[tool.package], tool.path)
        _program(into / tool.name, program)
        wanted = needed(program, tool.name)
        while wanted:
            soname = wanted.pop(0)
            if soname in done:
                continue
            done.add(soname)
            data = library(opened, soname, tool)
            _program(into / LOADER if soname == LOADER else into / _LIBRARIES / soname, data)
            wanted += needed(data, soname)


def _program(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    path.chmod(0o755)


def _content(archive: Opened, path: str) -> bytes:
    """A file's bytes; where it is a link, those of what it leads to inside the package."""
    found = [file for file in archive.take([path]) if file.link is None]
    if not found:
        raise ImageError(f"{path} is a link that leads out of its package")
    return found[0].data


def library(opened: Mapping[str, Opened], soname: str, tool: Tool) -> bytes:
    """A library by the name that programs ask for it. Raises `ImageError` where none of the packages brings it."""
    for name in tool.libraries:
        matches = [p for p in opened[name].match(f"*/{soname}") if p.startswith(("lib/", "usr/lib/", "lib64/"))]
        if matches:
            return _content(opened[name], matches[0])
    raise ImageError(
        f"{tool.name} needs {soname}, which none of its packages brings",
        hint="Add the package that holds it to rig/bench/tools.py.",
    )


def needed(data: bytes, name: str) -> list[str]:
    """The libraries that an ELF file asks for. Raises `ImageError` for another file."""
    import lief  # half a second that only this bench should cost

    elf = lief.ELF.parse(data)
    if not isinstance(elf, lief.ELF.Binary):
        raise ImageError(f"{name} is no ELF file")
    interpreter = [Path(elf.interpreter).name] if elf.has_interpreter else []
    return [*(str(entry) for entry in elf.libraries), *interpreter]
