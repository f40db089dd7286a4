"""The least that could be done instead of the rig: a shell loop that starts each probe by `ssh`."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rig.bench.frame import write
from rig.errors import HostError, RigError
from rig.paths import ensure

_TAIL = 10


@dataclass(frozen=True)
class Login:
    """How a guest is reached."""

    port: int
    user: str
    key: Path
    host: str = "127.0.0.1"


def ssh_client() -> str:
    """OpenSSH's client on this host. Raises `HostError` where there is none."""
    found = shutil.which("ssh")
    if found is None:
        raise HostError("there is no ssh on this host to hold the rig against", hint="apt-get install openssh-client")
    return found


def script(login: Login, ssh: str, bundle: Path, directory: str, commands: Mapping[str, str]) -> str:
    """The loop as a shell script, which takes a directory for the probes' output as its argument.

    The probes are sent first, all at once; then each gets one `ssh` with a connection of its own, as a plain loop does.
    """
    # Nothing of the user's own settings, and no question: a guest's key is new each time.
    settings = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")
    options = [*(part for one in (*settings, "IdentitiesOnly=yes", "ControlMaster=no") for part in ("-o", one))]
    login_part = ["-p", str(login.port), "-i", str(login.key), f"{login.user}@{login.host}"]
    way = shlex.join([ssh, "-F", "/dev/null", *options, *login_part])
    place = shlex.quote(directory)
    unpack = shlex.quote(f"mkdir -p {place} && cd {place} && tar -xf -")
    lines = ["#!/bin/sh", "set -eu", f"tar -C {shlex.quote(str(bundle))} -cf - . | {way} {unpack}"]
    for probe, command in commands.items():
        lines.append(f'{way} {shlex.quote(command)} </dev/null >"$1"/{probe}.jsonl')
    return "\n".join(lines) + "\n"


def run_loop(text: str, into: Path) -> float:
    """Run it; seconds. Raises `RigError` where it fails."""
    write(into / "loop.sh", text)
    output = ensure(into / "output")
    begun = time.perf_counter()
    done = subprocess.run(["sh", str(into / "loop.sh"), str(output)], capture_output=True, text=True, check=False)
    took = time.perf_counter() - begun
    if done.returncode != 0:
        said = "\n".join((done.stderr or done.stdout).splitlines()[-_TAIL:])
        raise RigError(f"the plain ssh loop ended with status {done.returncode}: {said}", hint=f"The loop: {into}")
    return took


def missing(output: Path, probes: Sequence[str]) -> list[str]:
    """Probes whose stream has no end in it: what was timed was not all of the work."""
    goodbye = '"t":"goodbye"'
    return [
        one for one in probes if goodbye not in (output / f"{one}.jsonl").read_text("utf-8", "replace").replace(" ", "")
    ]
