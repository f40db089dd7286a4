"""Where a run's directory lies: making a new one without losing an old one, and who is writing in it.

Decision on `--run-dir DIR` where DIR already holds a run: the old run is moved to DIR.1, DIR.2, ... (the first free
number) and DIR is made anew. So DIR always holds the newest run, which is what a script that opens DIR/report.html
expects, no run is ever lost, and a second run is no error. A DIR that holds anything else is refused untouched.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from pathlib import Path

from rig.errors import InputError
from rig.paths import state_dir
from rig.result.files import host_errors

RESULTS = "results.json"
EVENTS = "events.jsonl"

_LOCK_TRIES = 20
_LOCK_STEP = 0.05


def runs_root() -> Path:
    """Where runs lie that were given no directory."""
    return state_dir() / "runs"


def is_run(path: Path) -> bool:
    """Whether a directory holds a run of ours, as far as its file names and first bytes tell."""
    events, results = path / EVENTS, path / RESULTS
    with contextlib.suppress(OSError), events.open("rb") as file:
        head = file.read(200)
        if not head or b'"record.run"' in head:  # empty: killed before its first line
            return True
    with contextlib.suppress(OSError), results.open("rb") as file:
        return b'"schema_version"' in file.read(200)
    return False


def new_place(path: Path | None, image: str) -> Path:
    """An empty directory for a new run: `path`, or one by date and image under `runs_root()`.

    Raises `InputError` for a directory that holds something else, or a run that is being written now; `HostError`
    where nothing can be written.
    """
    if path is None:
        return _by_date(image)
    place = path.expanduser().absolute()
    if place.is_symlink() and place.exists():
        place = place.resolve()
    if place.exists() and not place.is_dir():
        raise InputError(f"--run-dir {path}: is a file", hint="Give a directory; it is made if absent.")
    if place.is_dir() and any(place.iterdir()):
        _make_room(place)
    with host_errors(place):
        place.mkdir(parents=True, exist_ok=True)
    return place


def _make_room(place: Path) -> None:
    if not is_run(place):
        raise InputError(
            f"--run-dir {place}: holds files that are no run of the rig (for example {next(place.iterdir()).name!r})",
            hint="Give an empty or new directory; nothing was changed.",
        )
    if writer_alive(place):
        raise InputError(
            f"--run-dir {place}: another run is being written there now", hint="Wait for it, or give another directory."
        )
    number = 1
    while place.with_name(f"{place.name}.{number}").exists():
        number += 1
    with host_errors(place):
        place.rename(place.with_name(f"{place.name}.{number}"))


def _by_date(image: str) -> Path:
    root = runs_root()
    name = time.strftime("%Y%m%d-%H%M%S") + "-" + (re.sub(r"[^A-Za-z0-9._-]+", "-", image).strip("-.") or "image")
    with host_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        for number in range(1, 1000):
            place = root / (name if number == 1 else f"{name}-{number}")
            with contextlib.suppress(FileExistsError):
                place.mkdir()
                return place
    raise InputError(f"{root}: holds too many runs of this second", hint="Give --run-dir DIR.")


def point_latest(place: Path) -> None:
    """Make `runs_root()/latest` a link to this run. A convenience: where no link can be made there is none."""
    link = runs_root() / "latest"
    new = link.with_name(f".latest.{os.getpid()}")
    with contextlib.suppress(OSError):
        link.parent.mkdir(parents=True, exist_ok=True)
        new.unlink(missing_ok=True)
        new.symlink_to(place.name if place.parent == link.parent else place, target_is_directory=True)
        new.replace(link)


def latest_run() -> Path:
    """The run written last on this machine by this user. Raises `InputError` when there is none."""
    link = runs_root() / "latest"
    if not link.is_dir():
        raise InputError("no run is known on this machine", hint="Name a run directory, or make a run: rig test")
    return link.resolve()


class WriterLock:
    """Says that a live process writes in a directory. The kernel drops it when that process ends, however it ends."""

    def __init__(self, place: Path) -> None:
        """Raises `InputError` where another process writes there."""
        self._handle: int | None = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for _ in range(_LOCK_TRIES):
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_LOCK_STEP)  # perhaps it is only one who looks whether anybody writes
            except OSError:
                return  # a file system without such locks (some NFS) is no reason not to run
            else:
                return
        self.release()
        raise InputError(f"{place}: this run is being written now", hint="Wait for its end, or end it.")

    def release(self) -> None:
        """Let go; a second call does nothing."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def writer_alive(place: Path) -> bool:
    """Whether a live process holds the `WriterLock` of a directory."""
    try:
        handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return False
