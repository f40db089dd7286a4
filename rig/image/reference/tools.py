"""The host's tools that the build runs, and one way to run them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from rig.errors import ImageError

_TOOLS = {
    "apt-cache": "apt",
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "mke2fs": "e2fsprogs",
    "debugfs": "e2fsprogs",
    "e2fsck": "e2fsprogs",
    "qemu-img": "qemu-utils",
}
_SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


def required_tools() -> dict[str, str]:
    """Every host tool the build runs, with the Debian package that holds it.

    The boot loader's own tool is not among them: it comes out of a package downloaded for the build.
    """
    return dict(_TOOLS)


def _which(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}")


def find_tool(name: str) -> str:
    """The path of a host tool; looks in the sbin directories too, which an ordinary user's PATH may lack.

    Raises ImageError that names the package to install.
    """
    found = _which(name)
    if found is None:
        package = _TOOLS.get(name, name)
        raise ImageError(
            f"the reference image needs the tool {name}, which this machine lacks",
            hint=f"as root: apt-get install {package}",
        )
    return found


def check_tools() -> None:
    """Raise ImageError unless all tools are there, naming every absent one at once."""
    absent = [name for name in _TOOLS if _which(name) is None]
    if absent:
        packages = sorted({_TOOLS[name] for name in absent})
        raise ImageError(
            f"the reference image needs tools that this machine lacks: {', '.join(absent)}",
            hint=f"as root: apt-get install {' '.join(packages)}",
        )


def run_tool(
    argv: Sequence[str],
    *,
    what: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    accept: Sequence[int] = (0,),
    hint: str = "",
    stdout: IO[bytes] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a tool to its end with a plain C locale and no input; output is captured as bytes, or goes to `stdout`.

    `what` says in words what it is for. Raises ImageError with the tool's last words when its exit code is not in
    `accept`.
    """
    program = argv[0] if "/" in argv[0] else find_tool(argv[0])
    surroundings = {**os.environ, "LC_ALL": "C", "TZ": "UTC", **(env or {})}
    try:
        done = subprocess.run(
            [program, *argv[1:]],
            cwd=cwd,
            env=surroundings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if stdout is None else stdout,
            stderr=subprocess.PIPE,
            check=False,
        )
    except OSError as fault:
        raise ImageError(f"cannot {what}: {program}: {fault.strerror}", hint=hint) from fault
    if done.returncode not in accept:
        words = (done.stderr or done.stdout or b"").decode(errors="replace").strip().splitlines()[-6:]
        raise ImageError(
            f"cannot {what}: {Path(program).name} ended with {done.returncode}: {' / '.join(words) or 'no words'}",
            hint=hint,
        )
    return done
