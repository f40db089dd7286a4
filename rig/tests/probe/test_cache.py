from __future__ import annotations

import threading
from pathlib import Path

import pytest

from rig.errors import HostError, ToolchainError
from rig.probe.cache import Cache, digest_of


def write(into: Path) -> None:
    (into / "x").write_text("whole")


def test_a_digest_tells_where_parts_end() -> None:
    assert digest_of([b"ab", b"c"]) != digest_of([b"a", b"bc"])
    assert digest_of([b"a"]) == digest_of([b"a"])


def test_an_entry_is_made_once(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    made = [cache.publish("bin", "d", write), cache.publish("bin", "d", lambda _: pytest.fail("made again"))]
    assert made == [tmp_path / "bin" / "d"] * 2
    assert (made[0] / "x").read_text() == "whole"


def test_nothing_is_left_of_an_entry_that_failed(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def fail(into: Path) -> None:
        write(into)
        raise ToolchainError("no")

    with pytest.raises(ToolchainError):
        cache.publish("bin", "d", fail)
    assert list((tmp_path / "bin").iterdir()) == []
    assert (cache.publish("bin", "d", write) / "x").exists()


def test_of_two_that_make_one_entry_the_first_stays(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def overtaken(into: Path) -> None:
        (into / "x").write_text("second")
        cache.publish("bin", "d", write)

    at = cache.publish("bin", "d", overtaken)
    assert (at / "x").read_text() == "whole"
    assert [path.name for path in (tmp_path / "bin").iterdir()] == ["d"]


def test_the_default_place_is_below_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RIG_HOME", str(tmp_path))
    assert Cache().root == tmp_path / "cache" / "probes"


def test_a_cache_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file" / "probes")
    with pytest.raises(HostError, match="cache of compiled probes") as caught:
        cache.publish("bin", "d", write)
    assert "RIG_HOME" in caught.value.hint
    with pytest.raises(HostError), cache.lock("x"):
        pass


def test_a_lock_makes_the_second_wait_and_say_so(tmp_path: Path) -> None:
    cache, order = Cache(tmp_path), []
    waiting = threading.Event()

    def second() -> None:
        with cache.lock("x", waiting.set):
            order.append("second")

    thread = threading.Thread(target=second)
    with cache.lock("x", lambda: pytest.fail("nobody holds it")):
        thread.start()
        assert waiting.wait(30)
        order.append("first")
    thread.join(30)
    assert order == ["first", "second"]
