"""The build's edges: what tells a stale image, absent tools, and that a failure leaves nothing behind."""

import shutil
from pathlib import Path

import pytest

from rig.errors import HostError, ImageError
from rig.image.reference import build, build_reference, inputs_digest, manifest_path, required_tools, tools
from rig.image.reference.packages import Package
from rig.image.reference.recipe import load_recipe


def versions(version: str):
    def resolve(names, architecture):
        return {n: Package(n, version, architecture, "0" * 64, f"linux-image-{version}") for n in names}

    return resolve


def test_the_digest_is_the_same_until_a_version_changes(monkeypatch):
    monkeypatch.setattr(build, "remembered", lambda inputs, compute: compute())
    monkeypatch.setattr(build, "resolve", versions("1"))
    first = inputs_digest()
    assert first == inputs_digest()
    monkeypatch.setattr(build, "resolve", versions("2"))
    assert inputs_digest() != first


def test_the_digest_covers_recipe_and_builder():
    names = {name for name, _ in build._inputs()}
    assert {"reference/recipe.yaml", "reference/grub.cfg", "reference/rootfs/etc/init.d/rcS"} <= names
    assert {"reference/build.py", "reference/ext4.py"} <= names


def test_every_package_of_the_recipe_is_asked_for():
    recipe = load_recipe()
    assert {"linux-image-amd64", "busybox-static", "dropbear-bin", "grub-pc-bin"} <= set(recipe.all_packages())


def test_absent_tools_are_all_named_with_their_packages(monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "which", lambda name, path: None if "e2" in name or "img" in name else name)
    with pytest.raises(ImageError, match="mke2fs, e2fsck, qemu-img") as caught:
        build_reference(tmp_path / "work", tmp_path / "out.qcow2", say=print)
    assert caught.value.hint == "as root: apt-get install e2fsprogs qemu-utils"
    assert list(tmp_path.iterdir()) == []


def test_one_absent_tool_names_its_package(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name, path: None)
    with pytest.raises(ImageError) as caught:
        tools.run_tool(["qemu-img"], what="try")
    assert "apt-get install qemu-utils" in caught.value.hint


def test_tools_have_packages():
    assert required_tools()["mke2fs"] == "e2fsprogs"
    assert "/usr/sbin" in tools._SYSTEM_PATH


def test_a_tool_that_fails_is_quoted():
    with pytest.raises(ImageError, match=r"cannot look: sh ended with 3: so it is") as caught:
        tools.run_tool(["/bin/sh", "-c", "echo so it is >&2; exit 3"], what="look", hint="look elsewhere")
    assert caught.value.hint == "look elsewhere"


def test_a_failed_build_leaves_the_old_image_and_no_scraps(monkeypatch, tmp_path):
    out = tmp_path / "out.qcow2"
    out.write_bytes(b"old")
    monkeypatch.setattr(build, "resolve", versions("1"))

    def fetch(packages, cache, *, say):
        raise ImageError("no network")

    monkeypatch.setattr(build, "fetch", fetch)
    with pytest.raises(ImageError, match="no network"):
        build_reference(tmp_path / "work", out, say=lambda words: None)
    assert out.read_bytes() == b"old"
    assert not manifest_path(out).exists()
    assert [p.name for p in (tmp_path / "work").iterdir() if p.is_dir()] == []


def test_a_place_that_cannot_be_written_is_a_host_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(HostError, match="build the reference image"):
        build_reference(tmp_path / "file" / "work", tmp_path / "out", say=print)


def test_put_replaces_whole(tmp_path: Path):
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(b"new")
    target.write_bytes(b"old")
    build._put(source, target)
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o644
    with pytest.raises(FileNotFoundError):
        build._put(tmp_path / "absent", target)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]
