"""Where things are, and what bad places lead to."""

import tempfile
from pathlib import Path

import pytest

from rig import paths
from rig.errors import HostError, InputError
from rig.machine.launch import Launch
from rig.spec import MachineSpec


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RIG_HOME", "RIG_SCRATCH", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)


def test_the_rigs_own_data_is_there():
    assert (paths.images_dir() / "reference.yaml").is_file()
    assert paths.probes_dir().is_dir() and paths.harness_dir().is_dir()


def test_the_package_says_that_it_is_typed():
    assert (Path(paths.__file__).parent / "py.typed").is_file()


def test_rig_home_holds_everything(monkeypatch, tmp_path):
    monkeypatch.setenv("RIG_HOME", str(tmp_path))
    found = {paths.cache_dir(), paths.store_dir(), paths.config_dir(), paths.state_dir()}
    assert found == {tmp_path / "cache", tmp_path / "data" / "images", tmp_path / "config", tmp_path / "state"}


def test_rig_home_may_be_relative_or_below_a_home_directory(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RIG_HOME", "here")
    assert paths.cache_dir() == tmp_path / "here" / "cache"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RIG_HOME", "~/there")
    assert paths.cache_dir() == tmp_path / "there" / "cache"
    monkeypatch.setenv("RIG_HOME", "~nobody-has-this-name/there")
    with pytest.raises(InputError, match="RIG_HOME=~nobody-has-this-name/there"):
        paths.cache_dir()


def test_without_it_the_xdg_directories_are_used(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert paths.store_dir() == tmp_path / "data" / "puredarwin-rig" / "images"
    assert paths.state_dir() == tmp_path / "state" / "puredarwin-rig"


def test_scratch_is_the_temporary_directory_unless_that_is_too_deep(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", "/var/tmp")
    assert paths.scratch_parent() == Path("/var/tmp")
    monkeypatch.setattr(tempfile, "tempdir", "/var/tmp/" + 90 * "d")
    assert paths.scratch_parent() == Path("/tmp")


def test_a_scratch_directory_of_the_users_own(monkeypatch, tmp_path):
    monkeypatch.chdir("/var")
    monkeypatch.setenv("RIG_SCRATCH", "tmp")
    assert paths.scratch_parent() == Path("/var/tmp")
    monkeypatch.setenv("RIG_SCRATCH", "absent")
    with pytest.raises(InputError, match="RIG_SCRATCH=absent: no such directory"):
        paths.scratch_parent()
    deep = tmp_path / (100 * "d")
    deep.mkdir()
    monkeypatch.setenv("RIG_SCRATCH", str(deep))
    with pytest.raises(InputError, match=r"too long by \d+ bytes"):
        paths.scratch_parent()


def test_every_socket_of_a_guest_fits_into_the_longest_scratch_directory():
    parent = Path("/" + (paths._SCRATCH_LIMIT - 1) * "d")
    directory = parent / tempfile.mktemp(prefix="rig-", dir="").removeprefix("/")
    launch = Launch(spec=MachineSpec(), disk=Path("d"), directory=directory, logs=Path("l"))
    for socket in (launch.console_socket, launch.qmp_socket):
        assert len(str(socket)) <= 103


def test_a_directory_that_cannot_be_made_is_one_clear_error(tmp_path):
    made = paths.ensure(tmp_path / "a" / "b", 0o700)
    assert made.stat().st_mode & 0o777 == 0o700
    assert paths.ensure(made) == made
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match="file/c: the directory cannot be made: Not a directory"):
        paths.ensure(tmp_path / "file" / "c")
