"""The memo of the inputs' digest: quick while nothing changed, never wrong when something did."""

import os
from pathlib import Path

import pytest

from rig.image.reference.memo import remembered


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RIG_HOME", str(tmp_path / "home"))
    return tmp_path


def asked_times(inputs: list[Path], apt: list[Path], asked: list[str]) -> str:
    def compute() -> str:
        asked.append("asked")
        return f"digest {len(asked)}"

    return remembered(inputs, compute, apt)


def test_nothing_changed_nothing_asked(tmp_path: Path) -> None:
    source, apt, asked = tmp_path / "recipe", tmp_path / "lists", list[str]()
    source.write_text("x")
    apt.mkdir()
    assert asked_times([source], [apt], asked) == "digest 1"
    assert asked_times([source], [apt], asked) == "digest 1"
    assert len(asked) == 1


@pytest.mark.parametrize("change", ["source", "list", "new list", "gone"])
def test_any_change_asks_again(tmp_path: Path, change: str) -> None:
    source, apt, asked = tmp_path / "recipe", tmp_path / "lists", list[str]()
    source.write_text("x")
    apt.mkdir()
    (apt / "main").write_text("a")
    asked_times([source], [apt], asked)
    match change:
        case "source":
            os.utime(source, ns=(1, 1))
        case "list":
            (apt / "main").write_text("other")
        case "new list":
            (apt / "contrib").write_text("a")
        case _:
            (apt / "main").unlink()
    assert asked_times([source], [apt], asked) == "digest 2"


@pytest.mark.parametrize("rubbish", ["", "{", "[]", "null", '{"stamp": 1}'])
def test_a_damaged_memo_is_no_trouble(home: Path, rubbish: str) -> None:
    asked: list[str] = []
    asked_times([], [], asked)
    (home / "home" / "cache" / "reference-inputs.json").write_text(rubbish)
    assert asked_times([], [], asked) == "digest 2"
