"""What a panic's text tells, as data. Everything may be absent: a text may be cut, torn or of a layout not seen yet.

Numbers that only matter as text (addresses, registers) stay text, as the kernel printed them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from rig.console.panics.signature import Signature, own_calls, signature_of

System = Literal["darwin", "linux"]
CALLS_SHOWN = 8
"""Of the innermost calls, where they are told in one line."""
Kind = Literal["panic", "trap", "assertion", "debugger", "oops", "warning"]
"""A `warning` is what a kernel reports and outlives; all others are its end, or may be."""


@dataclass
class Frame:
    """One call in a backtrace."""

    symbol: str = ""
    offset: int | None = None
    """Bytes into the symbol; into the module where there is no symbol."""
    module: str = ""
    """`mach_kernel`, a kext's identifier, a Linux module."""
    address: str = ""
    """The return address."""
    frame: str = ""
    """The frame's own address."""
    reliable: bool = True
    """Linux marks with `?` what only lay on the stack."""


@dataclass
class Kext:
    """A kernel extension with code in the backtrace."""

    name: str
    version: str = ""
    uuid: str = ""
    start: str = ""
    end: str = ""
    dependencies: list[Kext] = field(default_factory=list)


@dataclass
class LoadedModule:
    """A kernel extension or module that was loaded."""

    name: str
    version: str = ""


@dataclass
class Panic:
    """One panic (Darwin, Linux), oops or warning (Linux)."""

    system: System
    kind: Kind = "panic"
    message: str = ""
    """Without cpu, caller, quotes and source place."""
    line: int = 0
    """Of the log, the first being 1: where the panic begins. 0: not told."""
    last_line: int = 0
    """The last line that was understood as part of it."""
    complete: bool = False
    """Whether its last words were seen: the uptime (Darwin), the end mark (Linux)."""
    cpu: int | None = None
    caller: str = ""
    source_file: str = ""
    """As the kernel names it: often a path on the machine that built it."""
    source_line: int | None = None
    trap: str = ""
    """The kind of trap: `page fault`, `general protection fault`."""
    trap_number: int | None = None
    error_code: str = ""
    fault_address: str = ""
    """The address whose use trapped (CR2)."""
    instruction: str = ""
    """The address of the instruction that trapped."""
    instruction_symbol: str = ""
    registers: dict[str, str] = field(default_factory=dict)
    frames: list[Frame] = field(default_factory=list)
    """The first backtrace, innermost call first."""
    more_frames: list[list[Frame]] = field(default_factory=list)
    """Further backtraces, of other processors or of before the panic."""
    backtrace_end: str = ""
    """How the backtrace ended, where it says so."""
    kexts: list[Kext] = field(default_factory=list)
    process: str = ""
    """The process that ran when it happened."""
    pid: int | None = None
    task: str = ""
    thread: str = ""
    boot_args: str = ""
    os_version: str = ""
    kernel_version: str = ""
    kernel_uuid: str = ""
    kernel_slide: str = ""
    kernel_text_base: str = ""
    cache_slide: str = ""
    cache_base: str = ""
    hib_text_base: str = ""
    model: str = ""
    """The hardware's name."""
    uptime_ns: int | None = None
    shutdown_begun: bool | None = None
    last_started_kext: str = ""
    last_stopped_kext: str = ""
    modules: list[LoadedModule] = field(default_factory=list)
    """Loaded kexts (Darwin) or modules (Linux)."""
    taint: str = ""
    debugger_message: str = ""
    consequence: str = ""
    """What the kernel did about an oops: the panic's own words, often only `Fatal exception`."""
    extra: dict[str, str] = field(default_factory=dict)
    """Further lines of the form `name: value` that kernels are known to print."""
    other: list[str] = field(default_factory=list)
    """Lines inside it that belong to none of the above: details of the message, or what another part printed."""
    repeats: int = 1
    """How often this very panic came on end (of nested ones)."""
    nested: list[Panic] = field(default_factory=list)
    """Panics while this one was being reported."""

    @property
    def is_outlived(self) -> bool:
        """Whether it is a warning, and the kernel went on."""
        return self.kind == "warning" and not self.consequence

    @property
    def signature(self) -> Signature:
        """What groups this panic with its like on other days."""
        return signature_of(self)

    def plain(self) -> dict[str, Any]:
        """As plain data with its signature; nothing absent is left out."""
        data = asdict(self)
        signature = self.signature
        data["signature"], data["signature_id"] = signature.text, signature.id
        data["calls"] = own_calls(self)[:CALLS_SHOWN]
        data["nested"] = [one.plain() for one in self.nested]
        return data
