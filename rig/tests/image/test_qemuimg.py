from __future__ import annotations

from pathlib import Path

import pytest

from rig.errors import HostError, ImageError
from rig.image import qemuimg, space
from rig.image.overlay import create_overlay
from rig.tests.image.conftest import MIB, as_format


@pytest.mark.parametrize("fmt", ["raw", "vmdk", "qcow2"])
def test_convert_keeps_the_content(tmp_path: Path, raw: Path, fmt: str) -> None:
    source = raw if fmt == "raw" else as_format(raw, fmt)
    out = tmp_path / "out.qcow2"
    qemuimg.convert(source, fmt, out)
    facts = qemuimg.info(out)
    assert (facts.format, facts.virtual_size, facts.backing) == ("qcow2", MIB, None)
    assert qemuimg.read_start(out, 8192) == raw.read_bytes()[:8192]


def test_read_start_of_a_small_disk_is_shorter(tmp_path: Path) -> None:
    qemuimg.create(tmp_path / "small.qcow2", 1024)
    assert qemuimg.read_start(tmp_path / "small.qcow2", 4096) == bytes(1024)


@pytest.mark.parametrize("fmt", ["vmdk", "qcow2"])
def test_check_finds_what_was_cut_short(raw: Path, fmt: str) -> None:
    path = as_format(raw, fmt)
    qemuimg.check(path, fmt, "x")
    path.write_bytes(path.read_bytes()[: path.stat().st_size - 66000])
    with pytest.raises(ImageError, match="damaged or cut short"):
        qemuimg.check(path, fmt, "x")


def test_qemu_imgs_own_words_are_shown(tmp_path: Path, raw: Path) -> None:
    with pytest.raises(ImageError, match="not in qcow2 format"):
        qemuimg.info(raw)
    with pytest.raises(ImageError, match="No such file"):
        qemuimg.convert(tmp_path / "absent", "raw", tmp_path / "out")


def test_a_name_with_a_colon_is_a_file(tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    raw.rename("nbd:disk.raw")
    assert qemuimg.info(Path("nbd:disk.raw"), "raw").virtual_size == MIB


def test_a_full_disk_is_said_before_it_is_full(tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "free_bytes", lambda _: MIB)
    with pytest.raises(HostError, match=r"disk full.*1\.0 MiB free.*needed"):
        qemuimg.convert(raw, "raw", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_disk_that_fills_up_is_told_from_other_failures(tmp_path: Path, raw: Path) -> None:
    (tmp_path / "out").symlink_to("/dev/full")
    with pytest.raises(HostError, match="disk full"):
        qemuimg.convert(raw, "raw", tmp_path / "out")
    assert not (tmp_path / "out").is_symlink()


def test_without_qemu_img_the_package_is_named(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(HostError, match="not installed") as caught:
        qemuimg.info(raw, "raw")
    assert "qemu-utils" in caught.value.hint


def test_an_overlay_holds_the_differences_only(tmp_path: Path, raw: Path) -> None:
    base = as_format(raw, "qcow2")
    base.chmod(0o444)
    before = base.read_bytes()
    at = create_overlay(base, tmp_path / "over.qcow2")
    facts = qemuimg.info(at)
    assert (facts.virtual_size, facts.backing) == (MIB, str(base))
    assert at.stat().st_size < base.stat().st_size
    assert qemuimg.read_start(at, 512) == raw.read_bytes()[:512]
    assert base.read_bytes() == before


def test_an_overlay_may_be_larger_and_lie_on_raw(tmp_path: Path, raw: Path) -> None:
    at = create_overlay(raw, tmp_path / "over.qcow2", size=2 * MIB, base_format="raw")
    assert qemuimg.info(at).virtual_size == 2 * MIB


def test_an_overlay_replaces_nothing_and_shrinks_nothing(tmp_path: Path, raw: Path) -> None:
    base = as_format(raw, "qcow2")
    with pytest.raises(ImageError, match="exists already"):
        create_overlay(base, raw)
    with pytest.raises(ImageError, match="smaller than its base"):
        create_overlay(base, tmp_path / "over.qcow2", size=4096)
    with pytest.raises(ImageError, match="not in qcow2 format"):
        create_overlay(raw, tmp_path / "over.qcow2")
    assert not (tmp_path / "over.qcow2").exists()


@pytest.mark.parametrize("fmt", ["raw", "qcow2", "vmdk"])
def test_extract(raw: Path, tmp_path: Path, fmt: str) -> None:
    odd = raw.rename(tmp_path / "a, name:with=all.raw")
    source = odd if fmt == "raw" else as_format(odd, fmt)
    out = tmp_path / "out, too"
    qemuimg.extract(source, fmt, 4096, 8192, out)
    assert out.read_bytes() == odd.read_bytes()[4096 : 4096 + 8192]
    with pytest.raises(ImageError, match="cannot read"):
        qemuimg.extract(source, fmt, MIB, 512, out)
    assert not out.exists()
