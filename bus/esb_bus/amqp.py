"""AMQP 0-9-1 for the hot path: an asyncio protocol on pamqp's frames that groups writes, confirms and acknowledgements.

Only what the bus uses: PLAIN over TCP or TLS, channels, publishing with confirms and returns, consuming, passive and
exclusive declarations. Everything written during one turn of the event loop leaves in one system call; confirms of
RabbitMQ come grouped and are resolved in one walk. `wire` is the only importer.

Source: AMQP 0-9-1 specification (4.2 framing, 1.4 constants); RabbitMQ manual, "Consumer Acknowledgements and
Publisher Confirms", "Blocked Connections", "Detecting Dead TCP Connections with Heartbeats".
"""

import asyncio
import itertools
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import unquote

from pamqp.base import Frame
from pamqp.commands import INDEX_MAPPING, Basic, Connection
from pamqp.commands import Channel as ChannelMethod
from pamqp.exceptions import PAMQPException
from pamqp.frame import marshal
from pamqp.header import ContentHeader, ProtocolHeader
from yarl import URL

FRAME_HEADER = struct.Struct(">BHI")
ACK_FRAME = struct.Struct(">BHIHHQ?B")
METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
FRAME_END = 0xCE
OVERHEAD = 8
HEARTBEAT_FRAME = b"\x08\x00\x00\x00\x00\x00\x00\xce"
MAX_FRAME = 131_072
RPC_TIMEOUT_S = 10
SWEEP_S = 0.1
SILENT_HEARTBEATS_TO_CLOSE = 2
NOT_FOUND, REFUSED, LOCKED = 404, 403, 405

CAPABILITIES = {
    "publisher_confirms": True,
    "basic.nack": True,
    "consumer_cancel_notify": True,
    "connection.blocked": True,
    "authentication_failure_close": True,
}


class AmqpClosed(Exception):
    """A connection or channel is closed; `code` is the broker's reply code, 0 when there was none."""

    def __init__(self, reason: str, code: int = 0) -> None:
        super().__init__(reason)
        self.code = code


class AmqpReturned(Exception):
    """No queue took a mandatory message."""


class AmqpRefused(Exception):
    """The broker answered a publish with nack."""


class AmqpConnection(asyncio.Protocol):
    """One connection. `closed` is done when it is gone."""

    def __init__(self, heartbeat_s: int) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._out: list[bytes] = []
        self._flushing = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._channels: dict[int, AmqpChannel] = {}
        self._free_numbers: list[int] = []
        self._next_number = 1
        self._handshake: asyncio.Queue[Frame] = asyncio.Queue()
        self._beating: asyncio.TimerHandle | None = None
        self.heartbeat_s = heartbeat_s
        self.frame_max = MAX_FRAME
        self.heard_at = loop.time()
        self.closed: asyncio.Future[AmqpClosed] = loop.create_future()

    # -- opening -------------------------------------------------------------------------------------------------

    @classmethod
    async def open(cls, url: URL, name: str, heartbeat_s: int, context: ssl.SSLContext | None) -> "AmqpConnection":
        """Connect and open the virtual host of `url`.

        Raises:
            OSError, TimeoutError, AmqpClosed.
        """
        loop = asyncio.get_running_loop()
        host, port = str(url.host), int(url.port or (5671 if context else 5672))
        _, connection = await loop.create_connection(lambda: cls(heartbeat_s), host, port, ssl=context)
        try:
            await connection.shake_hands(url, name)
        except BaseException:
            connection.abort("handshake failed")
            raise
        return connection

    async def shake_hands(self, url: URL, name: str) -> None:
        self.write(ProtocolHeader().marshal())
        await self._expect(Connection.Start)
        properties: Any = {"product": "onec-esb", "connection_name": name, "capabilities": CAPABILITIES}
        response = f"\0{url.user or 'guest'}\0{url.password or 'guest'}"
        self.send(0, Connection.StartOk(properties, "PLAIN", response, "en_US"))
        tune = cast("Connection.Tune", await self._expect(Connection.Tune))
        self.frame_max = min(tune.frame_max or MAX_FRAME, MAX_FRAME)
        self.send(0, Connection.TuneOk(tune.channel_max, self.frame_max, self.heartbeat_s))
        self.send(0, Connection.Open(unquote(url.raw_path[1:]) or "/"))
        await self._expect(Connection.OpenOk)
        self._beat()

    async def _expect(self, method: type[Frame]) -> Frame:
        waiting = asyncio.ensure_future(self._handshake.get())
        await asyncio.wait((waiting, self.closed), timeout=RPC_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            waiting.cancel()
            raise self.closed.result() if self.closed.done() else AmqpClosed("no answer during the handshake")
        frame = waiting.result()
        if not isinstance(frame, method):
            raise AmqpClosed(f"expected {method.name}, got {frame.name}")
        return frame

    async def channel(self) -> "AmqpChannel":
        if self.closed.done():
            raise self.closed.result()
        number = self._free_numbers.pop() if self._free_numbers else self._next_number
        self._next_number = max(self._next_number, number + 1)
        channel = self._channels[number] = AmqpChannel(self, number)
        await channel.rpc(ChannelMethod.Open(), ChannelMethod.OpenOk)
        return channel

    # -- asyncio.Protocol ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._loop.time()
        self._buffer += data
        try:
            self._read_frames()
        except (PAMQPException, struct.error, ValueError, KeyError, IndexError) as error:
            self.abort(f"unreadable frame: {error!r}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(AmqpClosed(f"connection lost: {exc!r}" if exc else "connection closed by the broker"))

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # -- reading -------------------------------------------------------------------------------------------------

    def _read_frames(self) -> None:
        buffer, position, end = self._buffer, 0, len(self._buffer)
        while end - position >= FRAME_HEADER.size:
            kind, number, size = FRAME_HEADER.unpack_from(buffer, position)
            stop = position + FRAME_HEADER.size + size
            if size > self.frame_max:
                raise ValueError(f"a frame of {size} bytes")
            if stop + 1 > end:
                break
            if buffer[stop] != FRAME_END:
                raise ValueError("a frame without its end")
            self._frame(kind, number, bytes(buffer[position + FRAME_HEADER.size : stop]))
            position = stop + 1
        if position:
            del buffer[:position]

    def _frame(self, kind: int, number: int, payload: bytes) -> None:
        if kind == HEARTBEAT:
            return
        if number == 0:
            self._connection_method(_method(payload))
            return
        channel = self._channels.get(number)
        if channel is None:
            return
        if kind == METHOD:
            channel.method(payload)
        elif kind == HEADER:
            channel.header(payload)
        else:
            channel.body(payload)

    def _connection_method(self, frame: Frame) -> None:
        match frame:
            case Connection.Close():
                self.send(0, Connection.CloseOk())
                self._flush()
                self.abort(f"closed by the broker: {frame.reply_text}", int(frame.reply_code or 0))
            case Connection.CloseOk():
                self.abort("closed")
            case Connection.Blocked() | Connection.Unblocked():
                # The broker stops reading; our writes fill the socket and publishers run into their deadlines.
                return
            case _:
                self._handshake.put_nowait(frame)

    # -- writing -------------------------------------------------------------------------------------------------

    def send(self, number: int, frame: Frame) -> None:
        self.write(marshal(frame, number))

    def write(self, data: bytes) -> None:
        self._out.append(data)
        self.flush_soon()

    def flush_soon(self) -> None:
        """Everything of this turn of the loop leaves together."""
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        for channel in self._channels.values():
            if channel.acks:
                self._out.append(channel.ack_frames())
        if self._out and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._out))
        self._out.clear()

    async def writable(self) -> None:
        """Wait while the broker takes nothing more from us."""
        await self._writable.wait()

    # -- ending --------------------------------------------------------------------------------------------------

    def _beat(self) -> None:
        if self.closed.done():
            return
        if self._loop.time() - self.heard_at > SILENT_HEARTBEATS_TO_CLOSE * self.heartbeat_s:
            self.abort("the broker has fallen silent")
            return
        self.write(HEARTBEAT_FRAME)
        self._beating = self._loop.call_later(self.heartbeat_s / 2, self._beat)

    async def close(self) -> None:
        if not self.closed.done():
            self._flush()  # acknowledgements must leave before the goodbye
            self.send(0, Connection.Close(200, "done", 0, 0))
            await asyncio.wait((self.closed,), timeout=2)
            self.abort("closed")

    def abort(self, reason: str, code: int = 0) -> None:
        if self._transport is not None:
            self._transport.abort()
        self._lost(AmqpClosed(reason, code))

    def _lost(self, reason: AmqpClosed) -> None:
        if self.closed.done():
            return
        self.closed.set_result(reason)
        if self._beating is not None:
            self._beating.cancel()
        self._writable.set()
        for channel in list(self._channels.values()):
            channel.lost(reason)
        self._channels.clear()

    def forget(self, number: int, *, reusable: bool) -> None:
        if self._channels.pop(number, None) is not None and reusable:
            self._free_numbers.append(number)


def _method(payload: bytes) -> Frame:
    frame: Frame = INDEX_MAPPING[int.from_bytes(payload[:4], "big")]()
    frame.unmarshal(payload[4:])
    return frame


OnMessage = Callable[["Basic.Deliver", ContentHeader, bytes], None]


@dataclass(slots=True)
class _Content:
    """A message that is arriving in pieces."""

    method: Frame
    header: ContentHeader | None = None
    parts: bytearray = field(default_factory=bytearray)


class AmqpChannel:
    """One channel. `closed` is done when it is gone."""

    def __init__(self, connection: AmqpConnection, number: int) -> None:
        self._connection = connection
        self._number = number
        self._loop = asyncio.get_running_loop()
        self._rpc_lock = asyncio.Lock()
        self._reply: asyncio.Future[Frame] | None = None
        self._content: _Content | None = None
        self._on_message: OnMessage | None = None
        self._published = 0
        self._unconfirmed: dict[int, tuple[asyncio.Future[None], float, str]] = {}
        self._returned: set[str] = set()
        self._sweeping = False
        self._publish_frames: dict[tuple[str, str, bool], bytes] = {}
        self.acks: set[int] = set()
        self._acked: set[int] = set()
        self._acked_to = 0
        self.closed: asyncio.Future[AmqpClosed] = self._loop.create_future()

    # -- calls ---------------------------------------------------------------------------------------------------

    async def rpc(self, request: Frame, answer: type[Frame]) -> Frame:
        """Send a method and return its answer.

        Raises:
            AmqpClosed: the channel or connection went away instead.
        """
        async with self._rpc_lock:
            if self.closed.done():
                raise self.closed.result()
            self._reply = self._loop.create_future()
            self._connection.send(self._number, request)
            try:
                async with asyncio.timeout(RPC_TIMEOUT_S):
                    frame = await self._reply
            except TimeoutError as error:
                self.lost(AmqpClosed(f"no answer to {request.name}"), tell_broker=True)
                raise self.closed.result() from error
            except asyncio.CancelledError:
                # The answer may still come and would be taken for that of the next call.
                self.lost(AmqpClosed(f"{request.name} was cancelled"), tell_broker=True)
                raise
            finally:
                self._reply = None
        if not isinstance(frame, answer):
            raise AmqpClosed(f"expected {answer.name}, got {frame.name}")
        return frame

    async def consume(self, queue: str, on_message: OnMessage, arguments: dict[str, Any] | None = None) -> None:
        self._on_message = on_message
        await self.rpc(Basic.Consume(queue=queue, arguments=arguments or {}), Basic.ConsumeOk)

    async def close(self) -> None:
        if self.closed.done():
            return
        if self.acks:
            self._connection.write(self.ack_frames())
        try:
            await self.rpc(ChannelMethod.Close(200, "done", 0, 0), ChannelMethod.CloseOk)
        except AmqpClosed:
            return
        self.lost(AmqpClosed("closed"), reusable=True)

    # -- publishing ----------------------------------------------------------------------------------------------

    async def publish(
        self, body: bytes, exchange: str, key: str, properties: Basic.Properties, deadline_s: float, *, mandatory: bool
    ) -> None:
        """Return when the broker has confirmed.

        Raises:
            TimeoutError: not within the deadline. AmqpRefused: nack. AmqpReturned: no queue. AmqpClosed: lost.
        """
        if not self._connection._writable.is_set():  # noqa: SLF001  the channel is part of its connection
            async with asyncio.timeout(deadline_s):
                await self._connection.writable()
        if self.closed.done():
            raise self.closed.result()
        self._published += 1
        confirmed: asyncio.Future[None] = self._loop.create_future()
        self._unconfirmed[self._published] = confirmed, self._loop.time() + deadline_s, str(properties.message_id)
        self._connection.write(self._publish_bytes(body, exchange, key, properties, mandatory=mandatory))
        if not self._sweeping:
            self._sweeping = True
            self._loop.call_later(SWEEP_S, self._sweep)
        await confirmed

    def _publish_bytes(
        self, body: bytes, exchange: str, key: str, properties: Basic.Properties, *, mandatory: bool
    ) -> bytes:
        method = self._publish_frames.get((exchange, key, mandatory))
        if method is None:
            frame = Basic.Publish(exchange=exchange, routing_key=key, mandatory=mandatory)
            method = marshal(frame, self._number)
            if len(self._publish_frames) < 1000:  # noqa: PLR2004  reply queues have names without number
                self._publish_frames[exchange, key, mandatory] = method
        parts = [method, marshal(ContentHeader(body_size=len(body), properties=properties), self._number)]
        step = self._connection.frame_max - OVERHEAD
        for start in range(0, len(body), step):
            piece = body[start : start + step]
            parts += (FRAME_HEADER.pack(BODY, self._number, len(piece)), piece, b"\xce")
        return b"".join(parts)

    def _sweep(self) -> None:
        """Fail the publishes whose deadline has passed; cheaper than a timer for each."""
        now = self._loop.time()
        for tag, (confirmed, deadline, _) in list(self._unconfirmed.items()):
            if confirmed.done():
                del self._unconfirmed[tag]  # its publisher was cancelled
            elif deadline <= now:
                del self._unconfirmed[tag]
                confirmed.set_exception(TimeoutError())
        self._sweeping = bool(self._unconfirmed) and not self.closed.done()
        if self._sweeping:
            self._loop.call_later(SWEEP_S, self._sweep)

    def _confirm(self, tag: int, *, multiple: bool, error: Exception | None) -> None:
        # Tags are kept in the order they were given, so the walk ends at the first one beyond.
        tags = list(itertools.takewhile(lambda known: known <= tag, self._unconfirmed)) if multiple else [tag]
        for known in tags:
            entry = self._unconfirmed.pop(known, None)
            if entry is None or entry[0].done():
                continue
            confirmed, _, message_id = entry
            if message_id in self._returned:
                self._returned.discard(message_id)
                confirmed.set_exception(AmqpReturned())
            elif error is not None:
                confirmed.set_exception(error)
            else:
                confirmed.set_result(None)

    # -- acknowledging -------------------------------------------------------------------------------------------

    def ack(self, tag: int) -> None:
        self.acks.add(tag)
        self._connection.flush_soon()

    def ack_frames(self) -> bytes:
        """The waiting acknowledgements: one frame for all up to the first gap, one for each beyond it."""
        fresh, self.acks = self.acks, set()
        highest = 0
        while (tag := self._acked_to + 1) in fresh or tag in self._acked:
            if tag in fresh:
                highest = tag
            self._acked_to = tag
            self._acked.discard(tag)
        frames = [_ack(self._number, highest, multiple=True)] if highest else []
        beyond = [tag for tag in fresh if tag > self._acked_to]
        self._acked.update(beyond)
        return b"".join((*frames, *(_ack(self._number, tag, multiple=False) for tag in beyond)))

    # -- frames --------------------------------------------------------------------------------------------------

    def method(self, payload: bytes) -> None:
        frame = _method(payload)
        match frame:
            case Basic.Deliver() | Basic.Return():
                self._content = _Content(frame)
            case Basic.Ack():
                self._confirm(int(frame.delivery_tag), multiple=bool(frame.multiple), error=None)
            case Basic.Nack():
                self._confirm(int(frame.delivery_tag), multiple=bool(frame.multiple), error=AmqpRefused())
            case ChannelMethod.Close():
                self._connection.send(self._number, ChannelMethod.CloseOk())
                self.lost(AmqpClosed(str(frame.reply_text), int(frame.reply_code or 0)), reusable=True)
            case Basic.Cancel():
                self.lost(AmqpClosed("the broker cancelled the consumer"), tell_broker=True)
            case _ if self._reply is not None and not self._reply.done():
                self._reply.set_result(frame)

    def header(self, payload: bytes) -> None:
        if self._content is None:
            raise ValueError("content without a method")
        self._content.header = header = ContentHeader()
        header.unmarshal(payload)
        if not header.body_size:
            self._complete(self._content, b"")

    def body(self, payload: bytes) -> None:
        content = self._content
        if content is None or content.header is None:
            raise ValueError("a body without a header")
        if len(payload) == content.header.body_size:
            self._complete(content, payload)
            return
        content.parts += payload
        if len(content.parts) >= content.header.body_size:
            self._complete(content, bytes(content.parts))

    def _complete(self, content: "_Content", body: bytes) -> None:
        self._content = None
        header = cast("ContentHeader", content.header)
        if not isinstance(content.method, Basic.Deliver):
            self._returned.add(str(header.properties.message_id))
        elif self._on_message is not None:
            self._on_message(content.method, header, body)

    def lost(self, reason: AmqpClosed, *, reusable: bool = False, tell_broker: bool = False) -> None:
        """Everything that waits on this channel learns that it is gone."""
        if self.closed.done():
            return
        self.closed.set_result(reason)
        if tell_broker and not self._connection.closed.done():
            self._connection.send(self._number, ChannelMethod.Close(200, "done", 0, 0))
        self._connection.forget(self._number, reusable=reusable)
        for confirmed, _, _ in self._unconfirmed.values():
            if not confirmed.done():
                confirmed.set_exception(reason)
        self._unconfirmed.clear()
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(reason)


def _ack(number: int, tag: int, *, multiple: bool) -> bytes:
    return ACK_FRAME.pack(METHOD, number, 13, 60, 80, tag, multiple, FRAME_END)
