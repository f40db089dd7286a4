"""A fake loader in real QEMU: F8, the prompt, the line, Enter, and a kernel that boots with the flags typed."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from rig.errors import BootError, InputError
from rig.guest import GuestOptions, boot_guest
from rig.guest.loader import LoaderError
from rig.image.store import Store
from rig.machine.screen import Screen
from rig.spec import Accel, BootFlags, ImageSpec, PanicMode, parse_spec
from rig.tests.fakeguest.disk import Bench
from rig.tests.fakeguest.script import Script
from rig.tests.image.inspect.disks import gpt
from rig.tests.image.inspect.fatfs import fat

pytestmark = pytest.mark.qemu
LOADER = {"kind": "prompt", "key": "f8", "deadline": 60}
FLAGS = {"console": "serial", "panic": "report", "verbose": True}


def script_of(bench: Bench, name: str = "good-17.4", **boot: Any) -> Script:
    found = bench.script(name)
    image = {**found.image, "boot": {"loader": LOADER, "flags": FLAGS, **boot}}
    return found.model_copy(update={"image": image})


def test_flags_are_typed_at_the_loaders_prompt_and_the_kernel_has_them(tmp_path):
    bench = Bench(tmp_path)
    raw = BootFlags(boot_args='rd=disk0s2 name="A_b~{|}" ' + "x=" + 60 * "y")
    with boot_guest(bench.stored(script_of(bench)), bench.options(flags=raw)) as guest:
        assert [stage.name for stage in guest.stages][:3] == ["flags", "kernel", "userland"]
        wanted = f"-v debug=0xc keepsyms=1 serial=3 {raw.boot_args}"
        # What the loader took in is read on its screen; the guest's serial line may lose or double a byte.
        assert Screen(guest.machine, tmp_path).look().flow.endswith(f"boot: {wanted}")
        assert b"Kernel boot args: '-v debug=" in guest.machine.launch.console_log.read_bytes()
        guest.shell().log_in(guest.deadline(20))


def test_a_boot_that_goes_on_without_the_flags_is_told_at_once(tmp_path):
    bench = Bench(tmp_path)
    script = script_of(bench, loader=LOADER | {"key": "f7"})
    with pytest.raises(
        LoaderError, match=r"went on without them to 'kernel'.*\n.*screen's text:\n    \| Darwin/x86"
    ) as told:
        boot_guest(bench.stored(script), bench.options())
    assert told.value.evidence.screenshot is not None


def test_a_loader_that_finds_no_kernel_says_so_on_the_screen_alone(tmp_path):
    bench = Bench(tmp_path)
    steps = """
        what: the loader takes its line and then finds no kernel
        like: puredarwin-17.4
        steps:
          - clear: true
          - show: "\\nboot: "
          - read: {source: keyboard}
          - show: "\\nCan't find boot file: '/mach_kernel'\\n"
          - end: spin
    """
    bare = parse_spec(Script, textwrap.dedent(steps), "here")
    script = bare.model_copy(update={"image": {"boot": {"loader": LOADER, "flags": FLAGS}}})
    with pytest.raises(BootError, match=r"'kernel' will not be reached: the loader found no kernel.*on the screen"):
        boot_guest(bench.stored(script), bench.options())


def test_the_firmware_of_a_uefi_guest_reads_the_flags_that_were_written(tmp_path):
    """The firmware's own shell is the guest: it has a FAT driver of its own, and nothing else on the disk to start."""
    efi = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
    volume = fat({"EFI/BOOT/boot-args.txt": b"-v debug=0x219 gopconsole=1\n"}, bits=16)
    disk = tmp_path / "disk.img"
    disk.write_bytes(gpt([(efi, volume, "ESP")]))
    prompt = r"Shell> ?(?:\x1b\[[0-9;]*[A-Za-z])*$"
    spec = ImageSpec.model_validate(
        {
            "name": "uefi-shell",
            "summary": "an EFI partition without a loader",
            "os": "darwin",
            "source": {"kind": "download", "url": disk.as_uri(), "format": "raw"},
            "machine": {"board": "q35", "firmware": "uefi", "memory": 256, "disk": "ahci", "nic": "none"},
            "boot": {
                "stages": [{"name": "firmware", "pattern": prompt, "deadline": 60}],
                "loader": {"kind": "file", "path": "/EFI/BOOT/boot-args.txt"},
            },
            "login": {"kind": "none"},
            "transports": ["serial"],
        }
    )
    stored = Store(tmp_path / "images").ensure(spec)
    flags = BootFlags(panic=PanicMode.REBOOT, console="serial")
    options = GuestOptions(logs=tmp_path / "logs", accel=Accel.TCG, console_only=True, flags=flags)
    with boot_guest(stored, options) as guest:
        guest.console.forget()
        guest.console.send("type FS0:\\EFI\\BOOT\\boot-args.txt\r")
        guest.console.expect([r"-v debug=0x100008 gopconsole=1 keepsyms=1 serial=3"], guest.deadline(30))


def test_an_image_without_a_way_to_set_flags_is_refused_before_it_is_booted(tmp_path):
    bench = Bench(tmp_path)
    stored = bench.stored(bench.script("good-17.4"))
    with pytest.raises(InputError, match="knows no way to give its kernel flags"):
        boot_guest(stored, bench.options(flags=BootFlags(verbose=True)))
    assert not (tmp_path / "logs").exists()
