"""`rig images import`: a file that the user has becomes an image.

Under the name of the entry it is like (the usual case: the entry's own image, which nobody may publish) only the store
learns of it, so that later corrections of the entry reach it. Under a name of its own it also gets an entry of its own,
a YAML file among the user's, free to be edited.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml

from rig.errors import ImageError, InputError
from rig.image import acquire
from rig.image.catalogue import Catalogue, user_dir
from rig.image.digest import sha256_file
from rig.image.inspect.fit import fit
from rig.image.inspect.look import Look, look_into
from rig.image.inspect.words import told
from rig.image.keys import read_private_key
from rig.image.prepare import Opened, changed_since
from rig.image.record import write_whole
from rig.image.status import StoredImage
from rig.image.store import Say, Store
from rig.spec import ImageSpec, SourceKind, TransportKind, parse_spec


def import_image(
    store: Store,
    catalogue: Catalogue,
    file: Path,
    *,
    like: str | None = None,
    name: str | None = None,
    ssh_key: Path | None = None,
    replace: bool = False,
    force: bool = False,
    say: Say,
) -> StoredImage:
    """Take `file` into the store as the image of the entry `like`, or of a new entry `name` that is like it.

    The file is looked into first: without `like` the one entry that fits is taken, and an entry that does not fit is
    refused with the reason unless `force`. An archive is unpacked; raw, qcow2 and vmdk are told by the file's bytes.
    The same file may come again, for example with another `ssh_key`. A different file for a name that has one needs
    `replace`. Raises InputError (name, key, no or several entries fit), ImageError (the file, or it does not fit),
    HostError.
    """
    spec = _entry(catalogue, catalogue.get(like), name, file) if like else None
    key = read_private_key(ssh_key) if ssh_key else None
    if not file.is_file():
        raise ImageError(f"{file}: no such file", hint="Name the image file.")
    say(f"reading {file}")
    stat = file.stat()
    digest = sha256_file(file)
    had = store.record(spec.name) if spec else None
    if spec is not None:
        acquire.hold_against(spec, digest, None if replace else had, str(file.absolute()))
    again = had is not None and had.source_sha256 == digest and not store.disks.problem(digest)
    with store.bench(say) as bench:
        opened = None
        if spec is None or not again:
            look = look_into(file, bench, catalogue, digest)
            opened = look.opened
            for line in told(look.survey):
                say(f"  {line}")
            spec = spec or _entry(catalogue, _choose(look, catalogue, file), name, file)
            new = name is not None and name not in catalogue.names()
            spec = _suits(look, spec, file, new=new, force=force, say=say)
        changed_since(file, stat.st_size, stat.st_mtime_ns)
        return _take(store, catalogue, file, spec, key, digest, opened, bench, name=name, replace=replace, say=say)


def _take(
    store: Store,
    catalogue: Catalogue,
    file: Path,
    spec: ImageSpec,
    key: bytes | None,
    digest: str,
    opened: Opened | None,
    bench: acquire.Bench,
    *,
    name: str | None,
    replace: bool,
    say: Say,
) -> StoredImage:
    """Put a file that was looked into where the entry's image lies."""
    if key and TransportKind.SSH not in spec.transports:
        say(f"image {spec.name} is not reached by SSH ({', '.join(spec.transports)} only): the key is kept, not used")
    with store.working_on(spec.name, say):
        before = store.record(spec.name)
        origin = str(file.absolute())
        known = None if replace else before
        made = acquire.from_file(spec, file, known, bench, origin=origin, declared=False, digest=digest, opened=opened)
        store.put(made, key)
        if before and before.key and not key and before.source_sha256 != made.record.source_sha256:
            say("the key of the image before was dropped with it: give one with --ssh-key if this one needs it")
        if name and name not in catalogue.names():
            _write_entry(spec, say)
    return store.get(spec)


def _choose(look: Look, catalogue: Catalogue, file: Path) -> ImageSpec:
    """The entry that pins this very file, else the one that fits. Raises InputError when none or several do."""
    specs = [catalogue.get(name) for name in look.fitting]
    its_own = [spec for spec in specs if spec.source.sha256 == look.sha256]
    if len(its_own or specs) == 1:
        return (its_own or specs)[0]
    if look.fitting:
        raise InputError(
            f"{file}: several entries of the catalogue fit: {', '.join(look.fitting)}",
            hint=f"Say which: rig images import {file} --like {look.fitting[0]}",
        )
    reasons = "".join(f"\n  {one.name}: {'; '.join(one.against)}" for one in look.fits)
    raise InputError(
        f"{file}: no entry of the catalogue fits{reasons}",
        hint=f"To try it all the same: rig images import {file} --like ENTRY --force [--name NAME]",
    )


def _suits(look: Look, spec: ImageSpec, file: Path, *, new: bool, force: bool, say: Say) -> ImageSpec:
    """The entry, if the file fits it; a new one gets the kernel's release. Raises ImageError when it does not fit."""
    verdict = fit(look.survey, spec, look.sha256, own_release=new)
    for remark in verdict.remarks:
        say(f"note: {remark}")
    if not verdict.fits:
        reasons = "; ".join(verdict.against)
        if not force:
            others = [other for other in look.fitting if other != spec.name]
            instead = f"It fits {', '.join(others)}. " if others else ""
            raise ImageError(
                f"{file}: does not fit {spec.name}: {reasons}",
                hint=f"{instead}To import it all the same: --force. What is on it: rig images inspect {file}",
            )
        say(f"imported by force, although: {reasons}")
    if new and len(look.survey.releases) == 1:
        return spec.model_copy(update={"release": look.survey.releases[0]})
    return spec


def _entry(catalogue: Catalogue, model: ImageSpec, name: str | None, file: Path) -> ImageSpec:
    """The entry that the file is for. Raises InputError for a name that cannot be taken."""
    if name is None or name == model.name:
        if model.source.kind is SourceKind.BUILD:
            raise InputError(
                f"image {model.name} is built by the rig, not imported",
                hint=f"Give the file a name of its own: rig images import {file} --like {model.name} --name NAME",
            )
        return model
    if catalogue.is_users(name):
        return catalogue.get(name)
    if name in catalogue.names() or name in catalogue.broken:
        raise InputError(
            f"the catalogue has an entry {name} already", hint=f"Take another name, or import --like {name}."
        )
    source = {"kind": "import", "how": f"It was imported from {file.absolute()}."}
    data = model.model_dump(mode="json", exclude_unset=True) | {
        "name": name,
        "summary": f"{model.summary} (the user's own, like {model.name})",
        "source": source,
    }
    return parse_spec(ImageSpec, _yaml(data), f"--name {name}")


def _write_entry(spec: ImageSpec, say: Callable[[str], None]) -> None:
    path = user_dir() / f"{spec.name}.yaml"
    write_whole(path, _yaml(spec.model_dump(mode="json", exclude_unset=True)).encode())
    say(f"new entry: {path}")


def _yaml(data: dict[str, object]) -> str:
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110)
