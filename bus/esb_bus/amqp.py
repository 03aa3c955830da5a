"""AMQP 0-9-1 for the hot path: an asyncio protocol on pamqp's frames that groups writes, confirms and acknowledgements.

Only what the bus uses: PLAIN over TCP or TLS, channels, publishing with confirms and returns, consuming, passive and
exclusive declarations. Everything written during one turn of the event loop leaves in one system call; confirms of
RabbitMQ come grouped and are resolved in one walk. `wire` is the only importer.

Source: AMQP 0-9-1 specification (4.2 framing, 1.4 constants); RabbitMQ manual, "Consumer Acknowledgements and
Publisher Confirms", "Blocked Connections", "Detecting Dead TCP Connections with Heartbeats".
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import unquote

from pamqp.base import Frame
from pamqp.commands import Basic, Connection
from pamqp.commands import Channel as ChannelMethod
from pamqp.frame import marshal
from pamqp.header import ProtocolHeader
from yarl import URL

from esb_bus.confirms import Confirms
from esb_bus.frames import (
    BODY,
    FRAME_HEADER,
    HEADER,
    HEARTBEAT,
    HEARTBEAT_FRAME,
    MAX_FRAME,
    METHOD,
    OVERHEAD,
    UNREADABLE,
    AckGroup,
    FrameReader,
    header_frame,
    read_header,
    read_method,
)
from esb_bus.properties import Properties, write_header

RPC_TIMEOUT_S = 10
SWEEP_S = 0.1
SILENT_HEARTBEATS_TO_CLOSE = 2
MAX_CHANNELS = 2047
NOT_FOUND = 404

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

    def again(self) -> "AmqpClosed":
        """The same for another waiter: one instance raised many times would gather all their tracebacks."""
        return AmqpClosed(str(self), self.code)


class AmqpUnwritable(Exception):
    """A message that cannot be put into frames: a property too long, a header of a strange type, too many headers."""


class AmqpConnection(asyncio.Protocol):
    """One connection. `closed` is done when it is gone."""

    def __init__(self, heartbeat_s: int) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._reader = FrameReader()
        self._out: list[bytes] = []
        self._flushing = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._channels: dict[int, AmqpChannel] = {}
        self._free_numbers: list[int] = []
        self._closing_numbers: set[int] = set()
        """We said goodbye to these channels; their numbers are free again when the broker has answered."""
        self._next_number = 1
        self._handshake: asyncio.Queue[Frame] = asyncio.Queue()
        self._beating: asyncio.TimerHandle | None = None
        self.heartbeat_s = heartbeat_s
        self.frame_max = MAX_FRAME
        self._channel_max = MAX_CHANNELS
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
        self.frame_max = self._reader.frame_max = min(tune.frame_max or MAX_FRAME, MAX_FRAME)
        self._channel_max = tune.channel_max or MAX_CHANNELS
        self.send(0, Connection.TuneOk(tune.channel_max, self.frame_max, self.heartbeat_s))
        self.send(0, Connection.Open(unquote(url.raw_path[1:]) or "/"))
        await self._expect(Connection.OpenOk)
        self._beat()

    async def _expect(self, method: type[Frame]) -> Frame:
        waiting = asyncio.ensure_future(self._handshake.get())
        try:
            await asyncio.wait((waiting, self.closed), timeout=RPC_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not waiting.done():
                waiting.cancel()
        if not waiting.done() or waiting.cancelled():
            raise self.closed.result().again() if self.closed.done() else AmqpClosed("no answer during the handshake")
        frame = waiting.result()
        if not isinstance(frame, method):
            raise AmqpClosed(f"expected {method.name}, got {frame.name}")
        return frame

    async def channel(self) -> "AmqpChannel":
        if self.closed.done():
            raise self.closed.result().again()
        number = self._free_numbers.pop() if self._free_numbers else self._next_number
        if number > self._channel_max:
            raise AmqpClosed("no channel number is free")
        self._next_number = max(self._next_number, number + 1)
        channel = self._channels[number] = AmqpChannel(self, number)
        await channel.rpc(ChannelMethod.Open(), ChannelMethod.OpenOk)
        return channel

    # -- asyncio.Protocol ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        now, silent = self._loop.time(), self._loop.time() - self.heard_at
        if self._beating is not None and silent > SILENT_HEARTBEATS_TO_CLOSE * self.heartbeat_s:
            # We slept, not the broker: these bytes are old and it has given our queues to somebody else by now.
            self.abort(f"nothing was read for {silent:.0f} s")
            return
        self.heard_at = now
        try:
            for kind, number, payload in self._reader.feed(data):
                self._frame(kind, number, payload)
        except UNREADABLE as error:
            self.abort(f"unreadable frame: {error!r}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(AmqpClosed(f"connection lost: {exc!r}" if exc else "connection closed by the broker"))

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # -- reading -------------------------------------------------------------------------------------------------

    def _frame(self, kind: int, number: int, payload: bytes) -> None:
        if kind == HEARTBEAT:
            return
        if number == 0:
            self._connection_method(read_method(payload))
            return
        channel = self._channels.get(number)
        if channel is None:
            self._after_goodbye(kind, number, payload)
            return
        if kind == METHOD:
            channel.method(payload)
        elif kind == HEADER:
            channel.header(payload)
        else:
            channel.body(payload)

    def _after_goodbye(self, kind: int, number: int, payload: bytes) -> None:
        """What the broker still had to say on a channel we have closed."""
        if kind != METHOD or number not in self._closing_numbers:
            return
        match read_method(payload):
            case ChannelMethod.Close():
                self.send(number, ChannelMethod.CloseOk())
            case ChannelMethod.CloseOk():
                self._closing_numbers.discard(number)
                self._free_numbers.append(number)

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
                self._out.append(channel.acks.take())
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
            try:
                await asyncio.wait((self.closed,), timeout=2)
            finally:
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

    def forget(self, number: int, *, said_goodbye: bool) -> None:
        """A channel is gone. Its number is free at once unless the broker still owes us the answer to our goodbye."""
        if self._channels.pop(number, None) is None:
            return
        if said_goodbye:
            self._closing_numbers.add(number)
        else:
            self._free_numbers.append(number)


OnMessage = Callable[["Basic.Deliver", Properties, bytes], None]


@dataclass(slots=True)
class _Content:
    """A message that is arriving in pieces."""

    method: Frame
    size: int = -1
    properties: Properties = field(default_factory=Properties)
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
        self._confirms = Confirms()
        self._said_goodbye = False
        self._sweeping = False
        self._publish_frames: dict[tuple[str, str, bool], bytes] = {}
        self.acks = AckGroup(number)
        self.closed: asyncio.Future[AmqpClosed] = self._loop.create_future()

    # -- calls ---------------------------------------------------------------------------------------------------

    async def rpc(self, request: Frame, answer: type[Frame]) -> Frame:
        """Send a method and return its answer.

        Raises:
            AmqpClosed: the channel or connection went away instead.
        """
        async with self._rpc_lock:
            if self.closed.done():
                raise self.closed.result().again()
            self._reply = self._loop.create_future()
            self._said_goodbye = isinstance(request, ChannelMethod.Close)
            self._connection.send(self._number, request)
            try:
                async with asyncio.timeout(RPC_TIMEOUT_S):
                    frame = await self._reply
            except TimeoutError as error:
                self.lost(AmqpClosed(f"no answer to {request.name}"), tell_broker=True)
                raise self.closed.result().again() from error
            except asyncio.CancelledError:
                # The answer may still come and would be taken for that of the next call.
                self.lost(AmqpClosed(f"{request.name} was cancelled"), tell_broker=True)
                raise
            finally:
                self._reply = None
        if not isinstance(frame, answer):
            self.lost(AmqpClosed(f"expected {answer.name}, got {frame.name}"), tell_broker=True)
            raise self.closed.result().again()
        return frame

    async def consume(self, queue: str, on_message: OnMessage, arguments: dict[str, Any] | None = None) -> None:
        self._on_message = on_message
        await self.rpc(Basic.Consume(queue=queue, arguments=arguments or {}), Basic.ConsumeOk)

    async def close(self) -> None:
        if self.closed.done():
            return
        if self.acks:
            self._connection.write(self.acks.take())
        try:
            await self.rpc(ChannelMethod.Close(200, "done", 0, 0), ChannelMethod.CloseOk)
        except AmqpClosed:
            return
        self._said_goodbye = False  # and was answered
        self.lost(AmqpClosed("closed"))

    # -- publishing ----------------------------------------------------------------------------------------------

    async def publish(
        self, body: bytes, exchange: str, key: str, properties: Properties, deadline_s: float, *, mandatory: bool
    ) -> None:
        """Return when the broker has confirmed.

        Raises:
            TimeoutError: not within the deadline. AmqpRefused: nack. AmqpReturned: no queue. AmqpClosed: lost.
            AmqpUnwritable: nothing was sent.
        """
        deadline = self._loop.time() + deadline_s
        content = self._publish_bytes(body, exchange, key, properties, mandatory=mandatory)
        if not self._connection._writable.is_set():  # noqa: SLF001  the channel is part of its connection
            async with asyncio.timeout_at(deadline):
                await self._connection.writable()
        if self.closed.done():
            raise self.closed.result().again()
        confirmed = self._confirms.add(str(properties.message_id), deadline)
        self._connection.write(content)
        if not self._sweeping:
            self._sweeping = True
            self._loop.call_later(SWEEP_S, self._sweep)
        await confirmed

    def _publish_bytes(self, body: bytes, exchange: str, key: str, properties: Properties, *, mandatory: bool) -> bytes:
        method = self._publish_frames.get((exchange, key, mandatory))
        if method is None:
            frame = Basic.Publish(exchange=exchange, routing_key=key, mandatory=mandatory)
            method = marshal(frame, self._number)
            if len(self._publish_frames) < 1000:  # noqa: PLR2004  reply queues have names without number
                self._publish_frames[exchange, key, mandatory] = method
        parts = [method, self._header_bytes(len(body), properties)]
        step = self._connection.frame_max - OVERHEAD
        for start in range(0, len(body), step):
            piece = body[start : start + step]
            parts += (FRAME_HEADER.pack(BODY, self._number, len(piece)), piece, b"\xce")
        return b"".join(parts)

    def _header_bytes(self, body_size: int, properties: Properties) -> bytes:
        try:
            header = header_frame(self._number, write_header(properties, body_size))
        except UNREADABLE as error:
            raise AmqpUnwritable(f"{properties.message_id}: {error}") from error
        if len(header) > self._connection.frame_max:
            raise AmqpUnwritable(f"{properties.message_id}: {len(header)} bytes of headers")
        return header

    def _sweep(self) -> None:
        self._confirms.sweep(self._loop.time())
        self._sweeping = len(self._confirms) > 0 and not self.closed.done()
        if self._sweeping:
            self._loop.call_later(SWEEP_S, self._sweep)

    # -- acknowledging -------------------------------------------------------------------------------------------

    def ack(self, tag: int) -> None:
        self.acks.add(tag)
        self._connection.flush_soon()

    # -- frames --------------------------------------------------------------------------------------------------

    def method(self, payload: bytes) -> None:
        frame = read_method(payload)
        match frame:
            case Basic.Deliver() | Basic.Return():
                self._content = _Content(frame)
            case Basic.Ack():
                self._confirms.answer(int(frame.delivery_tag), multiple=bool(frame.multiple), refused=False)
            case Basic.Nack():
                self._confirms.answer(int(frame.delivery_tag), multiple=bool(frame.multiple), refused=True)
            case ChannelMethod.Close():
                self._connection.send(self._number, ChannelMethod.CloseOk())
                self.lost(AmqpClosed(str(frame.reply_text), int(frame.reply_code or 0)))
            case Basic.Cancel():
                self.lost(AmqpClosed("the broker cancelled the consumer"), tell_broker=True)
            case _ if self._reply is not None and not self._reply.done():
                self._reply.set_result(frame)

    def header(self, payload: bytes) -> None:
        content = self._content
        if content is None:
            raise ValueError("content without a method")
        content.size, content.properties = read_header(payload)
        if not content.size:
            self._complete(content, b"")

    def body(self, payload: bytes) -> None:
        content = self._content
        if content is None or content.size < 0:
            raise ValueError("a body without a header")
        if len(payload) == content.size:
            self._complete(content, payload)
            return
        content.parts += payload
        if len(content.parts) >= content.size:
            self._complete(content, bytes(content.parts))

    def _complete(self, content: "_Content", body: bytes) -> None:
        self._content = None
        if not isinstance(content.method, Basic.Deliver):
            self._confirms.returned(content.properties.message_id)
        elif self._on_message is not None:
            self._on_message(content.method, content.properties, body)

    def lost(self, reason: AmqpClosed, *, tell_broker: bool = False) -> None:
        """Everything that waits on this channel learns that it is gone."""
        if self.closed.done():
            return
        self.closed.set_result(reason)
        # A second goodbye would be taken for a first word on a channel that was never opened: the connection would end.
        if tell_broker and not self._said_goodbye and not self._connection.closed.done():
            self._said_goodbye = True
            self._connection.send(self._number, ChannelMethod.Close(200, "done", 0, 0))
        self._connection.forget(self._number, said_goodbye=self._said_goodbye)
        self._confirms.fail(reason.again)
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(reason.again())
