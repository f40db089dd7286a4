"""The C compiler: `zig cc` from the ziglang package, which brings both targets' C libraries along."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import subprocess
import tempfile
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

    A call that fails for a reason of the compiler's own is made once more. Raises `ToolchainError` with the compiler's
    words, `HostError` when it cannot run or the disk is full.
    """
    calls = calls or Calls()
    for last_try in (False, True):
        code, words = _call(arguments, cwd=cwd, cache=cache, calls=calls)
        if code == 0:
            return
        if _NO_SPACE.search(words) and (full := _full(cache, cwd, Path(tempfile.gettempdir()))):
            raise HostError(f"the disk that holds {full} is full", hint="Free some space there, or set RIG_HOME.")
        if code < 0:
            raise HostError(f"the C compiler was ended by signal {-code}; {words or 'it said nothing'}")
        if last_try or not (_OWN_FAULT.search(words) or _NO_SPACE.search(words)):
            raise ToolchainError(words or f"the C compiler ended with {code}, saying nothing")


_NO_SPACE = re.compile("NoSpaceLeft|No space left")
"""Zig says this of a full disk, and of any buffer of its own that turned out too small (its issue 19026, for one)."""
_OWN_FAULT = re.compile(r"^error: (?:.*: )?(?:[A-Z][a-z]+){2,}$", re.MULTILINE)
"""An error without a place in a source, only one of Zig's own names. Calls that run at once may get in each other's way
in the compiler's caches (its issue 18989)."""
_FULL_BYTES = 32 << 20
"""What a call may have needed: less than this is left on a disk that was full when it failed."""


def _call(arguments: Sequence[str], *, cwd: Path, cache: Path, calls: Calls) -> tuple[int, str]:
    """One call: its exit code and what it said."""
    command = [str(binary()), "cc", *arguments]
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment |= {"ZIG_GLOBAL_CACHE_DIR": str(cache / "global"), "ZIG_LOCAL_CACHE_DIR": str(cache / "local")}
    try:
        code, output = calls.run(command, cwd=cwd, env=environment)
    except subprocess.TimeoutExpired as fault:
        raise HostError(f"the C compiler did not end within {_SECONDS:.0f} s") from fault
    except OSError as fault:
        raise HostError(f"the C compiler {command[0]} does not run: {fault.strerror}", hint=_REINSTALL) from fault
    return code, _clipped(output.decode("utf-8", "replace").strip())


def _full(*places: Path) -> Path | None:
    """The first of these whose disk has no room, or no room for another file."""
    for place in places:
        there = next(path for path in (place, *place.absolute().parents) if path.exists())
        disk = os.statvfs(there)
        if disk.f_bavail * disk.f_frsize < _FULL_BYTES or (disk.f_files and not disk.f_favail):
            return place
    return None


_REINSTALL = "pip install --force-reinstall ziglang"


def _absent() -> HostError:
    return HostError("the C compiler is missing: no ziglang package beside the rig", hint="pip install ziglang")


def _clipped(words: str) -> str:
    lines = words.splitlines()
    more = len(lines) - _SHOWN_LINES
    return "\n".join(lines[:_SHOWN_LINES] + [f"... and {more} lines more"] * (more > 0))
