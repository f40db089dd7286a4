"""Where things are: the rig's own data, and the user's.

The user's places follow the XDG base directories (platformdirs); `RIG_HOME` puts them all under one directory, which
is what tests and farms do.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import platformdirs

from rig.errors import HostError, InputError

_PACKAGE = Path(__file__).resolve().parent
_SCRATCH_LIMIT = 103 - len("/rig-xxxxxxxx/console.sock")
"""Bytes of a scratch directory's path: sun_path (macOS 103, Linux 107) less what the rig puts behind it."""


def data_root() -> Path:
    """The directory that holds `images/` and `guest-tests/`: the checkout, or the installed copy."""
    installed = _PACKAGE / "_data"
    return installed if installed.is_dir() else _PACKAGE.parent


def images_dir() -> Path:
    """The catalogue that ships with the rig."""
    return data_root() / "images"


def probes_dir() -> Path:
    """The probes that ship with the rig: one directory a mechanism."""
    return data_root() / "guest-tests" / "probes"


def harness_dir() -> Path:
    """The C harness that every probe links."""
    return data_root() / "guest-tests" / "harness"


def agent_dir() -> Path:
    """The C program that serves the rig on a guest's serial console."""
    return data_root() / "guest-tests" / "agent"


def _absolute(value: str, variable: str) -> Path:
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as fault:
        raise InputError(f"{variable}={value}: {fault}", hint="Give an absolute path.") from fault


def _home(kind: str) -> Path:
    home = os.environ.get("RIG_HOME")
    if home:
        return _absolute(home, "RIG_HOME") / kind
    dirs = platformdirs.PlatformDirs("puredarwin-rig", appauthor=False)
    return {
        "cache": dirs.user_cache_path,
        "data": dirs.user_data_path,
        "config": dirs.user_config_path,
        "state": dirs.user_state_path,
    }[kind]


def cache_dir() -> Path:
    """What can be made again: compiled probes, downloads in progress, verdicts."""
    return _home("cache")


def store_dir() -> Path:
    """The image store."""
    return _home("data") / "images"


def config_dir() -> Path:
    """The user's own catalogue entries (`images/*.yaml`) and SSH key."""
    return _home("config")


def state_dir() -> Path:
    """Running guests (`rig up`) and the last runs' records."""
    return _home("state")


def scratch_parent() -> Path:
    """Where overlays and sockets of one guest go: `RIG_SCRATCH`, else the system's temporary directory.

    A socket's path holds 103 bytes at most, so a temporary directory too deep for that gives way to /tmp. Raises
    `InputError` for a `RIG_SCRATCH` that is no directory or too deep.
    """
    given = os.environ.get("RIG_SCRATCH")
    if not given:
        usual = Path(tempfile.gettempdir()).absolute()
        return usual if _fits(usual) else Path("/tmp")  # noqa: S108  (what is made there has a random name)
    path = _absolute(given, "RIG_SCRATCH")
    if not path.is_dir():
        raise InputError(f"RIG_SCRATCH={given}: no such directory", hint="Make it, or unset RIG_SCRATCH.")
    if not _fits(path):
        raise InputError(
            f"RIG_SCRATCH={given}: too long by {len(os.fsencode(path)) - _SCRATCH_LIMIT} bytes for a socket's path",
            hint="Give a shorter path.",
        )
    return path


def _fits(parent: Path) -> bool:
    return len(os.fsencode(parent)) <= _SCRATCH_LIMIT


def ensure(path: Path, mode: int = 0o755) -> Path:
    """Make a directory and its parents if absent; returns it. Raises `HostError` where that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=mode)
    except OSError as fault:
        raise HostError(
            f"{path}: the directory cannot be made: {fault.strerror}", hint="RIG_HOME puts all of the rig's elsewhere."
        ) from fault
    return path
