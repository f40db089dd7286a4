"""The page "Bring your PureDarwin" tells commands that there are, and entries that the catalogue has."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from rig.cli.main import app
from rig.image.catalogue import Catalogue

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "images" / "README.md").read_text()
COMMANDS = sorted(
    {re.sub(r"\s+", " ", words) for words in re.findall(r"`(rig [a-z][^`]*)`", PAGE)}
    | set(re.findall(r"^    (?:import +)?(rig [a-z].*)$", PAGE, re.MULTILINE))
)


@pytest.mark.parametrize("words", COMMANDS)
def test_each_command_is_there_with_its_options(words: str) -> None:
    command = typer.main.get_command(app)
    told = shlex.split(words)[1:]
    while told and hasattr(command, "get_command"):
        found = command.get_command(None, told[0])
        assert found is not None, f"{words}: no command {told[0]}"
        command, told = found, told[1:]
    options = {name for one in command.params for name in one.opts}
    own = told[: told.index("--")] if "--" in told else told
    for word in own:
        if word.startswith("--"):
            assert word in options | {"--help"}, words
    for name in re.findall(r"(?:--like|--image) ([a-z][\w.-]*)", words):
        assert name in Catalogue.load().names(), words


def test_the_page_has_commands_and_is_linked() -> None:
    assert len(COMMANDS) > 12
    assert "(images/README.md)" in (ROOT / "README.md").read_text()


def test_each_image_that_a_user_brings_has_its_section() -> None:
    catalogue = Catalogue.load()
    for name in catalogue.names():
        if catalogue.get(name).source.kind != "build" and not catalogue.is_users(name):
            assert re.search(rf"^## .*`{re.escape(name)}`", PAGE, re.MULTILINE), name
