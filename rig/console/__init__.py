"""The serial console: the stream, its watch, a root shell on it."""

from rig.console.console import Console
from rig.console.panic import PanicReport
from rig.console.shell import ConsoleShell
from rig.console.watch import Watch

__all__ = ["Console", "ConsoleShell", "PanicReport", "Watch"]
