"""The plain loop that the rig is held against, and how the two are judged."""

import pytest

from rig.bench import overhead, plainloop
from rig.bench.frame import Bed
from rig.errors import HostError, RigError


def test_overhead_is_judged_round_by_round():
    sides = overhead.Sides(
        [11.0, 22.0, 12.0], [10.0, 20.0, 10.0], [15.0, 26.0, 15.0], [10.0, 20.0, 10.0], [9.0] * 3, [8.0] * 3, 500
    )
    found = overhead.tell({"without timings": sides}, 14)
    assert found.targets[0].met and found.targets[0].measured == "+10% (+10% - +20%)"
    assert [row[3] for row in found.rows] == ["1.10", "1.50", "1.12"]
    late = overhead.Sides([12.0], [10.0], [15.0], [10.0], [9.0], [8.0], 500, ("pipe.eof",))
    found = overhead.tell({"without timings": late}, 14)
    assert not found.targets[0].met and found.targets[0].why.startswith("2.0 s more for 500 cases")
    assert "processor time of the whole command, QEMU's included, +12%" in found.targets[0].why
    assert "without timings: not as expected: pipe.eof" in found.notes


def test_no_ssh_on_the_host(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="no ssh on this host") as fault:
        overhead.run(Bed(tmp_path, 1, print))
    assert "openssh-client" in fault.value.hint


FAKE_SSH = """#!/bin/sh
for last; do :; done
case "$last" in
    *mkdir*) tar -tf - ;;
    *broken*) echo "no route" >&2; exit 255 ;;
    *) printf '{"t":"hello"}\\n{"t": "goodbye","cases":1}\\n' ;;
esac
"""


@pytest.fixture
def fake_ssh(tmp_path):
    path = tmp_path / "a place" / "ssh"
    path.parent.mkdir()
    path.write_text(FAKE_SSH)
    path.chmod(0o755)
    return str(path)


def test_the_plain_loop_runs_each_probe(fake_ssh, tmp_path):
    bundle = tmp_path / "bun dle"
    bundle.mkdir()
    login = plainloop.Login(2222, "root", tmp_path / "the key")
    text = plainloop.script(login, fake_ssh, bundle, "/tmp/rig", {"pipe": "cd /tmp/rig && ./pipe --only 'a b'"})
    assert "ControlMaster=no" in text and "-p 2222" in text
    assert plainloop.run_loop(text, tmp_path / "out") > 0
    assert plainloop.missing(tmp_path / "out" / "output", ["pipe"]) == []
    (tmp_path / "out" / "output" / "fifo.jsonl").write_text('{"t":"hello"}\n')
    assert plainloop.missing(tmp_path / "out" / "output", ["pipe", "fifo"]) == ["fifo"]
    text = plainloop.script(login, fake_ssh, bundle, "/tmp/rig", {"pipe": "broken"})
    with pytest.raises(RigError, match="status 255: no route"):
        plainloop.run_loop(text, tmp_path / "out")
