"""Frames are found however the stream is cut, damage ends the connection, acknowledgements fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from esb_bus.frames import ACK_FRAME, FRAME_END, FRAME_HEADER, AckGroup, BadFrame, FrameReader, read_header

kinds = st.sampled_from([1, 2, 3, 8])
frames = st.lists(st.tuples(kinds, st.integers(0, 2047), st.binary(max_size=300)), max_size=8)


def bytes_of(kind: int, number: int, payload: bytes) -> bytes:
    return FRAME_HEADER.pack(kind, number, len(payload)) + payload + bytes((FRAME_END,))


@given(frames, st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_frames_are_found_however_the_stream_is_cut(expected, cuts):
    stream = b"".join(bytes_of(*frame) for frame in expected)
    reader, found, position, turn = FrameReader(), [], 0, 0

    while position < len(stream):
        step = cuts[turn % len(cuts)]
        found += reader.feed(stream[position : position + step])
        position, turn = position + step, turn + 1

    assert found == expected


@given(st.binary(max_size=400))
def test_any_bytes_give_frames_or_an_error_and_never_a_loop(data):
    reader = FrameReader()

    try:
        found = list(reader.feed(data))
    except BadFrame:
        return

    assert sum(8 + len(payload) for _, _, payload in found) <= len(data)


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param(b"AMQP\x00\x00\x09\x01", id="another version of the protocol"),
        pytest.param(FRAME_HEADER.pack(3, 1, 200_000), id="longer than agreed"),
        pytest.param(FRAME_HEADER.pack(3, 1, 2) + b"ab\x00", id="without its end"),
        pytest.param(FRAME_HEADER.pack(7, 1, 0) + b"\xce", id="an unknown kind"),
    ],
)
def test_damage_ends_the_connection(damaged):
    with pytest.raises(BadFrame):
        list(FrameReader().feed(damaged))


def test_properties_in_another_encoding_are_left_out_and_the_message_arrives():
    payload = bytearray(ContentHeader(body_size=5, properties=Basic.Properties(message_id="abcd")).marshal())
    payload[-4:] = "заказ".encode("cp1251")[:4]

    size, properties = read_header(bytes(payload))

    assert (size, properties.message_id) == (5, "")


@given(st.permutations(range(1, 16)), st.lists(st.integers(1, 5), min_size=15, max_size=15), st.integers(0, 15))
def test_every_tag_is_acknowledged_once_and_a_multiple_covers_no_unacknowledged_one(tags, groups, upto):
    group, asked, covered = AckGroup(1), set(), set()

    position = 0
    for size in groups:
        chosen = tags[position : position + size]
        position += size
        for tag in chosen:
            if tag > upto:
                continue
            group.add(tag)
            group.add(tag)
            asked.add(tag)
        for tag, multiple in _acks(group.take()):
            now = {known for known in range(1, tag + 1) if known not in covered} if multiple else {tag}
            assert now
            assert now <= asked
            assert not now & covered
            covered |= now

    assert covered == asked


def test_a_tag_acknowledged_beyond_a_gap_is_not_sent_again():
    group = AckGroup(1)
    group.add(3)
    group.take()

    group.add(3)

    assert not group
    assert group.take() == b""


def _acks(data: bytes):
    for position in range(0, len(data), ACK_FRAME.size):
        _, _, _, _, _, tag, multiple, _ = ACK_FRAME.unpack_from(data, position)
        yield tag, multiple
