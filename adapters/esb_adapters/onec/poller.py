"""Reads what changed in a base through its exchange plan.

The plan keeps a set of changed objects for our node. Reading stamps them with a message number, acknowledging that
number forgets them; an object written again in between stays. So: read, store everything, acknowledge. A crash
before the acknowledgement brings the same objects again, which the mapper recognises by their content.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from esb_adapters.onec.client import ODataClient
from esb_adapters.onec.configurations import ConfigurationFacts
from esb_adapters.onec.mapper import native_payment
from esb_adapters.onec.payments import set_of
from esb_adapters.onec.protocol import entity
from esb_bus.errors import PermanentError
from esb_bus.landscape import ExchangePlan
from esb_bus.ports import Polled, RawSink


class NodeMissing(PermanentError):
    """The exchange plan has no node with our code."""

    code = "node_missing"


class PaymentPoller:
    """Poller (see `esb_bus.ports`) of payment documents. One reader per node: it runs only under the lease.

    Other objects of the plan are acknowledged unread, so give the bus a node of its own.
    """

    def __init__(
        self,
        endpoint: str,
        plan: ExchangePlan,
        facts: ConfigurationFacts,
        client: ODataClient,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._endpoint = endpoint
        self._plan = plan
        self._sets = {incoming.entity_set for incoming in facts.incoming}
        self._client = client
        self._now = now

    async def poll(self, cursor: str | None, sink: RawSink) -> Polled:
        """One round. The truth about where to go on is the node's `ReceivedNo`; the cursor only tells people."""
        node = await find_node(self._client, self._endpoint, self._plan)
        number = int(node["ReceivedNo"]) + 1
        changed = await self._changes("SelectChanges", node["Ref_Key"], number)
        objects = changed.get("value", []) if isinstance(changed, dict) else []
        for item in objects:
            if set_of(item) in self._sets and "Ref_Key" in item:
                await sink.store(native_payment(self._endpoint, item, self._now()))
        if objects:
            await self._changes("NotifyChangesReceived", node["Ref_Key"], number)
        return Polled(cursor=str(number) if objects else cursor or str(number))

    async def _changes(self, function: str, node: str, number: int) -> Any:
        point = f"{self._client.root}/{entity(plan_set(self._plan), node)}"
        return await self._client.call(function, {"DataExchangePoint": f"'{point}'", "MessageNo": str(number)})


def plan_set(plan: ExchangePlan) -> str:
    return f"ExchangePlan_{plan.name.removeprefix('ExchangePlan_')}"


async def find_node(client: ODataClient, endpoint: str, plan: ExchangePlan) -> dict[str, Any]:
    """Return our node of the plan.

    Raises:
        NodeMissing: there is none with this code.
    """
    nodes = await client.rows(plan_set(plan))
    for node in nodes:
        if str(node["Code"]).strip() == plan.node and not node.get("ThisNode"):
            return node
    raise NodeMissing(
        f"{endpoint}: {plan_set(plan)} has no node {plan.node!r}: "
        f"create it in 1C, or correct [{endpoint}] exchange_plan"
    )
