"""What the user writes: images, machines and suites as YAML, checked by pydantic models.

Every error names the file, the line, the key, what was found and what is allowed.
"""

from rig.spec.flags import BootFlags, LoaderFile, LoaderPrompt, PanicMode
from rig.spec.image import (
    BootSpec,
    BootStage,
    ConsoleSpec,
    Dialect,
    GuestOS,
    ImageFormat,
    ImageSpec,
    LoginSpec,
    SourceKind,
    SourceSpec,
    TransportChoice,
    TransportKind,
)
from rig.spec.loader import load_spec, parse_spec
from rig.spec.machine import Accel, Clock, Firmware, MachineSpec
from rig.spec.quarantine import PlacedEntry, QuarantineEntry, QuarantineSpec, load_quarantine
from rig.spec.setup import NetworkSpec, SetupLine
from rig.spec.suite import Isolation, OnPanic, SuiteSpec

__all__ = [
    "Accel",
    "BootFlags",
    "BootSpec",
    "BootStage",
    "Clock",
    "ConsoleSpec",
    "Dialect",
    "Firmware",
    "GuestOS",
    "ImageFormat",
    "ImageSpec",
    "Isolation",
    "LoaderFile",
    "LoaderPrompt",
    "LoginSpec",
    "MachineSpec",
    "NetworkSpec",
    "OnPanic",
    "PanicMode",
    "PlacedEntry",
    "QuarantineEntry",
    "QuarantineSpec",
    "SetupLine",
    "SourceKind",
    "SourceSpec",
    "SuiteSpec",
    "TransportChoice",
    "TransportKind",
    "load_quarantine",
    "load_spec",
    "parse_spec",
]
