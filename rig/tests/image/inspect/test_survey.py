from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rig.errors import ImageError
from rig.events import Events
from rig.image import qemuimg
from rig.image.acquire import Bench
from rig.image.catalogue import Catalogue
from rig.image.disks import Disks
from rig.image.inspect import blocks
from rig.image.inspect.fit import fits_of
from rig.image.inspect.look import look_into
from rig.image.inspect.survey import Survey, survey
from rig.image.inspect.words import as_json, judged, told
from rig.spec import Firmware, ImageFormat
from rig.tests.image.conftest import as_format
from rig.tests.image.inspect.disks import (
    BOOT0,
    EFI,
    HFS,
    SECTOR,
    V17,
    V20,
    bios_disk,
    esp,
    ext4,
    gpt,
    macho,
    mbr,
    uefi_disk,
)
from rig.tests.image.inspect.fatfs import fat
from rig.tests.image.inspect.hfs import hfsplus

Look = Callable[[bytes | bytearray], Survey]


def test_a_uefi_disk(look: Look) -> None:
    found = look(uefi_disk())
    assert (found.scheme, [volume.kind for volume in found.volumes]) == ("GPT", ["FAT12", "ext4"])
    assert [(loader.kind, loader.boot_args) for loader in found.loaders] == [("xnu-loader", "-v serial=3")]
    assert [(kernel.version, kernel.arches) for kernel in found.kernels] == [(V20, ("x86_64",))]
    assert found.starts(Firmware.UEFI) and not found.starts(Firmware.BIOS)
    assert not found.damage


def test_a_bios_disk(look: Look) -> None:
    found = look(bios_disk())
    assert (found.scheme, [volume.label for volume in found.volumes]) == ("MBR", ["PureDarwin"])
    assert [loader.stage for loader in found.loaders] == [0, 1, 2]
    assert [(kernel.version, kernel.arches) for kernel in found.kernels] == [(V17, ("x86_64",))]
    assert found.starts(Firmware.BIOS) and not found.starts(Firmware.UEFI)
    assert not found.damage


@pytest.mark.parametrize(("fmt", "options"), [("qcow2", ["-c"]), ("qcow2", []), ("vmdk", [])])
def test_formats_are_the_same_disk(tmp_path: Path, fmt: str, options: list[str]) -> None:
    raw = tmp_path / "odd, name:.raw"
    raw.write_bytes(bios_disk())
    other = as_format(raw, fmt, *options)
    first, second = survey(raw, ImageFormat.RAW, "x"), survey(other, ImageFormat(fmt), "x")
    second.format, second.size = first.format, first.size
    assert first == second


def test_a_stream_optimised_vmdk(tmp_path: Path) -> None:
    raw = tmp_path / "disk.raw"
    raw.write_bytes(uefi_disk())
    out = as_format(raw, "vmdk", "-o", "subformat=streamOptimized")
    assert survey(out, ImageFormat.VMDK, "x").releases == ["20.5.0"]


@pytest.mark.parametrize("fmt", ["raw", "qcow2"])
def test_a_kernel_on_a_file_system_that_is_not_read(tmp_path: Path, fmt: str) -> None:
    raw = tmp_path / "disk.raw"
    far = 70 << 20
    disk = mbr([(0xA8, 64, far // SECTOR, True)], BOOT0).ljust(64 * SECTOR, b"\0") + ext4()
    with raw.open("wb") as file:
        file.write(disk)
        file.seek(far)
        file.write(macho(version=V17))
        file.truncate(far + (1 << 20))
    path = raw if fmt == "raw" else as_format(raw, fmt)
    (kernel,) = survey(path, ImageFormat(fmt), "x").kernels
    assert (kernel.release, kernel.found_by, kernel.arches) == ("17.4.0", "string", ("x86_64",))
    where = far + macho().index(b"Darwin")
    assert kernel.where == f"byte {where} of the disk"


def test_a_file_system_on_the_whole_disk(look: Look) -> None:
    found = look(hfsplus({"/mach_kernel": macho()}))
    assert (found.scheme, found.volumes[0].where, found.releases) == ("none", "the whole disk", ["17.4.0"])


def test_a_damaged_file_system_is_a_finding_and_the_others_are_read(look: Look) -> None:
    broken = bytearray(hfsplus({"/mach_kernel": macho()}))
    broken[1024 + 40 : 1024 + 44] = b"\0\0\0\7"
    found = look(gpt([(HFS, bytes(broken), ""), (EFI, fat(esp()), "")]))
    assert found.volumes[0].note == "damaged" and "partition 1: its header" in found.damage[0]
    assert "20.5.0" in found.releases


def test_reading_is_bounded(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BUDGET", 20_000)
    found = look(bios_disk())
    assert any("more reading than a sound disk" in words for words in found.damage)


@pytest.mark.parametrize("fmt", ["raw", "qcow2"])
def test_a_disk_of_a_claimed_size_is_not_searched_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fmt: str
) -> None:
    monkeypatch.setattr(blocks, "REACH", 1 << 27)
    path = tmp_path / "disk"
    qemuimg_create(path, fmt, 16 << 40)
    if fmt == "raw":
        with path.open("r+b") as file:
            file.seek(1 << 40)
            file.write(macho())
    found = survey(path, ImageFormat(fmt), "x")
    assert not found.kernels and "first 32 GiB" in found.notes[0]


def test_words_of_strangers_are_fit_for_a_terminal(look: Look) -> None:
    files = esp(**{"boot-args.txt": b"serial=3 \x1b]0;title\x07 \xe2\x80\xae", "kernel\u202e": macho()})
    found = look(gpt([(EFI, fat(files, label="A\x1b[2J"), "na\x1bme")]))
    shown = "\n".join(told(found))
    assert "serial=3 ?]0;title?" in shown and "A?[2J" in shown and "na?me" in shown
    assert all(char.isprintable() or char == "\n" for char in shown)


def test_told_in_few_lines(look: Look) -> None:
    shown = "\n".join(told(look(bios_disk())))
    for words in ("raw, 1.0 MiB", "MBR, 1 partition", "HFS+", "Enoch", "serial=3", "Darwin 17.4.0 for x86_64"):
        assert words in shown
    many = look(gpt([(HFS, b"x" * SECTOR, "p")] * 100))
    assert len(told(many)) < 40 and "more" in "\n".join(told(many))


CATALOGUE = Catalogue.load()


def qemuimg_create(path: Path, fmt: str, size: int) -> None:
    if fmt == "raw":
        with path.open("wb") as file:
            file.truncate(size - (8 << 40))  # as large as ext4 allows
    else:
        qemuimg.create(path, size)


BASES = [uefi_disk(), bios_disk(), bytes(gpt([(EFI, fat(esp()), "")])) + bytes(SECTOR)]
_BASE = st.integers(0, len(BASES) - 1)
_FLIPS = st.lists(st.tuples(st.integers(0, 1 << 21), st.binary(min_size=1, max_size=8)), max_size=12)


def _survives(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    found = survey(path, ImageFormat.RAW, "x")
    fits = fits_of(found, CATALOGUE)
    assert told(found) and len(judged(fits)) >= 2
    json.dumps(as_json(found, fits, None))


def _quietly(examples: int) -> settings:
    return settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@_quietly(100)
@given(base=_BASE, flips=_FLIPS, cut=st.none() | st.integers(0, 1 << 21))
def test_flipped_and_cut_disks(tmp_path: Path, base: int, flips: list[tuple[int, bytes]], cut: int | None) -> None:
    content = bytearray(BASES[base])
    for at, new in flips:
        content[at % len(content) : at % len(content) + len(new)] = new
    _survives(tmp_path / "disk", bytes(content[:cut]))


@_quietly(100)
@given(base=_BASE, where=st.integers(0, 200), new=st.binary(min_size=1, max_size=8), at=st.integers(0, 511))
def test_flipped_structures(tmp_path: Path, base: int, where: int, new: bytes, at: int) -> None:
    """As above, in sectors that hold something, where most of the structures are."""
    content = bytearray(BASES[base])
    full = [here for here in range(0, len(content), SECTOR) if any(content[here : here + SECTOR])]
    start = full[where % len(full)] + at
    content[start : start + len(new)] = new
    _survives(tmp_path / "disk", bytes(content))


@_quietly(60)
@given(content=st.binary(max_size=5000))
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    _survives(tmp_path / "disk", content)
    _survives(tmp_path / "disk", bytes(1024) + b"H+" + content + bytes(9000))
    _survives(tmp_path / "disk", b"\xeb\x3c\x90mkfs.fat" + content + bytes(9000))


@pytest.fixture(scope="module")
def wrapped(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """One disk in the formats that have an index of their own."""
    raw = tmp_path_factory.mktemp("wrapped") / "disk.raw"
    raw.write_bytes(uefi_disk())
    found = [as_format(raw, "qcow2").read_bytes(), as_format(raw, "vmdk").read_bytes()]
    return [*found, as_format(raw, "vmdk", "-o", "subformat=streamOptimized").read_bytes()]


@_quietly(30)
@given(which=st.integers(0, 2), flips=_FLIPS, near=st.booleans(), cut=st.none() | st.integers(0, 1 << 20))
def test_flipped_and_cut_formats(
    tmp_path: Path, wrapped: list[bytes], which: int, flips: list[tuple[int, bytes]], near: bool, cut: int | None
) -> None:
    """An error with words or findings, and nothing else."""
    content = bytearray(wrapped[which])
    for at, new in flips:
        place = at % (4096 if near else len(content))
        content[place : place + len(new)] = new
    path = tmp_path / "disk"
    path.write_bytes(content[:cut])
    bench = Bench(Disks(tmp_path), tmp_path, Events(), lambda _: None)
    try:
        look = look_into(path, bench, CATALOGUE)
    except ImageError as fault:
        assert fault.message
    else:
        assert told(look.survey)
