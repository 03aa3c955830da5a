"""Frames of AMQP 0-9-1 cut out of a stream of bytes, and the acknowledgements put into them. Pure, no I/O.

Source: AMQP 0-9-1 specification, 4.2 (framing).
"""

import struct
from collections.abc import Iterator

from pamqp.base import Frame
from pamqp.commands import INDEX_MAPPING
from pamqp.exceptions import PAMQPException

from esb_bus.properties import Properties
from esb_bus.properties import read_header as read_properties

FRAME_HEADER = struct.Struct(">BHI")
ACK_FRAME = struct.Struct(">BHIHHQ?B")
BODY_SIZE = struct.Struct(">4xQ")
METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
KINDS = frozenset({METHOD, HEADER, BODY, HEARTBEAT})
FRAME_END = 0xCE
OVERHEAD = 8
HEARTBEAT_FRAME = b"\x08\x00\x00\x00\x00\x00\x00\xce"
MAX_FRAME = 131_072

UNREADABLE = (PAMQPException, struct.error, ValueError, KeyError, IndexError, TypeError, OverflowError, OSError)
"""What pamqp raises for bytes that are not what they should be."""


class BadFrame(ValueError):
    """The stream is not AMQP any more; the connection has to end."""


class FrameReader:
    """Takes bytes as they come, gives whole frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.frame_max = MAX_FRAME

    def feed(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Yield (kind, channel, payload) of every frame that is complete now.

        Raises:
            BadFrame: of an unknown kind, too long, or without its end.
        """
        self._buffer += data
        buffer, position, end = self._buffer, 0, len(self._buffer)
        while end - position >= FRAME_HEADER.size:
            kind, number, size = FRAME_HEADER.unpack_from(buffer, position)
            if kind not in KINDS or size > self.frame_max:
                raise BadFrame(f"kind {kind}, {size} bytes")
            stop = position + FRAME_HEADER.size + size
            if stop >= end:
                break
            if buffer[stop] != FRAME_END:
                raise BadFrame("a frame without its end")
            yield kind, number, bytes(buffer[position + FRAME_HEADER.size : stop])
            position = stop + 1
        if position:
            del buffer[:position]


def read_method(payload: bytes) -> Frame:
    frame: Frame = INDEX_MAPPING[int.from_bytes(payload[:4], "big")]()
    frame.unmarshal(payload[4:])
    return frame


def read_header(payload: bytes) -> tuple[int, Properties]:
    """Body size and properties of a content header; unreadable properties are left out.

    A foreign client may write them in any encoding («cp1251»). The message has to become a dead letter; an error
    here would end the connection, the message would come again, and nothing behind it would ever be reached.
    """
    try:
        return read_properties(payload)
    except UNREADABLE:
        (size,) = BODY_SIZE.unpack_from(payload)
        return size, Properties()


def header_frame(number: int, payload: bytes) -> bytes:
    return b"".join((FRAME_HEADER.pack(HEADER, number, len(payload)), payload, b"\xce"))


def ack_frame(number: int, tag: int, *, multiple: bool) -> bytes:
    return ACK_FRAME.pack(METHOD, number, 13, 60, 80, tag, multiple, FRAME_END)


class AckGroup:
    """Acknowledgements that wait to be sent: one frame for all up to the first gap, one for each beyond it."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._waiting: set[int] = set()
        self._sent: set[int] = set()
        """Sent, above the first gap."""
        self._sent_to = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, tag: int) -> None:
        """Remember a tag. A second time is ignored: the broker would close the channel for it."""
        if tag > self._sent_to and tag not in self._sent:
            self._waiting.add(tag)

    def take(self) -> bytes:
        """Return the frames for everything that waits."""
        fresh, self._waiting = self._waiting, set()
        highest = 0
        while (tag := self._sent_to + 1) in fresh or tag in self._sent:
            highest = tag if tag in fresh else highest
            self._sent_to = tag
            self._sent.discard(tag)
        frames = [ack_frame(self._number, highest, multiple=True)] if highest else []
        beyond = sorted(tag for tag in fresh if tag > self._sent_to)
        self._sent.update(beyond)
        return b"".join((*frames, *(ack_frame(self._number, tag, multiple=False) for tag in beyond)))
