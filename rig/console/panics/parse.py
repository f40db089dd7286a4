"""All panics of a log, whatever wrote it: a console, a logger, macOS's own panic files."""

from __future__ import annotations

from rig.console.panics.darwin import DarwinReader
from rig.console.panics.lines import lines_of
from rig.console.panics.linux_callers import LinuxReaders
from rig.console.panics.model import Panic
from rig.console.panics.reports import Report, report_of
from rig.spec import Dialect

_READERS: dict[Dialect, type[DarwinReader] | type[LinuxReaders]] = {
    Dialect.DARWIN: DarwinReader,
    Dialect.LINUX: LinuxReaders,
}


def parse_panics(data: bytes, dialect: Dialect | None = None) -> list[Panic]:
    """The panics in `data`, in their order; nested ones below their first. Never raises, whatever the bytes are.

    Without a `dialect` both are looked for. Text that is JSON with the panic's text in it (the .panic and .ips files
    of macOS) is read as that text, and line numbers count within it.
    """
    report = report_of(data)
    readers = [reader() for one, reader in _READERS.items() if dialect in {None, one}]
    for line in lines_of(data if report is None else report.text):
        for reader in readers:
            reader.feed(line)
    found = [panic for reader in readers for panic in reader.close()]
    if report is not None and report.whole and not found and dialect in {None, Dialect.DARWIN}:
        found = _of_a_report(report)
    if report is not None:
        for panic in found:
            for name, value in report.facts.items():
                panic.extra.setdefault(name, value)
    return sorted(found, key=lambda panic: panic.line)


def _of_a_report(report: Report) -> list[Panic]:
    """The panic of a file that is about one, though no line in it opens one: a watchdog's, a kernel's not known yet."""
    reader = DarwinReader()
    for line in lines_of(report.text):
        if reader.open is None:
            reader.tell(line)
        else:
            reader.feed(line)
    return reader.close()
