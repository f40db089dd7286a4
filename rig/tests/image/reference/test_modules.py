"""Kernel modules: what they say of themselves, the order to load them in, modprobe's tables."""

import struct
from typing import cast

import pytest

from rig.errors import ImageError
from rig.image.reference.archive import Archive, PackedFile
from rig.image.reference.modules import ModuleSet, alias_table, dependency_table, modinfo

KERNEL = "lib/modules/6.1.0-1-amd64/kernel"


def module(**info: str) -> bytes:
    """A relocatable ELF file with a .modinfo section and nothing else (System V ABI, chapter 4)."""
    text = b"".join(f"{key}={value}".encode() + b"\0" for key, value in info.items())
    names = b"\0.modinfo\0.shstrtab\0"
    table = 64 + len(text) + len(names)
    table += -table % 8

    def section(name: int, kind: int, offset: int, size: int) -> bytes:
        return struct.pack("<IIQQQQIIQQ", name, kind, 0, 0, offset, size, 0, 0, 1, 0)

    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1" + bytes(9), 1, 62, 1, 0, 0, table, 0, 64, 0, 0, 64, 3, 2)
    sections = section(0, 0, 0, 0) + section(1, 1, 64, len(text)) + section(10, 3, 64 + len(text), len(names))
    return (header + text + names).ljust(table, b"\0") + sections


class Package:
    """What ModuleSet asks of an archive."""

    def __init__(self, **files: bytes) -> None:
        self.files = {f"{KERNEL}/{name.replace('__', '/')}.ko": data for name, data in files.items()}
        self.asked: list[str] = []

    def match(self, pattern: str) -> list[str]:
        return sorted(self.files)

    def read(self, path: str) -> PackedFile:
        self.asked.append(path)
        return PackedFile(path, 0o644, self.files[path])


def sample() -> Package:
    return Package(
        ata__ahci=module(alias="pci:v*d*sv*sd*bc01sc06i01*", depends="libahci,libata"),
        ata__libahci=module(depends="libata"),
        ata__libata=module(depends="scsi-common"),
        scsi__scsi_common=module(depends=""),
        net__unused=module(depends="nothing-there"),
    )


def test_modinfo_reads_the_first_string_too():
    assert modinfo(module(license="GPL", depends="a,b")) == {"license": ["GPL"], "depends": ["a,b"]}


@pytest.mark.parametrize("data", [b"", b"no ELF", b"\x7fELF" + bytes(60)])
def test_what_is_no_module_is_an_error(data):
    with pytest.raises(ImageError, match=r"no \.modinfo section"):
        modinfo(data)


def test_closure_loads_what_is_needed_first_and_each_once():
    package = sample()
    names = [m.name for m in ModuleSet(cast(Archive, package)).closure(["ahci", "libahci"])]
    assert names == ["scsi_common", "libata", "libahci", "ahci"]
    assert len(package.asked) == 4


def test_a_module_that_is_not_there_is_named():
    with pytest.raises(ImageError, match="holds no module nothing_there"):
        ModuleSet(cast(Archive, sample())).closure(["unused"])


def test_tables():
    modules = ModuleSet(cast(Archive, sample())).closure(["ahci"])
    lines = dependency_table(modules).decode().splitlines()
    assert lines[0] == "kernel/ata/ahci.ko: kernel/ata/libahci.ko kernel/ata/libata.ko kernel/scsi/scsi_common.ko"
    assert lines[-1] == "kernel/scsi/scsi_common.ko:"
    assert alias_table(modules) == b"alias pci:v*d*sv*sd*bc01sc06i01* ahci\n"
