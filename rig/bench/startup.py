"""How long until a guest is of use: booted cold, and restored from a warm template; and where a restore's time goes."""

from __future__ import annotations

from typing import Any

from rig.bench.frame import Bed, Finding, Plot, Series, Target
from rig.bench.spread import Spread, at_most, spread
from rig.bench.subject import CASE, PROBE, Marks, Subject

RUNNING, COMMAND, RESULT = "restore to running", "to the first SSH command", "to the first probe result"
_RUNNING_LIMIT, _RESULT_LIMIT, _SHARE = 0.15, 0.6, 12
PARTS = (
    ("find the template, make the overlay", "machine.prepared"),
    ("start QEMU until its monitor answers", "machine.started"),
    ("connect the console, load the state", "machine.loaded"),
    ("let the CPUs run", "stage:restored"),
    ("SSH: until the banner", "ssh.banner"),
    ("SSH: agree on keys", "ssh.keys"),
    ("SSH: log in", "ssh.login"),
    ("first command", "command"),
)
"""What a restore goes through, each part ending with its mark."""
_UNTIL_RUNNING = 4
"""So many of them are over when the CPUs run."""
Rounds = list[dict[str, float]]


def run(bed: Bed) -> Finding:
    """Each round: one cold boot, two restores, in turns. Some 17 s a round on the reference guest under TCG."""
    subject = Subject(bed)
    subject.warm_up()
    cold: Rounds = []
    command: Rounds = []
    result: Rounds = []
    for number in range(1, bed.rounds + 1):
        bed.say(f"round {number} of {bed.rounds}")
        cold.append(_cold(subject))
        command.append(_restored(subject, probe=False))
        result.append(_restored(subject, probe=True))
    return tell(bed.image, cold, command, result)


def _cold(subject: Subject) -> dict[str, float]:
    marks = Marks()
    with subject.start(marks.begin(), cold=True) as guest:
        marks.now("ready")
        guest.run("true")
        marks.now("command")
        guest.push(subject.bundle.dir, subject.directory)
        subject.first_result(guest, lambda: marks.now("result"))
    return marks.at


def _restored(subject: Subject, *, probe: bool) -> dict[str, float]:
    """One restore; the first command is either a plain one or the probe."""
    marks = Marks()
    with subject.start(marks.begin()) as guest:
        marks.now("ready")
        if probe:
            subject.first_result(guest, lambda: marks.now("result"))
        else:
            guest.run("true")
            marks.now("command")
        _mark_phases(marks, getattr(guest.transport, "phases", {}))
    return marks.at


def _mark_phases(marks: Marks, phases: dict[str, float]) -> None:
    """The parts of the login, backwards from its end."""
    end = marks.at.get("stage:ssh")
    for name in ("login", "keys", "banner"):
        if end is not None and name in phases:
            marks.at[f"ssh.{name}"] = end
            end -= phases[name]


def parts_of(marks: dict[str, float]) -> dict[str, float]:
    """Seconds of each part of one restore; a part without its mark is counted with the next one."""
    found, last = {}, 0.0
    for name, mark in PARTS:
        if mark in marks:
            found[name] = marks[mark] - last
            last = marks[mark]
    return found


def tell(image: str, cold: Rounds, command: Rounds, result: Rounds) -> Finding:
    """The table, its targets and plots."""

    def over(rounds: Rounds, mark: str) -> Spread:
        return spread([one[mark] for one in rounds])

    running = spread([one["stage:restored"] for one in (*command, *result)])
    times = [
        ("cold boot to ready", over(cold, "ready"), None),
        (f"cold boot {COMMAND}", over(cold, "command"), None),
        (f"cold boot {RESULT}", over(cold, "result"), None),
        (RUNNING, running, None),
        (f"restore {COMMAND}", over(command, "command"), over(cold, "command")),
        (f"restore {RESULT}", over(result, "result"), over(cold, "result")),
    ]
    found = Finding(("what", "median", "least - greatest", "cold / restore"))
    for name, one, whole in times:
        share = f"{whole.middle / one.middle:.1f}" if whole else ""
        found.rows.append((name, one.words("s", 3), f"{one.ends(3)} s", share))
    parts = [parts_of(one) for one in command]
    where = {name: spread([one[name] for one in parts]) for name, _ in PARTS if all(name in one for one in parts)}
    found.rows += [
        (f"  of a restore: {name}", one.words("s", 3), f"{one.ends(3)} s", "") for name, one in where.items()
    ]
    _judge(found, running, times[5][1], times[2][1], where)
    found.plots = [
        Plot(
            f"From nothing to use: {image}",
            "way",
            "seconds (logarithmic)",
            (Series("median, least and greatest", tuple(one.point(name) for name, one, _ in times)),),
            log_y=True,
        ),
        Plot(
            f"Where a restore's time goes: {image}",
            "part",
            "seconds",
            (Series("median, least and greatest", tuple(one.point(name) for name, one in where.items())),),
        ),
    ]
    found.notes = [
        "restore to running: from the decision to restore, its template made and checked before, until QEMU has been "
        "told to let the CPUs run; medians over rounds, in each of which a boot and two restores follow one another",
        f"first probe result: {PROBE}.{CASE}, read from the probe's stream; a cold guest is first sent the probe, "
        "a restored one has it from its template; the first SSH command is `true`, with the guest's date set before it",
    ]
    found.data = _data(image, cold, command, result)
    return found


def _dearest(where: dict[str, Spread]) -> str:
    """The three parts that take longest, in words."""
    dearest = sorted(where.items(), key=lambda one: -one[1].middle)[:3]
    return "The dearest parts: " + "; ".join(f"{name} {one.words('s', 3)}" for name, one in dearest)


def _judge(found: Finding, running: Spread, warm: Spread, cold: Spread, where: dict[str, Spread]) -> None:
    why = _dearest(where)
    share = cold.middle / warm.middle
    found.targets = [
        at_most(RUNNING, _RUNNING_LIMIT, running, "s", _dearest(dict(list(where.items())[:_UNTIL_RUNNING])), 3),
        at_most(f"restore {RESULT} over SSH", _RESULT_LIMIT, warm, "s", why),
        Target(
            f"restore {RESULT}, as a part of the cold boot's",
            f"at most 1/{_SHARE}",
            f"1/{share:.1f}",
            share >= _SHARE,
            "" if share >= _SHARE else f"A cold boot takes {cold.words('s')}. {why}",
        ),
    ]


def _data(image: str, cold: Rounds, command: Rounds, result: Rounds) -> dict[str, Any]:
    """Every mark of every start, seconds."""
    return {"image": image, "cold": cold, "restored_to_command": command, "restored_to_result": result}
