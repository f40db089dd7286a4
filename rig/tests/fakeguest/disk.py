"""The disk that a fake guest boots from, and the image entry that goes with it."""

from __future__ import annotations

import hashlib
import struct
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from rig.errors import SpecError
from rig.guest import GuestOptions
from rig.image.catalogue import Catalogue
from rig.image.overlay import create_overlay
from rig.image.status import StoredImage
from rig.image.store import Store
from rig.machine import Launch
from rig.paths import cache_dir, probes_dir
from rig.probe import zig
from rig.spec import Accel, ImageSpec, load_spec
from rig.tests.fakeguest.code import compile_script
from rig.tests.fakeguest.script import BOOTS, Script

_PROGRAM = Path(__file__).with_name("guest")
_FRAMES = probes_dir().parent / "agent"
"""The rig's agent, whose frames the fake one speaks."""
_FLAGS = (
    *("-target", "x86-freestanding-none", "-march=i686", "-mno-sse", "-Os", "-std=c11", "-Wall", "-Wextra", "-Werror"),
    *("-ffreestanding", "-fno-pic", "-fno-stack-protector", "-fno-sanitize=all", "-nostdlib"),
    *("-T", "link.ld", "-Wl,--entry=boot", "-Wl,--no-gc-sections", "-idirafter", "hosted"),
)
_CACHE = cache_dir() / "fakeguest"
"""Of the user's own home: a test's would be empty each time."""
_BOOT_AT, _BODY_AT, _SCRIPT_AT = 0x7C00, 0x10000, 0x20000
"""Addresses in the guest's memory, as in link.ld."""
_LAST = 0x80000
_SECTOR = 512
_SECTORS_FIELD = 508
_DISK_SIZE = 1 << 20
_MACHINE = {"memory": 64, "firmware": "bios", "nic": "none"}


@lru_cache
def program() -> tuple[bytes, bytes]:
    """The boot sector and what it loads. Raises `ToolchainError`, `HostError`."""
    own = sorted(path for path in _PROGRAM.rglob("*") if path.suffix in {".S", ".c", ".h", ".ld"})
    sources = [*own, _FRAMES / "frame.c", _FRAMES / "agent.h"]
    digest = hashlib.sha256(repr((_FLAGS, zig.version())).encode())
    for source in sources:
        digest.update(source.name.encode() + source.read_bytes())
    made = _CACHE / f"{digest.hexdigest()[:16]}.elf"
    if not made.exists():
        _CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHE) as place:
            out = Path(place) / made.name
            names = [str(source) for source in sources if source.suffix in {".S", ".c"}]
            zig.compile_c([*_FLAGS, "-o", str(out), *names], cwd=_PROGRAM, cache=_CACHE / "zig")
            out.replace(made)
    memory = _loaded(made.read_bytes())
    return memory[_BOOT_AT : _BOOT_AT + _SECTOR], memory[_BODY_AT:_SCRIPT_AT]


def _loaded(elf: bytes) -> bytes:
    """Memory from 0 to 0x20000 as a loader of this ELF file (32 bits) would fill it."""
    memory = bytearray(_SCRIPT_AT)
    (table,) = struct.unpack_from("<I", elf, 28)
    size, count = struct.unpack_from("<HH", elf, 42)
    for number in range(count):
        kind, offset, address, _, held = struct.unpack_from("<5I", elf, table + number * size)
        if kind == 1 and held:
            assert address + held <= _SCRIPT_AT, "the program has grown into its script: move that in link.ld"
            memory[address : address + held] = elf[offset : offset + held]
    return bytes(memory)


def disk_image(script: Script, origin: str = "script") -> bytes:
    """A raw disk of 1 MiB that boots into `script`. Raises `SpecError` for a script that makes no sense."""
    boot, body = program()
    code = compile_script(script, origin)
    if _SCRIPT_AT + len(code) > _LAST:
        raise SpecError(f"{origin}: {len(code)} bytes are too many for a script, {_LAST - _SCRIPT_AT} are allowed")
    rest = body + code
    sectors = -(-len(rest) // _SECTOR)
    boot = boot[:_SECTORS_FIELD] + sectors.to_bytes(2, "little") + boot[_SECTORS_FIELD + 2 :]
    return (boot + rest).ljust(_DISK_SIZE, b"\0")


class Bench:
    """Fake guests of one test; all their files lie in `place`."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def script(self, name: str) -> Script:
        """The script fixtures/boots/NAME.yaml. Raises `SpecError`."""
        return load_spec(Script, BOOTS / f"{name}.yaml")

    def spec(self, script: Script, name: str = "fake", disk: Path | None = None) -> ImageSpec:
        """The image entry: that of `script.like` on a small machine with the console alone, changed by the script."""
        like = Catalogue.load().get(script.like).model_dump(mode="json", exclude_unset=True)
        base = {key: value for key, value in like.items() if key not in {"notes", "summary", "source"}}
        source: dict[str, Any] = {"kind": "import", "format": "raw"}
        if disk is not None:
            source |= {"kind": "download", "url": disk.absolute().as_uri()}
        ours = {"name": name, "summary": script.what, "source": source, "machine": _MACHINE, "transports": ["serial"]}
        # Most scripts have no loader that waits for a line; one that has says so in its `image`.
        ours["boot"] = {"loader": None, "flags": None}
        return ImageSpec.model_validate(_merged(_merged(base, ours), script.image))

    def entry(self, script: Script, name: str = "fake") -> Path:
        """A catalogue entry for the `rig` command: a path that it takes as an image's name."""
        self.place.mkdir(parents=True, exist_ok=True)
        disk = self.place / f"{name}.img"
        disk.write_bytes(disk_image(script, name))
        path = self.place / f"{name}.yaml"
        data = self.spec(script, name, disk).model_dump(mode="json", exclude_unset=True)
        path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
        return path

    def stored(self, script: Script, name: str = "fake") -> StoredImage:
        """The image, in a store of its own."""
        spec = load_spec(ImageSpec, self.entry(script, name))
        return Store(self.place / "store").ensure(spec)

    def options(self, **changes: Any) -> GuestOptions:
        """By TCG, with deadlines as the image says them; keywords are those of `GuestOptions`."""
        settings: dict[str, Any] = {"accel": Accel.TCG, "time_factor": 1.0, "logs": self.place / "logs"}
        return GuestOptions(**(settings | changes))

    def launch(self, script: Script, directory: Path, **machine: Any) -> Launch:
        """For a `Machine` alone: a start in `directory`, whose path must be short enough for a socket."""
        spec = self.spec(script).machine.model_copy(update=machine)
        directory.mkdir(parents=True, exist_ok=True)
        raw = directory / "fake.img"
        raw.write_bytes(disk_image(script))
        disk = create_overlay(raw, directory / "disk.qcow2", base_format="raw")
        (directory / "logs").mkdir(exist_ok=True)
        return Launch(spec=spec, disk=disk, directory=directory, logs=directory / "logs")


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(found.get(key), Mapping)
        found[key] = _merged(found[key], value) if both else value
    return found
