"""The frame: names, results kept after each bench, errors in one message."""

import json
import re

import pytest
from typer.testing import CliRunner

from rig.bench import main
from rig.bench.frame import Bench, Finding, Target, chosen
from rig.errors import InputError

FAST = Target("restore", "at most 1 s", "0.5 s", met=True)
SLOW = Target("boot", "at most 1 s", "9 s", met=False, why="nine times too slow: the disk")


def good(bed):
    bed.say("at work")
    bed.keep("raw.txt", "raw")
    return Finding(
        ("what", "how much"), [("thing", "1 us")], ["a note [with brackets]"], {"rounds": bed.rounds}, [FAST, SLOW]
    )


def bad(_bed):
    raise InputError("it broke", hint="Mend it.")


@pytest.fixture
def benches(monkeypatch):
    both = (Bench("bad", "breaks", bad), Bench("good", "measures", good))
    monkeypatch.setattr(main, "BENCHES", both)
    return both


def test_chosen(benches):
    assert chosen(benches, []) == benches
    assert [one.name for one in chosen(benches, ["bad", "good"])] == ["bad", "good"]
    with pytest.raises(InputError, match="no bench 'ugly'"):
        chosen(benches, ["ugly"])


def test_results_are_shown_and_kept(benches, tmp_path):
    copy = tmp_path / "copies" / "copy.json"
    arguments = ["good", "--rounds", "3", "--dir", str(tmp_path / "out"), "--json", str(copy)]
    answer = CliRunner().invoke(main.app, arguments, catch_exceptions=False)
    assert answer.exit_code == 0
    assert "at work" in answer.output
    assert "1 us" in answer.output
    assert "a note [with brackets]" in answer.output
    kept = json.loads((tmp_path / "out" / "results.json").read_text())
    assert kept["benches"]["good"]["data"] == {"rounds": 3}
    assert kept["benches"]["good"]["rows"] == [["thing", "1 us"]]
    assert {"load", "processors", "kernel"} <= set(kept["host"])
    assert "report.html" in answer.output and (tmp_path / "out" / "report.html").is_file()
    assert copy.read_text() == (tmp_path / "out" / "results.json").read_text()
    assert (tmp_path / "out" / "good" / "raw.txt").read_text() == "raw"
    assert [one["met"] for one in kept["benches"]["good"]["targets"]] == [True, False]
    assert re.search(r"restore +at most 1 s +0\.5 s +met *\nboot +at most 1 s +9 s +missed *\n", answer.output)
    assert "- boot: nine times too slow: the disk" in answer.output and "- restore:" not in answer.output


def test_a_bench_that_breaks_takes_nothing_along(benches, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["bench", "--dir", str(tmp_path)])
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(SystemExit) as left:
        main.main()
    assert left.value.code == 2
    said = capsys.readouterr()
    assert "bench: error: it broke\n  Mend it." in said.err
    assert "not measured: it broke" in said.out
    assert list(json.loads((tmp_path / "results.json").read_text())["benches"]) == ["good"]


def test_list(benches):
    answer = CliRunner().invoke(main.app, ["--list"])
    assert answer.output == "bad: breaks\ngood: measures\n"
