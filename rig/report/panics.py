"""A kernel's panic in a few lines: one way for the terminal and the page."""

from __future__ import annotations

from rig.report.words import plural, seconds
from rig.result import FrameRecord, PanicRecord

_MODULES_SHOWN = 4


def panic_pairs(panic: PanicRecord) -> list[tuple[str, str]]:
    """What a reader looks for first, as pairs of label and value; what the text did not tell is left out."""
    who = f"{panic.process} (pid {panic.pid})" if panic.pid is not None else panic.process
    pairs = [
        (panic.kind if panic.kind in {"oops", "warning"} else "panic", panic.message),
        ("then", panic.consequence),
        ("process", who if panic.process else ""),
        ("signature", f"{panic.signature_id} {panic.signature}".strip()),
        ("calls", " < ".join(panic.calls)),
        ("raised at", f"{panic.source_file}:{panic.source_line}" if panic.source_file else ""),
        ("kexts", ", ".join(f"{kext.name} {kext.version}".strip() for kext in panic.kexts)),
        ("kernel", panic.kernel_version),
        ("uptime", seconds(panic.uptime_ns / 1e9) if panic.uptime_ns is not None else ""),
        ("nested", _nested(panic)),
    ]
    return [(label, value) for label, value in pairs if value]


def detail_pairs(panic: PanicRecord) -> list[tuple[str, str]]:
    """The rest of what its text told, for who looks at one panic alone."""
    trap = [panic.trap, f"({panic.trap_number})" if panic.trap_number is not None else ""]
    trap += [f"{words} {value}" for words, value in _trap_places(panic) if value]
    pairs = [
        ("cpu", f"{panic.cpu}" if panic.cpu is not None else ""),
        ("caller", panic.caller),
        ("trap", " ".join(part for part in trap if part)),
        ("task", panic.task),
        ("thread", panic.thread),
        ("system", panic.os_version),
        ("uuid", panic.kernel_uuid),
        ("text base", panic.kernel_text_base),
        ("slide", panic.kernel_slide or panic.cache_slide),
        ("machine", panic.model),
        ("boot args", panic.boot_args),
        ("tainted", panic.taint),
        ("started", panic.last_started_kext),
        ("stopped", panic.last_stopped_kext),
        ("loaded", f"{plural(len(panic.modules), 'module')} ({_some(panic)})" if panic.modules else ""),
        ("stack", panic.backtrace_end),
        *((name, value) for name, value in panic.extra.items() if name != "Code"),
    ]
    return [(label, value) for label, value in pairs if value]


def _trap_places(panic: PanicRecord) -> list[tuple[str, str]]:
    return [
        ("at", panic.instruction),
        ("in", panic.instruction_symbol),
        ("on address", panic.fault_address),
        ("error code", panic.error_code),
    ]


def _some(panic: PanicRecord) -> str:
    """The first few loaded modules: the last that came."""
    named = [f"{one.name} {one.version}".strip() for one in panic.modules[:_MODULES_SHOWN]]
    return ", ".join(named) + (", ..." if len(panic.modules) > _MODULES_SHOWN else "")


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
