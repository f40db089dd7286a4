from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from rig import paths
from rig.errors import ImageError, SpecError
from rig.image.catalogue import Catalogue, user_dir
from rig.spec import GuestOS, SourceKind, TransportKind
from rig.tests.image.conftest import make_spec

pytestmark = pytest.mark.usefixtures("home")


def write_entry(folder: Path, name: str, **changes: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    data = make_spec(name).model_dump(mode="json", exclude_unset=True) | changes
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def test_every_shipped_entry_can_be_read() -> None:
    catalogue = Catalogue.load()
    assert catalogue.broken == {}
    assert {"puredarwin-17.4", "puredarwin-xnu20"} <= set(catalogue.names())
    for name in catalogue.names():
        assert catalogue.get(name).name == name
        assert not catalogue.is_users(name)


def test_the_advertised_image_is_pinned() -> None:
    source = Catalogue.load().get("puredarwin-17.4").source
    assert source.kind is SourceKind.DOWNLOAD
    assert source.sha256 and source.archive == "xz"


def test_the_two_raw_disks_are_looked_for_wherever_the_kernel_may_put_them() -> None:
    """Darwin and Linux look at all disks at once: the one that was booted from may have any name."""
    catalogue = Catalogue.load()
    for name in sorted(catalogue.names()):
        spec = catalogue.get(name)
        if TransportKind.SERIAL in spec.transports:
            names = set(spec.serial_disks)
            assert len(names) >= 3, name
            if spec.os is GuestOS.DARWIN:
                assert {"/dev/rdisk0", "/dev/rdisk1", "/dev/rdisk2"} <= names, name


def test_the_users_entries_win() -> None:
    path = write_entry(user_dir(), "puredarwin-17.4", summary="mine")
    catalogue = Catalogue.load()
    assert catalogue.get("puredarwin-17.4").summary == "mine"
    assert catalogue.is_users("puredarwin-17.4")
    assert catalogue.origin("puredarwin-17.4") == path


def test_an_extra_directory_wins_over_all(tmp_path: Path) -> None:
    write_entry(user_dir(), "tiny", summary="mine")
    write_entry(tmp_path / "extra", "tiny", summary="extra")
    assert Catalogue.load(tmp_path / "extra").get("tiny").summary == "extra"
    with pytest.raises(ImageError, match="no such directory"):
        Catalogue.load(tmp_path / "absent")


def test_an_unknown_name_is_answered_with_the_near_ones() -> None:
    with pytest.raises(ImageError, match=r"unknown image 'puredarwin-17'; known: .*puredarwin-xnu20") as caught:
        Catalogue.load().get("puredarwin-17")
    assert "Did you mean puredarwin-17.4" in caught.value.hint
    assert "rig images list" in caught.value.hint


def test_a_path_is_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_entry(tmp_path, "elsewhere")
    renamed = path.rename(tmp_path / "any-name.yaml")
    assert Catalogue.load().get(str(renamed)).name == "elsewhere"
    monkeypatch.chdir(tmp_path)
    assert Catalogue.load().get("any-name.yaml").name == "elsewhere"
    with pytest.raises(SpecError, match=r"absent\.yaml: No such file"):
        Catalogue.load().get("absent.yaml")


def test_a_broken_file_harms_its_own_entry_only() -> None:
    path = write_entry(user_dir(), "broken")
    path.write_text(path.read_text() + "colour: red\n")
    write_entry(user_dir(), "sound")
    catalogue = Catalogue.load()
    assert catalogue.get("sound")
    assert "broken" not in catalogue.names()
    with pytest.raises(SpecError, match=r"broken\.yaml:\d+: colour: unknown key"):
        catalogue.get("broken")


def test_a_broken_file_does_not_fall_back_to_the_shipped_entry() -> None:
    user_dir().mkdir(parents=True)
    (user_dir() / "puredarwin-17.4.yaml").write_text("name: [")
    with pytest.raises(SpecError, match="not readable as YAML"):
        Catalogue.load().get("puredarwin-17.4")


def test_a_name_must_be_its_files() -> None:
    write_entry(user_dir(), "one").rename(user_dir() / "two.yaml")
    with pytest.raises(SpecError, match=r"two\.yaml: name: found 'one'.*'two'"):
        Catalogue.load().get("two")


def test_the_catalogue_moves_with_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(paths.images_dir() / "puredarwin-17.4.yaml", tmp_path)
    monkeypatch.setattr(paths, "images_dir", lambda: tmp_path)
    assert Catalogue.load().names() == ["puredarwin-17.4"]
