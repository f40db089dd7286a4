from __future__ import annotations

import lzma
from pathlib import Path
from typing import Any

import pytest

from rig.errors import ImageError, InputError
from rig.image.catalogue import Catalogue, user_dir
from rig.image.importing import import_image
from rig.image.status import State, StoredImage
from rig.image.store import Store
from rig.spec import SourceKind
from rig.tests.image.conftest import as_format, raw_disk, sha256
from rig.tests.image.inspect.disks import I386, bios_disk, esp, macho, uefi_disk
from rig.tests.image.test_catalogue import write_entry
from rig.tests.image.test_keys import make_key

pytestmark = pytest.mark.usefixtures("home")

LIKE = "puredarwin-xnu20"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A disk as the entry `LIKE` wants it."""
    path = tmp_path / "disk.raw"
    path.write_bytes(uefi_disk())
    return path


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A disk as the entry puredarwin-17.4 wants it, but for its sha256."""
    path = tmp_path / "old.raw"
    path.write_bytes(bios_disk())
    return path


def other_disk() -> bytes:
    return uefi_disk(esp(**{"boot-args.txt": b"serial=7"}))


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return make_key(tmp_path / "k", "-t", "ed25519")


def bring(file: Path, said: list[str] | None = None, like: str | None = LIKE, **options: Any) -> StoredImage:
    heard = [] if said is None else said
    return import_image(Store(), Catalogue.load(), file, like=like, say=heard.append, **options)


def test_the_entrys_own_image(raw: Path, key: Path) -> None:
    image = bring(raw, ssh_key=key)
    spec = Catalogue.load().get(LIKE)
    assert Store().ensure(spec) == image
    assert image.digest == sha256(raw.read_bytes())
    assert not user_dir().exists(), "the entry stays the catalogue's, with its later corrections"


def test_the_key_is_copied_with_narrow_rights(raw: Path, key: Path) -> None:
    key.chmod(0o644)
    content = key.read_bytes()
    image = bring(raw, ssh_key=key)
    key.unlink()
    assert image.key is not None and image.key.is_relative_to(Store().root)
    assert image.key.read_bytes() == content
    assert image.key.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("fmt", ["raw", "qcow2", "vmdk"])
@pytest.mark.parametrize("packed", [True, False])
def test_any_known_format_is_taken(raw: Path, fmt: str, packed: bool) -> None:
    source = raw if fmt == "raw" else as_format(raw, fmt)
    if packed:
        source.write_bytes(lzma.compress(source.read_bytes()))
    assert bring(source).digest == sha256(source.read_bytes())


def test_the_same_file_again_with_another_key(raw: Path, key: Path, tmp_path: Path, said: list[str]) -> None:
    bring(raw, ssh_key=key)
    kept = bring(raw, said)
    assert kept.key is not None and kept.key.read_bytes() == key.read_bytes(), "without a key the old one stays"
    assert not any("converting" in words for words in said)
    other = make_key(tmp_path / "other", "-t", "ed25519")
    changed = bring(raw, ssh_key=other)
    assert changed.key is not None and changed.key.read_bytes() == other.read_bytes()


def test_another_file_needs_a_word(raw: Path, key: Path, said: list[str]) -> None:
    old = bring(raw, ssh_key=key)
    raw.write_bytes(other_disk())
    with pytest.raises(ImageError, match="wrong checksum") as caught:
        bring(raw)
    assert old.digest in caught.value.message
    assert "rig images rm" in caught.value.hint and "--replace" in caught.value.hint
    new = bring(raw, said, replace=True)
    assert new.digest == sha256(raw.read_bytes()) and new.key is None
    assert any("key of the image before was dropped" in words for words in said)
    assert not old.disk.exists()


def test_replacing_keeps_what_a_guest_runs_on(raw: Path) -> None:
    old = bring(raw)
    raw.write_bytes(other_disk())
    with old.hold("guest one"):
        bring(raw, replace=True)
        assert old.disk.exists()


def test_damage_is_mended_by_the_same_file(raw: Path) -> None:
    image = bring(raw)
    image.disk.unlink()
    assert Store().status(image.spec).state is State.DAMAGED
    assert bring(raw) == image


def test_a_new_entry(raw: Path, key: Path, said: list[str]) -> None:
    image = bring(raw, said, name="mine", ssh_key=key)
    catalogue = Catalogue.load()
    spec, model = catalogue.get("mine"), catalogue.get(LIKE)
    assert catalogue.is_users("mine")
    assert Store().ensure(spec) == image
    assert (spec.machine, spec.boot, spec.dialect, spec.has) == (model.machine, model.boot, model.dialect, model.has)
    assert spec.source.kind is SourceKind.IMPORT and str(raw) in spec.source.how
    assert any("mine.yaml" in words for words in said)
    with pytest.raises(ImageError, match="not in the store"):
        Store().get(model)


def test_an_entry_that_the_user_edited_is_kept(raw: Path) -> None:
    bring(raw, name="mine")
    path = user_dir() / "mine.yaml"
    path.write_text(path.read_text().replace("memory: 2048", "memory: 4096"))
    assert bring(raw, name="mine").spec.machine.memory == 4096
    assert "4096" in path.read_text()


@pytest.mark.parametrize(
    ("name", "words"),
    [("puredarwin-17.4", "has an entry puredarwin-17.4 already"), ("Not A Name", "--name Not A Name:.*name")],
)
def test_names_that_cannot_be_taken(raw: Path, name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        bring(raw, name=name)
    assert Store().names() == []


def test_a_built_image_is_not_imported_under_its_name(raw: Path) -> None:
    write_entry(user_dir(), "made", source={"kind": "build", "builder": "reference"})
    with pytest.raises(InputError, match="is built by the rig") as caught:
        bring(raw, like="made")
    assert "--name" in caught.value.hint
    raw.write_bytes(raw_disk())
    assert bring(raw, like="made", name="mine").spec.source.kind is SourceKind.IMPORT


def test_a_pin_holds_for_imports_too(old: Path) -> None:
    with pytest.raises(ImageError, match=r"wrong checksum(.|\n)*pinned in the catalogue") as caught:
        bring(old, like="puredarwin-17.4")
    assert "the xz archive, not what is in it" in caught.value.hint
    assert "--name OTHER" in caught.value.hint
    assert bring(old, like="puredarwin-17.4", name="mine").digest == sha256(old.read_bytes())


def test_a_failed_import_leaves_nothing(raw: Path, key: Path, tmp_path: Path) -> None:
    raw.write_bytes(b"<html>")
    for name in (None, "mine"):
        with pytest.raises(ImageError, match="web page"):
            bring(raw, ssh_key=key, name=name)
    with pytest.raises(InputError, match="public key"):
        bring(raw, ssh_key=key.with_suffix(".pub"))
    with pytest.raises(ImageError, match="no such file"):
        bring(tmp_path / "absent")
    store = Store()
    assert (store.names(), user_dir().exists(), (store.root / "keys").exists()) == ([], False, False)


def test_a_key_that_the_guest_has_no_use_for(old: Path, key: Path, said: list[str]) -> None:
    image = bring(old, said, like="puredarwin-17.4", name="mine", ssh_key=key)
    assert image.key is not None
    assert any("not reached by SSH" in words for words in said)


def test_an_entry_by_its_path(raw: Path, tmp_path: Path) -> None:
    path = write_entry(tmp_path / "elsewhere", "own")
    raw.write_bytes(raw_disk())
    image = bring(raw, like=str(path))
    assert Store().get(Catalogue.load().get(str(path))) == image


def test_the_entry_that_fits_is_taken(raw: Path, old: Path, said: list[str]) -> None:
    assert bring(raw, said, like=None).spec.name == LIKE
    heard = "\n".join(said)
    assert "xnu-loader" in heard and "Darwin 20.5.0 for x86_64" in heard
    with pytest.raises(ImageError, match="wrong checksum"):
        bring(old, like=None)
    assert Store().names() == [LIKE]


def test_no_entry_fits(raw: Path) -> None:
    raw.write_bytes(raw_disk())
    with pytest.raises(
        InputError, match=r"no entry of the catalogue fits(.|\n)*puredarwin-17.4: no Darwin kernel"
    ) as caught:
        bring(raw, like=None)
    assert "--like ENTRY --force" in caught.value.hint


def test_several_entries_fit(raw: Path) -> None:
    bring(raw, name="mine")
    with pytest.raises(InputError, match="several entries of the catalogue fit: mine, puredarwin-xnu20") as caught:
        bring(raw, like=None)
    assert "--like mine" in caught.value.hint


def test_the_file_that_an_entry_pins_is_its_own(raw: Path) -> None:
    raw.write_bytes(raw_disk())
    source = {"kind": "download", "url": "https://example.invalid/x", "sha256": sha256(raw.read_bytes())}
    write_entry(user_dir(), "pinned", os="darwin", source=source)
    write_entry(user_dir(), "also", source={"kind": "import"})
    assert bring(raw, like=None).spec.name == "pinned"
    assert bring(raw, like="pinned").spec.name == "pinned"


def test_what_cannot_boot_is_refused_unless_forced(raw: Path, said: list[str]) -> None:
    raw.write_bytes(uefi_disk(esp(kernel=macho(I386))))
    with pytest.raises(ImageError, match=f"does not fit {LIKE}: its kernel is for i386 only") as caught:
        bring(raw)
    assert "--force" in caught.value.hint and "rig images inspect" in caught.value.hint
    assert Store().names() == []
    assert bring(raw, said, force=True).digest == sha256(raw.read_bytes())
    assert any("by force, although: its kernel" in words for words in said)


def test_the_refusal_names_the_entry_that_fits(raw: Path, old: Path) -> None:
    write_entry(user_dir(), "bios", os="darwin", release="17.4.0")
    with pytest.raises(ImageError, match="boots by BIOS") as caught:
        bring(raw, like="bios")
    assert f"It fits {LIKE}." in caught.value.hint


def test_a_new_entry_gets_the_kernels_release(raw: Path, said: list[str]) -> None:
    kernel = macho(version="Darwin Kernel Version 19.6.0: Thu Jun 18 20:49:00 PDT 2020; root:xnu-6153/RELEASE_X86_64")
    raw.write_bytes(uefi_disk(esp(kernel=kernel)))
    with pytest.raises(ImageError, match=r"Darwin 19\.6\.0, the entry is for 20\.5\.0"):
        bring(raw)
    bring(raw, said, name="mine")
    assert Catalogue.load().get("mine").release == "19.6.0"
    assert any("19.6.0" in words and words.startswith("note:") for words in said)


def test_a_file_that_the_store_has_under_another_name_is_held_against_the_entry_too(old: Path) -> None:
    bring(old, like="puredarwin-17.4", name="mine")
    with pytest.raises(ImageError, match="does not fit"):
        bring(old)


def test_a_file_that_is_written_to_meanwhile(raw: Path) -> None:
    def say(words: str) -> None:
        if "xnu-loader" in words:
            raw.write_bytes(raw.read_bytes() + bytes(512))

    with pytest.raises(ImageError, match="was changed while it was read"):
        import_image(Store(), Catalogue.load(), raw, like=LIKE, say=say)
    assert Store().names() == []
