"""Orders → «Заказ клиента» / «Заказ покупателя» of a 1C base."""

from collections.abc import Sequence

from esb_bus.landscape import Landscape
from esb_schemas.documents import CustomerOrder, Document
from esb_schemas.orders import OrderCancelled, OrderState
from esb_schemas.registry import AnyEnvelope
from esb_transformers.addressed import addressed, state_of


def customer_order(event: AnyEnvelope, endpoint: str, _landscape: Landscape) -> Sequence[Document]:
    """Build the order document for one base.

    Placed and changed give the same document: both carry the whole order, and the base creates what it lacks and
    brings up to date what it has. So a lost `order.placed` is made good by any later event of the order.
    """
    content = CustomerOrder(
        order=state_of(event.data, OrderState),
        is_cancelled=isinstance(event.data, OrderCancelled),
    )
    return [addressed(event, endpoint, content)]
