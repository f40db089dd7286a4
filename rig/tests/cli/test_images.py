"""`rig images`, called as a user calls it; errors come out as RigError for the main program to print."""

from __future__ import annotations

import json
import lzma
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rig.cli.images import app
from rig.errors import ImageError, InputError, RigError
from rig.image.catalogue import user_dir
from rig.image.store import Store
from rig.tests.image.conftest import as_format, sha256
from rig.tests.image.inspect.disks import bios_disk, esp, uefi_disk
from rig.tests.image.test_catalogue import write_entry
from rig.tests.image.test_keys import make_key


@pytest.fixture(autouse=True)
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A disk, and in a home of its own the entry `local` whose download it is."""
    monkeypatch.setenv("RIG_HOME", str(tmp_path / "home"))
    path = tmp_path / "disk.raw"
    path.write_bytes(uefi_disk())
    write_entry(user_dir(), "local", source={"kind": "download", "url": path.as_uri(), "format": "raw"})
    return path


def rig(*args: object) -> str:
    """Run `rig images ARGS`; what it printed. A RigError comes through."""
    done = CliRunner().invoke(app, [str(arg) for arg in args], env={"COLUMNS": "200"})
    if isinstance(done.exception, RigError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def rows() -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads(rig("list", "--json"))["images"]}


def test_list_before_and_after() -> None:
    lines = {line.split()[0]: line for line in rig("list").splitlines()}
    assert "not fetched" in lines["local"] and "none" in lines["local"]
    assert "not imported" in lines["puredarwin-xnu20"]
    assert "pinned" in lines["puredarwin-17.4"]
    assert "is ready" in rig("fetch", "local")
    lines = {line.split()[0]: line for line in rig("list").splitlines()}
    assert "ready" in lines["local"] and "recorded" in lines["local"] and "KiB" in lines["local"]


def test_list_as_json(raw: Path) -> None:
    rig("fetch", "local")
    row = rows()["local"]
    assert (row["state"], row["checksum"], row["sha256"]) == ("ready", "recorded", sha256(raw.read_bytes()))
    assert Path(row["disk"]).stat().st_size == row["size"]
    assert rows()["puredarwin-xnu20"]["disk"] is None


def test_list_names_entries_that_cannot_be_read() -> None:
    (user_dir() / "odd.yaml").write_text("name: odd\n")
    assert "odd.yaml:1" in rig("list")
    assert json.loads(rig("list", "--json"))["broken"][0]["name"] == "odd"


def test_show(raw: Path) -> None:
    told = rig("show", "local")
    assert "not fetched" in told and "rig images fetch local" in told and str(user_dir()) in told.replace("\n", "")
    rig("fetch", "local")
    told = rig("show", "local")
    assert "sha256 recorded on" in told and sha256(raw.read_bytes()) in told and "rig images fetch" not in told
    assert json.loads(rig("show", "local", "--json"))["spec"]["name"] == "local"


def test_fetch_of_what_is_imported_says_how() -> None:
    with pytest.raises(ImageError) as caught:
        rig("fetch", "puredarwin-xnu20")
    assert "rig images import FILE --like puredarwin-xnu20 [--ssh-key KEY]" in caught.value.hint


def test_an_unknown_image() -> None:
    for verb in ("show", "fetch", "build", "verify"):
        with pytest.raises(ImageError, match="unknown image 'lokal'"):
            rig(verb, "lokal")
    with pytest.raises(ImageError, match="not in the store"):
        rig("rm", "lokal")


def test_import(raw: Path, tmp_path: Path) -> None:
    key = make_key(tmp_path / "k", "-t", "ed25519")
    told = rig("import", raw, "--like", "puredarwin-xnu20", "--ssh-key", key)
    assert "image puredarwin-xnu20 is ready" in told and "SSH key kept at" in told
    row = rows()["puredarwin-xnu20"]
    assert (row["state"], row["origin"]) == ("ready", str(raw))
    assert Path(row["key"]).read_bytes() == key.read_bytes()


def test_import_finds_what_it_is_like(raw: Path) -> None:
    told = rig("import", raw)
    assert "xnu-loader" in told and "image puredarwin-xnu20 is ready" in told


def test_import_of_what_fits_nothing(raw: Path) -> None:
    raw.write_bytes(uefi_disk(esp(kernel=None)))
    with pytest.raises(InputError, match="no entry of the catalogue fits"):
        rig("import", raw)
    with pytest.raises(ImageError, match="does not fit puredarwin-xnu20"):
        rig("import", raw, "--like", "puredarwin-xnu20")
    assert "is ready" in rig("import", raw, "--like", "puredarwin-xnu20", "--force")


def test_inspect(raw: Path) -> None:
    told = rig("inspect", raw)
    for words in (
        "raw, ",
        "GPT, 2 partitions",
        "FAT12",
        "xnu-loader",
        "Darwin 20.5.0 for x86_64",
        "fits        puredarwin-xnu20",
        "fits not    puredarwin-17.4: the entry boots by BIOS",
        f"rig images import {raw} --like puredarwin-xnu20",
    ):
        assert words in told
    assert Store().names() == [], "nothing was taken"


def test_inspect_of_an_archive_of_another_file_than_the_pinned(raw: Path) -> None:
    raw.write_bytes(bios_disk())
    packed = raw.with_suffix(".vmdk.xz")
    packed.write_bytes(lzma.compress(as_format(raw, "vmdk").read_bytes()))
    told = rig("inspect", packed)
    assert "vmdk, 1.0 MiB, in an xz archive" in told and "fits        puredarwin-17.4" in told
    assert "the entry pins another file" in told
    assert not list((Store().root / "tmp").iterdir()), "what was unpacked is gone"


def test_inspect_as_json(raw: Path) -> None:
    found = json.loads(rig("inspect", raw, "--json"))
    assert (found["format"], found["scheme"], found["releases"], found["arches"]) == (
        "raw",
        "GPT",
        ["20.5.0"],
        ["x86_64"],
    )
    assert {entry["name"]: entry["fits"] for entry in found["entries"]}["puredarwin-xnu20"]
    assert found["loaders"][0]["kind"] == "xnu-loader" and found["sha256"] is None


def test_inspect_of_what_is_no_disk(raw: Path, tmp_path: Path) -> None:
    raw.write_bytes(b"<html>")
    with pytest.raises(ImageError, match="web page"):
        rig("inspect", raw)
    with pytest.raises(ImageError, match="cannot be read"):
        rig("inspect", tmp_path / "absent")
    raw.write_bytes(bytes(1 << 20))
    told = rig("inspect", raw)
    assert "blank" in told and "none fits" in told


def test_import_under_a_name_and_removal_of_both(raw: Path) -> None:
    rig("import", raw, "--like", "puredarwin-xnu20", "--name", "mine")
    assert rows()["mine"]["state"] == "ready"
    assert "its entry stays" in rig("rm", "mine")
    assert rows()["mine"]["state"] == "absent"
    rig("import", raw, "--like", "mine")
    assert "removed entry" in rig("rm", "mine", "--entry")
    assert "mine" not in rows()
    rig("import", raw, "--like", "puredarwin-xnu20")
    with pytest.raises(ImageError, match="no entry of your own"):
        rig("rm", "puredarwin-xnu20", "--entry")


def test_import_of_another_file(raw: Path) -> None:
    rig("import", raw, "--like", "puredarwin-xnu20")
    raw.write_bytes(uefi_disk(esp(**{"boot-args.txt": b"serial=7"})))
    with pytest.raises(ImageError, match="wrong checksum"):
        rig("import", raw, "--like", "puredarwin-xnu20")
    rig("import", raw, "--like", "puredarwin-xnu20", "--replace")
    assert rows()["puredarwin-xnu20"]["sha256"] == sha256(raw.read_bytes())


def test_import_with_a_public_key(raw: Path, tmp_path: Path) -> None:
    make_key(tmp_path / "k", "-t", "ed25519")
    with pytest.raises(InputError, match="public key"):
        rig("import", raw, "--like", "puredarwin-xnu20", "--ssh-key", tmp_path / "k.pub")


def test_verify(raw: Path) -> None:
    assert "no images" in rig("verify")
    rig("fetch", "local")
    rig("import", raw, "--like", "puredarwin-xnu20")
    assert rig("verify").count("intact") == 2
    disk = Path(rows()["local"]["disk"])
    stat = disk.stat()
    disk.chmod(0o644)
    with disk.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\xff")
    os.utime(disk, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(ImageError, match=r"local is damaged(.|\n)*xnu20 is damaged"):
        rig("verify")
    assert rows()["local"]["state"] == "damaged"
    rig("rm", "local")
    rig("rm", "puredarwin-xnu20")
    rig("fetch", "local")
    assert "intact" in rig("verify", "local")


def test_rm_of_an_image_in_use() -> None:
    rig("fetch", "local")
    digest = rows()["local"]["sha256"]
    with Store().disks.hold(digest, "guest one"), pytest.raises(ImageError, match="in use by guest one"):
        rig("rm", "local")
    assert "removed image local" in rig("rm", "local")


def test_build_of_what_is_not_built() -> None:
    with pytest.raises(ImageError, match="not one that the rig builds"):
        rig("build", "local")
