"""Rules of the 1C stand-in that need no server."""

import pytest

from esb_standins.onec.entity import blank, presentation
from esb_standins.onec.profile import load_profile


@pytest.mark.parametrize(
    ("date", "shown"),
    [
        ("2026-03-20T00:00:00", "20.03.2026 0:00:00"),
        ("2026-03-20T00:05:09", "20.03.2026 0:05:09"),
        ("2026-03-20T09:10:00", "20.03.2026 9:10:00"),
        ("2026-03-20T20:00:00", "20.03.2026 20:00:00"),
    ],
)
def test_a_document_is_shown_with_its_hour_as_1c_writes_it(date, shown):
    orders = load_profile("ut-11.5").sets["Document_ЗаказКлиента"]
    order = {**blank(orders, "0"), "Number": "ТД00-000001", "Date": date}

    assert presentation(order, orders) == f"Заказ клиента ТД00-000001 от {shown}"
