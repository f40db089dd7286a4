"""A kernel's panic as a run keeps it; the fields are those of `rig.console.panics.Panic`, told there in full."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rig.result.base import Record
from rig.result.text import Text


class FrameRecord(Record):
    """One call in a backtrace."""

    symbol: Text = ""
    offset: int | None = None
    module: Text = ""
    address: Text = ""
    frame: Text = ""
    reliable: bool = True


class KextRecord(Record):
    """A kernel extension in the backtrace."""

    name: Text
    version: Text = ""
    uuid: Text = ""
    start: Text = ""
    end: Text = ""
    dependencies: tuple[KextRecord, ...] = ()


class ModuleRecord(Record):
    """A loaded kernel extension or module."""

    name: Text
    version: Text = ""


class PanicRecord(Record):
    """What a kernel's last words told."""

    system: Literal["darwin", "linux"]
    kind: Literal["panic", "trap", "assertion", "debugger", "oops", "warning"] = "panic"
    message: Text = ""
    signature: Text = ""
    """Groups the same panic over runs: no address, number or line in it."""
    signature_id: Text = ""
    """Ten hexadecimal digits made from the signature."""
    calls: tuple[Text, ...] = ()
    """The innermost calls that are the panic's own, without those that only report it."""
    process: Text = ""
    """The process that ran when it happened."""
    pid: int | None = None
    line: int = 0
    last_line: int = 0
    complete: bool = False
    cpu: int | None = None
    caller: Text = ""
    source_file: Text = ""
    source_line: int | None = None
    trap: Text = ""
    trap_number: int | None = None
    error_code: Text = ""
    fault_address: Text = ""
    instruction: Text = ""
    instruction_symbol: Text = ""
    registers: dict[Text, Text] = Field(default_factory=dict)
    frames: tuple[FrameRecord, ...] = ()
    more_frames: tuple[tuple[FrameRecord, ...], ...] = ()
    backtrace_end: Text = ""
    kexts: tuple[KextRecord, ...] = ()
    task: Text = ""
    thread: Text = ""
    boot_args: Text = ""
    os_version: Text = ""
    kernel_version: Text = ""
    kernel_uuid: Text = ""
    kernel_slide: Text = ""
    kernel_text_base: Text = ""
    cache_slide: Text = ""
    cache_base: Text = ""
    hib_text_base: Text = ""
    model: Text = ""
    uptime_ns: int | None = None
    shutdown_begun: bool | None = None
    last_started_kext: Text = ""
    last_stopped_kext: Text = ""
    modules: tuple[ModuleRecord, ...] = ()
    taint: Text = ""
    debugger_message: Text = ""
    consequence: Text = ""
    extra: dict[Text, Text] = Field(default_factory=dict)
    other: tuple[Text, ...] = ()
    repeats: int = 1
    nested: tuple[PanicRecord, ...] = ()
    """Panics while this one was being reported."""

    @property
    def is_outlived(self) -> bool:
        """Whether it is a warning, and the kernel went on."""
        return self.kind == "warning" and not self.consequence
