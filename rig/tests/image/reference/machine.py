"""A QEMU for the tests of the image alone, without the rig's own way to boot: neither hides the other's fault."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Self

import paramiko

PATIENCE = 240.0
"""Seconds: for a busy host; a boot takes a twentieth of it."""


class Machine:
    """One guest on an overlay of the image, with its serial line; a context manager that always ends it."""

    def __init__(self, image: Path, directory: Path, *, nic: str) -> None:
        self._directory = directory
        self.log = b""
        self._seen = 0
        disk = directory / "disk.qcow2"
        subprocess.run(
            ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(image), "-F", "qcow2", str(disk)], check=True
        )
        # The port is free now; nobody else listens on it by the time QEMU does, or the boot fails loudly.
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.argv = [
            "qemu-system-x86_64",
            *("-nodefaults", "-no-user-config", "-S", "-no-reboot", "-display", "none"),
            *("-machine", "q35,graphics=off", "-accel", "tcg", "-cpu", "Penryn,+rdrand", "-smp", "1", "-m", "256"),
            *("-blockdev", f"driver=qcow2,node-name=disk,file.driver=file,file.filename={disk}"),
            *("-device", "ich9-ahci,id=ahci", "-device", "ide-hd,bus=ahci.0,drive=disk,bootindex=0"),
            *("-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:22"),
            *("-device", f"{nic},netdev=net,mac=52:54:00:12:34:56,romfile="),
            *("-chardev", f"socket,id=serial,path={directory}/s,server=on,wait=off", "-serial", "chardev:serial"),
            *("-qmp", f"unix:{directory}/q,server=on,wait=off"),
        ]

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(self.argv, stderr=subprocess.PIPE)
        try:
            self._serial = self._connect("s")
            self._qmp = self._connect("q").makefile("rwb", buffering=0)
            self._qmp.readline()
            self.ask("qmp_capabilities")
            self.ask("cont")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def _connect(self, name: str) -> socket.socket:
        deadline = time.monotonic() + 30
        while True:
            channel = socket.socket(socket.AF_UNIX)
            try:
                channel.connect(f"{self._directory}/{name}")
            except OSError:
                channel.close()
                assert self.process.poll() is None, self.process.communicate()[1].decode()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            else:
                return channel

    def ask(self, command: str) -> Any:
        """One QMP command; events are passed over."""
        self._qmp.write(json.dumps({"execute": command}).encode() + b"\n")
        while True:
            answer = json.loads(self._qmp.readline())
            if "event" not in answer:
                return answer["return"]

    def expect(self, pattern: bytes) -> re.Match[bytes]:
        """Wait for a pattern on the serial line, after the one matched before."""
        deadline = time.monotonic() + PATIENCE
        while not (found := re.compile(pattern, re.MULTILINE).search(self.log, self._seen)):
            self._serial.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                got = self._serial.recv(65536)
            except TimeoutError:
                got = b""
            assert got, f"{pattern!r} did not come; the console ends with {self.log[-2000:].decode(errors='replace')}"
            self.log += got
        self._seen = found.end()
        return found

    def type(self, text: str) -> None:
        """Type a line on the console."""
        self._serial.sendall(text.encode() + b"\r")

    def ssh(self, key: paramiko.PKey | None, *, password: str | None = None) -> paramiko.SSHClient:
        """Log in by SSH as root."""
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect(
            "127.0.0.1",
            self.port,
            "root",
            pkey=key,
            password=password,
            look_for_keys=False,
            allow_agent=False,
            banner_timeout=PATIENCE,
            auth_timeout=PATIENCE,
        )
        return client
