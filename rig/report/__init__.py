"""What a user sees of a run: a live table, a summary, and a page that stands alone."""

from rig.report.changes import print_changes
from rig.report.html import render_page, write_page
from rig.report.junit import render_junit, write_junit
from rig.report.live import LiveTable
from rig.report.terminal import print_summary

__all__ = [
    "LiveTable",
    "print_changes",
    "print_summary",
    "render_junit",
    "render_page",
    "write_junit",
    "write_page",
]
