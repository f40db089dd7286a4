"""A guest, held by everybody above: booted, reached, asked, ended."""

from rig.guest.boot import StageTime
from rig.guest.bringup import boot_guest
from rig.guest.guest import Guest
from rig.guest.options import GuestOptions
from rig.guest.transport import RunResult, Transport

__all__ = ["Guest", "GuestOptions", "RunResult", "StageTime", "Transport", "boot_guest"]
