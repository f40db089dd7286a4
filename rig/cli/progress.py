"""A bar for downloads, fed by events."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from rig.events import Event, Events


@contextmanager
def download_bar(events: Events, console: Console) -> Iterator[None]:
    """Show a bar for each download that `events` tells of; nothing where the console is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    bars: dict[str, TaskID] = {}
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:

        def show(event: Event) -> None:
            if event.name == "image.download.progress":
                name = str(event.data["image"])
                if name not in bars:
                    bars[name] = progress.add_task(name, total=None)
                progress.update(bars[name], completed=event.data["done"], total=event.data["total"])

        stop = events.listen(show)
        try:
            yield
        finally:
            stop()
