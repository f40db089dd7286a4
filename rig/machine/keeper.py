"""Ends what a dead rig left: run as a script, it kills the processes it was told of when its input closes.

The rig starts one keeper per process and holds the other end of a pipe. Whatever ends the rig, SIGKILL included,
closes that pipe. Standard library only, and no import of the package: it must start in a few milliseconds.

Input, a line each:   add PID DIRECTORY   |   drop PID
A process is held by a pidfd, so that a pid used again by another process is never hit.
"""

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
    held: dict[int, tuple[int, str]] = {}
    for line in sys.stdin:
        verb, pid_text, *rest = line.rstrip("\n").split(" ", 2)
        pid = int(pid_text)
        if verb == "add":
            held[pid] = (_hold(pid), rest[0])
        elif pid in held:
            pidfd, _ = held.pop(pid)
            if pidfd >= 0:
                os.close(pidfd)
    for pid, (pidfd, directory) in held.items():
        _end(pid, pidfd)
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
