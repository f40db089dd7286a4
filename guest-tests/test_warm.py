"""Guests restored from a warm template: what is the same as in one that was booted, and what becomes of failures."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from rig.errors import GuestDied
from rig.events import Event, Events
from rig.guest import Guest, GuestOptions
from rig.guest.templates import Templates
from rig.guest.warm import Layer, ready_guest
from rig.machine.template import RAM

pytestmark = pytest.mark.qemu
Ready = Callable[..., Guest]


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    return Templates(tmp_path_factory.mktemp("templates"))


@pytest.fixture
def heard() -> list[Event]:
    return []


@pytest.fixture
def ready(guest: Guest, templates: Templates, heard: list[Event], tmp_path: Path) -> Iterator[Ready]:
    """A guest of the same image and accelerator as `guest`, by a template of this module's own."""
    events = Events()
    events.listen(heard.append)
    templates.events = events
    options = GuestOptions(logs=tmp_path / "logs", accel=guest.accel, clock=guest.options.clock)
    with ExitStack() as stack:

        def get(*layers: Layer, **changed: object) -> Guest:
            chosen = replace(options, **changed)  # type: ignore[arg-type]
            return stack.enter_context(ready_guest(guest.stored, chosen, events, layers=layers, templates=templates))

        yield get


def names(heard: list[Event]) -> list[str]:
    return [event.name for event in heard]


def test_restored_and_its_clock_is_right(ready: Ready, heard: list[Event]) -> None:
    one = ready()
    assert one.template is not None
    assert abs(int(one.run("date +%s").text) - time.time()) < 60
    assert names(heard).count("template.make.ended") == 1
    again = ready()
    assert again.template == one.template
    assert names(heard).count("template.make.started") == 1
    # Only a part of a second went by in the guest since its template was saved; the date is right all the same.
    assert (
        float(again.run("cat /proc/uptime").text.split()[0]) < float(one.run("cat /proc/uptime").text.split()[0]) + 60
    )
    assert abs(int(again.run("date +%s").text) - time.time()) < 60


def test_each_has_a_disk_of_its_own(ready: Ready) -> None:
    one, two = ready(), ready()
    assert one.run("echo one >/root/mine; sync; cat /root/mine").text == "one"
    assert two.run("cat /root/mine 2>/dev/null || echo nothing").text == "nothing"
    assert one.run("cat /root/mine").text == "one"


def test_the_console_answers(ready: Ready) -> None:
    one = ready()
    shell = one.shell()
    shell.log_in(one.deadline(20))
    assert shell.ask("echo $((6 * 7))", one.deadline(20)).output.strip() == "42"


def test_a_layer_is_put_in_once(ready: Ready, heard: list[Event], tmp_path: Path) -> None:
    applied: list[str] = []
    (tmp_path / "file").write_text("of the layer")

    def put(guest: Guest) -> None:
        applied.append(guest.template or "")
        guest.push(tmp_path / "file", "/tmp/layer")

    layer = Layer("file", "1", put)
    for _ in range(2):
        assert ready(layer).run("cat /tmp/layer").text == "of the layer"
    assert len(applied) == 1
    assert ready().run("cat /tmp/layer 2>/dev/null || echo none").text == "none"


def test_cold_means_booted(ready: Ready, heard: list[Event]) -> None:
    one = ready(cold=True)
    assert one.template is None and not [name for name in names(heard) if name.startswith("template.")]
    assert float(one.run("cat /proc/uptime").text.split()[0]) > 0


def test_a_damaged_file_is_told_and_made_anew(ready: Ready, templates: Templates, heard: list[Event]) -> None:
    key = ready().template
    assert key is not None
    path = templates.root / key / RAM
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    assert ready().run("echo well").text == "well"
    told = [event.data["reason"] for event in heard if event.name == "template.removed"]
    assert len(told) == 1 and f"{RAM} is not what was saved" in told[0]


def test_a_guest_that_cannot_be_saved_is_booted_and_the_reason_told(
    ready: Ready, templates: Templates, heard: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rig.guest import warm
    from rig.machine.migration import UnsavableError

    def refuse(*_: object) -> None:
        raise UnsavableError("QEMU could not save the machine: a device refuses")

    monkeypatch.setattr(warm, "save_state", refuse)
    one = ready(memory=200)
    assert one.template is None and one.run("echo well").text == "well"
    told = [event.data["reason"] for event in heard if event.name == "template.unused"]
    assert told == ["QEMU could not save the machine: a device refuses"]
    assert templates.forget_failures() == 1


def test_a_restored_guest_that_is_killed_is_told(ready: Ready) -> None:
    one = ready()
    with pytest.raises(GuestDied, match="killed by SIGKILL"):
        one.run("echo up; sleep 600", on_output=lambda _: os.kill(one.machine.process.pid, signal.SIGKILL))
