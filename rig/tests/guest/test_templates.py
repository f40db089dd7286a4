"""The directory of templates: made once, bounded, the damaged ones gone with the reason."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock

from rig.deadline import Deadline
from rig.errors import HostError, InputError
from rig.events import Event, Events
from rig.guest.templates import DEFAULT_LIMIT, Templates, key_of, limit_bytes
from rig.machine.template import META, RAM, Template, write_meta

MIB = 1 << 20


@pytest.fixture
def heard() -> list[Event]:
    return []


@pytest.fixture
def templates(tmp_path: Path, heard: list[Event]) -> Templates:
    events = Events()
    events.listen(heard.append)
    return Templates(tmp_path / "templates", events)


def filler(key: str, size: int = MIB, calls: list[str] | None = None):
    def fill(into: Path) -> Template:
        if calls is not None:
            calls.append(key)
        (into / RAM).write_bytes(os.urandom(size))
        return write_meta(into, key=key, facts={}, image="reference", made=1.0, took=2.0)

    return fill


def test_made_once(templates: Templates) -> None:
    calls: list[str] = []
    assert templates.find("a") is None
    made = templates.make("a", filler("a", calls=calls))
    assert templates.make("a", filler("a", calls=calls)).directory == made.directory == templates.root / "a"
    found = templates.find("a")
    assert found is not None and found.meta.key == "a"
    assert calls == ["a"]


def test_a_race_makes_one(templates: Templates) -> None:
    calls: list[str] = []
    ready = threading.Barrier(4)

    def one() -> None:
        ready.wait()
        templates.make("a", filler("a", calls=calls))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == ["a"]


def test_who_waits_for_another_process_is_told(templates: Templates, heard: list[Event]) -> None:
    other = FileLock(templates.root / "a.lock")
    templates.root.mkdir()
    other.acquire()
    templates.events.listen(lambda _: other.release())
    templates.make("a", filler("a"))
    assert [event.name for event in heard] == ["template.waiting"]


def test_one_that_another_process_removes_meanwhile_harms_nobody(
    templates: Templates, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in "abc":
        templates.make(key, filler(key))
    gone = Templates(templates.root)
    real = Template.read.__func__  # type: ignore[attr-defined]

    def read_then_remove(cls: type[Template], directory: Path) -> Template:
        found: Template = real(cls, directory)
        if found.meta.key == "b":
            gone.remove("b", "by somebody else")
        return found

    monkeypatch.setattr(Template, "read", classmethod(read_then_remove))
    found = templates.all()
    assert [one.meta.key for one in found if one.last_used] == [one.meta.key for one in found if one.size]
    assert {one.meta.key for one in found if one.size} == {"a", "c"}


def test_a_failure_leaves_nothing(templates: Templates) -> None:
    def fail(into: Path) -> Template:
        (into / RAM).write_bytes(b"x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        templates.make("a", fail)
    assert [path.name for path in templates.root.iterdir()] == ["a.lock"]
    assert templates.all() == []


def test_what_a_killed_process_left_goes_with_the_next_making(templates: Templates) -> None:
    remains = templates.root / ".a-12345"
    remains.mkdir(parents=True)
    (remains / RAM).write_bytes(b"x")
    (remains / META).write_bytes(b"x")
    forgotten, under_way = templates.root / ".b-12345", templates.root / ".c-12345"
    forgotten.mkdir()
    under_way.mkdir()
    assert templates.all() == []
    with FileLock(templates.root / "c.lock"):
        templates.make("a", filler("a"))
    # Nobody makes "b" any more, and nobody may ever ask for it again.
    assert not remains.exists() and not forgotten.exists() and under_way.exists()


def test_a_process_that_is_killed_leaves_no_half(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from rig.guest.templates import Templates
def fill(into):
    (into / "ram").write_bytes(b"x" * 1000)
    print(into, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
Templates(Path(sys.argv[1])).make("a", fill)
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    patience = Deadline.after(60)
    while Path(done.stdout.strip()).exists():
        assert not patience.expired, "its keeper has not removed it"
        time.sleep(0.01)
    assert [path.name for path in tmp_path.iterdir()] == ["a.lock"]


def test_one_whose_use_cannot_be_noted_is_used(templates: Templates, monkeypatch: pytest.MonkeyPatch) -> None:
    templates.make("a", filler("a"))

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Template, "used", refuse)
    assert templates.find("a") is not None


@pytest.mark.parametrize("call", ["mkdtemp", "lock"])
def test_a_full_disk_is_named(call: str, templates: Templates, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    if call == "lock":
        monkeypatch.setattr(FileLock, "acquire", full)
    else:
        monkeypatch.setattr("rig.guest.templates.tempfile.mkdtemp", full)
    with pytest.raises(HostError, match="disk full: cannot keep a warm template"):
        templates.make("a", filler("a"))


def test_a_damaged_one_is_removed_with_the_reason(templates: Templates, heard: list[Event]) -> None:
    made = templates.make("a", filler("a"))
    made.file(RAM).write_bytes(b"something else")
    assert templates.find("a") is None
    assert not made.directory.exists()
    assert [event.name for event in heard] == ["template.removed"]
    assert "it is damaged: " in heard[0].data["reason"] and "were saved" in heard[0].data["reason"]


def test_a_damaged_one_that_nobody_asks_for_takes_no_room_for_ever(templates: Templates) -> None:
    old = templates.make("old", filler("old"))
    old.file(META).write_text("{")
    templates.make("new", filler("new"))
    assert not old.directory.exists()
    assert [one.meta.key for one in templates.all()] == ["new"]


def test_the_longest_unused_go_first(templates: Templates, heard: list[Event], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIG_TEMPLATES_GIB", str(3.5 * MIB / (1 << 30)))
    for number, key in enumerate("abc"):
        templates.make(key, filler(key))
        os.utime(templates.root / key / META, (number + 1, number + 1))
    found = templates.find("a")  # now "b" is the oldest
    assert found is not None
    templates.make("d", filler("d"))
    assert {one.meta.key for one in templates.all()} == {"a", "c", "d"}
    assert heard[-1].data["key"] == "b" and "took more than" in heard[-1].data["reason"]


def test_one_that_is_larger_than_the_limit_is_kept_while_it_is_needed(
    templates: Templates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIG_TEMPLATES_GIB", "0")
    templates.make("a", filler("a"))
    templates.make("b", filler("b"))
    assert [one.meta.key for one in templates.all()] == ["b"]


@pytest.mark.parametrize("value", ["many", "-1", "nan", "inf", "1e30"])
def test_a_limit_that_is_none(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIG_TEMPLATES_GIB", value)
    with pytest.raises(InputError, match="RIG_TEMPLATES_GIB="):
        limit_bytes()


def test_a_limit_that_is_none_is_told_before_anything_is_booted(
    templates: Templates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIG_TEMPLATES_GIB", "12GiB")
    calls: list[str] = []
    with pytest.raises(InputError, match="RIG_TEMPLATES_GIB=12GiB"):
        templates.make("a", filler("a", calls=calls))
    assert calls == []


def test_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RIG_TEMPLATES_GIB", raising=False)
    assert limit_bytes() == DEFAULT_LIMIT
    monkeypatch.setenv("RIG_TEMPLATES_GIB", "0.5")
    assert limit_bytes() == 1 << 29


def test_a_guest_that_cannot_be_saved_is_remembered(templates: Templates) -> None:
    assert templates.gave_up("a") == ""
    templates.give_up("a", "a device refuses")
    assert templates.gave_up("a") == "a device refuses" and templates.gave_up("b") == ""
    assert templates.forget_failures() == 1
    assert templates.gave_up("a") == ""


def test_each_fact_counts() -> None:
    facts = {"image": "a", "clock": "wall"}
    assert key_of(facts) == key_of({"clock": "wall", "image": "a"})
    assert len({key_of(facts), key_of(facts | {"clock": "exact"}), key_of(facts | {"layer probes": "x"})}) == 3
