"""A guest image: where it comes from, what machine it wants, how it boots and how one gets in."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from rig.spec.base import Spec
from rig.spec.flags import BootFlags, Loader
from rig.spec.machine import MachineSpec
from rig.spec.patterns import Pattern, Seconds, Typed
from rig.spec.setup import NetworkSpec, SetupLine

GuestPath = Annotated[str, Field(pattern=r"^/?[A-Za-z0-9._@+-]+(/[A-Za-z0-9._@+-]+)*$")]
"""A path of the guest that a shell takes as it is, without quotes."""
GuestDirectory = Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._@+-]+)+/?$")]
"""The same, from the root down."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
ImageName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]


class GuestOS(StrEnum):
    """Decides the probes' ABI and the column of expectations."""

    DARWIN = "darwin"
    LINUX = "linux"


class ImageFormat(StrEnum):
    """Disk formats that qemu-img converts from."""

    RAW = "raw"
    QCOW2 = "qcow2"
    VMDK = "vmdk"


class SourceKind(StrEnum):
    """download: from a URL. import: the user brings the file. build: the rig builds it."""

    DOWNLOAD = "download"
    IMPORT = "import"
    BUILD = "build"


class TransportKind(StrEnum):
    """The ways into a guest."""

    SSH = "ssh"
    SERIAL = "serial"


class TransportChoice(StrEnum):
    """What is asked for. `auto`: the first that the image has."""

    AUTO = "auto"
    SSH = "ssh"
    SERIAL = "serial"


class Dialect(StrEnum):
    """Whose panic text the console watch looks for."""

    DARWIN = "darwin"
    LINUX = "linux"


class SourceSpec(Spec):
    """Where the image comes from. Without a pinned sha256 the first one seen is recorded and then enforced."""

    kind: SourceKind
    url: Annotated[str, Field(pattern=r"^(https?|file)://")] | None = None
    """For download."""
    sha256: Sha256 | None = None
    """Of the file as fetched or brought, before unpacking."""
    archive: Literal["none", "xz", "zip", "gz"] = "none"
    format: ImageFormat = ImageFormat.QCOW2
    """Of the disk image, after unpacking."""
    builder: Literal["reference"] | None = None
    """For build: which of the rig's builders."""
    how: str = ""
    """For a reader: how one gets the file."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind is SourceKind.DOWNLOAD and not self.url:
            raise ValueError("a source of kind download needs `url`")
        if self.kind is SourceKind.BUILD and not self.builder:
            raise ValueError("a source of kind build needs `builder`")
        return self


class BootStage(Spec):
    """One step of a boot, seen on the console."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    """One of the field's words: firmware loader kernel userland login shell network ssh."""
    pattern: Pattern | None = None
    """Regular expression (bytes of the console, multi-line) whose match means that the stage is reached. Absent for
    `ssh`, which is reached when the server's banner arrives, and for stages that an image does not announce."""
    deadline: Seconds
    """Seconds from the stage before, on hardware acceleration; scaled by the guest's factor."""
    send: str | None = None
    """Text sent to the console once the stage is reached, for example a choice in a boot menu."""


class BootSpec(Spec):
    """The boot's stages in order, and what tells that it has gone wrong."""

    stages: tuple[BootStage, ...]
    stuck: dict[Pattern, str] = Field(default_factory=dict)
    """Patterns that mean this boot will not get further, with the reason in words."""
    silence: Seconds = 60
    """Longest time without a byte on the console during boot, scaled."""
    loader: Loader | None = None
    """How the kernel's flags are set; absent: the rig knows no way."""
    flags: BootFlags = BootFlags()
    """The flags that this image is booted with, beside its own."""

    @field_validator("flags", mode="before")
    @classmethod
    def _none_is_none(cls, flags: Any) -> Any:
        return BootFlags() if flags is None else flags

    @model_validator(mode="after")
    def _flags_need_a_way(self) -> Self:
        if self.flags and self.loader is None:
            raise ValueError("flags are given, but no loader that could be told them")
        return self

    @field_validator("stages")
    @classmethod
    def _distinct(cls, stages: tuple[BootStage, ...]) -> tuple[BootStage, ...]:
        names = [stage.name for stage in stages]
        if not names:
            raise ValueError("at least one stage is needed")
        if len(set(names)) != len(names):
            raise ValueError(f"stage names must differ, found {names}")
        return stages


class LoginSpec(Spec):
    """How one becomes root on the console."""

    kind: Literal["shell", "prompt", "none"] = "shell"
    """shell: a root shell is there at once. prompt: a login prompt. none: the console takes no input."""
    user: Typed = "root"
    password: Typed | None = None
    """For a prompt that asks for one."""


class ConsoleSpec(Spec):
    """The serial console's habits."""

    login_prompt: Pattern = r"login: ?$"
    """Regular expression of the login prompt."""
    shell_prompt: Pattern = r"[#$%] ?$"
    """Regular expression of the root shell's prompt."""
    line_limit: Annotated[int, Field(ge=40, le=4096)] = 1000
    """Longest command line that the shell takes without redrawing it, in characters."""
    input_rate: Annotated[int, Field(ge=1)] | None = None
    """Bytes a second that the guest takes in without loss; absent: no limit known."""


class SshSpec(Spec):
    """How the guest is reached by SSH."""

    user: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9._-]*$")] = "root"
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    authorized_keys: GuestPath = ".ssh/authorized_keys"
    """Where the rig's own public key is put over the console when the user gave no key; below the user's home directory
    (Darwin's root lives in /var/root, others' in /root) unless it begins with a slash."""
    key: str | None = None
    """Private key file given at import; the rig's own key is used without one."""


class SerialSpec(Spec):
    """How the guest is reached by its console alone."""

    disks: tuple[GuestDirectory, ...] = ()
    """Devices as which the rig's two raw disks may appear, in any order; what stands on them tells which is which.
    Darwin: the raw ones, /dev/rdiskN. Absent: the usual ones of the operating system."""


_USUAL_DISKS = {
    GuestOS.DARWIN: ("/dev/rdisk1", "/dev/rdisk2", "/dev/rdisk3", "/dev/rdisk0"),
    GuestOS.LINUX: ("/dev/sda", "/dev/sdb", "/dev/sdc"),
}


def _dialect_may_be_left_out(schema: dict[str, Any]) -> None:
    schema["required"].remove("dialect")


class ImageSpec(Spec):
    """One entry of the catalogue."""

    model_config = ConfigDict(json_schema_extra=_dialect_may_be_left_out)

    name: ImageName
    summary: str
    os: GuestOS
    release: str | None = None
    """Kernel release where it is known, as `uname -r` prints it."""
    source: SourceSpec
    machine: MachineSpec = MachineSpec()
    boot: BootSpec
    login: LoginSpec = LoginSpec()
    console: ConsoleSpec = ConsoleSpec()
    transports: Annotated[tuple[TransportKind, ...], Field(min_length=1)] = (TransportKind.SSH,)
    """In order of preference."""
    ssh: SshSpec = SshSpec()
    serial: SerialSpec = SerialSpec()
    network: NetworkSpec = NetworkSpec()
    setup: tuple[SetupLine, ...] = ()
    """Typed on the console as root once it is there, in order, after the network is set; before SSH is tried."""
    dialect: Dialect
    """Absent: that of the operating system."""
    workdir: GuestDirectory = "/tmp"  # noqa: S108  (a directory of the guest, not of this host)
    """Directory of the guest under which probes are put."""
    has: dict[str, bool] = Field(default_factory=dict)
    """Known facts, for example `sftp: false`, `notifyd: false`."""
    notes: tuple[str, ...] = ()
    """For a reader: what is known of this image."""

    @property
    def serial_disks(self) -> tuple[str, ...]:
        """Where the guest may find the rig's two raw disks."""
        return self.serial.disks or _USUAL_DISKS[self.os]

    @model_validator(mode="before")
    @classmethod
    def _dialect_follows_os(cls, data: Any) -> Any:
        # A list of values: what stands for `os` may be anything, also what no set can be asked for.
        if isinstance(data, dict) and "dialect" not in data and data.get("os") in list(GuestOS):
            return {**data, "dialect": data["os"]}
        return data

    @model_validator(mode="after")
    def _ssh_needs_a_card(self) -> Self:
        if TransportKind.SSH in self.transports and self.machine.nic == "none":
            raise ValueError("transports names ssh, but machine.nic is none")
        return self

    @model_validator(mode="after")
    def _setup_can_be_typed(self) -> Self:
        wants_network = self.network.by != "image" or any(line.needs_interface for line in self.setup)
        if wants_network and self.machine.nic == "none":
            raise ValueError("network or setup names an interface, but machine.nic is none")
        if (self.setup or self.network.by != "image") and self.login.kind == "none":
            raise ValueError("network and setup are typed on the console, but login.kind is none")
        return self
