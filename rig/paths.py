"""Where things are: the rig's own data, and the user's.

The user's places follow the XDG base directories (platformdirs); `RIG_HOME` puts them all under one directory, which
is what tests and farms do.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import platformdirs

_PACKAGE = Path(__file__).resolve().parent


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


def _home(kind: str) -> Path:
    home = os.environ.get("RIG_HOME")
    if home:
        return Path(home).expanduser().absolute() / kind
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
    """Where overlays and sockets of one guest go: short, because a socket's path holds 107 bytes at most."""
    return Path(os.environ.get("RIG_SCRATCH", tempfile.gettempdir()))


def ensure(path: Path, mode: int = 0o755) -> Path:
    """Make a directory and its parents if absent; returns it."""
    path.mkdir(parents=True, exist_ok=True, mode=mode)
    return path
