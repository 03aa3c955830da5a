"""Rules of the portal that need no server: encodings, filters, prices, the request bucket."""

from decimal import Decimal

import pytest

from esb_standins.bitrix24.arithmetic import row_prices
from esb_standins.bitrix24.batch import resolve
from esb_standins.bitrix24.filters import item_test, meets, old_conditions
from esb_standins.bitrix24.limits import LeakyBucket
from esb_standins.bitrix24.multifields import from_fm, merge_multifield
from esb_standins.bitrix24.params import from_query
from esb_standins.bitrix24.schema import DEAL, Field, camel
from esb_standins.bitrix24.values import item_value, old_text, parse

FIELDS = {field.name: field for field in DEAL.fields}


@pytest.mark.parametrize(
    ("price", "discount", "tax", "expected"),
    [
        ("80000", "20", "20", "66666.67 83333.34 100000.01 16666.67"),
        ("90000", "10", "10", "81818.18 90909.09 100000.00 9090.91"),
        ("649", "0", None, "649.00 649.00 649.00 0.00"),
    ],
)
def test_row_prices_follow_from_the_final_one(price, discount, tax, expected):
    prices = row_prices(Decimal(price), Decimal(discount), Decimal(tax) if tax else None)

    assert f"{prices.exclusive} {prices.netto} {prices.brutto} {prices.discount_sum}" == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("STAGE_ID", "stageId"),
        ("UF_CRM_ESB_PAID_AT", "ufCrmEsbPaidAt"),
        ("UF_CRM_1747309879", "ufCrm_1747309879"),
        ("UF_CRM_3_INN", "ufCrm3Inn"),
        ("PARENT_ID_2", "parentId2"),
    ],
)
def test_names_of_the_new_generation_follow_from_the_old(name, expected):
    assert camel(name) == expected


def test_bracket_forms_become_nested_values():
    params = from_query("fields[TITLE]=x&select[]=ID&select[]=UF_*&PHONE[0][VALUE]=1&filter[%3EID]=10&empty[]=")

    assert params == {
        "fields": {"TITLE": "x"},
        "select": ["ID", "UF_*"],
        "PHONE": [{"VALUE": "1"}],
        "filter": {">ID": "10"},
        "empty": [""],
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [("$result[a][ID]", "7"), ("x$result[l][1][ID]y", "x9y"), ("$result[no][ID]", ""), ("$result[l]", "")],
)
def test_batch_references_are_replaced_and_lead_nowhere_quietly(text, expected):
    results = {"a": {"ID": 7}, "l": [{"ID": 8}, {"ID": 9}]}

    assert resolve(text, results) == expected


DEAL_RECORD = {
    "ID": 7,
    "TITLE": "Заказ 15",
    "STAGE_ID": "C3:NEW",
    "OPPORTUNITY": "100.00",
    "COMPANY_ID": None,
    "DATE_MODIFY": "2026-01-05T11:00:00+03:00",
}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"TITLE": "заказ 15"}, True),
        ({"%TITLE": "КАЗ"}, True),
        ({"=%TITLE": "Заказ%"}, True),
        ({"!%TITLE": "каз"}, False),
        ({"@STAGE_ID": ["C3:NEW", "C3:WON"]}, True),
        ({"!@STAGE_ID": ["C3:NEW"]}, False),
        ({">=OPPORTUNITY": "100"}, True),
        ({">OPPORTUNITY": 100}, False),
        ({"COMPANY_ID": ""}, True),
        ({"!COMPANY_ID": ""}, False),
        ({">DATE_MODIFY": "2026-01-05T08:00:00+00:00"}, False),
        ({">=DATE_MODIFY": "2026-01-05T08:00:00Z"}, True),
        ({"<DATE_MODIFY": "nonsense"}, False),
        ({"UNKNOWN": "x"}, True),
        ({"ID": [6, 7]}, True),
    ],
    ids=str,
)
def test_old_filters(filters, expected):
    conditions = old_conditions(filters, FIELDS)

    assert all(meets(DEAL_RECORD, condition) for condition in conditions) is expected


def test_item_filters_may_nest_groups():
    names = {field.item_name: field for field in DEAL.fields}
    groups = {"0": {"logic": "OR", "0": {"id": 1}, "1": {"0": {">id": 5}, "1": {"<id": 8}}}, "stageId": "C3:NEW"}

    test = item_test(groups, names)

    assert test(DEAL_RECORD)
    assert not test({**DEAL_RECORD, "ID": 9})


def test_the_bucket_admits_again_as_it_drains():
    bucket = LeakyBucket(capacity=2, drain=2.0)

    admitted = [bucket.admits("a", now) for now in (0.0, 0.0, 0.0, 0.4, 0.5, 0.5)]

    assert admitted == [True, True, False, False, True, False]
    assert bucket.admits("b", 0.5)


def test_the_text_of_an_enumeration_item_is_stored_as_nothing():
    seller = Field("UF_CRM_SELLER", "enumeration", items=((44, "Розница", "retail"),))

    assert [parse(seller, raw) for raw in ("44", 44, "Розница", "99", "")] == [44, 44, None, None, None]


def test_both_generations_show_the_same_value_in_their_own_way():
    opportunity, flag = FIELDS["OPPORTUNITY"], FIELDS["OPENED"]
    user_field = Field("UF_CRM_X", "string")

    assert (old_text(opportunity, "1952.5"), item_value(opportunity, "1952.50")) == ("1952.50", 1952.5)
    assert (old_text(flag, "Y"), item_value(flag, "Y")) == ("Y", "Y")
    assert (old_text(user_field, None), old_text(FIELDS["COMMENTS"], None)) == ("", None)


def test_a_multifield_entry_without_id_is_appended():
    numbers = iter(range(1, 9))
    current = merge_multifield([], [{"VALUE": "1"}], lambda: next(numbers))

    twice = merge_multifield(current, [{"VALUE": "1"}], lambda: next(numbers))
    one = merge_multifield(twice, [{"ID": "1", "VALUE": ""}, {"ID": 2, "VALUE": "3"}], lambda: next(numbers))

    assert [entry["VALUE"] for entry in twice] == ["1", "1"]
    assert [(entry["ID"], entry["VALUE"]) for entry in one] == [(2, "3")]


def test_fm_entries_without_a_type_are_ignored():
    fm = {"156": {"typeId": "PHONE", "value": "2"}, "n0": {"typeId": "EMAIL", "value": "a"}, "n1": {"value": "lost"}}

    found = from_fm(fm)

    assert found == {
        "PHONE": [{"ID": "156", "VALUE": "2", "VALUE_TYPE": None}],
        "EMAIL": [{"VALUE": "a", "VALUE_TYPE": None}],
    }
