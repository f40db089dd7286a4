"""Trees to and from guests: nothing lost on the way in, nothing believed on the way out."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rig.errors import TransportError
from rig.guest.archive import entries, pack, unpack_untrusted


def tar_of(*members: tuple[tarfile.TarInfo, bytes], fmt: int = tarfile.PAX_FORMAT) -> io.BytesIO:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=fmt) as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    buffer.seek(0)
    return buffer


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def fill(place: Path) -> Path:
    (place / "sub" / "empty").mkdir(parents=True)
    (place / "plain").write_bytes(b"x" * 1500)
    (place / "tool").write_bytes(b"#!/bin/sh\n")
    (place / "tool").chmod(0o700)
    (place / "sub" / "nothing").write_bytes(b"")
    return place


def picture(place: Path) -> dict[str, tuple[str, bytes]]:
    return {
        str(path.relative_to(place)): ("dir", b"")
        if path.is_dir()
        else ("exec" if path.stat().st_mode & 0o100 else "file", path.read_bytes())
        for path in place.rglob("*")
    }


def test_a_tree_comes_back_as_it_was(tmp_path: Path) -> None:
    source = fill(tmp_path / "in")
    unpack_untrusted(io.BytesIO(pack(entries(source))), tmp_path / "out")
    assert picture(tmp_path / "out") == picture(source)
    assert "sub/empty" in picture(source)


def test_an_archive_says_nothing_of_this_host(tmp_path: Path) -> None:
    source = fill(tmp_path / "in")
    with tarfile.open(fileobj=io.BytesIO(pack(entries(source)))) as archive:
        found = archive.getmembers()
    assert {(one.uid, one.gid, one.uname, one.mtime) for one in found} == {(0, 0, "root", 0)}
    assert {one.mode for one in found} == {0o755, 0o644}
    assert all(not one.pax_headers for one in found)


def test_a_single_file(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("content")
    unpack_untrusted(io.BytesIO(pack(entries(tmp_path / "one"))), tmp_path / "out")
    assert (tmp_path / "out" / "one").read_text() == "content"


def test_an_empty_directory(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    unpack_untrusted(io.BytesIO(pack(entries(tmp_path / "in"))), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_links_to_files_and_second_names_are_files(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    (source / "a").write_text("content")
    os.link(source / "a", source / "b")
    (source / "c").symlink_to("a")
    unpack_untrusted(io.BytesIO(pack(entries(source))), tmp_path / "out")
    assert {path.name: path.read_text() for path in (tmp_path / "out").iterdir()} == dict.fromkeys("abc", "content")


def test_what_cannot_be_taken_along_is_told(tmp_path: Path) -> None:
    def refused(name: str, make: Callable[[Path], object], words: str) -> None:
        place = tmp_path / name
        place.mkdir()
        make(place / "odd")
        with pytest.raises(TransportError, match=words):
            entries(place)

    refused("fifo", os.mkfifo, "odd: is neither file nor directory")
    refused("dangling", lambda at: at.symlink_to("nowhere"), "odd: cannot be pushed: No such file")
    refused("dirlink", lambda at: at.symlink_to(tmp_path), "odd: is a link to a directory")
    refused("loop", lambda at: at.symlink_to(at), "odd: cannot be pushed")
    with socket.socket(socket.AF_UNIX) as server:
        refused("socket", lambda at: server.bind(os.path.relpath(at)), "odd: is neither")


def test_long_names_go_as_far_as_ustar_goes(tmp_path: Path) -> None:
    source = tmp_path / "in"
    deep = source / ("d" * 100) / ("e" * 50)
    deep.mkdir(parents=True)
    (deep / ("f" * 90)).write_text("deep")
    unpack_untrusted(io.BytesIO(pack(entries(source))), tmp_path / "out")
    assert picture(tmp_path / "out") == picture(source)
    (source / ("g" * 101)).write_text("too long")
    with pytest.raises(TransportError, match="ggg: does not fit into a tar archive: name is too long"):
        pack(entries(source))


def test_a_file_that_goes_away_meanwhile_is_told(tmp_path: Path) -> None:
    source = fill(tmp_path / "in")
    tree = entries(source)
    (source / "plain").unlink()
    with pytest.raises(TransportError, match="plain: cannot be pushed: No such file"):
        pack(tree)


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        (member("../outside"), "leads outside"),
        (member("a/../../outside"), "leads outside"),
        (member("/etc/passwd"), "leads outside"),
        (member("link", tarfile.SYMTYPE, "/etc"), "neither plain file nor directory"),
        (member("hard", tarfile.LNKTYPE, "other"), "neither plain file nor directory"),
        (member("device", tarfile.CHRTYPE), "neither plain file nor directory"),
        (member("block", tarfile.BLKTYPE), "neither plain file nor directory"),
        (member("fifo", tarfile.FIFOTYPE), "neither plain file nor directory"),
    ],
    ids=lambda value: value.name if isinstance(value, tarfile.TarInfo) else "",
)
def test_odd_members_are_refused(odd: tarfile.TarInfo, words: str, tmp_path: Path) -> None:
    with pytest.raises(TransportError, match=words):
        unpack_untrusted(tar_of((odd, b"")), tmp_path / "out")
    assert list(tmp_path.rglob("*")) == [tmp_path / "out"]


def test_a_sparse_file_that_claims_an_exabyte(tmp_path: Path) -> None:
    info = member("huge", tarfile.GNUTYPE_SPARSE)
    info.size = 0
    raw = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    raw[386:410] = b"00000000000\000000000000\0"
    raw[483:495] = b"\x80" + (1 << 60).to_bytes(11, "big")  # base-256
    raw[148:156] = b"        "
    raw[148:156] = b"%06o\0 " % sum(raw)
    with pytest.raises(TransportError):
        unpack_untrusted(io.BytesIO(bytes(raw) + bytes(1024)), tmp_path / "out")
    assert not (tmp_path / "out" / "huge").exists()


def test_nothing_is_written_through_a_link_that_was_there(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    out = tmp_path / "out"
    out.mkdir()
    (out / "dir").symlink_to(outside)
    (out / "file").symlink_to(outside / "new")
    for name in ("dir/new", "file"):
        with pytest.raises(TransportError, match="a link stands where"):
            unpack_untrusted(tar_of((member(name), b"x")), out)
    assert list(outside.iterdir()) == []


def test_a_destination_below_a_link_is_the_users_own(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    unpack_untrusted(tar_of((member("./", tarfile.DIRTYPE), b""), (member("./a"), b"x")), tmp_path / "link")
    assert (tmp_path / "real" / "a").read_bytes() == b"x"


def test_this_hosts_own_trouble_is_told(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="cannot be put here"):
        unpack_untrusted(tar_of((member("a"), b""), (member("a/b"), b"")), tmp_path / "out")
    with pytest.raises(TransportError, match="cannot be put here: File name too long"):
        unpack_untrusted(tar_of((member("n" * 300), b"")), tmp_path / "out2")


def test_a_torn_archive_is_told_wherever_it_is_torn(tmp_path: Path) -> None:
    whole = pack(entries(fill(tmp_path / "in")))
    content = len(whole.rstrip(b"\0"))
    for cut in range(0, content, 256):
        with pytest.raises(TransportError, match="damaged"):
            unpack_untrusted(io.BytesIO(whole[:cut]), tmp_path / "out")


def test_a_damaged_header_in_the_middle_is_not_the_end(tmp_path: Path) -> None:
    data = bytearray(pack(entries(fill(tmp_path / "in"))))
    second = data.index(b"sub/", 512)
    data[second + 20] ^= 0xFF
    with pytest.raises(TransportError, match="damaged"):
        unpack_untrusted(io.BytesIO(bytes(data)), tmp_path / "out")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=3000))
def test_no_bytes_at_all_raise_anything_else(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(TransportError):
        unpack_untrusted(io.BytesIO(data.rstrip(b"\0")), tmp_path / "out")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spots=st.lists(st.tuples(st.integers(0, 5119), st.integers(0, 255)), max_size=8), pax=st.booleans())
def test_a_real_archive_with_spots_stays_inside(spots: list[tuple[int, int]], pax: bool, tmp_path: Path) -> None:
    odd = member("n" * 120 if pax else "a/b")
    whole = tar_of((member("d", tarfile.DIRTYPE), b""), (odd, b"content" * 90), (member("last"), b""))
    data = bytearray(whole.getvalue())
    for place, value in spots:
        data[place] = value
    root = tmp_path / "walls"
    with contextlib.suppress(TransportError):
        unpack_untrusted(io.BytesIO(bytes(data)), root / "out")
    assert [path.name for path in root.iterdir()] == ["out"]
    assert not any(path.is_symlink() for path in root.rglob("*"))
