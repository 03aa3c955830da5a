"""Orders into УТ 11.5."""

import pytest

from factories import OPT, order_document

ORDERS = "Document_ЗаказКлиента"


def trade_order(*args, **changes):
    return order_document(*args, **{"endpoint": "onec.trade", "legal_entity": OPT, "delivery": None, **changes})


async def test_a_new_order_is_in_the_base_once_posted_and_stamped(trade):
    delivered = await trade.deliver(trade_order())

    (order,) = await trade.objects(ORDERS)
    assert delivered.outcome == "created"
    assert order["Posted"] is True
    assert order["Number"] == "ИМ000010015"
    assert order["Комментарий"].startswith("[esb order/website.shop/10015 v")
