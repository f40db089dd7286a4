"""Start-up: the parts of a restore, what is aimed at, and one real round."""

import json

import pytest

from rig.bench import startup
from rig.bench.frame import Bed
from rig.bench.subject import Marks


def test_marks_keep_the_first_of_each():
    marks = Marks()
    events = marks.begin()
    events.emit("boot.stage", stage="restored")
    events.emit("machine.started")
    events.emit("machine.started")
    assert list(marks.at) == ["stage:restored", "machine.started"]
    assert 0 <= marks.at["stage:restored"] <= marks.at["machine.started"]
    first = marks.at["machine.started"]
    assert marks.now("machine.started") == first


def restored(scale=1.0):
    marks = {"machine.prepared": 0.02, "machine.started": 0.06, "machine.loaded": 0.08, "stage:restored": 0.1}
    marks |= {"ssh.banner": 0.15, "ssh.keys": 0.25, "ssh.login": 0.4, "stage:ssh": 0.4, "ready": 0.4, "command": 0.5}
    return {name: value * scale for name, value in (marks | {"result": 0.55}).items()}


def test_the_parts_of_a_restore_are_all_of_it():
    parts = startup.parts_of(restored())
    assert list(parts) == [name for name, _ in startup.PARTS]
    assert sum(parts.values()) == pytest.approx(0.5)
    assert parts["SSH: agree on keys"] == pytest.approx(0.1)
    without = {name: value for name, value in restored().items() if not name.startswith("ssh.")}
    assert startup.parts_of(without)["first command"] == pytest.approx(0.4)


def test_phases_are_laid_before_the_login_ended():
    marks = Marks({"stage:ssh": 1.0})
    startup._mark_phases(marks, {"banner": 0.5, "keys": 0.2, "login": 0.1})
    assert marks.at == pytest.approx({"stage:ssh": 1.0, "ssh.login": 1.0, "ssh.keys": 0.9, "ssh.banner": 0.7})


def test_startup_is_judged():
    cold = [{"ready": 9.0, "command": 9.1, "result": 9.9}]
    good = startup.tell("reference", cold, [restored()], [restored()])
    assert [one.met for one in good.targets] == [True, True, True]
    assert good.targets[2].measured == "1/18.0"
    slow = startup.tell("reference", cold, [restored(2)], [restored(2)])
    assert [one.met for one in slow.targets] == [False, False, False]
    assert "start QEMU until its monitor answers 0.080 s" in slow.targets[0].why and "SSH" not in slow.targets[0].why
    assert "SSH: log in 0.300 s; SSH: agree on keys 0.200 s" in slow.targets[1].why
    json.dumps(slow.data)


@pytest.mark.qemu
def test_one_real_round(tmp_path):
    found = startup.run(Bed(tmp_path, 1, print))
    assert [row[0] for row in found.rows][:3] == [
        "cold boot to ready",
        "cold boot to the first SSH command",
        "cold boot to the first probe result",
    ]
    (cold,), (warm,) = found.data["cold"], found.data["restored_to_result"]
    assert warm["machine.prepared"] < warm["machine.started"] < warm["machine.loaded"] < warm["stage:restored"]
    assert warm["stage:restored"] < warm["stage:ssh"] < warm["result"]
    assert "stage:kernel" in cold and "machine.loaded" not in cold and "stage:kernel" not in warm
    assert cold["ready"] < cold["command"] < cold["result"]
    (command,) = found.data["restored_to_command"]
    assert len(startup.parts_of(command)) == len(startup.PARTS)
    assert len(found.targets) == 3
