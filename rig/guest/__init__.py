"""A guest, held by everybody above: booted, reached, asked, ended.

What is named here is imported when it is first asked for: `rig ps` and `rig down` want the registry alone, without SSH.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rig.guest.boot import StageTime
    from rig.guest.bringup import boot_guest
    from rig.guest.guest import Guest
    from rig.guest.options import GuestOptions
    from rig.guest.transport import RunResult, Transport

_PLACES = {
    "Guest": "guest",
    "GuestOptions": "options",
    "RunResult": "transport",
    "StageTime": "boot",
    "Transport": "transport",
    "boot_guest": "bringup",
}

__all__ = ["Guest", "GuestOptions", "RunResult", "StageTime", "Transport", "boot_guest"]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
