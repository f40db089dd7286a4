"""A command group whose commands' modules are imported when a command is called, not before.

Some bring in compilers' tables, statistics, SSH and pytest: more than a second on a slow host, which neither
`rig --help` nor `rig ps` has a use for.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Mapping
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

Place = tuple[str, str, str]
"""Module, name in it (a function or a `Typer`), and the first line of its help."""


class LazyGroup(TyperGroup):
    """The commands are those of `places`, in its order; made by `of`."""

    places: Mapping[str, Place] = {}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._listing = False
        # Names alone: this is what a mistyped command is compared with.
        self.commands = {name: TyperCommand(name, help=words) for name, (_, _, words) in self.places.items()}

    @classmethod
    def of(cls, places: Mapping[str, Place]) -> type[LazyGroup]:
        """A group of these commands."""
        return type("Commands", (cls,), {"places": places})

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """In the order in which they were given."""
        return list(self.places)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """The command itself; while names are listed, what stands for it."""
        if cmd_name not in self.places or self._listing:
            return self.commands.get(cmd_name)
        module, attribute, _ = self.places[cmd_name]
        return _command(cmd_name, getattr(importlib.import_module(module), attribute))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Imports nothing."""
        with self._names_only():
            super().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Imports nothing."""
        with self._names_only():
            return super().shell_complete(ctx, incomplete)

    @contextlib.contextmanager
    def _names_only(self) -> Iterator[None]:
        self._listing = True
        try:
            yield
        finally:
            self._listing = False


def _command(name: str, found: Any) -> Any:
    if isinstance(found, typer.Typer):
        command: Any = typer.main.get_group(found)
        command.name = name
        return command
    alone = typer.Typer(add_completion=False)
    alone.command(name, cls=getattr(found, "command_class", None))(found)
    return typer.main.get_command(alone)
