"""Declaring what a landscape needs, over aio-pika: everything that is not on the hot path."""

from collections.abc import Sequence

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import AMQPError

from esb_bus.addresses import addresses_of, first_open
from esb_bus.errors import BrokerUnavailable, EsbError
from esb_bus.topology import EVENTS_EXCHANGE, Queue

CONNECT_TIMEOUT_S = 10

log = structlog.get_logger()


class TopologyMismatch(EsbError):
    """A queue exists with other arguments; it has to be drained and removed by hand."""

    code = "topology_mismatch"


class Declarer:
    """Declares broker objects, all or one by name."""

    def __init__(self, url: str, queues: Sequence[Queue]) -> None:
        self._url = url
        self._queues = {queue.name: queue for queue in queues}

    async def declare_all(self) -> None:
        """Make everything exist. Idempotent.

        Raises:
            BrokerUnavailable: the broker cannot be reached.
            TopologyMismatch: something exists that differs.
        """
        await self._with_channel(list(self._queues.values()))

    async def restore(self, queue: str) -> None:
        """Declare one queue again.

        Raises:
            BrokerUnavailable, TopologyMismatch.
        """
        if queue in self._queues:
            await self._with_channel([self._queues[queue]])

    async def _with_channel(self, queues: Sequence[Queue]) -> None:
        connection = await first_open(addresses_of(self._url), _connected, AbstractConnection.close)
        try:
            async with connection:
                for queue in queues:
                    await self._declare(await connection.channel(), queue)
        except (AMQPError, OSError, TimeoutError, RuntimeError) as error:
            # A RuntimeError is what a channel says that was lost between two calls.
            raise BrokerUnavailable(f"the connection was lost while declaring: {error!r}") from error

    async def _declare(self, channel: AbstractChannel, queue: Queue) -> None:
        try:
            exchange = await channel.declare_exchange(EVENTS_EXCHANGE, aio_pika.ExchangeType.TOPIC, durable=True)
            declared = await channel.declare_queue(queue.name, durable=True, arguments=queue.arguments)
            for key in queue.bindings:
                await declared.bind(exchange, key)
        except aio_pika.exceptions.ChannelPreconditionFailed as error:
            raise TopologyMismatch(f"{queue.name} exists with other arguments: {error}") from error
        await channel.close()


async def _connected(url: str) -> AbstractConnection:
    try:
        return await aio_pika.connect(url, timeout=CONNECT_TIMEOUT_S)
    except (OSError, AMQPError, TimeoutError) as error:
        raise BrokerUnavailable(f"cannot connect to the broker: {error!r}") from error
