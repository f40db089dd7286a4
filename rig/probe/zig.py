"""The C compiler: `zig cc` from the ziglang package, which brings both targets' C libraries along."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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


class Calls:
    """Compiler calls that end together: those under way are stopped, and no further one starts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    @contextmanager
    def stopped_on_error(self) -> Iterator[None]:
        """Stop them when the block is left by an exception, Ctrl-C included: else the threads that wait for the
        compiler would hold their caller until it is done."""
        try:
            yield
        except BaseException:
            with self._lock:
                self._stopped = True
                for call in self._running:
                    call.terminate()
            raise

    def run(self, command: Sequence[str], *, cwd: Path, env: dict[str, str]) -> tuple[int, bytes]:
        """Exit code and all output. Raises `OSError`, `subprocess.TimeoutExpired`, `HostError` once stopped."""
        with self._lock:
            if self._stopped:
                raise HostError("the compilation was stopped")
            call = subprocess.Popen(
                command,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            self._running.add(call)
        try:
            with call:
                try:
                    output, _ = call.communicate(timeout=_SECONDS)
                except BaseException:
                    call.kill()
                    raise
        finally:
            with self._lock:
                self._running.discard(call)
        return call.returncode, output


def compile_c(arguments: Sequence[str], *, cwd: Path, cache: Path, calls: Calls | None = None) -> None:
    """Run `zig cc` in `cwd`, with the compiler's own caches below `cache`, as one of `calls`.

    Raises `ToolchainError` with the compiler's words, `HostError` when it cannot run or the disk is full.
    """
    command = [str(binary()), "cc", *arguments]
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment |= {"ZIG_GLOBAL_CACHE_DIR": str(cache / "global"), "ZIG_LOCAL_CACHE_DIR": str(cache / "local")}
    try:
        code, output = (calls or Calls()).run(command, cwd=cwd, env=environment)
    except subprocess.TimeoutExpired as fault:
        raise HostError(f"the C compiler did not end within {_SECONDS:.0f} s") from fault
    except OSError as fault:
        raise HostError(f"the C compiler {command[0]} does not run: {fault.strerror}", hint=_REINSTALL) from fault
    if code == 0:
        return
    words = _clipped(output.decode("utf-8", "replace").strip())
    if "NoSpaceLeft" in words or "No space left" in words:
        raise HostError(f"the disk that holds {cache} is full", hint="Free some space there, or set RIG_HOME.")
    if code < 0:
        raise HostError(f"the C compiler was ended by signal {-code}; {words or 'it said nothing'}")
    raise ToolchainError(words or f"the C compiler ended with {code}, saying nothing")


_REINSTALL = "pip install --force-reinstall ziglang"


def _absent() -> HostError:
    return HostError("the C compiler is missing: no ziglang package beside the rig", hint="pip install ziglang")


def _clipped(words: str) -> str:
    lines = words.splitlines()
    more = len(lines) - _SHOWN_LINES
    return "\n".join(lines[:_SHOWN_LINES] + [f"... and {more} lines more"] * (more > 0))
