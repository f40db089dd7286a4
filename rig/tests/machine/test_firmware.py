"""Which UEFI firmware is taken, by descriptors of this test's own."""

import json
from pathlib import Path
from typing import Any

import pytest

from rig.errors import HostError
from rig.machine.firmware import find_uefi


def describe(directory: Path, name: str, **changes: Any) -> Path:
    """Write a descriptor and its two images; returns the code's path."""
    directory.mkdir(exist_ok=True)
    code, variables = directory / f"{name}.code", directory / f"{name}.vars"
    code.write_bytes(b"code")
    variables.write_bytes(b"vars")
    told: dict[str, Any] = {
        "interface-types": ["uefi"],
        "mapping": {
            "device": "flash",
            "executable": {"filename": str(code), "format": "raw"},
            "nvram-template": {"filename": str(variables), "format": "raw"},
        },
        "targets": [{"architecture": "x86_64", "machines": ["pc-i440fx-*", "pc-q35-*"]}],
        "features": ["acpi-s3"],
    }
    (directory / f"{name}.json").write_text(json.dumps(told | changes))
    return code


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RIG_FIRMWARE_DIR", raising=False)


def test_the_first_by_name_whatever_the_directory(tmp_path):
    etc, usr = tmp_path / "etc", tmp_path / "usr"
    describe(etc, "60-later")
    first = describe(usr, "50-first")
    found = find_uefi((etc, usr))
    assert found.code == first and found.variables == first.with_suffix(".vars")


def test_a_descriptor_hides_its_namesakes_even_an_empty_one(tmp_path):
    etc, usr = tmp_path / "etc", tmp_path / "usr"
    describe(usr, "50-first")
    other = describe(usr, "60-other")
    etc.mkdir()
    (etc / "50-first.json").write_text("")
    assert find_uefi((etc, usr)).code == other


def test_the_users_own_directory_comes_first(tmp_path, monkeypatch):
    describe(tmp_path / "usr", "10-usual")
    own = describe(tmp_path / "own", "90-own")
    monkeypatch.setenv("RIG_FIRMWARE_DIR", str(tmp_path / "own"))
    assert find_uefi((tmp_path / "usr",)).code == own


@pytest.mark.parametrize(
    "changes",
    [
        {"features": ["secure-boot"]},
        {"features": ["enrolled-keys", "acpi-s3"]},
        {"features": ["requires-smm"]},
        {"interface-types": ["bios"]},
        {"targets": [{"architecture": "aarch64", "machines": ["virt-*"]}]},
        {"targets": [{"architecture": "x86_64", "machines": ["microvm"]}]},
        {"mapping": {"device": "memory", "filename": "/x"}},
        {"mapping": {"device": "flash", "mode": "stateless", "executable": {"filename": "/x", "format": "raw"}}},
        {"mapping": []},
        {"targets": None},
    ],
)
def test_unfit_firmware_is_passed_over(tmp_path, changes):
    describe(tmp_path, "10-unfit", **changes)
    fit = describe(tmp_path, "20-fit")
    assert find_uefi((tmp_path,)).code == fit


def test_flash_images_that_are_not_raw_are_passed_over(tmp_path):
    describe(tmp_path, "10-qcow2")
    text = (tmp_path / "10-qcow2.json").read_text()
    (tmp_path / "10-qcow2.json").write_text(text.replace('"raw"', '"qcow2"'))
    fit = describe(tmp_path, "20-fit")
    assert find_uefi((tmp_path,)).code == fit


def test_descriptors_of_files_that_are_gone_and_of_no_json(tmp_path, monkeypatch):
    describe(tmp_path, "10-gone").unlink()
    (tmp_path / "20-text.json").write_text("{")
    (tmp_path / "30-list.json").write_text("[]")
    (tmp_path / "40-dir.json").mkdir()
    monkeypatch.setenv("RIG_FIRMWARE_DIR", "/nowhere")
    with pytest.raises(HostError, match=f"described under /nowhere, {tmp_path}") as caught:
        find_uefi((tmp_path,))
    assert caught.value.hint == "apt-get install ovmf"
