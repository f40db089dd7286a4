"""The reference guest: a small Linux disk image made from the host's own Debian packages, without root.

It is the guest that every rig has. It boots through the stages that a PureDarwin boot has (firmware, loader with a
menu, kernel, userland, network, SSH server, login prompt), so that the rig and the probes can be tried anywhere.
"""

from rig.image.reference.build import BuildInfo, build_reference, inputs_digest, manifest_path
from rig.image.reference.tools import required_tools

__all__ = ["BuildInfo", "build_reference", "inputs_digest", "manifest_path", "required_tools"]
