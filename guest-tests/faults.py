"""For tests of faults: guests of one warm template that is a copy of the user's own, so that none of them boots."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import pytest

from rig.events import Event, Events
from rig.guest import Guest, GuestOptions
from rig.guest.templates import Templates
from rig.guest.warm import Layer, ready_guest
from rig.machine.sparse import copy_sparse
from rig.run.settings import DEFAULT_IMAGE


def own_templates(guest: Guest, root: Path) -> Templates:
    """A directory of templates with the one that `guest` was restored from, if it was."""
    templates = Templates(root)
    if guest.template is not None:
        (root / guest.template).mkdir(parents=True)
        for file in (Templates().root / guest.template).iterdir():
            copy_sparse(file, root / guest.template / file.name)
    return templates


@dataclass
class Bench:
    """Guests like `like`, ended with the test; `heard` are the events of all of them."""

    like: Guest
    templates: Templates
    logs: Path
    heard: list[Event] = field(default_factory=list)
    stack: ExitStack = field(default_factory=ExitStack)

    def get(self, *layers: Layer, **changed: object) -> Guest:
        """A guest that is ready; short deadlines, for what is waited for here does not come."""
        events = Events()
        events.listen(self.heard.append)
        self.templates.events = events
        options = GuestOptions(self.logs, accel=self.like.accel, clock=self.like.options.clock, time_factor=1.0)
        chosen = replace(options, **changed)  # type: ignore[arg-type]
        return self.stack.enter_context(
            ready_guest(self.like.stored, chosen, events, layers=layers, templates=self.templates)
        )

    def told(self, name: str) -> list[str]:
        """The reasons that events of this name gave."""
        return [str(event.data.get("reason", "")) for event in self.heard if event.name == name]

    @property
    def in_the_making(self) -> list[str]:
        """What is left of templates that were not finished."""
        return [path.name for path in self.templates.root.glob(".*")]


@contextmanager
def bench_of(guest: Guest, templates: Templates, logs: Path) -> Iterator[Bench]:
    """A bench that leaves no guest."""
    if guest.template is None:
        told = f"{guest.stored.spec.name} is not restored from a template here"
        # The rig's own guest always can be; an image that somebody brought may hold a device that cannot be saved.
        pytest.fail(told) if guest.stored.spec.name == DEFAULT_IMAGE else pytest.skip(told)
    with ExitStack() as stack:
        yield Bench(guest, templates, logs, stack=stack)


def stop(guest: Guest) -> None:
    """Hold QEMU as it is, by a signal that it can neither see nor refuse."""
    os.kill(guest.machine.process.pid, signal.SIGSTOP)


def ended(pid: int) -> bool:
    """Whether a process is gone for good."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def wedge(guest: Guest) -> None:
    """Let the guest's CPU, which is at work, spin from now on, and take no interrupts.

    By QEMU's gdb stub: what stands at the program counter becomes a jump to itself (EB FE), and IF goes (bit 9 of
    register 17, as gdb counts those of an x86-64; 16 is the counter).
    """
    place = guest.machine.launch.directory / "wedge.sock"
    guest.machine.pause()
    guest.machine.monitor.human(f"gdbserver unix:{place},server=on,wait=off")
    with socket.socket(socket.AF_UNIX) as stub:
        stub.settimeout(30)
        stub.connect(str(place))
        # Registers one by one are for those who know the target's description.
        assert _asked(stub, "qXfer:features:read:target.xml:0,400").startswith(("l", "m"))
        counter, flags = (int.from_bytes(bytes.fromhex(_asked(stub, f"p{number:x}")), "little") for number in (16, 17))
        assert _asked(stub, f"M{counter:x},2:ebfe") == "OK"
        assert _asked(stub, f"P11={(flags & ~0x200).to_bytes(4, 'little').hex()}") == "OK"
        assert _asked(stub, "D") == "OK"
    guest.machine.monitor.human("gdbserver none")
    guest.machine.resume()


def _asked(stub: socket.socket, words: str) -> str:
    """The stub's answer: `$WORDS#SUM`, each packet acknowledged by a `+` (gdb's remote serial protocol)."""
    stub.sendall(f"${words}#{sum(words.encode()) % 256:02x}".encode())
    said = b""
    while (found := re.search(rb"\$([^#]*)#..", said)) is None:
        said += stub.recv(4096)
    stub.sendall(b"+")
    return found[1].decode()
