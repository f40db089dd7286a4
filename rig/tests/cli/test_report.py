from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rig.cli.report import app
from rig.errors import InputError
from rig.result import Outcome, RunDir
from rig.spec import Clock
from rig.tests.result import make


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIG_HOME", str(tmp_path / "home"))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    with RunDir.create(tmp_path / "a run", image=make.IMAGE, host=make.HOST) as run:
        run.add_case(make.case())
        run.add_case(make.case("full", Outcome.FAIL, reason="[bold]not full[/bold]"))
    return run.path


def called(*arguments: str) -> Result:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0
    return result


def test_show_prints_the_summary(place: Path) -> None:
    text = called("show", str(place)).output
    assert "FAIL pipe.full" in text
    assert "reason: [bold]not full[/bold]" in text
    assert "1 passed, 1 failed" in text


def test_show_json_is_the_record(place: Path) -> None:
    assert json.loads(called("show", "--json", str(place)).output) == json.loads((place / "results.json").read_text())


def test_without_a_name_it_is_the_last_run(place: Path) -> None:
    assert "1 passed, 1 failed" in called("show").output


def test_html_writes_the_page_and_says_where(place: Path, tmp_path: Path) -> None:
    assert called("html", str(place)).output.strip() == str(place / "report.html")
    assert "not full" in (place / "report.html").read_text()
    called("html", str(place / "results.json"), "--out", str(tmp_path / "x.html"))
    assert (tmp_path / "x.html").read_text() == (place / "report.html").read_text()


def test_rebuild_makes_all_reports_from_the_events(place: Path) -> None:
    before = json.loads((place / "results.json").read_text())
    (place / "results.json").unlink()
    with (place / "events.jsonl").open("a") as file:
        file.write('{"torn')
    output = called("rebuild", str(place)).output
    assert '<testcase classname="pipes.pipe" name="full"' in (place / "junit.xml").read_text()
    after = json.loads((place / "results.json").read_text())
    assert after == {**before, "damaged_events": 1}
    assert "2 cases; 1 case not as expected" in output
    assert "1 line of events.jsonl could not be read" in output
    assert (place / "report.html").is_file()


def test_schema_is_json(place: Path) -> None:
    assert json.loads(called("schema").output)["properties"]["cases"]


@pytest.mark.parametrize("command", ["show", "html", "rebuild"])
def test_what_is_no_run_is_an_input_error(command: str, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        called(command, str(tmp_path / "absent"))


def timed(place: Path, level: float, clock: Clock = Clock.EXACT) -> str:
    metric = make.metric(*([level] * 20))
    with RunDir.create(place, image=make.IMAGE, host=make.HOST) as run:
        run.add_guest(make.guest(clock=clock))
        run.add_case(make.case("time", metrics=(metric,)))
        run.add_case(make.case("time_alone", metrics=(make.metric(5.0, name=f"of_{place.name}"),)))
    return str(run.path)


def test_compare_names_what_became_slower(tmp_path: Path) -> None:
    before, after = timed(tmp_path / "a", 1000.0), timed(tmp_path / "b", 1011.0)
    result = CliRunner().invoke(app, ["compare", before, after])
    assert result.exit_code == 1
    assert "+1.10 %" in result.output
    assert "1 timing compared: 1 slower" in result.output
    assert "1 case only in the first run: pipe.time_alone" in result.output
    assert "1 faster" in called("compare", after, before).output
    assert "pipe.time round_trip" not in called("compare", before, before).output
    assert "pipe.time round_trip" in called("compare", "--all", before, before).output
    assert "busy host" not in result.output


def test_compare_on_the_wall_clock_says_what_that_is_worth(tmp_path: Path) -> None:
    before, after = (timed(tmp_path / name, level, Clock.WALL) for name, level in (("a", 1000.0), ("b", 1600.0)))
    result = CliRunner().invoke(app, ["compare", before, after])
    assert (result.exit_code, "On the wall clock equal runs of a busy host" in result.output) == (1, True)
    assert "busy host" not in called("compare", before, before).output


def test_compare_as_json(tmp_path: Path) -> None:
    before, after = timed(tmp_path / "a", 1000.0), timed(tmp_path / "b", 1011.0)
    result = CliRunner().invoke(app, ["compare", "--json", before, after])
    assert result.exit_code == 1
    (row,) = json.loads(result.output)["timings"]
    assert (row["case"], row["verdict"], row["before"], row["after"]) == ("pipe.time", "slower", 1000.0, 1011.0)
    assert row["change"] == pytest.approx(0.011)


def test_compare_refuses_other_circumstances_unless_they_are_named(tmp_path: Path) -> None:
    before, after = timed(tmp_path / "a", 1000.0), timed(tmp_path / "b", 1600.0, Clock.WALL)
    with pytest.raises(InputError, match="clock: exact against wall"):
        called("compare", before, after)
    with pytest.raises(InputError, match="--across moon: unknown"):
        called("compare", before, after, "--across", "moon")
    result = CliRunner().invoke(app, ["compare", before, after, "--across", "clock"])
    assert result.exit_code == 1
    assert "Compared all the same: clock: exact against wall" in result.output
