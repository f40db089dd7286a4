"""How an image comes: by download, by a build, or as the user's file. All end as a qcow2 in a work directory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from rig import paths
from rig.errors import HostError, ImageError
from rig.events import Events
from rig.image.building import builder
from rig.image.digest import check_digest, sha256_file
from rig.image.disks import Disks
from rig.image.prepare import Opened, changed_since, prepare
from rig.image.record import Record, now
from rig.image.status import checksum_words
from rig.spec import ImageFormat, ImageSpec, SourceKind

Say = Callable[[str], None]


@dataclass(frozen=True)
class Bench:
    """Where work is done and who is told: the store's disks, a directory for what is in progress, listeners, words."""

    disks: Disks
    work: Path
    events: Events
    say: Say


@dataclass(frozen=True)
class Made:
    """A new image: its record, and its disk unless the store has a sound one of the same source."""

    record: Record
    disk: Path | None
    format: ImageFormat | None = None
    """What the disk was before; None when the store had it."""
    beside: tuple[Path, ...] = ()


def part_file(name: str) -> Path:
    """Where a download in progress lies."""
    return paths.cache_dir() / "downloads" / f"{name}.part"


def drop_part(name: str) -> None:
    """Remove what arrived of a download."""
    part = part_file(name)
    for path in (part, part.with_name(part.name + ".json")):
        path.unlink(missing_ok=True)


def fetch(spec: ImageSpec, recorded: Record | None, bench: Bench) -> Made:
    """Download an entry's file and make its disk; the hash is held against the known one before anything reads it.

    Raises ImageError and HostError. What is no good is dropped, so that the next call begins anew.
    """
    url = spec.source.url or ""
    if url.startswith("file:"):
        return from_file(spec, Path(url2pathname(urlsplit(url).path)), recorded, bench, origin=url)
    from rig.image.fetch import download  # brings requests, paramiko and more: only when it is needed

    bench.say(f"downloading {spec.name} from {url}")
    part = part_file(spec.name)
    try:
        download(url, part, spec.name, events=bench.events, say=bench.say, how=spec.source.how)
    except ImageError as fault:
        raise ImageError(f"{fault.message}\n  {checksum_words(spec, recorded)}", hint=fault.hint) from fault
    try:
        made = from_file(spec, part, recorded, bench, origin=url)
    except HostError:
        raise  # the file is good; this host had no room
    except BaseException:
        drop_part(spec.name)
        raise
    drop_part(spec.name)
    return made


def from_file(
    spec: ImageSpec,
    source: Path,
    recorded: Record | None,
    bench: Bench,
    *,
    origin: str,
    declared: bool = True,
    digest: str | None = None,
    opened: Opened | None = None,
) -> Made:
    """Make an entry's disk of a file, which is read only.

    `recorded` is what must come again; None accepts any file that no pin forbids. `declared`: the file must be what the
    entry says (archive, format); else what it is decides. `digest` and `opened` are what is known of the file already:
    its sha256, and what `open_disk` made of it in the bench's directory. Raises ImageError, HostError.
    """
    if not source.is_file():
        raise ImageError(f"image {spec.name}: {source}: no such file", hint="Name the image file.")
    stat = source.stat()
    found = digest or sha256_file(source)
    hold_against(spec, found, recorded, origin)
    record = Record(
        name=spec.name,
        kind=SourceKind.DOWNLOAD if declared else SourceKind.IMPORT,
        origin=origin,
        source_sha256=found,
        source_size=stat.st_size,
        at=now(),
    )
    if not bench.disks.problem(found):
        return Made(record, None)
    name = origin.rsplit("/", 1)[-1] or origin
    disk, fmt = prepare(source, spec.source if declared else None, bench.work, name, bench.say, opened)
    changed_since(source, stat.st_size, stat.st_mtime_ns)
    return Made(record, disk, fmt)


def hold_against(spec: ImageSpec, found: str, recorded: Record | None, origin: str) -> None:
    """Raise ImageError when `found` is not the sha256 that the entry pins, or else the one recorded."""
    check_digest(
        f"image {spec.name}, {origin}",
        found,
        pinned=spec.source.sha256,
        recorded=recorded.source_sha256 if recorded else None,
        way_out=_way_out(spec, recorded),
    )


def build(spec: ImageSpec, bench: Bench) -> Made:
    """Build an entry's image. Raises ImageError, HostError, SpecError."""
    name = spec.source.builder or ""
    maker = builder(name)
    inputs = maker.inputs_digest()
    bench.say(f"building {spec.name}")
    out = bench.work / "built.qcow2"
    beside = maker.build(paths.cache_dir() / f"build-{name}", out, bench.say)
    disk, fmt = prepare(out, spec.source.model_copy(update={"archive": "none"}), bench.work, spec.name, bench.say)
    found = sha256_file(disk)
    check_digest(
        f"image {spec.name}, as built",
        found,
        pinned=spec.source.sha256,
        recorded=None,
        way_out="The catalogue pins another build; take `sha256` out of the entry to accept this one.",
    )
    record = Record(
        name=spec.name,
        kind=SourceKind.BUILD,
        origin=name,
        source_sha256=found,
        source_size=disk.stat().st_size,
        at=now(),
        inputs_digest=inputs,
    )
    return Made(record, disk, fmt, beside)


def _way_out(spec: ImageSpec, recorded: Record | None) -> str:
    if spec.source.sha256:
        packed = "" if spec.source.archive == "none" else f" (the {spec.source.archive} archive, not what is in it)"
        return (
            f"The file is not the one published{packed}, or was damaged on its way. Another file of this kind can have "
            f"an entry of its own: rig images import FILE --like {spec.name} --name OTHER"
        )
    return (
        f"If the new file is to be trusted: rig images rm {spec.name}, then get it again"
        f"{' (or import it with --replace)' if recorded and recorded.kind is SourceKind.IMPORT else ''}."
    )
