"""Keys, versions and numbers on documents of a base."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esb_adapters.onec.stamp import (
    NUMBER_LENGTH,
    Hashes,
    Stamp,
    candidate_numbers,
    digest,
    order_number,
    read_stamp,
    write_stamp,
)

KEY = "order/website.shop/10015"
STAMP = Stamp(KEY, 1767600000000, Hashes("1a2b3c4d", "99aabbcc"))


def test_a_stamp_names_key_and_version_first():
    assert write_stamp(STAMP) == "[esb order/website.shop/10015 v1767600000000] [h1a2b3c4d-99aabbcc]"


def test_a_stamp_is_read_back():
    assert read_stamp(write_stamp(STAMP, "звонить после шести")) == STAMP


def test_a_stamp_is_found_behind_a_persons_words():
    assert read_stamp(f"срочно! {write_stamp(STAMP)}") == STAMP


def test_a_stamp_without_hashes_is_a_stamp():
    assert read_stamp(f"[esb {KEY} v5] чужое [h12]") == Stamp(KEY, 5)


@pytest.mark.parametrize("comment", ["", "[esb]", "[esb order/x v]", "звонить"])
def test_no_stamp_is_none(comment):
    assert read_stamp(comment) is None


def test_a_newer_stamp_takes_the_place_of_the_older_and_keeps_the_persons_text():
    newer = Stamp(KEY, 1767600000001)

    assert (
        write_stamp(newer, write_stamp(STAMP, "звонить [после] шести"))
        == f"[esb {KEY} v1767600000001] звонить [после] шести"
    )


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60))
def test_a_persons_text_survives_any_number_of_stamps(own_text):
    own_text = own_text.strip()
    if read_stamp(own_text) or own_text.startswith("[h"):
        return

    comment = write_stamp(STAMP, write_stamp(STAMP, own_text))

    assert comment == f"{write_stamp(STAMP)} {own_text}".rstrip()


@pytest.mark.parametrize(
    ("prefix", "key", "number"),
    [
        ("ИМ", "order/website.shop/10015", "ИМ000010015"),
        ("ИМ", "order/website.shop/999999999", "ИМ999999999"),
        ("ПБ", "order/bitrix24.portal/410", "ПБ000000410"),
    ],
)
def test_a_number_is_what_the_customer_knows_behind_the_prefix(prefix, key, number):
    assert order_number(prefix, key) == number


@pytest.mark.parametrize("key", ["order/website.shop/1234567890", "order/website.shop/A-17", "payment/onec.trade/5b1f"])
def test_what_does_not_fit_becomes_a_hash_behind_the_prefix(key):
    number = order_number("ИМ", key)

    assert (len(number), number[:2]) == (NUMBER_LENGTH, "ИМ")


def test_without_a_prefix_equal_numbers_of_two_sources_differ():
    assert order_number(None, "order/website.shop/410") != order_number(None, "order/bitrix24.portal/410")


@given(
    st.sampled_from([None, "И", "ИМ", "МАГА"]),
    st.from_regex(r"order/[a-z0-9.]{1,20}/[A-Za-z0-9-]{1,30}", fullmatch=True),
)
def test_all_candidates_are_eleven_long_and_differ(prefix, key):
    numbers = candidate_numbers(prefix, key)

    assert {len(number) for number in numbers} == {NUMBER_LENGTH}
    assert len(set(numbers)) == len(numbers)


def test_a_hash_does_not_see_how_a_value_is_spelt():
    ours = {"Сумма": Decimal("649.00"), "Контрагент_Key": "B7560000-0000-0000-0000-000000000001", "Текст": "а "}
    theirs = {"Сумма": 649, "Контрагент_Key": "b7560000-0000-0000-0000-000000000001", "Текст": "а"}

    assert digest(ours) == digest(theirs)


def test_a_hash_sees_every_kopeck():
    assert digest({"Сумма": Decimal("649.00")}) != digest({"Сумма": Decimal("649.01")})
