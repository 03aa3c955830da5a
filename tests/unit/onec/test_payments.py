"""Payment documents of a base as canonical payments."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from esb_adapters.onec.payments import (
    Surroundings,
    meaning,
    paid_reference,
    paid_share,
    payer,
    payment_received,
    payments_for,
)
from esb_adapters.onec.tables_retail import RETAIL_2
from esb_adapters.onec.tables_ut import UT_COUNTERPARTY, UT_INCOMING
from esb_bus.errors import InvalidData
from esb_schemas.parties import PartyKind

BANK = UT_INCOMING[0]
ORDER, OTHER = "8d1d7287-0000-0000-0000-000000000001", "8d1d7287-0000-0000-0000-000000000002"
NOON = datetime(2026, 1, 5, 9, tzinfo=UTC)


def row(ref=ORDER, amount="700", kind="Document_ЗаказКлиента"):
    return {"ОснованиеПлатежа": ref, "ОснованиеПлатежа_Type": f"StandardODATA.{kind}", "Сумма": Decimal(amount)}


def payment(*rows, **fields):
    return {
        "Ref_Key": "5b1f0000-0000-0000-0000-000000000001",
        "Number": "РО00-000118",
        "Date": "2026-01-05T12:00:00",
        "Posted": True,
        "DeletionMark": False,
        "СуммаДокумента": Decimal(1000),
        "РасшифровкаПлатежа": list(rows),
        **fields,
    }


def around(**changes):
    defaults = {"currency": "RUB", "payer": None, "paid": None, "as_of": NOON}
    return Surroundings("onec.trade", "Europe/Moscow", "romashka-opt", **{**defaults, **changes})


def test_a_payment_of_one_order_in_two_rows_is_for_that_order():
    split = payment(row(amount="700"), row(amount="300.50"))

    assert paid_reference(split, BANK) == ORDER
    assert paid_share(split, BANK, ORDER) == Decimal("1000.50")


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [row(), row(OTHER)],
        [row(kind="Catalog_ДоговорыКонтрагентов")],
        [row("00000000-0000-0000-0000-000000000000")],
    ],
    ids=["no rows", "two orders", "a contract", "nothing"],
)
def test_a_payment_that_is_not_for_one_order_names_none(rows):
    assert paid_reference(payment(*rows), BANK) is None


def test_payments_are_asked_for_by_their_rows_or_by_their_header():
    assert payments_for(BANK, ORDER).startswith(
        f"РасшифровкаПлатежа/any(d: d/ОснованиеПлатежа eq cast(guid'{ORDER}','Document_ЗаказКлиента'))"
    )
    assert payments_for(RETAIL_2.incoming[0], ORDER).startswith(f"ЗаказПокупателя_Key eq guid'{ORDER}' and")


def test_the_bank_says_when_it_was_paid():
    booked = payment(ДатаПроведенияБанком="2026-01-03T00:00:00")

    assert payment_received(booked, BANK, around()).paid_at == datetime(2026, 1, 2, 21, tzinfo=UTC)
    assert payment_received(payment(), BANK, around()).paid_at == NOON


@pytest.mark.parametrize("fields", [{"Posted": False}, {"DeletionMark": True}])
def test_what_is_unposted_or_marked_is_no_money(fields):
    assert payment_received(payment(**fields), BANK, around()).is_cancelled


def test_a_payment_of_nothing_is_refused_by_name():
    with pytest.raises(InvalidData, match="РО00-000118"):
        payment_received(payment(СуммаДокумента=0), BANK, around())


def test_what_a_payment_says_does_not_depend_on_when_it_was_read():
    early = payment_received(payment(), BANK, around())
    late = payment_received(payment(), BANK, around(as_of=NOON.replace(hour=18)))

    assert meaning(early) == meaning(late)
    assert meaning(early) != meaning(payment_received(payment(Posted=False), BANK, around()))


@pytest.mark.parametrize(
    ("fields", "kind", "inn"),
    [
        ({"ИНН": "7812345675", "КПП": "781201001"}, PartyKind.ORGANISATION, "7812345675"),
        ({"ИНН": "771234567859", "КПП": ""}, PartyKind.SOLE_PROPRIETOR, "771234567859"),
        ({"ИНН": ""}, PartyKind.PERSON, None),
        ({"ИНН": "1234567890"}, PartyKind.PERSON, None),
    ],
    ids=["organisation", "sole proprietor", "person", "wrong check digit"],
)
def test_payers(fields, kind, inn):
    found = payer({"Description": "Кто-то", "НаименованиеПолное": "Кто-то там", **fields}, UT_COUNTERPARTY)

    assert (found.kind, found.inn, found.name) == (kind, inn, "Кто-то там")
