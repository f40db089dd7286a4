"""apt's words read, versions resolved, downloads held against their hashes: all with a pretended apt."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from rig.errors import ImageError
from rig.image.reference import packages
from rig.image.reference.packages import Package, fetch, parse_records, real_kernel, resolve

RECORDS = """Package: dash
Version: 1:0.5.12-2
Architecture: amd64
Depends: debianutils (>= 5.6-0.1)
Description: POSIX-compliant shell
 Version: not a field, a continued line
SHA256: aa11

Package: linux-image-amd64
Version: 6.1.192-2
Architecture: amd64
Depends: linux-image-6.1.0-56-amd64 (= 6.1.192-2)
SHA256: bb22

Package: dash
Version: 0-old
Architecture: amd64
SHA256: cc33
"""


def pretend(monkeypatch, stdout="", code=0, act=None):
    calls = []

    def run_tool(argv, **options):
        calls.append(argv)
        if act:
            act(argv, options)
        return subprocess.CompletedProcess(argv, code, stdout.encode(), b"")

    monkeypatch.setattr(packages, "run_tool", run_tool)
    return calls


def test_records_give_the_first_version_of_each_package():
    found = parse_records(RECORDS)
    assert found["dash"] == Package("dash", "1:0.5.12-2", "amd64", "aa11", "debianutils (>= 5.6-0.1)")
    assert list(found) == ["dash", "linux-image-amd64"]


def test_an_epoch_is_escaped_in_the_file_name():
    assert parse_records(RECORDS)["dash"].filename == "dash_1%3a0.5.12-2_amd64.deb"


def test_resolve_asks_once_and_keeps_the_order_asked_for(monkeypatch):
    calls = pretend(monkeypatch, RECORDS)
    assert list(resolve(["linux-image-amd64", "dash"], "amd64")) == ["linux-image-amd64", "dash"]
    assert calls == [["apt-cache", "show", "--no-all-versions", "linux-image-amd64", "dash"]]


def test_empty_lists_say_so_and_name_the_way_out(monkeypatch):
    pretend(monkeypatch, "", code=100)
    with pytest.raises(ImageError, match="lists are empty") as caught:
        resolve(["dash", "libc6"], "amd64")
    assert "apt-get update" in caught.value.hint


def test_one_unknown_package_is_named(monkeypatch):
    pretend(monkeypatch, RECORDS)
    with pytest.raises(ImageError, match="does not know no-such-thing"):
        resolve(["dash", "no-such-thing"], "amd64")


def test_packages_of_another_architecture_are_refused(monkeypatch):
    pretend(monkeypatch, RECORDS.replace("Architecture: amd64", "Architecture: arm64"))
    with pytest.raises(ImageError, match="built from amd64 packages; apt here offers arm64 for dash"):
        resolve(["dash"], "amd64")


def test_the_kernel_is_read_from_what_the_meta_package_depends_on():
    assert real_kernel(parse_records(RECORDS)["linux-image-amd64"]) == "linux-image-6.1.0-56-amd64"


def test_a_meta_package_without_a_kernel_is_an_error():
    with pytest.raises(ImageError, match="names no kernel package"):
        real_kernel(Package("linux-image-amd64", "7", "amd64", "", "libc6"))


def package(content: bytes) -> Package:
    return Package("thing", "1:2-3", "amd64", hashlib.sha256(content).hexdigest())


def test_a_file_with_the_right_hash_is_not_downloaded_again(monkeypatch, tmp_path: Path):
    calls = pretend(monkeypatch)
    (tmp_path / "thing_1%3a2-3_amd64.deb").write_bytes(b"good")
    assert fetch([package(b"good")], tmp_path, say=print) == {"thing": tmp_path / "thing_1%3a2-3_amd64.deb"}
    assert calls == []


def test_a_damaged_file_is_replaced(monkeypatch, tmp_path: Path):
    target = tmp_path / "thing_1%3a2-3_amd64.deb"
    target.write_bytes(b"half a downl")

    def download(argv, options):
        assert not target.exists()
        assert options["cwd"] == tmp_path
        target.write_bytes(b"good")

    calls = pretend(monkeypatch, act=download)
    fetch([package(b"good")], tmp_path, say=print)
    assert target.read_bytes() == b"good"
    assert calls[0][-1] == "thing=1:2-3"


def test_a_download_with_a_wrong_hash_is_refused(monkeypatch, tmp_path: Path):
    target = tmp_path / "thing_1%3a2-3_amd64.deb"
    pretend(monkeypatch, act=lambda argv, options: target.write_bytes(b"evil"))
    with pytest.raises(ImageError, match="does not have the sha256"):
        fetch([package(b"good")], tmp_path, say=print)
