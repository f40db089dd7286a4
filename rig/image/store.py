"""The image store: which disk serves which catalogue entry.

    records/<name>.json     where an entry's image came from, its sha256 (`record.Record`)
    keys/<name>             the private key brought with it, mode 0600
    disks/ holds/ tmp/      see `disks`
    locks/                  one for the store (short work), one for each name (as long as a download takes)

A first file's sha256 is recorded, and from then on enforced as if it were pinned, until `remove`. Any number of
processes may use one store.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rig import paths
from rig.errors import ImageError, RigError
from rig.events import Events
from rig.image import acquire, space
from rig.image.building import builder
from rig.image.disks import Disks
from rig.image.locks import exclusive
from rig.image.record import Record, read_json, write_json, write_whole
from rig.image.status import ImageStatus, State, StoredImage, checksum_of, how_to_get, missing
from rig.spec import ImageSpec, SourceKind

Say = Callable[[str], None]


def _quiet(_: str) -> None:
    pass


class Store:
    """The images of one directory. Emits `image.fetch.*`, `image.build.*` and `image.download.progress`."""

    def __init__(self, root: Path | None = None, events: Events | None = None) -> None:
        self.root = root or paths.store_dir()
        self.events = events or Events()
        self.disks = Disks(self.root)

    def record(self, name: str) -> Record | None:
        """What is written down of a name. Raises ImageError when it cannot be read."""
        return read_json(Record, self._file("records", name, ".json"))

    def status(self, spec: ImageSpec, *, ask_builder: bool = True) -> ImageStatus:
        """The state of an entry's image; raises nothing for a damaged one. Quick, unless its file was touched.

        `ask_builder`: whether what a built image is made of has changed, which takes up to a second.
        """
        try:
            record = self.record(spec.name)
        except ImageError as fault:
            return ImageStatus(spec.name, State.DAMAGED, *checksum_of(spec, None), note=fault.message)
        checksum = checksum_of(spec, record)
        if record is None or not self.disks.path(record.source_sha256).parent.exists():
            return ImageStatus(spec.name, State.ABSENT, *checksum, record=record)
        problem = self.disks.problem(record.source_sha256)
        if problem:
            return ImageStatus(spec.name, State.DAMAGED, *checksum, note=problem, record=record)
        stale = _stale(spec, record, ask_builder)
        facts = self.disks.facts(record.source_sha256)
        return ImageStatus(
            spec.name,
            State.STALE if stale else State.READY,
            *checksum,
            note=stale,
            record=record,
            disk=self.disks.path(record.source_sha256),
            size=facts.size if facts else None,
            virtual_size=facts.virtual_size if facts else None,
            key=self._key(spec, record),
        )

    def get(self, spec: ImageSpec) -> StoredImage:
        """The image as it lies in the store; nothing is fetched or built, and a built one may be stale.

        Raises ImageError: not there (with how to get it and its checksum's state), damaged, or not the pinned one.
        """
        status = self.status(spec, ask_builder=False)
        record = status.record
        if status.state is State.DAMAGED:
            raise ImageError(f"image {spec.name} is damaged: {status.note}", hint=how_to_get(spec))
        if record is None or status.disk is None:
            raise missing(spec, record)
        if spec.source.sha256 and spec.source.sha256 != record.source_sha256:
            raise ImageError(f"image {spec.name} is not the one wanted: {status.note}", hint=how_to_get(spec))
        if status.key is not None and not status.key.exists():
            raise ImageError(
                f"image {spec.name}: its SSH key {status.key} is gone",
                hint=f"Give one: rig images import FILE --like {spec.name} --ssh-key KEY, or mend `ssh.key`.",
            )
        return StoredImage(spec, status.disk, record.source_sha256, status.key, self.root)

    def ensure(self, spec: ImageSpec, say: Say = _quiet) -> StoredImage:
        """The image, fetched or built first where it is absent, stale or damaged; `say` is told why.

        Raises ImageError (for an entry of kind import: how to get it), HostError.
        """
        if spec.source.kind is SourceKind.IMPORT or self.status(spec).state is State.READY:
            return self.get(spec)
        with self.working_on(spec.name, say):
            status = self.status(spec)
            if status.state is not State.READY:
                if status.note:
                    say(f"image {spec.name} is {status.state}: {status.note}")
                self._bring(spec, say)
        return self.get(spec)

    def rebuild(self, spec: ImageSpec, say: Say = _quiet) -> StoredImage:
        """Build an image again, whatever is there. Raises ImageError for an entry that is not built, HostError."""
        if spec.source.kind is not SourceKind.BUILD:
            raise ImageError(f"image {spec.name} is not one that the rig builds", hint=how_to_get(spec))
        with self.working_on(spec.name, say):
            self._bring(spec, say)
        return self.get(spec)

    def _bring(self, spec: ImageSpec, say: Say) -> None:
        recorded = self.record(spec.name)
        with self.bench(say) as bench:
            if spec.source.kind is SourceKind.BUILD:
                with self.events.step("image.build", image=spec.name):
                    self.put(acquire.build(spec, bench))
            else:
                with self.events.step("image.fetch", image=spec.name):
                    self.put(acquire.fetch(spec, recorded, bench))

    @contextmanager
    def working_on(self, name: str, say: Say = _quiet) -> Iterator[None]:
        """Hold a name's lock, and clear away what earlier work left. Raises HostError, ImageError (no such name)."""
        lock = self._file("locks", name, ".lock")
        with exclusive(lock, waiting=lambda: say(f"another process works on image {name}; waiting for it")):
            with self.disks.locked():
                self._sweep()
            yield

    @contextmanager
    def bench(self, say: Say = _quiet) -> Iterator[acquire.Bench]:
        """A place to work on an image; gone afterwards."""
        with self.disks.workdir() as work:
            yield acquire.Bench(self.disks, work, self.events, say)

    def put(self, made: acquire.Made, key: bytes | None = None) -> None:
        """Take a new image in, with the lock of its name held.

        `key` is a private key's content; without it the one brought before stays, if the file is the same as before.
        Raises ImageError when a damaged disk must be replaced but is in use, HostError.
        """
        record = made.record
        sealed = self.disks.seal(made.disk, *made.beside) if made.disk else None
        with self.disks.locked():
            if sealed:
                self.disks.install(record.source_sha256, sealed)
            elif problem := self.disks.problem(record.source_sha256):
                raise ImageError(f"image {record.name}: {problem}", hint="It was removed meanwhile; call again.")
            has_key = self._put_key(record, key)
            write_json(record.model_copy(update={"key": has_key}), self._file("records", record.name, ".json"))
            self._sweep()

    def _put_key(self, record: Record, key: bytes | None) -> bool:
        file = self._file("keys", record.name, "")
        before = self.record(record.name)
        if key is not None:
            write_whole(file, key, 0o600)
        elif before is None or before.source_sha256 != record.source_sha256 or not before.key:
            file.unlink(missing_ok=True)
            return False
        return True

    def verify(self, spec: ImageSpec) -> ImageStatus:
        """Hash the stored disk and hold it against the record. Raises ImageError when it is absent or damaged."""
        record = self.record(spec.name)
        if record is None or not self.disks.path(record.source_sha256).parent.exists():
            raise missing(spec, record)
        self.disks.problem(record.source_sha256, deep=True)
        self.get(spec)
        return self.status(spec, ask_builder=False)

    def remove(self, name: str, say: Say = _quiet) -> None:
        """Forget an image: its disk (unless another entry has the same), key, and recorded checksum.

        Raises ImageError when there is none, or when it is in use, naming by whom.
        """
        with self.working_on(name, say), self.disks.locked():
            record_file = self._file("records", name, ".json")
            if not record_file.exists():
                raise ImageError(f"image {name} is not in the store", hint="What is there: rig images list")
            digest = self._removable(name)
            if digest:
                self.disks.remove(digest, f"remove image {name}")
            with space.explained(record_file, f"remove image {name}"):
                self._file("keys", name, "").unlink(missing_ok=True)
                record_file.unlink(missing_ok=True)
                acquire.drop_part(name)
            self._sweep()

    def _removable(self, name: str) -> str | None:
        """The disk that only this name needs; None when others do, or when a record cannot be read."""
        try:
            record = self.record(name)
            return record.source_sha256 if record and record.source_sha256 not in self._needed(but=name) else None
        except ImageError:
            return None

    def names(self) -> list[str]:
        """Names that have a record, sorted."""
        return sorted(path.stem for path in (self.root / "records").glob("*.json"))

    def _needed(self, but: str = "") -> set[str]:
        records = [self.record(name) for name in self.names() if name != but]
        return {record.source_sha256 for record in records if record}

    def _sweep(self) -> None:
        try:
            needed = self._needed()
        except ImageError:
            return  # with a record that cannot be read, no disk is known to be needless
        self.disks.sweep(needed)

    def _key(self, spec: ImageSpec, record: Record) -> Path | None:
        if record.key:
            return self._file("keys", spec.name, "")
        return Path(spec.ssh.key).expanduser().absolute() if spec.ssh.key else None

    def _file(self, folder: str, name: str, suffix: str) -> Path:
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name):
            raise ImageError(f"{name!r} is no image name", hint="Names are lower case: rig images list")
        return self.root / folder / f"{name}{suffix}"


def _stale(spec: ImageSpec, record: Record, ask_builder: bool) -> str:
    """Why a sound image no longer fits its entry; empty when it does."""
    if spec.source.sha256 and spec.source.sha256 != record.source_sha256:
        return f"its file has sha256 {record.source_sha256}, the catalogue pins {spec.source.sha256}"
    if spec.source.kind is SourceKind.BUILD and ask_builder:
        try:
            now = builder(spec.source.builder).inputs_digest()
        except RigError:
            return ""  # this host cannot tell, so what is there must do
        if now != record.inputs_digest:
            return "what it is built from has changed (packages, recipe or builder)"
    return ""
