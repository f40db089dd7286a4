from __future__ import annotations

import lzma
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig.errors import HostError, ImageError
from rig.events import Event, Events
from rig.image import acquire, building, qemuimg, space
from rig.image.building import Builder
from rig.image.catalogue import Catalogue
from rig.image.status import Checksum, State
from rig.image.store import Store
from rig.spec import ImageSpec
from rig.tests.image.conftest import MIB, Web, as_format, make_spec, raw_disk, sha256

pytestmark = pytest.mark.usefixtures("home")


def of_file(path: Path, name: str = "tiny", **source: object) -> ImageSpec:
    """An entry whose download is a file of this host."""
    return make_spec(name, kind="download", url=path.as_uri(), **source)


def harm(path: Path) -> None:
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\xff")


def nothing_half_done(store: Store) -> bool:
    tmp = store.root / "tmp"
    return not tmp.exists() or list(tmp.iterdir()) == []


def test_an_absent_image(raw: Path) -> None:
    store, spec = Store(), of_file(raw)
    status = store.status(spec)
    assert (status.state, status.checksum, status.sha256) == (State.ABSENT, Checksum.NONE, None)
    with pytest.raises(ImageError, match="no sha256 pinned or recorded") as caught:
        store.get(spec)
    assert "rig images fetch tiny" in caught.value.hint


def test_each_kind_says_how_it_is_got(raw: Path) -> None:
    for spec, words in [
        (make_spec(how="Ask its owner."), "rig images import FILE --like tiny [--ssh-key KEY]\n  Ask its owner."),
        (make_spec(kind="build", builder="reference"), "rig images build tiny"),
        (of_file(raw, sha256="0" * 64), "rig images fetch tiny"),
    ]:
        with pytest.raises(ImageError) as caught:
            Store().get(spec)
        assert words in caught.value.hint
    assert "sha256 pinned in the catalogue: " + "0" * 64 in caught.value.message


def test_a_download_becomes_an_image(web: Web, said: list[str]) -> None:
    events, seen = Events(), list[Event]()
    events.listen(seen.append)
    store, spec = Store(events=events), make_spec(kind="download", url=web.url)
    image = store.ensure(spec, said.append)
    assert image.digest == sha256(web.content)
    assert image.disk.is_relative_to(store.root) and image.key is None
    assert qemuimg.info(image.disk).virtual_size == MIB
    status = store.status(spec)
    assert (status.state, status.checksum, status.sha256) == (State.READY, Checksum.RECORDED, image.digest)
    assert (status.size, status.virtual_size) == (image.disk.stat().st_size, MIB)
    assert {"image.fetch.started", "image.download.progress", "image.fetch.ended"} <= {event.name for event in seen}
    assert store.ensure(spec) == image == store.get(spec)
    assert len(web.requests) == 1
    assert not acquire.part_file("tiny").exists()
    assert nothing_half_done(store)


@pytest.mark.parametrize("fmt", ["vmdk", "qcow2", "raw"])
def test_an_archive_is_unpacked_and_converted(raw: Path, fmt: str) -> None:
    source = raw if fmt == "raw" else as_format(raw, fmt)
    packed = source.with_suffix(".xz")
    packed.write_bytes(lzma.compress(source.read_bytes()))
    image = Store().ensure(of_file(packed, archive="xz", format=fmt))
    assert image.digest == sha256(packed.read_bytes())
    assert qemuimg.read_start(image.disk, 8192) == raw_disk()[:8192]


def test_a_wrong_pin_is_found_before_anything_reads_the_file(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acquire, "prepare", lambda *_: pytest.fail("the file was used"))
    store, spec = Store(), make_spec(kind="download", url=web.url, sha256="0" * 64)
    with pytest.raises(ImageError, match="wrong checksum") as caught:
        store.ensure(spec)
    assert sha256(web.content) in caught.value.message and "0" * 64 in caught.value.message
    assert "pinned" in caught.value.message
    assert store.status(spec).state is State.ABSENT
    assert not acquire.part_file("tiny").exists(), "the next call must begin anew"
    assert nothing_half_done(store)


def test_the_right_pin(web: Web) -> None:
    spec = make_spec(kind="download", url=web.url, sha256=sha256(web.content))
    Store().ensure(spec)
    assert Store().status(spec).checksum is Checksum.PINNED


def test_the_first_hash_is_enforced_until_it_is_removed(raw: Path) -> None:
    store, spec = Store(), of_file(raw)
    first = store.ensure(spec)
    first.disk.unlink()
    raw.write_bytes(raw_disk(seed=2))
    with pytest.raises(ImageError, match="wrong checksum") as caught:
        store.ensure(spec)
    assert first.digest in caught.value.message and sha256(raw.read_bytes()) in caught.value.message
    assert "recorded at first use" in caught.value.message
    assert "rig images rm tiny" in caught.value.hint
    store.remove("tiny")
    assert store.ensure(spec).digest == sha256(raw.read_bytes())


def test_a_pin_that_has_changed_makes_the_image_stale(raw: Path, tmp_path: Path, said: list[str]) -> None:
    store = Store()
    old = store.ensure(of_file(raw))
    newer = tmp_path / "newer.raw"
    newer.write_bytes(raw_disk(seed=2))
    spec = of_file(newer, sha256=sha256(newer.read_bytes()))
    assert store.status(spec).state is State.STALE
    with pytest.raises(ImageError, match="not the one wanted"):
        store.get(spec)
    assert store.ensure(spec, said.append).digest == spec.source.sha256
    assert any("stale" in words for words in said)
    assert not old.disk.exists()


def test_a_page_instead_of_an_image_is_not_kept(web: Web) -> None:
    web.content = b"<!DOCTYPE html><title>Sign in</title>"
    store, spec = Store(), make_spec(kind="download", url=web.url)
    with pytest.raises(ImageError, match="this is a web page"):
        store.ensure(spec)
    assert store.status(spec).checksum is Checksum.NONE, "no hash of a useless file is recorded"
    assert not acquire.part_file("tiny").exists()
    web.content, web.etag = raw_disk(), '"two"'
    store.ensure(spec)


def test_a_full_disk_leaves_the_download_and_nothing_else(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise space.full(Path("/"), "convert", 1)

    store, spec = Store(), make_spec(kind="download", url=web.url)
    with monkeypatch.context() as patch:
        patch.setattr(qemuimg, "convert", full)
        with pytest.raises(HostError, match="disk full"):
            store.ensure(spec)
    assert nothing_half_done(store)
    assert store.status(spec).state is State.ABSENT
    store.ensure(spec)
    assert web.requests[1]["Range"], "what had arrived is not fetched again"


def test_damage_is_found_told_and_mended(raw: Path, said: list[str]) -> None:
    store, spec = Store(), of_file(raw)
    image = store.ensure(spec)
    assert store.verify(spec).state is State.READY
    harm(image.disk)
    with pytest.raises(ImageError, match=r"tiny is damaged.*sha256") as caught:
        store.verify(spec)
    assert "rig images fetch tiny" in caught.value.hint
    assert store.status(spec).state is State.DAMAGED
    with pytest.raises(ImageError, match="damaged"):
        store.get(spec)
    assert store.ensure(spec, said.append) == image
    assert any("damaged" in words for words in said)
    store.verify(spec)


def test_damage_that_kept_the_files_time_is_found_by_verify(raw: Path) -> None:
    store, spec = Store(), of_file(raw)
    disk = store.ensure(spec).disk
    stat = disk.stat()
    harm(disk)
    os.utime(disk, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    store.get(spec)
    with pytest.raises(ImageError, match="damaged"):
        store.verify(spec)
    store.remove("tiny")
    store.ensure(spec)
    store.verify(spec)


def test_verify_needs_an_image(raw: Path) -> None:
    with pytest.raises(ImageError, match="not in the store"):
        Store().verify(of_file(raw))


def test_a_record_that_cannot_be_read(raw: Path) -> None:
    store, spec = Store(), of_file(raw)
    disk = store.ensure(spec).disk
    (store.root / "records" / "tiny.json").write_text("{")
    assert store.status(spec).state is State.DAMAGED
    with pytest.raises(ImageError, match=r"tiny\.json: damaged"):
        store.ensure(spec)
    assert disk.exists(), "nothing is swept while a record cannot be read"
    store.remove("tiny")
    store.ensure(spec)


def test_removing(raw: Path) -> None:
    store, spec = Store(), of_file(raw)
    image = store.ensure(spec)
    with image.hold("guest one (process 7)"), pytest.raises(ImageError, match=r"in use by guest one \(process 7\)"):
        store.remove("tiny")
    assert store.get(spec) == image
    store.remove("tiny")
    assert not image.disk.exists()
    assert (store.names(), store.status(spec).state, store.status(spec).checksum) == ([], State.ABSENT, Checksum.NONE)
    with pytest.raises(ImageError, match="not in the store"):
        store.remove("tiny")
    with pytest.raises(ImageError, match="no image name"):
        store.remove("../../etc/passwd")


def test_two_entries_of_one_file_share_its_disk(raw: Path) -> None:
    store, one, two = Store(), of_file(raw, "one"), of_file(raw, "two")
    assert store.ensure(one).disk == store.ensure(two).disk
    store.remove("one")
    assert store.get(two).disk.exists()
    store.remove("two")
    assert list((store.root / "disks").iterdir()) == []


def test_a_key_that_the_entry_names(raw: Path, tmp_path: Path) -> None:
    store = Store()
    spec = of_file(raw).model_copy(update={"ssh": of_file(raw).ssh.model_copy(update={"key": str(tmp_path / "k")})})
    with pytest.raises(ImageError, match=r"SSH key .*k is gone"):
        store.ensure(spec)
    (tmp_path / "k").write_text("")
    assert store.get(spec).key == tmp_path / "k"


def test_an_import_is_never_fetched(said: list[str]) -> None:
    with pytest.raises(ImageError, match="not in the store") as caught:
        Store().ensure(make_spec(), said.append)
    assert "rig images import FILE" in caught.value.hint
    assert said == []


_RACE = """
import pathlib, sys
from rig.image.store import Store
from rig.tests.image.conftest import make_spec
spec = make_spec(kind="download", url=sys.argv[1])
print(Store().ensure(spec).disk)
"""


def test_two_processes_fetch_once(web: Web) -> None:
    argv = [sys.executable, "-c", _RACE, web.url]
    both = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = {process.communicate()[0] for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert len(told) == 1
    assert len(web.requests) == 1


_CRASH = """
import os, sys
from rig.image import qemuimg
from rig.image.store import Store
from rig.tests.image.conftest import make_spec
convert = qemuimg.convert
def crash(src, fmt, dst):
    convert(src, fmt, dst)
    os.kill(os.getpid(), 9)
qemuimg.convert = crash
Store().ensure(make_spec(kind="download", url=sys.argv[1]))
"""


def test_a_crash_in_the_middle_leaves_no_image_and_no_litter(web: Web) -> None:
    done = subprocess.run([sys.executable, "-c", _CRASH, web.url], check=False)
    assert done.returncode == -9
    store, spec = Store(), make_spec(kind="download", url=web.url)
    assert not nothing_half_done(store)
    assert store.status(spec).state is State.ABSENT
    store.ensure(spec)
    assert nothing_half_done(store)


class FakeBuilder:
    """A builder of tiny disks, whose inputs the test changes."""

    def __init__(self, raw: Path) -> None:
        self.raw, self.inputs, self.built = raw, "one", 0

    def make(self) -> Builder:
        return Builder(self.build, lambda: self.inputs)

    def build(self, work: Path, out: Path, say: object) -> tuple[Path, ...]:
        self.built += 1
        as_format(self.raw, "qcow2").rename(out)
        manifest = out.with_name("manifest.json")
        manifest.write_text(f"{self.built}")
        return (manifest,)


@pytest.fixture
def fake(raw: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBuilder]:
    builder = FakeBuilder(raw)
    monkeypatch.setitem(building.BUILDERS, "reference", builder.make)
    yield builder


BUILT = make_spec(kind="build", builder="reference", format="qcow2")


def test_a_build_on_demand(fake: FakeBuilder) -> None:
    store = Store()
    image = store.ensure(BUILT)
    assert (image.disk.parent / "manifest.json").read_text() == "1"
    assert store.ensure(BUILT) == image
    assert fake.built == 1
    record = store.record("tiny")
    assert record is not None and record.inputs_digest == "one"


def test_new_inputs_make_a_new_build_and_say_why(fake: FakeBuilder, said: list[str]) -> None:
    store = Store()
    old = store.ensure(BUILT)
    fake.inputs = "two"
    fake.raw.write_bytes(raw_disk(seed=2))
    assert store.status(BUILT).state is State.STALE
    assert store.get(BUILT) == old, "a guest may go on with what is there"
    with old.hold("guest one"):
        new = store.ensure(BUILT, said.append)
        assert old.disk.exists(), "a running guest's base stays"
    assert new.digest != old.digest and fake.built == 2
    assert any("packages, recipe or builder" in words for words in said)
    store.rebuild(BUILT)
    assert not old.disk.exists()


def test_new_inputs_with_the_same_outcome(fake: FakeBuilder) -> None:
    store = Store()
    old = store.ensure(BUILT)
    fake.inputs = "two"
    assert store.ensure(BUILT) == old
    assert store.status(BUILT).state is State.READY


def test_a_host_that_cannot_tell_keeps_what_is_there(fake: FakeBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    image = store.ensure(BUILT)

    def cannot() -> str:
        raise HostError("apt is absent")

    monkeypatch.setitem(building.BUILDERS, "reference", lambda: Builder(fake.build, cannot))
    assert store.ensure(BUILT) == image


def test_a_pinned_build_must_come_out_as_pinned(fake: FakeBuilder) -> None:
    spec = make_spec(kind="build", builder="reference", format="qcow2", sha256="0" * 64)
    with pytest.raises(ImageError, match="as built: wrong checksum"):
        Store().ensure(spec)
    assert Store().status(spec).state is State.ABSENT


def test_only_what_is_built_can_be_rebuilt(raw: Path) -> None:
    with pytest.raises(ImageError, match="not one that the rig builds"):
        Store().rebuild(of_file(raw))


def test_an_image_that_cannot_be_downloaded_says_how_to_get_it_and_its_checksums_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RIG_OFFLINE", "1")
    spec = Catalogue.load().get("puredarwin-17.4")
    with pytest.raises(ImageError) as caught:
        Store().ensure(spec)
    told = str(caught.value)
    assert f"sha256 pinned in the catalogue: {spec.source.sha256}" in told
    assert spec.source.url and spec.source.url in told
    assert told.count("rig images import") == 1 and "pd_17_4.vmdk.xz --like puredarwin-17.4" in told
    unknown = make_spec(kind="download", url="https://example.invalid/x")
    with pytest.raises(ImageError, match="no sha256 pinned or recorded") as caught:
        Store().ensure(unknown)
    assert "rig images import FILE --like tiny" in caught.value.hint
