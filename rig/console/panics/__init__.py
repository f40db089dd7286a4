"""Panic texts as data: read whole, after the fact. The watch notices a panic; this package says what it was."""

from rig.console.panics.model import Frame, Kext, LoadedModule, Panic
from rig.console.panics.parse import parse_panics
from rig.console.panics.signature import Signature

__all__ = ["Frame", "Kext", "LoadedModule", "Panic", "Signature", "parse_panics"]
