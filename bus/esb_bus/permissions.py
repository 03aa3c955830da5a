"""Who may do what on the broker: least rights for the bus and for each subscriber, as anchored regular expressions.

Pure; `administration` carries it out. A subscriber may read its own queue (and, where the landscape says so, the
history of its legal entities) and nothing else: it declares, binds and publishes nothing. The topic permissions say
the same once more, for the day on which somebody widens the plain ones by hand; without an entry RabbitMQ allows
every key.

Source: RabbitMQ manual, "Access Control": configure, write, read; "Topic Authorisation".
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from esb_bus.landscape import Landscape, Subscriber
from esb_bus.topology import EVENTS_EXCHANGE, Queue, log_stream, subscriber_queue

NOTHING = "^$"
SUBSCRIBER_PREFIX = "sub."


@dataclass(frozen=True, slots=True)
class Grant:
    """The rights of one user in the virtual host of the bus. `queue` is what is made for it."""

    user: str
    configure: str
    write: str
    read: str
    topic_write: str
    topic_read: str
    queue: Queue | None = None


def grants(landscape: Landscape) -> list[Grant]:
    """The rights of every subscriber."""
    return [_subscriber(name, subscriber) for name, subscriber in landscape.subscribers.items()]


def subscriber_user(name: str) -> str:
    return f"{SUBSCRIBER_PREFIX}{name}"


def bus_grant(user: str) -> Grant:
    """What the bus itself needs: its own names, whatever the landscape holds now or tomorrow.

    Reading and writing `esb.events` is needed to bind and to publish; `amq.default` is how a publish to a queue by
    its name is checked.
    """
    queues = r"(?:in|transform|out|lease|lock|sub)\.[a-z0-9.-]+"
    own = r"esb\.(?:events|log\.[a-z0-9-]+|answers\.[0-9a-f-]+)"
    every_event = r"^[a-z]+\.[a-z]+\.[a-z0-9-]+$"
    return Grant(
        user,
        configure=f"^(?:{queues}|{own})$",
        write=rf"^(?:amq\.default|{queues}|{own})$",
        read=f"^(?:{queues}|{own})$",
        topic_write=every_event,
        # Streams are bound to every type of their entity.
        topic_read=r"^(?:[a-z]+|\*)\.(?:[a-z]+|\*)\.[a-z0-9-]+$",
    )


def _subscriber(name: str, subscriber: Subscriber) -> Grant:
    queue = subscriber_queue(name, tuple(_keys(subscriber)), subscriber.max_bytes)
    readable = [queue.name]
    if subscriber.history:
        readable += map(log_stream, subscriber.legal_entities)
    types = "|".join(map(_type_pattern, subscriber.events))
    return Grant(
        subscriber_user(name),
        configure=NOTHING,
        write=NOTHING,
        read=_any_of(readable),
        topic_write=NOTHING,
        topic_read=rf"^(?:{types})\.(?:{'|'.join(map(re.escape, subscriber.legal_entities))})$",
        queue=queue,
    )


def _keys(subscriber: Subscriber) -> Iterator[str]:
    for event in subscriber.events:
        yield from (f"{event}.{entity}" for entity in subscriber.legal_entities)


def _type_pattern(event: str) -> str:
    subject, _, fact = event.partition(".")
    return rf"{re.escape(subject)}\.{'[a-z]+' if fact == '*' else re.escape(fact)}"


def _any_of(names: Iterable[str]) -> str:
    return f"^(?:{'|'.join(map(re.escape, names))})$"


def explained(grant: Grant) -> dict[str, str]:
    """The rights by the names people read."""
    return {
        "user": grant.user,
        "configure": grant.configure,
        "write": grant.write,
        "read": grant.read,
        f"publish to {EVENTS_EXCHANGE}": grant.topic_write,
        f"bind to {EVENTS_EXCHANGE}": grant.topic_read,
        "queue": grant.queue.name if grant.queue else "",
    }
