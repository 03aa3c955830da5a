from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from esb_schemas.identifiers import Inn, Kpp, LegalEntityCode, ObjectKey, Ogrn, Snils

INN, KPP, OGRN, SNILS, KEY, CODE = (
    TypeAdapter[str](kind) for kind in (Inn, Kpp, Ogrn, Snils, ObjectKey, LegalEntityCode)
)


def accepts(kind: TypeAdapter[str], value: Any) -> bool:
    try:
        kind.validate_python(value)
    except ValidationError:
        return False
    return True


def inn10(digits: str) -> str:
    weights = (2, 4, 10, 3, 5, 9, 4, 6, 8)
    return digits + str(sum(w * int(d) for w, d in zip(weights, digits, strict=True)) % 11 % 10)


def inn12(digits: str) -> str:
    first = str(sum(w * int(d) for w, d in zip((7, 2, 4, 10, 3, 5, 9, 4, 6, 8), digits, strict=True)) % 11 % 10)
    weights = (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)
    return digits + first + str(sum(w * int(d) for w, d in zip(weights, digits + first, strict=True)) % 11 % 10)


def ogrn(digits: str, modulus: int) -> str:
    return digits + str(int(digits) % modulus % 10)


def snils(digits: str) -> str:
    total = sum(int(digit) * (9 - place) for place, digit in enumerate(digits))
    return f"{digits}{total % 101 % 100:02d}"


def digits_of(length: int) -> st.SearchStrategy[str]:
    return st.integers(min_value=10 ** (length - 1), max_value=10**length - 1).map(str)


@pytest.mark.parametrize("value", ["7701234560", "7812345675", "771234567859", "500123456750"])
def test_inn_with_right_check_digits_is_accepted(value: str) -> None:
    assert INN.validate_python(value) == value


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("7701234567", id="wrong check digit"),
        pytest.param("771234567858", id="wrong last check digit of 12"),
        pytest.param("771234567849", id="wrong first check digit of 12"),
        pytest.param("77012345601", id="11 digits"),
        pytest.param("0000000000", id="zeros pass the checksum and are no INN"),
        pytest.param("0012345678", id="region 00"),
        pytest.param(" 7701234560", id="blank"),
        pytest.param("7701234560\n", id="line end"),
        pytest.param("٧٧٠١٢٣٤٥٦٠", id="digits of another script"),
        pytest.param("", id="empty"),
        pytest.param(7701234560, id="number"),
    ],
)
def test_what_is_not_an_inn_is_refused(value: Any) -> None:
    assert not accepts(INN, value)


@given(digits_of(9))
def test_exactly_one_check_digit_makes_an_inn_of_an_organisation(digits: str) -> None:
    right = inn10(digits)

    accepted = [value for value in (f"{digits}{last}" for last in range(10)) if accepts(INN, value)]

    assert accepted == [right]


@given(digits_of(10))
def test_exactly_one_pair_of_check_digits_makes_an_inn_of_a_person(digits: str) -> None:
    right = inn12(digits)

    accepted = [value for value in (f"{digits}{last:02d}" for last in range(100)) if accepts(INN, value)]

    assert accepted == [right]


@given(digits_of(9), st.integers(0, 8))
def test_two_swapped_neighbours_never_pass_as_the_same_inn_unnoticed(digits: str, place: int) -> None:
    right = inn10(digits)
    swapped = list(right)
    swapped[place], swapped[place + 1] = swapped[place + 1], swapped[place]
    value = "".join(swapped)

    accepted = accepts(INN, value)

    assert accepted == (not value.startswith("00") and value == inn10(value[:9]))


@given(digits_of(12))
def test_exactly_one_check_digit_makes_an_ogrn(digits: str) -> None:
    digits = "1" + digits[1:]
    right = ogrn(digits, 11)

    accepted = [value for value in (f"{digits}{last}" for last in range(10)) if accepts(OGRN, value)]

    assert accepted == [right]


@given(digits_of(14))
def test_exactly_one_check_digit_makes_an_ogrnip(digits: str) -> None:
    digits = "3" + digits[1:]
    right = ogrn(digits, 13)

    accepted = [value for value in (f"{digits}{last}" for last in range(10)) if accepts(OGRN, value)]

    assert accepted == [right]


@given(st.integers(min_value=1_001_999, max_value=999_999_999).map("{:09d}".format))
def test_exactly_one_pair_of_check_digits_makes_a_snils(digits: str) -> None:
    right = snils(digits)

    accepted = [value for value in (f"{digits}{last:02d}" for last in range(100)) if accepts(SNILS, value)]

    assert accepted == [right]


@pytest.mark.parametrize("value", ["11223344595", "112-233-445 95", "112-233-445-95"])
def test_snils_is_accepted_as_people_write_it(value: str) -> None:
    assert accepts(SNILS, value)


def test_snils_from_before_the_check_digits_is_not_checked() -> None:
    assert accepts(SNILS, "00100199899")


@pytest.mark.parametrize(
    ("value", "expected"),
    [("770101001", True), ("7701AB001", True), ("7701ab001", False), ("77010100", False), ("٧٧٠١٠١٠٠١", False)],
)
def test_kpp_has_nine_characters_two_of_which_may_be_letters(value: str, *, expected: bool) -> None:
    assert accepts(KPP, value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("order/website.shop/10015", True),
        ("price/onec.trade/RM-0102/retail", True),
        ("order", False),
        ("order//10015", False),
        ("order/website.shop/10 015", False),
        ("order/website.shop/10015\n", False),
        ("Order/website.shop/1", False),
    ],
)
def test_object_key_has_a_kind_and_parts_without_blanks(value: str, *, expected: bool) -> None:
    assert accepts(KEY, value) == expected


@pytest.mark.parametrize("value", ["Ромашка", "romashka.retail", "romashka_retail", "*", "#", ""])
def test_code_that_would_mean_something_else_in_a_routing_key_is_refused(value: str) -> None:
    assert not accepts(CODE, value)
