from __future__ import annotations

from pathlib import Path

import pytest

from rig.report import attachments
from rig.report.attachments import Attachments

PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 10


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "secret.png").write_bytes(PNG)
    (tmp_path / "secret.txt").write_text("secret")
    run = tmp_path / "run"
    run.mkdir()
    (run / "a.png").write_bytes(PNG)
    (run / "a.txt").write_bytes(b"RAX=0\xff\x1b[31m\n")
    (run / "fake.png").write_bytes(b"<svg onload=x>")
    (run / "link.png").symlink_to(tmp_path / "secret.png")
    return run


def test_a_picture_is_embedded_once(place: Path) -> None:
    files = Attachments(place)
    assert files.picture("a.png").startswith("data:image/png;base64,iVBOR")
    assert files.picture("a.png") == ""


def test_text_is_cleaned(place: Path) -> None:
    assert Attachments(place).text("a.txt") == "RAX=0\N{REPLACEMENT CHARACTER}\n"


@pytest.mark.parametrize(
    "name", [None, "", "absent.png", "fake.png", "link.png", "../secret.png", ".", "a\0b", "x" * 5000]
)
def test_what_is_no_picture_of_this_run_is_left_out(place: Path, name: str | None) -> None:
    assert Attachments(place).picture(name) == ""


def test_no_path_leads_out_of_the_run(place: Path) -> None:
    assert Attachments(place).text("../secret.txt") == ""
    assert Attachments(place).text(str(place.parent / "secret.txt")) == ""
    assert Attachments(place).picture(str(place.parent / "secret.png")) == ""


def test_large_files_are_left_out(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments, "PICTURE_LIMIT", len(PNG) - 1)
    assert Attachments(place).picture("a.png") == ""
    monkeypatch.setattr(attachments, "PICTURE_LIMIT", len(PNG))
    assert Attachments(place).picture("a.png") != ""


def test_without_a_directory_there_is_nothing(place: Path) -> None:
    assert Attachments(None).picture("a.png") == ""
