"""The real image: built twice, booted on both network cards, entered by console and SSH, powered off, made to panic."""

import contextlib
import json
import os
import subprocess
import tempfile
from pathlib import Path

import paramiko
import pytest

from rig.image.reference import BuildInfo, build_reference, inputs_digest, manifest_path
from rig.paths import cache_dir
from rig.tests.image.reference.machine import Machine

pytestmark = pytest.mark.qemu

STAGES = {
    "firmware": rb"SeaBIOS \(version ",
    "loader": rb"GNU GRUB +version ",
    "countdown": rb"executed automatically in 1s",
    "kernel": rb"^\[ +0\.000000\] Linux version \d",
    "initramfs": rb"^initramfs: started\r$",
    "root": rb"^initramfs: root file system on /dev/sd[a-z]1\r$",
    "userland": rb"^rcS: userland started\r$",
    "network": rb"^rcS: network up: eth0 10\.0\.2\.15/24 \((\w+)\)\r$",
    "ssh": rb"^rcS: ssh server started on port 22\r$",
    "login": rb"reference login: ",
}
PROMPT = rb"^reference# "


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> BuildInfo:
    out = tmp_path_factory.mktemp("reference") / "reference.qcow2"
    return build_reference(cache_dir() / "build-reference", out, say=print)


@contextlib.contextmanager
def booted(built: BuildInfo, nic: str):
    with tempfile.TemporaryDirectory(prefix="ref") as directory, Machine(built.path, Path(directory), nic=nic) as guest:
        yield guest


def login(guest: Machine) -> None:
    guest.type("root")
    guest.expect(PROMPT)


def run(client: paramiko.SSHClient, command: str) -> tuple[int, str]:
    _, stdout, _ = client.exec_command(command)
    text = stdout.read().decode()
    return stdout.channel.recv_exit_status(), text


def test_the_same_packages_give_the_same_image_whoever_builds(built, tmp_path):
    before = os.umask(0o077)
    try:
        again = build_reference(cache_dir() / "build-reference", tmp_path / "again.qcow2", say=print)
    finally:
        os.umask(before)
    assert again.sha256 == built.sha256
    assert again.packages == built.packages


def test_the_image_is_small_sound_and_has_a_manifest(built):
    assert built.path.stat().st_size < 100 << 20
    subprocess.run(["qemu-img", "check", "-q", "-f", "qcow2", str(built.path)], check=True)
    manifest = json.loads(manifest_path(built.path).read_text())
    assert manifest["image_sha256"] == built.sha256
    assert manifest["inputs_sha256"] == inputs_digest()
    assert {p["name"]: p["version"] for p in manifest["packages"]} == built.packages
    assert all(len(p["sha256"]) == 64 for p in manifest["packages"])


def test_boot_login_ssh_and_power_button(built):
    key = paramiko.ECDSAKey.generate()
    with booted(built, "e1000-82545em") as guest:
        for name, pattern in STAGES.items():
            found = guest.expect(pattern)
            if name == "network":
                assert found.group(1) == b"e1000"
        with pytest.raises(paramiko.AuthenticationException):
            guest.ssh(None, password="")
        with pytest.raises(paramiko.AuthenticationException):
            guest.ssh(key)
        login(guest)
        guest.type(f"echo '{key.get_name()} {key.get_base64()}' >> /root/.ssh/authorized_keys")
        guest.expect(PROMPT)
        with guest.ssh(key) as client:
            assert run(client, "exit 7")[0] == 7
            assert run(client, "cat /proc/sys/kernel/sysrq") == (0, "1\n")
            assert "mqueue on /dev/mqueue type mqueue" in run(client, "mount")[1]
            assert (
                run(client, "for d in /dev/shm /dev/mqueue /tmp; do stat -c '%a %U' $d; done")[1] == "1777 root\n" * 3
            )
            assert run(client, "cat /proc/sysvipc/msg /proc/sysvipc/sem /proc/sysvipc/shm | wc -l") == (0, "3\n")
            assert run(client, "ls -ln /etc /usr/bin /root | grep -v -E '^total|^[^ ]+ +[0-9]+ 0 +0 '")[
                1
            ] == "\n\n".join(["/etc:", "/root:", "/usr/bin:\n"])
            content = os.urandom(300_000)
            with client.open_sftp() as sftp:
                with sftp.open("/tmp/blob", "wb") as file:
                    file.write(content)
                with sftp.open("/tmp/blob", "rb") as file:
                    assert file.read() == content
            assert run(client, "tar c -C /tmp blob | tar t") == (0, "blob\n")
        guest.ask("system_powerdown")
        guest.expect(rb"reboot: Power down")
        assert guest.process.wait(60) == 0


def test_the_other_network_card_and_a_panic_that_stays_put(built):
    with booted(built, "rtl8139") as guest:
        assert guest.expect(STAGES["network"]).group(1) == b"8139cp"
        guest.expect(STAGES["login"])
        login(guest)
        guest.type("echo c > /proc/sysrq-trigger")
        guest.expect(rb"Kernel panic - not syncing: sysrq triggered crash\r$")
        guest.expect(rb"---\[ end Kernel panic - not syncing: sysrq triggered crash \]---")
        assert guest.process.poll() is None


def test_the_menu_takes_a_choice_over_the_serial_line(built):
    with booted(built, "rtl8139") as guest:
        guest.expect(STAGES["countdown"])
        guest.type("\x1b[B\x1b[B")
        guest.expect(rb"^initramfs: rescue shell\r$")
