from __future__ import annotations

import gzip
import lzma
from pathlib import Path
from typing import Any

import pytest

from rig.errors import ImageError
from rig.image import qemuimg
from rig.image.prepare import changed_since, prepare
from rig.spec import ImageFormat, SourceSpec
from rig.tests.image.conftest import MIB, as_format, make_spec, raw_disk


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def _declared(**source: Any) -> SourceSpec:
    return make_spec(**source).source


@pytest.mark.parametrize("fmt", ["raw", "qcow2", "vmdk"])
@pytest.mark.parametrize("archive", ["none", "xz"])
@pytest.mark.parametrize("told", [True, False])
def test_every_format_becomes_the_same_qcow2(
    work: Path, raw: Path, fmt: str, archive: str, told: bool, said: list[str]
) -> None:
    source = raw if fmt == "raw" else as_format(raw, fmt)
    if archive == "xz":
        source.write_bytes(lzma.compress(source.read_bytes()))
    before = source.read_bytes()
    disk, found = prepare(source, _declared(format=fmt, archive=archive) if told else None, work, "x", said.append)
    assert found is ImageFormat(fmt)
    assert qemuimg.info(disk).virtual_size == MIB
    assert qemuimg.read_start(disk, 8192) == raw_disk()[:8192]
    assert source.read_bytes() == before
    assert list(work.iterdir()) == [disk]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file; expected a disk image"),
        (b"<!DOCTYPE html><p>Sign in", "this is a web page, not a disk; expected a raw disk image"),
        (lzma.compress(raw_disk()), "this is an xz archive; expected a raw disk image"),
        (raw_disk()[:-300], "no whole number of 512-byte sectors"),
        (raw_disk()[:-512], "cut short"),
        (bytes(MIB), "blank"),
        (b"\x01" * MIB, "no PC boots from this disk"),
    ],
)
def test_a_file_that_is_not_the_raw_disk_it_should_be(
    work: Path, raw: Path, content: bytes, words: str, said: list[str]
) -> None:
    raw.write_bytes(content)
    with pytest.raises(ImageError, match=words):
        prepare(raw, _declared(format="raw"), work, "x", said.append)


def test_an_archive_that_is_none_and_one_of_another_kind(work: Path, raw: Path, said: list[str]) -> None:
    with pytest.raises(ImageError, match=r"without a known signature.*; expected a xz archive"):
        prepare(raw, _declared(archive="xz"), work, "x", said.append)
    raw.write_bytes(gzip.compress(raw_disk()))
    with pytest.raises(ImageError, match="a gzip archive; expected a xz archive"):
        prepare(raw, _declared(archive="xz"), work, "x", said.append)


def test_an_archive_with_the_wrong_thing_in_it(work: Path, raw: Path, said: list[str]) -> None:
    raw.write_bytes(lzma.compress(raw_disk()))
    with pytest.raises(ImageError, match="expected a vmdk disk image"):
        prepare(raw, _declared(archive="xz", format="vmdk"), work, "x", said.append)
    raw.write_bytes(lzma.compress(gzip.compress(raw_disk())))
    (work / "second").mkdir()
    with pytest.raises(ImageError, match="a gzip archive; expected a raw or qcow2 or vmdk disk image"):
        prepare(raw, None, work / "second", "x", said.append)


@pytest.mark.parametrize("fmt", ["qcow2", "vmdk"])
def test_a_cut_image_is_never_taken_for_one_that_ends_in_zeros(
    work: Path, raw: Path, fmt: str, said: list[str]
) -> None:
    path = as_format(raw, fmt)
    path.write_bytes(path.read_bytes()[: path.stat().st_size - 66000])
    with pytest.raises(ImageError, match="damaged or cut short"):
        prepare(path, None, work, "x", said.append)


def test_a_file_that_changes_while_it_is_read(raw: Path) -> None:
    stat = raw.stat()
    changed_since(raw, stat.st_size, stat.st_mtime_ns)
    with pytest.raises(ImageError, match="was changed while it was read"):
        changed_since(raw, stat.st_size, stat.st_mtime_ns - 1)
