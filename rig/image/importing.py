"""`rig images import`: a file that the user has becomes an image.

Under the name of the entry it is like (the usual case: the entry's own image, which nobody may publish) only the store
learns of it, so that later corrections of the entry reach it. Under a name of its own it also gets an entry of its own,
a YAML file among the user's, free to be edited.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml

from rig.errors import InputError
from rig.image.acquire import from_file
from rig.image.catalogue import Catalogue, user_dir
from rig.image.keys import read_private_key
from rig.image.record import write_whole
from rig.image.status import StoredImage
from rig.image.store import Say, Store
from rig.spec import ImageSpec, SourceKind, TransportKind, parse_spec


def import_image(
    store: Store,
    catalogue: Catalogue,
    file: Path,
    *,
    like: str,
    name: str | None = None,
    ssh_key: Path | None = None,
    replace: bool = False,
    say: Say,
) -> StoredImage:
    """Take `file` into the store as the image of the entry `like`, or of a new entry `name` that is like it.

    An archive is unpacked; raw, qcow2 and vmdk are told by the file's bytes. The same file may come again, for example
    with another `ssh_key`. A different file for a name that has one needs `replace`. Raises InputError (name, key),
    ImageError (the file), HostError.
    """
    model = catalogue.get(like)
    spec = _entry(catalogue, model, name, file)
    key = read_private_key(ssh_key) if ssh_key else None
    if key and TransportKind.SSH not in spec.transports:
        say(f"image {spec.name} is not reached by SSH ({', '.join(spec.transports)} only): the key is kept, not used")
    with store.working_on(spec.name, say):
        before = store.record(spec.name)
        with store.bench(say) as bench:
            say(f"reading {file}")
            known = None if replace else before
            made = from_file(spec, file, known, bench, origin=str(file.absolute()), declared=False)
            store.put(made, key)
        if before and before.key and not key and before.source_sha256 != made.record.source_sha256:
            say("the key of the image before was dropped with it: give one with --ssh-key if this one needs it")
        if name and name not in catalogue.names():
            _write_entry(spec, say)
    return store.get(spec)


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
