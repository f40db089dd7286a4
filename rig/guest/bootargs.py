"""Kernel flags: from what they are for to Darwin's boot-args, and put among those that are there.

Facts: xnu-4570 and xnu-7195, osfmk/kern/debug.h (DB_*), osfmk/kern/debug.c (debug_init: on x86 any `debug` keeps a
panicked kernel from resetting; debugger_collect_diagnostics: DB_REBOOT_ALWAYS resets before a debugger is waited for),
osfmk/console/serial_protos.h (serial=), osfmk/i386/AT386/model_dep.c (keepsyms), pexpert/gen/bootargs.c (of two flags
with a value the later counts; flags are told apart by blanks).
"""

from __future__ import annotations

from pydantic import ValidationError

from rig.errors import InputError
from rig.spec import BootFlags, PanicMode

ROOM = 1023
"""Characters of the kernel's line (pexpert/i386/boot.h, BOOT_LINE_LENGTH less the end)."""

_DB_NMI = 0x4
"""Older kernels hold after a panic with this one only; newer ones widen time-outs by it in a virtual machine."""
_DB_KPRT = 0x8
"""kprintf goes to the serial line, and with it the first lines of a panic."""
_DB_ARP = 0x40
"""The kernel's debugger stub answers ARP, so that a debugger elsewhere finds it."""
_DB_LOG_PI_SCRN = 0x100
"""Panic text goes on the screen, in kernels before xnu-4570; others take no notice."""
_DB_REBOOT_ALWAYS = 0x100000

_SERIAL_BOTH_WAYS = 3
_DEBUG = {
    PanicMode.REPORT: _DB_NMI | _DB_KPRT,
    PanicMode.DEBUGGER: _DB_NMI | _DB_KPRT | _DB_ARP | _DB_LOG_PI_SCRN,
    PanicMode.REBOOT: _DB_KPRT | _DB_REBOOT_ALWAYS,
}


def asked(panic: PanicMode | None, boot_args: str) -> BootFlags:
    """What a command line asks for. Raises `InputError`."""
    try:
        return BootFlags(panic=panic, boot_args=boot_args.strip())
    except ValidationError as fault:
        raise InputError(
            f"boot-args {boot_args!r}: one line of at most {ROOM} characters of ASCII is wanted, flags between blanks",
            hint='For example --boot-args "-v keepsyms=1".',
        ) from fault


def meant(flags: BootFlags) -> list[str]:
    """The boot-args that `flags` come to, in order; raw ones last, in the place of any of the same name before."""
    args: list[str] = []
    if flags.verbose:
        args.append("-v")
    if flags.panic is not None:
        args += [f"debug={_DEBUG[flags.panic]:#x}", "keepsyms=1"]
    if flags.console is not None:
        args.append(f"serial={_SERIAL_BOTH_WAYS if flags.console == 'serial' else 0}")
    return _laid_over(args, flags.boot_args.split())


def merged(present: str, flags: BootFlags) -> str:
    """The line that is there, with what `flags` ask for in it: same names replaced where they stand, others behind.

    Raises `InputError` for a line that the kernel has no room for.
    """
    kept = [arg for arg in present.split() if not (flags.verbose is False and arg == "-v")]
    line = " ".join(_laid_over(kept, meant(flags)))
    if len(line) > ROOM:
        raise InputError(f"the boot-args take {len(line)} characters, the kernel's line has room for {ROOM}: {line}")
    return line


def _laid_over(args: list[str], over: list[str]) -> list[str]:
    """`args` with each of `over` in the place of the first of its name; further ones of that name are left out."""
    wanted = {_name(arg): arg for arg in over}
    found: dict[str, str] = {}
    for arg in args:
        name = _name(arg)
        if name in wanted:
            found.setdefault(name, wanted[name])
        else:
            found[f"{name} {len(found)}"] = arg  # what nobody asked to change stays, doubled or not
    return [*found.values(), *(arg for name, arg in wanted.items() if name not in found)]


def _name(arg: str) -> str:
    return arg.partition("=")[0]
