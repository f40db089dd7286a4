"""What a user reads when something went wrong."""

import signal
from pathlib import Path

import pytest

from rig import errors
from rig.errors import BootError, Evidence, GuestDied, InputError, LaunchError, RigError, exit_words

FAMILY = {
    "InputError": "RigError",
    "SpecError": "InputError",
    "ToolchainError": "InputError",
    "ManifestError": "InputError",
    "HostError": "RigError",
    "ImageError": "RigError",
    "LaunchError": "RigError",
    "GuestError": "RigError",
    "BootError": "GuestError",
    "PanicError": "GuestError",
    "HangError": "GuestError",
    "GuestDied": "GuestError",
    "TransportError": "RigError",
    "AuthError": "TransportError",
    "TransportTimeout": "TransportError",
}


def test_the_family():
    found = {
        name: kind.__bases__[0].__name__
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, RigError) and kind is not RigError
    }
    assert found == FAMILY
    assert all(name in (errors.__doc__ or "") for name in FAMILY)


def test_the_hint_stands_under_the_message():
    assert str(InputError("unknown image 'x'", hint="rig images list")) == "unknown image 'x'\n  rig images list"
    assert str(InputError("unknown image 'x'")) == "unknown image 'x'"


def test_a_launch_error_has_the_command_ready_to_paste_the_code_and_the_words():
    argv = ["qemu-system-x86_64", "-blockdev", '{"driver": "raw"}', "-name", "a b"]
    told = str(
        LaunchError("QEMU did not start", command=argv, exit_code=1, output="\nno such device\n", hint="mend it")
    )
    assert told.splitlines() == [
        "QEMU did not start (exit code 1)",
        "  QEMU said: no such device",
        """  command: qemu-system-x86_64 -blockdev '{"driver": "raw"}' -name 'a b'""",
        "  mend it",
    ]
    assert str(LaunchError("QEMU was not started", command=[], exit_code=None)) == "QEMU was not started"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "exit code 0"),
        (3, "exit code 3"),
        (-signal.SIGKILL, "killed by SIGKILL"),
        (-(signal.SIGRTMIN + 3), f"killed by signal {signal.SIGRTMIN + 3}"),
    ],
)
def test_how_a_process_ended(code, words):
    assert exit_words(code) == words


def test_a_guests_error_shows_its_evidence():
    evidence = Evidence(
        console="\n".join(f"line {number}" for number in range(20)),
        qemu_output="qemu: warning: TCG lacks x2apic\n",
        screenshot=Path("logs/screenshot.png"),
        panic={"signature": "darwin panic: x", "signature_id": "0123456789"},
    )
    told = str(BootError("no kernel", evidence=evidence, hint="look at the screen")).splitlines()
    assert told[:3] == ["no kernel", "  look at the screen", "  the console's last lines:"]
    assert told[3:15] == [f"    | line {number}" for number in range(8, 20)]
    assert told[15:] == [
        "  QEMU's last lines:",
        "    | qemu: warning: TCG lacks x2apic",
        "  the panic's signature: darwin panic: x (0123456789)",
        "  the screen: logs/screenshot.png",
    ]


def test_a_guests_error_without_evidence_is_its_message():
    fault = GuestDied("QEMU ended")
    assert str(fault) == "QEMU ended"
    assert fault.evidence == Evidence()
