"""Names of all broker objects and headers, and the list of what must exist for a landscape.

No other module builds a queue name. Declared idempotently by `declare`; the reasons stand beside each argument.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from esb_bus.landscape import BITRIX24_KIND, ONEC_KIND, WEBSITE_KIND, Landscape
from esb_schemas.identifiers import SHARED

EVENTS_EXCHANGE = "esb.events"
RECEIVER_KINDS = (ONEC_KIND, BITRIX24_KIND)

MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_ERROR_TEXT = 4096

# Without it 4.x drops a message after 20 returns (looking at a queue in the console counts as one), and -1 means
# "delete on the first return" on 3.10. Measured on 3.10.8 and 4.0.5.
DELIVERY_LIMIT = 1_000_000

SEGMENT_BYTES = 50_000_000
"""A history stream forgets whole segments of this size."""

H_THREAD = "x-esb-thread"
H_OBJECT = "x-esb-object"
H_VERSION = "x-esb-version"
H_CORRELATION = "x-esb-correlation"
H_CAUSATION = "x-esb-causation"
H_LEGAL_ENTITY = "x-esb-legal-entity"
H_ENDPOINT = "x-esb-endpoint"
H_NATIVE_KIND = "x-esb-native-kind"
H_NATIVE_HEADERS = "x-esb-native-headers"
H_RECEIVED = "x-esb-received"
H_ATTEMPT = "x-esb-attempt"
H_FIRST_FAILURE = "x-esb-first-failure"
H_LAST_FAILURE = "x-esb-last-failure"
H_REASON = "x-esb-reason"
H_ERROR = "x-esb-error"
H_TRACEBACK = "x-esb-traceback"
H_QUEUE = "x-esb-queue"
H_SEQUENCE = "x-esb-sequence"
H_LETTER = "x-esb-letter"
H_REPLAYABLE = "x-esb-replayable"
H_REPLAYED = "x-esb-replay-count"
H_COMMAND = "x-esb-command"


def in_queue(endpoint: str) -> str:
    return f"in.{endpoint}"


def transform_queue(kind: str) -> str:
    return f"transform.{kind}"


def out_queue(endpoint: str) -> str:
    return f"out.{endpoint}"


def dead_queue(queue: str) -> str:
    return f"{queue}.dead"


def parked_queue(queue: str) -> str:
    return f"{queue}.parked"


def lease_queue(endpoint: str, kind: str) -> str:
    return f"lease.{endpoint}.{kind}"


def log_stream(legal_entity: str) -> str:
    return f"esb.log.{legal_entity}"


def browse_lock(queue: str) -> str:
    """Exclusive queue that serves as a lock: reading `.dead` or `.parked` is one reader at a time."""
    return f"lock.{queue}"


def kind_of(endpoint: str) -> str:
    return endpoint.split(".", 1)[0]


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue or stream to be declared."""

    name: str
    purpose: str
    arguments: dict[str, Any]
    bindings: tuple[str, ...] = field(default=())
    """Keys it is bound to `esb.events` with."""


def work_queue(name: str, purpose: str) -> Queue:
    """A quorum queue with one active consumer: order survives a take-over."""
    return Queue(name, purpose, {**_quorum(), "x-single-active-consumer": True})


def store_queue(name: str, purpose: str) -> Queue:
    """A quorum queue that messages rest in; never expires."""
    return Queue(name, purpose, _quorum())


def stream(legal_entity: str, days: int) -> Queue:
    arguments = {
        "x-queue-type": "stream",
        "x-max-age": f"{days}D",
        # Small segments, or the retention of a quiet legal entity never bites: only whole segments expire.
        "x-stream-max-segment-size-bytes": SEGMENT_BYTES,
    }
    return Queue(log_stream(legal_entity), "history", arguments, (f"*.*.{legal_entity}",))


def subscriber_queue(name: str, keys: tuple[str, ...], max_bytes: int) -> Queue:
    """The queue of another service. It forgets its oldest messages when nobody reads.

    A full queue that refused instead would make the publish of an event fail for everybody.
    """
    arguments = {**_quorum(), "x-overflow": "drop-head", "x-max-length-bytes": max_bytes}
    return Queue(f"sub.{name}", f"events for the subscriber {name}", arguments, keys)


def _quorum() -> dict[str, Any]:
    return {"x-queue-type": "quorum", "x-delivery-limit": DELIVERY_LIMIT}


def worked_queues(landscape: Landscape) -> Iterator[Queue]:
    """The queues that have a consumer of ours, each with its own `.dead` and `.parked`."""
    for endpoint in landscape.endpoints():
        yield work_queue(in_queue(endpoint), f"native messages of {endpoint}")
    for kind in RECEIVER_KINDS:
        yield work_queue(transform_queue(kind), f"events to become documents for {kind}")
    for endpoint in landscape.receivers():
        yield work_queue(out_queue(endpoint), f"documents for {endpoint}")


def lease_kinds(landscape: Landscape) -> Iterator[tuple[str, Literal["orders", "deals", "payments"]]]:
    """(endpoint, kind) of every poll the landscape asks for."""
    for name, site in landscape.website.items():
        if site.protocol == "woocommerce" and site.secret is not None:
            yield f"{WEBSITE_KIND}.{name}", "orders"
    for name in landscape.bitrix24:
        yield f"{BITRIX24_KIND}.{name}", "deals"
    for name, base in landscape.onec.items():
        if base.exchange_plan is not None:
            yield f"{ONEC_KIND}.{name}", "payments"


def plan(landscape: Landscape) -> list[Queue]:
    """Everything that must exist for a landscape, besides the exchange."""
    queues: list[Queue] = []
    for queue in worked_queues(landscape):
        queues += [
            queue,
            store_queue(parked_queue(queue.name), f"threads of {queue.name} that wait"),
            store_queue(dead_queue(queue.name), f"failures of {queue.name}, until a person acts"),
        ]
    queues += [
        work_queue(lease_queue(endpoint, kind), f"cursor and lease of the {kind} poll")
        for endpoint, kind in lease_kinds(landscape)
    ]
    days = landscape.limits.history_days
    return [*queues, *(stream(entity, days) for entity in (*landscape.legal_entities, SHARED))]
