"""The peers' own Python: a venv with pinned versions (`peers.txt`), made once, far from the rig's."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from rig.errors import HostError
from rig.paths import cache_dir, ensure

PINS = Path(__file__).with_name("peers.txt")
_SECONDS = 600.0
_TAIL = 3
_STAMP = "whole"


def peers_python(say: Callable[[str], None], pins: Path = PINS) -> Path:
    """The interpreter that has the peers, made where it is absent.

    Raises `HostError` with pip's own words where they cannot be had, as on a host that reaches no package index.
    """
    root = ensure(cache_dir() / "bench-peers")
    wanted = hashlib.sha256(pins.read_bytes() + sys.version.encode()).hexdigest()[:16]
    place = root / wanted
    python = place / "bin" / "python"
    with FileLock(root / "lock"):
        if (place / _STAMP).is_file():
            return python
        say("installing the peers into a venv of their own")
        shutil.rmtree(place, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(place)], "a venv for the peers cannot be made")
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
        _run([*pip, "--no-deps", "-r", str(pins)], "the peers cannot be installed")
        (place / _STAMP).touch()
    return python


def versions(pins: Path = PINS) -> dict[str, str]:
    """What is pinned."""
    pairs = (line.partition("==") for line in pins.read_text(encoding="utf-8").splitlines() if "==" in line)
    return {name.strip(): version.strip() for name, _, version in pairs}


def _run(argv: list[str], what: str) -> None:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise HostError(f"{what}: {fault}") from fault
    if done.returncode != 0:
        said = [line for line in (done.stderr or done.stdout).splitlines() if not line.startswith("WARNING")]
        raise HostError(f"{what}: {' / '.join(said[-_TAIL:]) or 'it did not say why'}")
