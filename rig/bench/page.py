"""What the benches found, as one page that stands alone, and each of its plots as a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rig.bench.frame import Bench, Finding, write
from rig.bench.svg import draw
from rig.report.html import engine_of, stylesheet

PAGE = "report.html"
_TEMPLATES = Path(__file__).with_name("templates")


def render(benches: tuple[Bench, ...], findings: Mapping[str, Finding], host: Mapping[str, Any]) -> str:
    """The page as text: of `benches`, those that have found something. It holds no script and loads nothing."""
    done = [(bench, findings[bench.name]) for bench in benches if bench.name in findings]
    template = engine_of(_TEMPLATES).get_template("page.html.j2")
    return template.render(
        style=stylesheet() + (_TEMPLATES / "bench.css").read_text(encoding="utf-8"),
        host=host,
        targets=[target for _, found in done for target in found.targets],
        sections=[(bench, found, [(plot, draw(plot)) for plot in found.plots]) for bench, found in done],
    )


def publish(place: Path, benches: tuple[Bench, ...], findings: Mapping[str, Finding], host: Mapping[str, Any]) -> Path:
    """Write the page and `plots/BENCH-TITLE.svg` below `place`; returns the page's path. Raises `HostError`."""
    for name, found in findings.items():
        for plot in found.plots:
            write(place / "plots" / f"{name}-{slug(plot.title)}.svg", draw(plot, alone=True))
    write(place / PAGE, render(benches, findings, host))
    return place / PAGE


def slug(title: str) -> str:
    """A title as part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "plot"
