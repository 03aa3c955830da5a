"""Properties and header tables of a message, for the kinds of values the bus uses; pamqp for all others.

pamqp reads and writes them attribute by attribute, which is half of what a relayed message costs. Here text, whole
numbers and booleans are handled directly, and whatever else a table of another program holds goes to pamqp.

Source: AMQP 0-9-1 specification, 4.2.5.5 (field tables) and 2.3 (basic content properties); RabbitMQ, "AMQP 0-9-1
Errata", field types.
"""

import struct
from dataclasses import dataclass, field
from typing import Any

from pamqp import decode, encode
from pamqp.header import ContentHeader

CONTENT_TYPE, HEADERS, DELIVERY_MODE = 1 << 15, 1 << 13, 1 << 12
CORRELATION_ID, MESSAGE_ID, TYPE = 1 << 10, 1 << 7, 1 << 5
KNOWN = CONTENT_TYPE | HEADERS | DELIVERY_MODE | CORRELATION_ID | MESSAGE_ID | TYPE
BASIC_CLASS = 60
PERSISTENT = 2
MAX_SHORT = 255

_HEAD = struct.Struct(">HxxQH")
_SIZE = struct.Struct(">I")
_INT64 = struct.Struct(">q")
_INTEGERS = {
    ord("b"): struct.Struct(">b"),
    ord("B"): struct.Struct(">B"),
    ord("s"): struct.Struct(">h"),
    ord("u"): struct.Struct(">H"),
    ord("I"): struct.Struct(">i"),
    ord("i"): struct.Struct(">I"),
    ord("l"): _INT64,
}
_TEXT, _BOOLEAN = ord("S"), ord("t")


@dataclass(slots=True)
class Properties:
    """The properties of a message that the bus writes and reads."""

    message_id: str = ""
    headers: dict[str, Any] = field(default_factory=dict)
    type: str | None = None
    content_type: str | None = None
    correlation_id: str | None = None


def write_header(properties: Properties, body_size: int) -> bytes:
    """Payload of a content header frame of a persistent message.

    Raises:
        ValueError: a short text above 255 bytes.
    """
    flags = DELIVERY_MODE | MESSAGE_ID | HEADERS
    parts: list[bytes] = []
    if properties.content_type is not None:
        flags |= CONTENT_TYPE
        parts.append(_short(properties.content_type))
    parts += (_table(properties.headers), b"\x02")
    if properties.correlation_id is not None:
        flags |= CORRELATION_ID
        parts.append(_short(properties.correlation_id))
    parts.append(_short(properties.message_id))
    if properties.type is not None:
        flags |= TYPE
        parts.append(_short(properties.type))
    return b"".join((_HEAD.pack(BASIC_CLASS, body_size, flags), *parts))


def _short(text: str) -> bytes:
    value = text.encode()
    if len(value) > MAX_SHORT:
        raise ValueError(f"a property of {len(value)} bytes")
    return bytes((len(value),)) + value


def _table(table: dict[str, Any]) -> bytes:
    parts: list[bytes] = []
    for key, value in table.items():
        name = _short(key)
        if type(value) is str:
            text = value.encode()
            parts += (name, b"S", _SIZE.pack(len(text)), text)
        elif type(value) is bool:
            parts += (name, b"t\x01" if value else b"t\x00")
        elif type(value) is int:
            parts += (name, b"l", _INT64.pack(value))
        else:
            parts += (name, encode.encode_table_value(value))
    content = b"".join(parts)
    return _SIZE.pack(len(content)) + content


def read_header(payload: bytes) -> tuple[int, Properties]:
    """Body size and properties of a content header frame.

    Raises:
        ValueError, IndexError, struct.error: the payload is damaged.
    """
    _, size, flags = _HEAD.unpack_from(payload)
    if flags & ~KNOWN:
        return size, _read_with_pamqp(payload)
    properties, at = Properties(), _HEAD.size
    if flags & CONTENT_TYPE:
        properties.content_type, at = _read_short(payload, at)
    if flags & HEADERS:
        properties.headers, at = _read_table(payload, at)
    if flags & DELIVERY_MODE:
        at += 1
    if flags & CORRELATION_ID:
        properties.correlation_id, at = _read_short(payload, at)
    if flags & MESSAGE_ID:
        properties.message_id, at = _read_short(payload, at)
    if flags & TYPE:
        properties.type, at = _read_short(payload, at)
    if at > len(payload):
        raise ValueError("properties beyond the end of their frame")
    return size, properties


def _read_with_pamqp(payload: bytes) -> Properties:
    header = ContentHeader()
    header.unmarshal(payload)
    found = header.properties
    return Properties(
        message_id=found.message_id or "",
        headers=dict(found.headers or {}),
        type=found.message_type,
        content_type=found.content_type,
        correlation_id=found.correlation_id,
    )


def _read_short(payload: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + payload[at]
    return payload[at + 1 : end].decode(), end


def _read_table(payload: bytes, at: int) -> tuple[dict[str, Any], int]:
    end = at + 4 + _SIZE.unpack_from(payload, at)[0]
    if end > len(payload):
        raise ValueError("a header table beyond the end of its frame")
    table: dict[str, Any] = {}
    position = at + 4
    while position < end:
        key, position = _read_short(payload, position)
        kind = payload[position]
        position += 1
        if kind == _TEXT:
            stop = position + 4 + _SIZE.unpack_from(payload, position)[0]
            table[key] = payload[position + 4 : stop].decode()
            position = stop
        elif kind == _BOOLEAN:
            table[key] = payload[position] != 0
            position += 1
        elif kind in _INTEGERS:
            layout = _INTEGERS[kind]
            table[key] = layout.unpack_from(payload, position)[0]
            position += layout.size
        else:
            return dict(decode.field_table(payload[at:end])[1]), end
    return table, end
