"""The lines of a Linux panic or oops after its first."""

from __future__ import annotations

import re

from rig.console.panics.linux_frames import Trace
from rig.console.panics.model import LoadedModule, Panic

_PROCESS = re.compile(
    r"\bCPU: (?P<cpu>\d{1,5}) (?:UID: \d{1,10} )?PID: (?P<pid>\d{1,10}) Comm: (?P<name>.{1,64}?) +"
    r"(?:Kdump: loaded +)?(?P<taint>Not tainted|Tainted: .{1,120}?) +(?P<release>\d+\.\S+.*|\S+ #\d+.*)$"
)
_OLD_PROCESS = re.compile(
    r"^Pid: (?P<pid>\d{1,10}), comm: (?P<name>.{1,64}?) +"
    r"(?P<taint>Not tainted|Tainted: .{1,120}?) +(?P<release>\d+\.\S+.*)$"
)
_LOCKS_TASK = re.compile(
    r"^(?P<name>\S+)/(?P<pid>\d{1,10}) (?:is (?:trying to|leaving the)|\[HC.* takes:|just changed|is freeing)"
)
_LOCKS_RELEASE = re.compile(r"^(?P<release>\d+\.\d\S* #\d\S*.*?)(?: (?P<taint>Not tainted|Tainted: .+))$")
"""Lockdep's own lines of who and which kernel (kernel/locking/lockdep.c print_kernel_ident)."""
_TASK_ON_CPU = re.compile(
    r"on CPU ?#?(?P<cpu>\d{1,5})|CPU#(?P<stuck>\d{1,5}) stuck|\[(?P<name>[^:\]]+):(?P<pid>\d{1,10})\]$"
)
_BY_TASK = re.compile(
    r"^(?:Read|Write|Free) (?:of size \d+ )?at addr [0-9a-f]+ by task (?P<name>.+)/(?P<pid>\d{1,10})$"
)
_HARDWARE = re.compile(r"^Hardware name: (?P<name>.*)$")
_DIE = re.compile(r"^(?:Oops: )?(?P<trap>[\w ,:()/-]{2,160}): (?P<code>[0-9a-fA-F]{1,16}) \[#(?P<number>\d{1,6})\]")
_ADDRESS = re.compile(
    r"(?:address:?|(?:dereference|request) at|fault: .* at) (?P<address>\(null\)|(?:0x)?[0-9a-fA-F]{8,16})\b"
)
_FAULTED = re.compile(r"BUG|nable to handle|general protection|Unhandled fault")
_NAME = r"(?:[A-Z][A-Z0-9]{1,5}|[xr]\d{1,2}|sp|lr|pc|fp|ip)"
_REGISTERS = re.compile(
    rf"^(?:{_NAME} ?: *\[?<?[0-9a-f]{{8,16}}>?\]? *)+(?:EFLAGS: [0-9a-f]+.*|psr: [0-9a-f]+|pstate: .*)?$|"
    r"^RSP: .*EFLAGS: "
)
_REGISTER = re.compile(rf"\b(?P<name>{_NAME}) ?: *\[?<?(?:[0-9a-f]{{4}}:)?(?P<value>[0-9a-f]{{4,16}})\b")
_SEGMENTS = re.compile(r"^(?:FS|CS|DR0|DR3): ")
_MODULES = re.compile(r"^Modules linked in:(?P<names>.*)$")
_MODULE = re.compile(r"^(?P<name>[\w-]+)(?:\([A-Z+-]+\))?$")
_OFFSET = re.compile(r"^Kernel Offset: (?P<offset>0x[0-9a-f]+|disabled)(?: from (?P<base>0x[0-9a-f]+))?")
_END_TRACE = re.compile(r"^---\[ end trace ")
_END_PANIC = re.compile(r"---\[ end Kernel panic")
_NAMED = re.compile(
    r"^(?P<name>Code|Workqueue|PGD|#PF|Rebooting in|Dumping ftrace buffer|RSP|Fixing recursive fault|"
    r"note|Stack|SMP|Tainted|Memory state around|NMI backtrace|Sending NMI)\b(?P<value>.*)$"
)
_LIMIT = 2000


def oops_number(text: str) -> int | None:
    """The count in `Oops: 0002 [#1]`: which oops since boot."""
    found = _DIE.match(text)
    return int(found["number"]) if found else None


class Parts:
    """Fills one panic, line by line; what is said twice counts the first time."""

    def __init__(self, panic: Panic) -> None:
        self._panic = panic
        self._trace = Trace(panic)
        self._number: int | None = None
        self._ended = False

    def is_another(self, number: int | None) -> bool:
        """Whether a line that could open an oops opens one beside this: by its count, or because this one ended."""
        if self._panic.consequence or self._panic.kind == "panic":
            return True
        if number is not None and self._number is not None:
            return number != self._number
        return self._ended or (number is None and self._number is not None)

    def take(self, text: str) -> bool:
        """Whether the line tells something of this panic."""
        panic = self._panic
        taken = (
            self._end(text)
            or self._who(text)
            or self._trap(text)
            or self._trace.take(text)
            or self._values(text)
            or self._modules(text)
        )
        if not taken:
            found = _NAMED.match(text)
            if found:
                panic.extra.setdefault(found["name"], found["value"].strip(" :."))
                return True
        return taken

    def _end(self, text: str) -> bool:
        if _END_PANIC.search(text) or _END_TRACE.match(text):
            self._panic.complete = self._ended = True
            return True
        return False

    def _who(self, text: str) -> bool:
        panic = self._panic
        found = _PROCESS.search(text) or _OLD_PROCESS.match(text)
        if found:
            told = found.groupdict()
            if not panic.process:
                panic.process = found["name"].strip()
            if panic.pid is None and panic.process == found["name"].strip():
                panic.pid = int(found["pid"])
            if not panic.kernel_version:
                panic.kernel_version = found["release"].strip()
                panic.taint = "" if found["taint"] == "Not tainted" else found["taint"].removeprefix("Tainted: ")
            if panic.cpu is None and told.get("cpu") is not None:
                panic.cpu = int(told["cpu"])
            return True
        release = _LOCKS_RELEASE.match(text)
        if release and not panic.kernel_version:
            panic.kernel_version = release["release"]
            panic.taint = "" if release["taint"] == "Not tainted" else release["taint"].removeprefix("Tainted: ")
        task = _BY_TASK.search(text) or _LOCKS_TASK.match(text)
        if task and not panic.process:
            panic.process, panic.pid = task["name"], int(task["pid"])
        hardware = _HARDWARE.match(text)
        if hardware:
            panic.model = panic.model or hardware["name"].strip()
        return bool(release or task or hardware)

    def _trap(self, text: str) -> bool:
        panic = self._panic
        stuck = _TASK_ON_CPU.search(text) if "lockup" in text else None
        if stuck and panic.cpu is None:
            panic.cpu = int(stuck["cpu"] or stuck["stuck"] or 0)
        where = _ADDRESS.search(text)
        if where and not panic.fault_address and _FAULTED.search(text):
            panic.fault_address = where["address"]
        found = _DIE.match(text)
        if found:
            if not panic.error_code:
                panic.error_code, self._number = found["code"], int(found["number"])
                panic.trap = found["trap"]
            return True
        return where is not None and where["address"] == panic.fault_address and text == panic.message

    def _values(self, text: str) -> bool:
        panic = self._panic
        if _REGISTERS.match(text) or _SEGMENTS.match(text):
            for one in _REGISTER.finditer(text):
                panic.registers.setdefault(one["name"], one["value"])
            return True
        shifted = _OFFSET.match(text)
        if shifted:
            panic.kernel_slide = "" if shifted["offset"] == "disabled" else shifted["offset"]
            panic.kernel_text_base = panic.kernel_text_base or shifted["base"] or ""
        return shifted is not None

    def _modules(self, text: str) -> bool:
        found = _MODULES.match(text)
        if not found:
            return False
        if not self._panic.modules:
            names = re.sub(r"\[last unloaded.*", "", found["names"]).split()
            known = [one["name"] for one in map(_MODULE.match, names) if one]
            self._panic.modules = [LoadedModule(name) for name in known[:_LIMIT]]
        return True
