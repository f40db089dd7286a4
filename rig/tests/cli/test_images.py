"""`rig images`, called as a user calls it; errors come out as RigError for the main program to print."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rig.cli.images import app
from rig.errors import ImageError, InputError, RigError
from rig.image.catalogue import user_dir
from rig.image.store import Store
from rig.tests.image.conftest import raw_disk, sha256
from rig.tests.image.test_catalogue import write_entry
from rig.tests.image.test_keys import make_key


@pytest.fixture(autouse=True)
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A disk, and in a home of its own the entry `local` whose download it is."""
    monkeypatch.setenv("RIG_HOME", str(tmp_path / "home"))
    path = tmp_path / "disk.raw"
    path.write_bytes(raw_disk())
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


def test_import_needs_to_know_what_it_is_like(raw: Path) -> None:
    done = CliRunner().invoke(app, ["import", str(raw)])
    assert done.exit_code == 2 and "--like" in done.output


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
    raw.write_bytes(raw_disk(seed=2))
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
