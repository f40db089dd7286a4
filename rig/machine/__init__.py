"""One emulated machine: spec to argv, the QEMU process, its QMP, its end."""

from rig.machine.launch import Launch, Network
from rig.machine.machine import Machine

__all__ = ["Launch", "Machine", "Network"]
