"""What lies where: the rig's own files with the recipe's modes, commands, libraries."""

import subprocess

import pytest

from rig.errors import ImageError, SpecError
from rig.image.reference.archive import PackedFile
from rig.image.reference.modules import Module
from rig.image.reference.recipe import data_dir, load_recipe
from rig.image.reference.rootfs import (
    add_busybox_links,
    add_overlay,
    add_packed,
    busybox_commands,
    check_libraries,
    initramfs,
)
from rig.image.reference.tree import Tree
from rig.tests.image.reference.test_tree import read_cpio


def test_modes_come_from_the_recipe_and_not_from_the_checkout(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/shadow").write_bytes(b"root::\n")
    (tmp_path / "etc/shadow").chmod(0o777)
    (tmp_path / "etc/hosts").write_bytes(b"")
    (tmp_path / "etc/hosts").chmod(0o600)
    tree = Tree()
    add_overlay(tree, tmp_path, {"etc/shadow": "0600"})
    assert (tree["etc/shadow"].mode, tree["etc/hosts"].mode) == (0o600, 0o644)


def test_a_mode_for_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ImageError, match="etc/shadwo"):
        add_overlay(Tree(), tmp_path, {"etc/shadwo": "0600"})


def test_a_script_without_an_executable_mode_is_an_error(tmp_path):
    (tmp_path / "run").write_bytes(b"#!/bin/sh\n")
    with pytest.raises(ImageError, match="is a script but its mode is 0644"):
        add_overlay(Tree(), tmp_path, {})


def test_commands_are_busyboxs_own_words_without_itself(tmp_path):
    pretended = b"#!/bin/sh\n[ $1 = --list-full ] && printf 'bin/cat\\nbin/busybox\\nusr/bin/[\\nlinuxrc\\n'\n"
    assert busybox_commands(pretended, tmp_path) == ["bin/cat", "usr/bin/["]
    assert list(tmp_path.iterdir()) == []


def test_a_packages_own_program_goes_before_busyboxs():
    tree = Tree()
    add_packed(tree, [PackedFile("bin/dash", 0o755, b"dash"), PackedFile("bin/sh", 0o777, link="dash")])
    add_busybox_links(tree, ["bin/sh", "bin/cat"])
    assert tree["usr/bin/sh"].data == b"dash"
    assert tree["usr/bin/cat"].data == b"/usr/bin/busybox"


def test_a_library_that_no_package_brings_is_named():
    with open("/bin/true", "rb") as file:  # noqa: PTH123  (any program that needs the C library)
        program = file.read()
    tree = Tree()
    tree.file("usr/bin/true", program, 0o755)
    with pytest.raises(ImageError, match=r"usr/bin/true needs the shared library libc\.so\.6"):
        check_libraries(tree)
    tree.file("usr/lib/x86_64-linux-gnu/libc.so.6", b"")
    check_libraries(tree)


def test_the_initramfs_holds_init_commands_and_drivers():
    recipe = load_recipe()
    ahci = Module("ahci", "lib/modules/6.1/kernel/ahci.ko", b"driver", (), ("pci:x",))
    found = read_cpio(initramfs(recipe, b"#!/bin/sh\n", PackedFile("bin/busybox", 0o755, b"box"), [ahci], "6.1"))
    assert found["init"]["mode"] & 0o111
    assert found["usr/bin/sh"]["data"] == b"busybox"
    assert found["usr/lib/modules/6.1/kernel/ahci.ko"]["data"] == b"driver"
    assert found["usr/lib/modules/6.1/modules.alias"]["data"] == b"alias pci:x ahci\n"
    assert found["disk-modules"]["data"].decode().split() == list(recipe.modules.disk)
    assert found["root-uuid"]["data"].decode().strip() == recipe.disk.uuid


def test_the_scripts_that_ship_are_shell():
    scripts = [data_dir() / "initramfs-init", *(data_dir() / "rootfs/etc").rglob("rcS")]
    assert len(scripts) == 2
    for script in scripts:
        subprocess.run(["sh", "-n", str(script)], check=True)


def test_what_the_initramfs_script_runs_is_there():
    text = (data_dir() / "initramfs-init").read_text()
    for command in load_recipe().initramfs_commands:
        assert f"{command} " in text or f"exec {command}" in text, f"{command} is linked but never used"


def test_no_key_ships_with_the_image():
    assert (data_dir() / "rootfs/root/.ssh/authorized_keys").read_bytes() == b""


def test_a_recipe_with_an_unknown_word_is_refused(tmp_path):
    text = (data_dir() / "recipe.yaml").read_text()
    (tmp_path / "recipe.yaml").write_text(text + "\nkernal: linux-image-amd64\n")
    with pytest.raises(SpecError, match=r"recipe\.yaml.*\n*.*kernal"):
        load_recipe(tmp_path)
    (tmp_path / "recipe.yaml").write_text("disk: [")
    with pytest.raises(SpecError, match="line 1"):
        load_recipe(tmp_path)
