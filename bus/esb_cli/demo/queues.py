"""What rests in the broker: how much is still under way, and which dead letters there are."""

from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import httpx

from esb_bus.browse import browse
from esb_bus.deadletter import Letter, read_letter
from esb_bus.landscape import load_landscape
from esb_bus.topology import dead_queue, parked_queue, worked_queues
from esb_bus.wire import Link


class Queues:
    """A view of the queues of one landscape. It looks, and takes nothing."""

    def __init__(self, amqp_url: str, management_url: str | None, landscape: Path) -> None:
        self._amqp_url = amqp_url
        self._management_url = management_url
        self._landscape = landscape
        self._link: Link | None = None

    async def close(self) -> None:
        if self._link is not None:
            await self._link.close()

    async def waiting(self) -> dict[str, int]:
        """Messages that wait in work queues and parked ones, by queue; those in a consumer's hands are not seen."""
        link = await self._connected()
        names = [name for queue in self._worked() for name in (queue, parked_queue(queue))]
        counts = {name: await link.ready_count(name) for name in names}
        return {name: count for name, count in counts.items() if count}

    async def in_hand(self) -> dict[str, int]:
        """All messages of work queues and parked ones, as the management plugin counts them every five seconds.

        Empty without the plugin. A tick of a consumer lives for a moment and may be among them.
        """
        if self._management_url is None:
            return {}
        names = {name for queue in self._worked() for name in (queue, parked_queue(queue))}
        vhost = unquote(urlsplit(self._amqp_url).path[1:]) or "/"
        async with httpx.AsyncClient(base_url=self._management_url, timeout=10, trust_env=False) as client:
            answer = await client.get(f"/api/queues/{quote(vhost, safe='')}")
            answer.raise_for_status()
        counts = {queue["name"]: int(queue.get("messages", 0)) for queue in answer.json()}
        return {name: count for name, count in counts.items() if name in names and count}

    async def letters(self) -> list[Letter]:
        """All dead letters, oldest first in each queue."""
        link = await self._connected()
        found: list[Letter] = []
        for queue in self._worked():
            if not await link.ready_count(dead_queue(queue)):
                continue
            async with browse(link, dead_queue(queue)) as browser:
                found += [read_letter(delivery, queue) async for delivery in browser.messages()]
        return found

    def _worked(self) -> list[str]:
        return [queue.name for queue in worked_queues(load_landscape(self._landscape))]

    async def _connected(self) -> Link:
        if self._link is None or not self._link.is_open:
            self._link = await Link.open(self._amqp_url, "esb demo")
        return self._link
