"""What lies where in the guest: the root file system and the initramfs, as trees in memory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rig.errors import ImageError
from rig.image.reference.archive import Archive, PackedFile
from rig.image.reference.modules import Module, ModuleSet, alias_table, dependency_table
from rig.image.reference.recipe import Recipe
from rig.image.reference.tools import run_tool
from rig.image.reference.tree import Kind, Tree, add_merged_links, cpio, merged

_LIBRARY_DIRECTORIES = ("usr/lib/x86_64-linux-gnu", "usr/lib")
_SCRIPT = b"#!"
_ELF = b"\x7fELF"


def add_packed(tree: Tree, files: Iterable[PackedFile]) -> None:
    """Files of a package at their places."""
    for file in files:
        if file.link is None:
            tree.file(merged(file.path), file.data, file.mode)
        else:
            tree.link(merged(file.path), file.link)


def add_overlay(tree: Tree, overlay: Path, modes: dict[str, str]) -> None:
    """The rig's own files. Their modes come from the recipe, since a checkout's modes depend on who made it."""
    found = {str(p.relative_to(overlay)): p for p in overlay.rglob("*") if p.is_file()}
    unknown = sorted(set(modes) - set(found))
    if unknown:
        raise ImageError(f"the recipe gives a mode to files that are not under {overlay}: {', '.join(unknown)}")
    for path in sorted(found):
        data = found[path].read_bytes()
        mode = int(modes.get(path, "0644"), 8)
        if data.startswith(_SCRIPT) and not mode & 0o111:
            raise ImageError(f"{found[path]} is a script but its mode is {mode:04o}", hint="see modes in the recipe")
        tree.file(path, data, mode)


def busybox_commands(binary: bytes, scratch: Path) -> list[str]:
    """The paths (no leading slash) under which busybox wants to be called, as it says itself."""
    program = scratch / "busybox"
    program.write_bytes(binary)
    program.chmod(0o755)
    listed = run_tool([str(program), "--list-full"], what="ask busybox for its commands")
    program.unlink()
    return sorted(set(listed.stdout.decode().split()) - {"bin/busybox", "linuxrc"})


def add_busybox_links(tree: Tree, commands: Iterable[str]) -> None:
    """One link a command, except where a package brought its own."""
    for command in commands:
        if merged(command) not in tree:
            tree.link(merged(command), "/usr/bin/busybox")


def check_libraries(tree: Tree) -> None:
    """Raise ImageError when a program or library in the tree needs a shared library that the tree does not hold."""
    for path, node in tree:
        if node.kind is not Kind.FILE or not node.data.startswith(_ELF) or path.endswith(".ko"):
            continue
        import lief  # half a second that only a build should cost

        elf = lief.ELF.parse(node.data)
        libraries = [str(name) for name in elf.libraries] if isinstance(elf, lief.ELF.Binary) else []
        for library in libraries:
            if not any(f"{directory}/{library}" in tree for directory in _LIBRARY_DIRECTORIES):
                raise ImageError(
                    f"{path} needs the shared library {library}, which no package of the recipe brings",
                    hint="add the package that holds it to packages in images/reference/recipe.yaml",
                )


def add_modules(tree: Tree, modules: list[Module], release: str) -> None:
    """Modules with the tables that modprobe reads."""
    for module in modules:
        tree.file(merged(module.path), module.data)
    directory = f"usr/lib/modules/{release}"
    tree.file(f"{directory}/modules.dep", dependency_table(modules))
    tree.file(f"{directory}/modules.alias", alias_table(modules))


def initramfs(recipe: Recipe, init: bytes, busybox: PackedFile, modules: list[Module], release: str) -> bytes:
    """The archive the kernel starts from: busybox, the drivers with modprobe's tables, and its script.

    Not compressed: reading a few megabytes more costs an emulated machine less than decompressing them.
    """
    tree = Tree()
    add_merged_links(tree)
    for name in ("dev", "proc", "sys", "root"):
        tree.directory(name)
    tree.character("dev/console", 5, 1, 0o600)
    tree.file("usr/bin/busybox", busybox.data, 0o755)
    for command in recipe.initramfs_commands:
        tree.link(f"usr/bin/{command}", "busybox")
    add_modules(tree, modules, release)
    tree.file("disk-modules", "".join(f"{name}\n" for name in recipe.modules.disk).encode())
    tree.file("root-uuid", recipe.disk.uuid.encode() + b"\n")
    tree.file("init", init, 0o755)
    return cpio(tree, recipe.epoch)


def compose(recipe: Recipe, data: Path, debs: dict[str, Path], kernel_deb: Path, scratch: Path) -> Tree:
    """The whole root file system, boot directory included, from packages (name -> file) and the rig's own files.

    Raises ImageError when a package does not hold what the recipe takes from it.
    """
    tree = Tree()
    add_merged_links(tree)
    for name, patterns in recipe.packages.items():
        with Archive(debs[name], scratch) as archive:
            add_packed(tree, archive.take(patterns))
    busybox = PackedFile("bin/busybox", 0o755, tree["usr/bin/busybox"].data)
    add_busybox_links(tree, busybox_commands(busybox.data, scratch))
    with Archive(kernel_deb, scratch) as archive:
        (image,) = archive.take(["boot/vmlinuz-*"])
        release = image.path.removeprefix("boot/vmlinuz-")
        wanted = recipe.modules
        modules = ModuleSet(archive).closure([*wanted.network, *wanted.disk, *wanted.other])
    init = (data / "initramfs-init").read_bytes()
    tree.file("boot/vmlinuz", image.data)
    tree.file("boot/initramfs", initramfs(recipe, init, busybox, modules, release))
    tree.file("boot/grub/grub.cfg", (data / "grub.cfg").read_bytes())
    add_overlay(tree, data / "rootfs", recipe.modes)
    for path, mode in recipe.directories.items():
        tree.directory(path, int(mode, 8))
    for path, target in recipe.links.items():
        tree.link(path, target)
    check_libraries(tree)
    return tree
