from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.guest.frames import PAYLOAD_LIMIT, Frame, FrameReader, encode

FRAMES = st.builds(
    Frame,
    st.sampled_from("opxzASK"),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=300),
)
LINES = st.lists(
    st.text(st.characters(codec="ascii", exclude_characters="\n\r"), max_size=100).map(lambda t: t.encode() + b"\r\n"),
    min_size=1,
    max_size=3,
).map(b"".join)


def read(data: bytes, pieces: int = 1) -> list[Frame]:
    reader = FrameReader()
    step = max(1, len(data) // pieces)
    return [frame for at in range(0, len(data), step) for frame in reader.feed(data[at : at + step])]


@given(st.lists(FRAMES, max_size=8), st.integers(1, 200))
def test_frames_come_back_however_they_are_cut(frames: list[Frame], pieces: int) -> None:
    assert read(b"".join(encode(frame) + b"\r\n" for frame in frames), pieces) == frames


@given(st.lists(st.tuples(FRAMES, st.binary(max_size=60).filter(lambda b: not set(b) & set(b"{}"))), max_size=6))
def test_noise_between_frames_is_told_apart(woven: list[tuple[Frame, bytes]]) -> None:
    assert read(b"".join(noise + encode(frame) for frame, noise in woven)) == [frame for frame, _ in woven]


@given(FRAMES, LINES, st.data(), st.integers(1, 50))
def test_lines_inside_a_frame_are_taken_out(frame: Frame, lines: bytes, data: st.DataObject, pieces: int) -> None:
    whole = encode(frame)
    at = data.draw(st.integers(1, len(whole) - 1))
    found = read(whole[:at] + lines + whole[at:], pieces)
    if not set(lines) & set(b"{}"):
        assert found == [frame]
    assert found in ([], [frame])


@given(FRAMES, st.data())
def test_a_changed_byte_is_noticed(frame: Frame, data: st.DataObject) -> None:
    whole = bytearray(encode(frame))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 127))
    assert read(bytes(whole)) in ([], [frame])  # the last digit's spare bits say nothing
    following = Frame("o", 1, 2, b"next")
    assert read(bytes(whole) + encode(following))[-1:] == [following]


@given(FRAMES, st.data())
def test_lost_bytes_are_noticed(frame: Frame, data: st.DataObject) -> None:
    whole = encode(frame)
    start = data.draw(st.integers(0, len(whole) - 1))
    end = data.draw(st.integers(start + 1, len(whole)))
    following = Frame("o", 1, 2, b"next")
    assert read(whole[:start] + whole[end:] + b"\r\n" + encode(following)) == [following]


@given(st.binary(max_size=2000))
def test_rubbish_is_no_frame(data: bytes) -> None:
    assert read(data) == []


def test_a_flood_without_a_frame_is_not_kept() -> None:
    reader = FrameReader()
    for _ in range(100):
        assert reader.feed(b"{" + b"x" * 4096) == []
    assert len(reader._kept) < 20000
    assert reader.feed(b"}" + encode(Frame("o", 1))) == [Frame("o", 1)]
    assert reader.noise > 400_000


def test_noise_is_counted_and_line_ends_are_not() -> None:
    reader = FrameReader()
    whole = encode(Frame("o", 1, 2, b"x" * 50))
    reader.feed(whole + b"\r\n" + whole + b"\r\n")
    assert reader.noise == 0
    reader.feed(whole[:20] + b"[ 1.0] usb\r\n" + whole[20:] + b"\r\n")
    assert reader.noise == 10


def test_a_frame_has_room_for_so_much() -> None:
    most = Frame("o", 1, 2, bytes(PAYLOAD_LIMIT))
    assert read(encode(most)) == [most]
    with pytest.raises(ValueError, match="holds 2048 bytes"):
        encode(Frame("o", 1, 2, bytes(PAYLOAD_LIMIT + 1)))
