"""Which documents an event becomes: the endpoints by legal entity from the landscape, the transform from a table."""

from collections.abc import Iterator, Mapping

from esb_bus.errors import PermanentError
from esb_bus.landscape import BITRIX24_KIND, ONEC_KIND, Landscape
from esb_bus.ports import Transform
from esb_schemas.documents import Document
from esb_schemas.registry import AnyEnvelope
from esb_transformers.invoice import customer_invoice
from esb_transformers.order import customer_order
from esb_transformers.outcome import invoice_issued, order_accepted, order_refused
from esb_transformers.payment import deal_payment, incoming_payment

TRANSFORMS: Mapping[tuple[str, str], Transform] = {
    ("order.placed", ONEC_KIND): customer_order,
    ("order.changed", ONEC_KIND): customer_order,
    ("order.cancelled", ONEC_KIND): customer_order,
    ("invoice.requested", ONEC_KIND): customer_invoice,
    ("payment.received", ONEC_KIND): incoming_payment,
    ("payment.received", BITRIX24_KIND): deal_payment,
    ("payment.refunded", BITRIX24_KIND): deal_payment,
    ("order.accepted", BITRIX24_KIND): order_accepted,
    ("order.refused", BITRIX24_KIND): order_refused,
    ("invoice.issued", BITRIX24_KIND): invoice_issued,
}
"""(event type, kind of the receiver) → what it becomes there."""


class NoTransform(PermanentError):
    """A route sends an event to a kind of system that nobody has taught to take it."""

    code = "no_transform"


def documents(event: AnyEnvelope, kind: str, landscape: Landscape) -> list[Document]:
    """Return the documents an event becomes for all endpoints of one kind.

    Raises:
        UnknownLegalEntity, Unrouted: the landscape does not say where it goes.
        NoTransform: it says so, but such a receiver takes no such event.
    """
    return [
        document
        for endpoint in landscape.targets(event.type, event.legalentity, event.objectkey)
        if endpoint.startswith(f"{kind}.")
        for document in transform_for(event.type, kind)(event, endpoint, landscape)
    ]


def transform_for(event_type: str, kind: str) -> Transform:
    try:
        return TRANSFORMS[event_type, kind]
    except KeyError:
        raise NoTransform(_no_transform(event_type, kind)) from None


def untransformable(landscape: Landscape) -> Iterator[str]:
    """Name every route that would end in `NoTransform`, for `esb check` to say before the first message does."""
    for index, route in enumerate(landscape.routes):
        kinds = dict.fromkeys(target.split(".", 1)[0] for target in route.to)
        for event_type in route.event:
            for kind in kinds:
                if (event_type, kind) not in TRANSFORMS:
                    yield f"routes.{index}: {_no_transform(event_type, kind)}"


def _no_transform(event_type: str, kind: str) -> str:
    taken = ", ".join(sorted(taken for taken, receiver in TRANSFORMS if receiver == kind)) or "none"
    return (
        f"{event_type} cannot be written to {kind}: this release writes there {taken}. Take the {kind} endpoint out "
        f"of the route's `to`, or let a service of its own subscribe to {event_type}"
    )
