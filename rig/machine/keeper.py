"""Ends what a dead rig left: run as a script, it kills and removes what it was told of when its input closes.

The rig starts one keeper per process and holds the other end of a pipe. Whatever ends the rig, SIGKILL included,
closes that pipe. Standard library only, and no import of the package: it must start in a few milliseconds.

Input, a line of JSON each: ["add", WHAT] or ["drop", WHAT], where WHAT is a process number or a directory's path.
A process is held by a pidfd, so that a number used again by another process is never hit.
"""

import json
import os
import shutil
import signal
import sys


def _hold(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return -1


def _end(pid: int, pidfd: int) -> None:
    try:
        if pidfd >= 0:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        elif not hasattr(os, "pidfd_open"):
            os.kill(pid, signal.SIGKILL)
    except OSError:
        pass  # it ended by itself


def main() -> None:
    """Read until the input closes, then end all that was not dropped."""
    # Whoever ends a whole session by signals ends the rig, too; the keeper has its work to do then.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    processes: dict[int, int] = {}
    directories: dict[str, None] = {}
    for line in sys.stdin:
        verb, what = json.loads(line)
        if isinstance(what, str):
            directories.pop(what, None)
            if verb == "add":
                directories[what] = None
            continue
        pidfd = processes.pop(what, -1)
        if pidfd >= 0:
            os.close(pidfd)
        if verb == "add":
            processes[what] = _hold(what)
    for pid, pidfd in processes.items():
        _end(pid, pidfd)
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
