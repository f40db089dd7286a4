from __future__ import annotations

from pathlib import Path

import pytest

from rig.errors import HostError, InputError
from rig.result import RunDir, latest_run, load
from rig.result.place import is_run, new_place, runs_root, writer_alive
from rig.tests.result import make


def finished(path: Path, name: str) -> RunDir:
    with RunDir.create(path, image=make.IMAGE, host=make.HOST) as run:
        run.add_case(make.case(name))
    return run


def test_without_a_directory_it_goes_by_date_and_image(home: Path) -> None:
    run = RunDir.create(image=make.IMAGE, host=make.HOST)
    assert run.path.parent == home / "state" / "runs"
    assert run.path.name.endswith("-reference")
    run.finish()


def test_two_runs_of_one_second_do_not_share_a_place() -> None:
    places = {new_place(None, "some image/..") for _ in range(4)}
    assert len(places) == 4
    assert all(place.parent == runs_root() for place in places)


def test_a_run_there_before_is_moved_aside_not_lost(tmp_path: Path) -> None:
    place = tmp_path / "out"
    for name in ("first", "second", "third"):
        finished(place, name)
    assert [case.case for case in load(place).cases] == ["third"]
    assert [case.case for case in load(tmp_path / "out.1").cases] == ["first"]
    assert [case.case for case in load(tmp_path / "out.2").cases] == ["second"]


def test_an_empty_directory_is_taken(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert finished(tmp_path / "out", "a").path == tmp_path / "out"
    assert not (tmp_path / "out.1").exists()


def test_other_peoples_files_are_left_alone(tmp_path: Path) -> None:
    place = tmp_path / "home"
    place.mkdir()
    (place / "results.json").write_text('{"mine": true}')
    with pytest.raises(InputError, match="no run of the rig"):
        RunDir.create(place, image=make.IMAGE)
    assert [(path.name, path.read_text()) for path in place.iterdir()] == [("results.json", '{"mine": true}')]


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        RunDir.create(tmp_path / "file", image=make.IMAGE)


def test_a_place_that_cannot_be_made_names_itself(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match="file/run"):
        RunDir.create(tmp_path / "file" / "run", image=make.IMAGE)


def test_a_run_under_way_is_not_moved(tmp_path: Path) -> None:
    with RunDir.create(tmp_path / "out", image=make.IMAGE, host=make.HOST):
        assert writer_alive(tmp_path / "out")
        with pytest.raises(InputError, match="being written there now"):
            RunDir.create(tmp_path / "out", image=make.IMAGE)
    assert not writer_alive(tmp_path / "out")
    finished(tmp_path / "out", "later")


def test_a_link_to_a_run_stays_a_link(tmp_path: Path) -> None:
    finished(tmp_path / "real", "a")
    (tmp_path / "link").symlink_to("real")
    finished(tmp_path / "link", "b")
    assert (tmp_path / "link").is_symlink()
    assert [case.case for case in load(tmp_path / "link").cases] == ["b"]
    assert [case.case for case in load(tmp_path / "real.1").cases] == ["a"]


def test_latest_is_the_run_begun_last(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run is known"):
        latest_run()
    first = RunDir.create(image=make.IMAGE, host=make.HOST)
    assert latest_run() == first.path
    finished(tmp_path / "elsewhere", "a")
    assert latest_run() == tmp_path / "elsewhere"
    first.finish()


def test_a_run_killed_before_its_first_line_is_still_ours(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text("")
    assert is_run(tmp_path)
    (tmp_path / "events.jsonl").write_text('{"event": "something.else"}\n')
    assert not is_run(tmp_path)
