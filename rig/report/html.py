"""report.html: one page that stands alone. It loads nothing, runs offline, and can be sent by mail.

Whatever a guest printed is untrusted. Every value is escaped by the template engine, and a content security policy
in the page lets nothing run but the one script whose hash it names, and nothing be fetched at all.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

import jinja2

from rig.report import panics, plots, ways, words
from rig.report.attachments import Attachments
from rig.report.page import page_of
from rig.result import RunRecord
from rig.result.files import write_atomic

_TEMPLATES = Path(__file__).with_name("templates")


def render_page(record: RunRecord, run_dir: Path | None = None) -> str:
    """The page as text. Screenshots and registers are read from `run_dir` and embedded; absent ones are left out."""
    style, script = stylesheet(), _asset("filter.js")
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    page = page_of(record, Attachments(run_dir))
    return _page_engine().get_template("page.html.j2").render(page=page, style=style, script=script, script_hash=digest)


def write_page(record: RunRecord, run_dir: Path, out: Path | None = None) -> Path:
    """Write the page to `out`, else to report.html in the run directory; returns its path.

    Raises `HostError` when it cannot be written.
    """
    return write_atomic(out or run_dir / "report.html", render_page(record, run_dir))


def _asset(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def stylesheet() -> str:
    """What all of the rig's pages look like, light and dark."""
    return _asset("style.css")


def engine_of(templates: Path) -> jinja2.Environment:
    """A template engine that escapes every value and leaves none out in silence."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _page_engine() -> jinja2.Environment:
    engine = engine_of(_TEMPLATES)
    engine.filters["ms"] = words.milliseconds
    engine.filters["seconds"] = words.seconds
    engine.filters["size"] = words.size
    engine.filters["panic_pairs"] = panics.panic_pairs
    engine.filters["frame_line"] = panics.frame_line
    engine.filters["via"] = ways.via_note
    engine.globals.update(
        plural=words.plural,
        STRIP_TOP=plots.STRIP_TOP,
        STRIP_HEIGHT=plots.STRIP_HEIGHT,
        SIZES_HEIGHT=plots.SIZES_HEIGHT,
    )
    return engine
