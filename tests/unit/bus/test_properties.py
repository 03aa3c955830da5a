"""Our reading and writing of message properties agrees with pamqp's, and damage is an error, never a hang."""

import struct
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from esb_bus.properties import Properties, read_header, write_header

short = st.text(max_size=60)
values = st.one_of(st.text(max_size=200), st.booleans(), st.integers(-(2**63), 2**63 - 1))
tables = st.dictionaries(st.text(min_size=1, max_size=40), values, max_size=12)


@given(short, tables, st.none() | short, st.none() | short, st.none() | short, st.integers(0, 2**40))
def test_what_we_write_pamqp_reads(message_id, headers, kind, content_type, correlation_id, size):
    properties = Properties(message_id, headers, kind, content_type, correlation_id)

    payload = write_header(properties, size)

    header = ContentHeader()
    header.unmarshal(payload)
    found = header.properties
    assert (header.body_size, found.delivery_mode, found.message_id) == (size, 2, message_id)
    assert (found.headers, found.message_type) == (headers, kind)
    assert (found.content_type, found.correlation_id) == (content_type, correlation_id)
    assert read_header(payload) == (size, properties)


@given(short, tables)
def test_what_pamqp_writes_we_read(message_id, headers):
    properties = Basic.Properties(message_id=message_id, headers=headers, delivery_mode=2)

    size, found = read_header(ContentHeader(body_size=7, properties=properties).marshal())

    assert (size, found.message_id, found.headers) == (7, message_id, headers)


def test_values_only_other_programs_write_are_read_too():
    headers = {"when": datetime(2026, 3, 2, tzinfo=UTC), "list": ["a", 1], "none": None, "table": {"deep": 1}, "x": 1}
    payload = ContentHeader(body_size=0, properties=Basic.Properties(headers=headers, priority=3, app_id="x")).marshal()

    _, found = read_header(payload)

    assert found.headers == headers


@given(tables, st.data())
def test_a_damaged_header_is_an_error(headers, data):
    payload = bytearray(write_header(Properties("id", headers), 1))
    place = data.draw(st.integers(0, len(payload) - 1))
    payload[place] ^= data.draw(st.integers(1, 255))

    try:
        read_header(bytes(payload))
    except (ValueError, IndexError, struct.error):
        return


def test_a_property_above_255_bytes_is_refused():
    with pytest.raises(ValueError, match="256 bytes"):
        write_header(Properties("x" * 256), 0)
