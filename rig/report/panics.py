"""A kernel's panic in a few lines: one way for the terminal and the page."""

from __future__ import annotations

from rig.report.words import plural, seconds
from rig.result import FrameRecord, PanicRecord


def panic_pairs(panic: PanicRecord) -> list[tuple[str, str]]:
    """What a reader looks for first, as pairs of label and value; what the text did not tell is left out."""
    who = f"{panic.process} (pid {panic.pid})" if panic.pid is not None else panic.process
    pairs = [
        ("oops" if panic.kind == "oops" else "panic", panic.message),
        ("then", panic.consequence),
        ("process", who if panic.process else ""),
        ("signature", f"{panic.signature_id} {panic.signature}".strip()),
        ("calls", " < ".join(panic.calls)),
        ("source", f"{panic.source_file}:{panic.source_line}" if panic.source_file else ""),
        ("kexts", ", ".join(f"{kext.name} {kext.version}".strip() for kext in panic.kexts)),
        ("kernel", panic.kernel_version),
        ("uptime", seconds(panic.uptime_ns / 1e9) if panic.uptime_ns is not None else ""),
        ("nested", _nested(panic)),
    ]
    return [(label, value) for label, value in pairs if value]


def _nested(panic: PanicRecord) -> str:
    """The panics while it was reported, the first of them by its words."""
    count = sum(one.repeats for one in panic.nested)
    return f"{plural(count, 'panic')} while this was reported, first: {panic.nested[0].message}" if count else ""


def frame_line(frame: FrameRecord) -> str:
    """One call: `mach_kernel  _panic + 0x54`, or its address where it has no name."""
    name = frame.symbol or (frame.module if frame.offset is not None else "")
    offset = f" + {frame.offset:#x}" if name and frame.offset is not None else ""
    module = f" [{frame.module}]" if frame.module and frame.symbol else ""
    return f"{'' if frame.reliable else '? '}{name or frame.address}{offset}{module}"
