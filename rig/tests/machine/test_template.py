"""What makes a template whole, and what shows that it no longer is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rig.machine.sparse import digest
from rig.machine.template import DISK, META, RAM, STATE, DamagedTemplateError, Template, write_meta


@pytest.fixture
def template(tmp_path: Path) -> Template:
    for name in (RAM, STATE, DISK):
        (tmp_path / name).write_bytes(name.encode() * 10_000)
    return write_meta(tmp_path, key="k", facts={"a": "b"}, image="reference", made=1.0, took=2.0)


def test_written_and_read(template: Template) -> None:
    again = Template.read(template.directory)
    again.check()
    assert again.meta == template.meta and set(again.meta.files) == {RAM, STATE, DISK}


@pytest.mark.parametrize("name", [RAM, STATE, DISK])
@pytest.mark.parametrize("checked_before", [False, True])
def test_one_bit(template: Template, name: str, checked_before: bool) -> None:
    if checked_before:
        template.check()
    path = template.file(name)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedTemplateError, match=f"{name} is not what was saved"):
        template.check()


def test_cut_short(template: Template) -> None:
    os.truncate(template.file(RAM), 100)
    with pytest.raises(DamagedTemplateError, match="ram has 100 bytes, 30000 were saved"):
        template.check()


def test_a_file_that_is_gone(template: Template) -> None:
    template.file(STATE).unlink()
    with pytest.raises(DamagedTemplateError, match="state: No such file"):
        template.check()


@pytest.mark.parametrize("content", [b"", b"{", b'{"key": "k"}', b"\xff\xfe"])
def test_unreadable_facts(template: Template, content: bytes) -> None:
    template.file(META).write_bytes(content)
    with pytest.raises(DamagedTemplateError, match=r"template\.json cannot be read"):
        Template.read(template.directory)


def test_use_moves_it_to_the_front(template: Template) -> None:
    os.utime(template.file(META), (1, 1))
    template.used()
    assert template.last_used > 1
    template.check()


def test_read_again_only_when_touched(template: Template, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def note(path: Path) -> str:
        read.append(path.name)
        return digest(path)

    monkeypatch.setattr("rig.machine.template.digest", note)
    template.check()
    template.check()
    assert sorted(read) == sorted([RAM, STATE, DISK])
    os.utime(template.file(RAM))
    template.check()
    assert read.count(RAM) == 2
