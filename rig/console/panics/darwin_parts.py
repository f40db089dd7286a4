"""The lines of a Darwin panic after its first: each rule says what one kind of line adds to the panic."""

from __future__ import annotations

import re
from collections.abc import Callable

from rig.console.panics.darwin_arm import Arm
from rig.console.panics.darwin_frames import Backtrace
from rig.console.panics.darwin_kexts import KextLists
from rig.console.panics.darwin_ppc import PowerPC
from rig.console.panics.darwin_title import Title
from rig.console.panics.model import Panic

_HEX = r"0x[0-9a-fA-F]{1,16}"
_REGISTERS = re.compile(rf"^(?:[A-Z][A-Z0-9]{{1,3}}: +{_HEX},? *)+$")
_REGISTER = re.compile(rf"([A-Z][A-Z0-9]{{1,3}}): +({_HEX})")
_FAULT = re.compile(rf"^(?:Fault CR2: (?P<cr2>{_HEX}), )?Error code: (?P<code>{_HEX})")
_PROCESS = re.compile(
    rf"\b(?:BSD p|P)rocess name corresponding to current thread(?: \((?P<thread>{_HEX})\))?:(?: (?P<name>.*))?$"
)
_TASK = re.compile(rf"^Panicked task (?P<task>{_HEX}):(?:.*\bpid (?P<pid>\d{{1,10}}): (?P<name>.*))?")
_THREAD = re.compile(rf"^[Pp]anicked thread: (?P<thread>{_HEX})(?:.*, tid: (?P<tid>\d{{1,20}}))?")
_PLACE = re.compile(r"^@(?P<file>[\w./+~-]+\.\w{1,4}):(?P<line>\d{1,7})$")
_KERNEL_VERSION = re.compile(r"^Darwin Kernel Version \d.*")
_BUILD = re.compile(r"^(?:Not yet set|\d{1,3}[A-Z]\d{1,6}[a-z]?(?: .*)?)$")
_UPTIME = re.compile(r"^System uptime in nanoseconds: (?P<ns>\d{1,20})")
_SHUTDOWN = re.compile(r"^System shutdown begun: (?P<begun>YES|NO)")
_TEXTS = {
    "Boot args": "boot_args",
    "OS version": "os_version",
    "Mac OS version": "os_version",
    "Kernel version": "kernel_version",
    "Kernel UUID": "kernel_uuid",
    "Kernel slide": "kernel_slide",
    "Kernel text base": "kernel_text_base",
    "KernelCache slide": "cache_slide",
    "KernelCache base": "cache_base",
    "__HIB text base": "hib_text_base",
    "System model name": "model",
}
_TEXT = re.compile(rf"^(?P<name>{'|'.join(re.escape(name) for name in _TEXTS)}):(?: *(?P<value>.*))?$")
_NAMED = re.compile(
    r"^(?P<name>roots installed|ECC Corrections|Root disk errors|Hibernation exit count|Compressor Info|"
    r"Panic diags file (?:un)?available|OS release type|Debugger message|Memory ID|Boot session UUID|"
    r"(?:Fileset Kernelcache|KernelCache|TXM|SPTM|Debug Header kernelcache) UUID|Paniclog version|"
    r"iBoot (?:Stage 2 )?version|secure boot\?|mach_absolute_time|x86 (?:EFI Boot|System|Power) State|"
    r"(?:TXM|SPTM|Debug Header kernelcache) load address|Debug Header (?:address|entry count)|Failure code:|"
    r"Kernel text exec (?:slide|base)|Total cpu_usage|Detected nested debugger entry count exceeding|"
    r"Attempting (?:system restart|to commit panic log)|panic: We are hanging here|double panic|"
    r"Nested panic count exceeds limit|Model|System Software Version)(?!\w)(?P<value>.*)$"
)


class Parts:
    """Fills one panic, line by line."""

    def __init__(self, panic: Panic) -> None:
        self._panic = panic
        self._backtrace = Backtrace(panic)
        self._kexts = KextLists(panic)
        self._title = Title(panic)
        self._arm = Arm(panic)
        self._ppc = PowerPC(panic)
        self._headed = ""
        """The field whose value stands on a later line."""
        self._candidate = ""
        self._last = ""
        """The last line that was understood: it may come twice."""
        self._rules: tuple[Callable[[str], bool], ...] = (
            self._process, self._uptime, self._place, self._text, self._kernel_version, self._registers, self._task,
            self._named, self._kexts.take, self._arm.take, self._ppc.take, self._backtrace.take,
        )  # fmt: skip

    def title(self, text: str) -> None:
        """The first line of the message."""
        self._title.begin(text)

    def title_follows(self) -> None:
        """The message is the next line."""
        self._title.awaited()

    def is_next_boot(self, text: str) -> bool:
        """Whether a line that names the kernel is a later boot's first; in a panic it follows the system's version."""
        if not _KERNEL_VERSION.match(text) or self._headed == "kernel_version" or text == self._last:
            return False
        return bool(self._panic.kernel_version) or not (self._panic.os_version or self._headed)

    def take(self, text: str) -> bool:
        """Whether the line tells something of this panic."""
        if any(rule(text) for rule in self._rules):
            self._last = text
            self._title.give_up()
            return True
        if self._headed == "os_version":
            if _BUILD.match(text):
                self._panic.os_version, self._headed = text, ""
                return True
            self._candidate = self._candidate or text
        return self._title.goes_on(text)

    def close(self) -> None:
        """No more lines of this panic will come."""
        self._title.give_up()

    def _settle_heading(self) -> None:
        """A build in no form that is known: the line between its heading and the next is it."""
        if self._headed == "os_version" and not self._panic.os_version:
            self._panic.os_version = self._candidate
        self._headed = self._candidate = ""

    def _process(self, text: str) -> bool:
        found = _PROCESS.search(text)
        if found:
            name = (found["name"] or "").strip()
            self._panic.process = (name if name != "Unknown" else "") or self._panic.process
            self._panic.thread = self._panic.thread or found["thread"] or ""
        return found is not None

    def _task(self, text: str) -> bool:
        found = _TASK.match(text)
        if found:
            self._panic.task = found["task"]
            if found["pid"]:
                self._panic.pid = int(found["pid"])
                self._panic.process = self._panic.process or found["name"].strip()
            return True
        threaded = _THREAD.match(text)
        if threaded:
            self._panic.thread = self._panic.thread or threaded["thread"]
            if threaded["tid"]:
                self._panic.extra.setdefault("tid", threaded["tid"])
        return threaded is not None

    def _place(self, text: str) -> bool:
        """Behind the registers of a trap: where in the source it was raised."""
        found = _PLACE.match(text)
        if found and not self._panic.source_file:
            self._panic.source_file, self._panic.source_line = found["file"], int(found["line"])
        return found is not None

    def _uptime(self, text: str) -> bool:
        found = _UPTIME.match(text)
        if found:
            self._panic.uptime_ns = int(found["ns"])
            self._panic.complete = True
        begun = _SHUTDOWN.match(text)
        if begun:
            self._panic.shutdown_begun = begun["begun"] == "YES"
        return bool(found or begun)

    def _text(self, text: str) -> bool:
        found = _TEXT.match(text.replace("__HIB  text", "__HIB text"))
        if not found:
            return False
        self._settle_heading()
        field, value = _TEXTS[found["name"]], (found["value"] or "").strip()
        if not value:
            self._headed = field
        elif not getattr(self._panic, field):
            setattr(self._panic, field, value)
        return True

    def _kernel_version(self, text: str) -> bool:
        found = _KERNEL_VERSION.match(text)
        if found and not self._panic.kernel_version:
            self._settle_heading()
            self._panic.kernel_version = text
        return found is not None

    def _registers(self, text: str) -> bool:
        fault = _FAULT.match(text)
        if not fault and not _REGISTERS.match(text):
            return False
        panic = self._panic
        for name, value in _REGISTER.findall(text):
            if name != "CPU":
                panic.registers.setdefault(name, value)
        if fault:
            panic.error_code = panic.error_code or fault["code"]
            panic.fault_address = panic.fault_address or fault["cr2"] or ""
        if panic.kind == "trap":
            panic.instruction = panic.instruction or panic.registers.get("RIP") or panic.registers.get("EIP") or ""
            panic.fault_address = panic.fault_address or panic.registers.get("CR2") or ""
        return True

    def _named(self, text: str) -> bool:
        found = _NAMED.match(text)
        if found:
            self._panic.extra.setdefault(found["name"], found["value"].strip(" :."))
        return found is not None
