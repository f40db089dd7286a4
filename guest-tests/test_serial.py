"""A guest without a network is tested as well as one with it: the same cases, the same outcomes, also under noise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rig.errors import GuestError, TransportError
from rig.guest import Guest
from rig.guest.serial import SerialTransport
from rig.probe.manifest import load_manifests
from rig.run.settings import RunSettings
from rig.run.worker import Worker
from rig.spec import TransportChoice

pytestmark = pytest.mark.qemu
Outcomes = dict[str, str]
NOISE = """\
echo on >/proc/sys/kernel/printk_devkmsg; dmesg -n 8
(while :; do echo "noise {$((n = n + 1))} of a driver that has much to say" >/dev/kmsg; sleep 0.03; done) \
    </dev/null >/dev/null 2>&1 &
"""


@pytest.fixture(scope="module")
def whole_suite(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Outcomes]:
    """Run every case there is (or those of some mechanisms) by one transport; `prepare` gets the guest first, `check`
    last.
    """

    def run(
        transport: TransportChoice,
        prepare: Callable[[Guest], None] = lambda _: None,
        check: Callable[[Guest], None] = lambda _: None,
        mechanisms: tuple[str, ...] = (),
    ) -> Outcomes:
        logs = tmp_path_factory.mktemp(str(transport))
        worker = Worker(RunSettings(transport=transport, batches=2), lambda: logs)
        found: Outcomes = {}
        try:
            prepare(worker.guest())
            for manifest in load_manifests():
                if mechanisms and manifest.mechanism not in mechanisms:
                    continue
                names = list(manifest.cases)
                for number, name in enumerate(names):
                    result = worker.run_case(manifest, name, names[number:]).result
                    found[result.id] = f"{result.outcome} {result.reason}".strip()
            check(worker.guest())
        finally:
            worker.close()
        return found

    return run


@pytest.fixture(scope="module")
def by_ssh(whole_suite: Callable[..., Outcomes]) -> Outcomes:
    found = whole_suite(TransportChoice.SSH)
    assert sum(outcome == "pass" for outcome in found.values()) > 400
    return found


def without_a_card(guest: Guest) -> None:
    assert isinstance(guest.transport, SerialTransport)
    assert guest.run("ls /sys/class/net").text == "lo"
    shell = guest.shell()
    shell.log_in(guest.deadline(20))
    assert shell.ask("echo $((6 * 7))", guest.deadline(20)).output.strip() == "42"


def test_an_agent_that_is_killed_is_missed_at_once(tmp_path: Path) -> None:
    """Its command runs on, so nothing else would tell; the guest is well, and has a new agent for the next command."""
    worker = Worker(RunSettings(transport=TransportChoice.SERIAL), lambda: tmp_path)
    try:
        guest = worker.guest()
        with pytest.raises(TransportError, match=r"^the agent in the guest has ended \(status 137\), in ") as caught:
            guest.run("kill -KILL $PPID; sleep 600")
        assert not isinstance(caught.value, GuestError)
        assert guest.run("echo well").text == "well"
    finally:
        worker.close()


def test_without_a_network(whole_suite: Callable[..., Outcomes], by_ssh: Outcomes) -> None:
    found = whole_suite(TransportChoice.SERIAL, without_a_card, mechanisms=("pipes", "signals", "sysv-messages"))
    assert len(found) > 150
    assert found == {case: outcome for case, outcome in by_ssh.items() if case in found}


def test_the_suite_while_the_kernel_talks(whole_suite: Callable[..., Outcomes], by_ssh: Outcomes) -> None:
    heard: list[int] = []

    def talk(guest: Guest) -> None:
        without_a_card(guest)
        guest.run(NOISE)

    def listen(guest: Guest) -> None:
        assert isinstance(guest.transport, SerialTransport)
        assert guest.run("kill -0 -1; dmesg | grep -c 'noise {'").ok
        heard.append(guest.transport.noise)

    assert whole_suite(TransportChoice.SERIAL, talk, listen) == by_ssh
    assert heard[0] > 10_000
