"""`rig probes analyze`: clang's static analyzer over the C of probes and harness."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from rig.errors import ToolchainError
from rig.probe.analyze import analyze as analyze_files
from rig.probe.manifest import load_manifests, select
from rig.probe.toolchain import Target


def analyze(
    probes: Annotated[list[str] | None, typer.Argument(metavar="[PROBE]...", help="All without.")] = None,
    probes_dir: Annotated[Path | None, typer.Option("--probes", help="A directory of your own probes.")] = None,
) -> None:
    """Read all C with clang's static analyzer, as it is compiled for Linux and for Darwin."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    chosen = select(load_manifests(probes_dir), probes or ())
    readings, found = analyze_files(chosen, list(Target), lambda words: console.print(escape(words), style="dim"))
    if found:
        words = "\n".join(f"{finding.target.os}: {finding.words}" for finding in found)
        raise ToolchainError(f"the analyzer objects to {len(found)} of {readings} readings:\n{words}")
    typer.echo(f"the analyzer has nothing to say: {readings} readings, for Linux and for Darwin")
