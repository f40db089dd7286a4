"""The C compiler: `zig cc` from the ziglang package, which brings both targets' C libraries along."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import subprocess
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from rig.errors import HostError, ToolchainError

_SECONDS = 1800.0
"""For one call. A target's first call also builds its C library: half a minute on a slow host."""
_SHOWN_LINES = 60
_KEPT = ("PATH", "HOME", "TMPDIR", "TEMP", "SYSTEMROOT")
"""All that the compiler sees of the caller's environment: ZIG_LIB_DIR, SDKROOT and their like change what it makes."""


@lru_cache
def version() -> str:
    """The ziglang package's version. Raises `HostError` when it is not installed."""
    try:
        return importlib.metadata.version("ziglang")
    except importlib.metadata.PackageNotFoundError:
        raise _absent() from None


@lru_cache
def binary() -> Path:
    """The compiler inside the package; called directly, it starts without a second Python.

    Raises `HostError` when it is not there.
    """
    spec = importlib.util.find_spec("ziglang")
    for directory in (spec.submodule_search_locations or []) if spec else []:
        for name in ("zig", "zig.exe"):
            if (path := Path(directory) / name).is_file():
                return path
    raise _absent()


def compile_c(arguments: Sequence[str], *, cwd: Path, cache: Path) -> None:
    """Run `zig cc` in `cwd`, with the compiler's own caches below `cache`.

    Raises `ToolchainError` with the compiler's words, `HostError` when it cannot run or the disk is full.
    """
    command = [str(binary()), "cc", *arguments]
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment |= {
        "ZIG_GLOBAL_CACHE_DIR": str(cache / "global"),
        "ZIG_LOCAL_CACHE_DIR": str(cache / "local"),
    }
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as fault:
        raise HostError(f"the C compiler did not end within {_SECONDS:.0f} s") from fault
    except OSError as fault:
        raise HostError(f"the C compiler {command[0]} does not run: {fault.strerror}", hint=_REINSTALL) from fault
    if done.returncode == 0:
        return
    words = _clipped(done.stdout.decode("utf-8", "replace").strip())
    if "NoSpaceLeft" in words or "No space left" in words:
        raise HostError(f"the disk that holds {cache} is full", hint="Free some space there, or set RIG_HOME.")
    if done.returncode < 0:
        raise HostError(f"the C compiler was ended by signal {-done.returncode}; {words or 'it said nothing'}")
    raise ToolchainError(words or f"the C compiler ended with {done.returncode}, saying nothing")


_REINSTALL = "pip install --force-reinstall ziglang"


def _absent() -> HostError:
    return HostError("the C compiler is missing: no ziglang package beside the rig", hint="pip install ziglang")


def _clipped(words: str) -> str:
    lines = words.splitlines()
    more = len(lines) - _SHOWN_LINES
    return "\n".join(lines[:_SHOWN_LINES] + [f"... and {more} lines more"] * (more > 0))
