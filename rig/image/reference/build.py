"""The reference image from beginning to end, and what tells a stale one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rig.image import space
from rig.image.digest import sha256_file
from rig.image.locks import exclusive
from rig.image.record import write_whole
from rig.image.reference.disk import core_image, partition_bytes, to_qcow2, unpack_loader, write_disk
from rig.image.reference.ext4 import make_filesystem
from rig.image.reference.memo import remembered
from rig.image.reference.packages import Package, fetch, real_kernel, resolve
from rig.image.reference.recipe import Recipe, data_dir, load_recipe
from rig.image.reference.rootfs import compose
from rig.image.reference.tools import check_tools, run_tool

_GRUB_BOOT = "usr/lib/grub/i386-pc/boot.img"
_ROOM = 800 << 20
"""Bytes that a build takes at most: the kernel package lies there unpacked for a moment."""


@dataclass(frozen=True)
class BuildInfo:
    """What was built: the image (qcow2), its digest, and the version of every package that went in."""

    path: Path
    sha256: str
    packages: dict[str, str]


def manifest_path(image: Path) -> Path:
    """Where an image's manifest lies: beside it."""
    return image.with_name(image.name + ".manifest.json")


def inputs_digest() -> str:
    """A digest (sha256, hexadecimal) of all that decides what a build gives: recipe, builder, package versions.

    Takes about a second and no network, and next to nothing while neither the builder nor apt's state has changed.
    Raises ImageError when apt's lists are empty or apt is absent.
    """

    def ask() -> str:
        recipe = load_recipe()
        return _digest(resolve(recipe.all_packages(), recipe.architecture))

    return remembered((path for _, path in _input_files()), ask)


def build_reference(work: Path, out: Path, *, say: Callable[[str], None]) -> BuildInfo:
    """Build the reference image at `out`, with a manifest beside it.

    `work` holds the downloads, kept for the next build, and what is made on the way, removed at the end; a few hundred
    MB. A second build in the same `work` waits for the first. `out` appears at the end only, whole. `say` is told each
    step in words. No root is needed. Raises ImageError (a tool absent, apt without lists or network), HostError (disk
    full, no right to write) and SpecError (the recipe).
    """
    recipe = load_recipe()
    check_tools()
    with space.explained(work, "build the reference image", _ROOM):
        work.mkdir(parents=True, exist_ok=True)
        space.require(work, _ROOM, "build the reference image")
        waiting = partial(say, "another build is at work here: waiting for it")
        lock = exclusive(work / "lock", waiting=waiting)
        with lock, tempfile.TemporaryDirectory(prefix="build-", dir=work) as scratch:
            return _build(recipe, work.absolute(), Path(scratch).absolute(), out.absolute(), say)


def _build(recipe: Recipe, work: Path, scratch: Path, out: Path, say: Callable[[str], None]) -> BuildInfo:
    data = data_dir()
    say("asking apt for package versions")
    packages = resolve(recipe.all_packages(), recipe.architecture)
    inputs = _digest(packages)
    kernel = real_kernel(packages[recipe.kernel])
    packages |= resolve([kernel], recipe.architecture)
    debs = fetch((p for p in packages.values() if p.name != recipe.kernel), work / "debs", say=say)

    say("composing the root file system")
    tree = compose(recipe, data, debs, debs[kernel], scratch)
    filesystem = scratch / "root.ext4"
    make_filesystem(
        tree,
        recipe.disk,
        partition_bytes(recipe.disk),
        recipe.epoch,
        config=data / "mke2fs.conf",
        scratch=scratch,
        target=filesystem,
    )

    say("installing the boot loader")
    grub = unpack_loader((debs[name] for name in recipe.loader.packages), scratch)
    raw = scratch / "disk.raw"
    core = core_image(grub, recipe.loader)
    write_disk(raw, recipe.disk, boot=(grub / _GRUB_BOOT).read_bytes(), core=core, filesystem=filesystem)
    filesystem.unlink()

    say("writing the image")
    image = scratch / "disk.qcow2"
    to_qcow2(raw, image)
    info = BuildInfo(out, sha256_file(image), {name: packages[name].version for name in sorted(packages)})
    manifest = _manifest(info, inputs, packages, recipe)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(manifest_path(out), manifest)
    _put(image, out)
    return info


def _manifest(info: BuildInfo, inputs: str, packages: dict[str, Package], recipe: Recipe) -> bytes:
    listed = [
        {"name": p.name, "version": p.version, "architecture": p.architecture, "sha256": p.sha256}
        for _, p in sorted(packages.items())
    ]
    tools = {
        "e2fsprogs": run_tool(["mke2fs", "-V"], what="ask mke2fs for its version").stderr.decode().split()[1],
        "qemu-img": run_tool(["qemu-img", "--version"], what="ask qemu-img for its version").stdout.decode().split()[2],
    }
    facts = {"image_sha256": info.sha256, "inputs_sha256": inputs, "epoch": recipe.epoch, "tools": tools}
    return (json.dumps({**facts, "packages": listed}, indent=1) + "\n").encode()


def _put(source: Path, target: Path) -> None:
    """Make `target` appear whole or not at all, on whatever file system it lies."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file, source.open("rb") as content:
            shutil.copyfileobj(content, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _input_files() -> Iterator[tuple[str, Path]]:
    for root, pattern in ((data_dir(), "*"), (Path(__file__).parent, "*.py")):
        for path in sorted(p for p in root.rglob(pattern) if p.is_file()):
            yield f"{root.name}/{path.relative_to(root)}", path


def _inputs() -> Iterator[tuple[str, bytes]]:
    for name, path in _input_files():
        yield name, path.read_bytes()


def _digest(packages: dict[str, Package]) -> str:
    """Over the builder's files (name and content) and the packages apt would install."""
    hashed = hashlib.sha256()
    for name, content in _inputs():
        hashed.update(f"{name} {len(content)}\n".encode() + content)
    for name, package in sorted(packages.items()):
        hashed.update(f"{name} {package.version} {package.sha256}\n".encode())
    return hashed.hexdigest()
