"""The bus: who hears what, what a bad listener costs, what a file of events holds."""

import json
import threading
import time

import pytest

from rig.events import Event, EventFile, Events


def names(heard: list[Event]) -> list[str]:
    return [event.name for event in heard]


def test_every_listener_hears_every_event_until_it_is_taken_away():
    events = Events()
    one: list[Event] = []
    two: list[Event] = []
    stop = events.listen(one.append)
    events.listen(two.append)
    told = events.emit("guest.ready", image="reference")
    stop()
    stop()
    events.emit("guest.ended")
    assert one == [told] and told.data == {"image": "reference"}
    assert names(two) == ["guest.ready", "guest.ended"]


def test_a_listener_that_raises_is_dropped_and_told_of():
    events = Events()
    heard: list[Event] = []

    def bad(event: Event) -> None:
        raise ValueError("no room")

    events.listen(bad)
    events.listen(heard.append)
    events.emit("one")
    events.emit("two")
    assert sorted(names(heard)) == ["listener.dropped", "one", "two"]
    fault = next(event for event in heard if event.name == "listener.dropped")
    assert "no room" in fault.data["fault"] and "bad" in fault.data["listener"]


def test_a_listener_that_takes_itself_away_and_raises_is_nobody_elses_trouble():
    events = Events()
    heard: list[Event] = []

    def bad(event: Event) -> None:
        stop()
        raise ValueError

    stop = events.listen(bad)
    events.listen(heard.append)
    events.emit("one")
    assert names(heard) == ["one"]


def test_a_listener_that_fails_on_an_event_of_its_own_making_is_dropped_once():
    events = Events()
    heard: list[Event] = []

    def bad(event: Event) -> None:
        if event.name == "outer":
            events.emit("inner")
        raise ValueError

    events.listen(bad)
    events.listen(heard.append)
    events.emit("outer")
    assert sorted(names(heard)) == ["inner", "listener.dropped", "outer"]


def test_an_interrupt_in_a_listener_is_no_fault_of_it():
    events = Events()
    heard: list[Event] = []

    def interrupted(event: Event) -> None:
        heard.append(event)
        if event.name == "first":
            raise KeyboardInterrupt

    events.listen(interrupted)
    with pytest.raises(KeyboardInterrupt):
        events.emit("first")
    events.emit("second")
    assert names(heard) == ["first", "second"]


def test_events_of_several_threads_come_one_at_a_time():
    events, inside, worst = Events(), [0], [0]

    def listener(event: Event) -> None:
        inside[0] += 1
        worst[0] = max(worst[0], inside[0])
        time.sleep(0.001)
        inside[0] -= 1

    events.listen(listener)
    threads = [threading.Thread(target=lambda: [events.emit("tick") for _ in range(10)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert worst == [1]


def test_a_step_tells_its_beginning_its_end_and_what_was_found():
    events = Events()
    heard: list[Event] = []
    events.listen(heard.append)
    with events.step("guest.boot", image="reference") as found:
        found["accel"] = "tcg"
    assert names(heard) == ["guest.boot.started", "guest.boot.ended"]
    assert heard[0].data == {"image": "reference"}
    assert heard[1].data.pop("seconds") >= 0
    assert heard[1].data == {"image": "reference", "accel": "tcg"}


@pytest.mark.parametrize(
    ("fault", "words"),
    [(ValueError("why"), "why"), (KeyboardInterrupt(), "interrupted"), (RuntimeError(), "RuntimeError")],
)
def test_a_step_that_fails_says_so_and_lets_the_fault_through(fault, words):
    events = Events()
    heard: list[Event] = []
    events.listen(heard.append)
    with pytest.raises(type(fault)), events.step("image.fetch", image="x") as found:
        found["image"] = "y"
        raise fault
    assert names(heard) == ["image.fetch.started", "image.fetch.failed"]
    assert (heard[1].data["fault"], heard[1].data["image"]) == (words, "y")


def test_found_data_may_have_any_name():
    events = Events()
    heard: list[Event] = []
    events.listen(heard.append)
    with events.step("step", name="one") as found:
        found.update(seconds="mine", name="two")
    assert heard[0].data == {"name": "one"}
    assert heard[1].data["name"] == "two"
    assert isinstance(heard[1].data["seconds"], float)


def test_as_json_an_event_is_one_ascii_line_that_keeps_its_own_name():
    line = Event("boot.stage", {"stage": "login: \u00fc\n", "event": "not mine", "at": 0}, at=12.34567891).to_json()
    assert "\n" not in line and line.isascii()
    assert json.loads(line) == {"at": 12.345679, "event": "boot.stage", "stage": "login: \u00fc\n"}


def test_a_file_of_events_can_be_read_after_each_of_them(tmp_path):
    path = tmp_path / "deep" / "events.jsonl"
    events, file = Events(), EventFile(path)
    stop = events.listen(file)
    for number in range(3):
        events.emit("tick", number=number, path=tmp_path)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert [line["number"] for line in lines] == list(range(number + 1))
        assert lines[-1]["path"] == str(tmp_path)
    stop()
    file.close()
    again = EventFile(path)
    again(Event("later"))
    again.close()
    assert len(path.read_text().splitlines()) == 4
