"""Russian identification numbers, with their check digits, and the names the bus gives to things."""

from typing import Annotated, NewType

from pydantic import AfterValidator, StringConstraints
from stdnum.exceptions import ValidationError as NumberError
from stdnum.ru import inn as stdnum_inn

EventId = NewType("EventId", str)
"""UUIDv5 of an event: the idempotency key that survives every retry and replay."""

_OGRN_LENGTH = 13
"""An organisation's; a sole proprietor's has 15 digits."""

_SNILS_UNCHECKED_BELOW = 1_001_998
"""СНИЛС numbers up to 001-001-998 were issued before the check digits existed."""


def _checked_inn(value: str) -> str:
    if value.startswith("00"):
        raise ValueError("the first two digits of an INN are never both 0")
    try:
        stdnum_inn.validate(value)
    except NumberError as error:
        raise ValueError(f"not an INN: {error}") from error
    return value


def _checked_ogrn(value: str) -> str:
    # Not python-stdnum's: for 15 digits it forgets the last step, the remainder's last digit, and refuses
    # every fourth sole proprietor.
    modulus, first_digits = (11, "123456789") if len(value) == _OGRN_LENGTH else (13, "34")
    if value[0] not in first_digits:
        raise ValueError(f"an OGRN of {len(value)} digits does not begin with {value[0]}")
    if int(value[:-1]) % modulus % 10 != int(value[-1]):
        raise ValueError("the check digit of the OGRN does not fit")
    return value


def _checked_snils(value: str) -> str:
    digits = value.replace("-", "").replace(" ", "")
    if int(digits[:9]) <= _SNILS_UNCHECKED_BELOW:
        return value
    total = sum(int(digit) * (9 - place) for place, digit in enumerate(digits[:9]))
    if total % 101 % 100 != int(digits[9:]):
        raise ValueError("the check digits of the SNILS do not fit")
    return value


LegalEntityCode = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,40}$")]
"""Code of one of our own legal entities in the landscape, or "shared" for facts that belong to none."""

ObjectKey = Annotated[str, StringConstraints(pattern=r"^[a-z]+(/[^/\s\x00-\x1f]{1,100}){1,3}$", max_length=200)]
"""`<kind>/<endpoint>/<id in that endpoint>`, for example `order/website.shop/10015`."""

Inn = Annotated[str, StringConstraints(pattern=r"^([0-9]{10}|[0-9]{12})$"), AfterValidator(_checked_inn)]
"""ИНН: 10 digits for an organisation, 12 for a person or sole proprietor."""

Kpp = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}[0-9A-Z]{2}[0-9]{3}$")]
"""КПП: 9 characters, it has no check digit."""

Ogrn = Annotated[str, StringConstraints(pattern=r"^([0-9]{13}|[0-9]{15})$"), AfterValidator(_checked_ogrn)]
"""ОГРН (13 digits) or ОГРНИП (15 digits)."""

Snils = Annotated[
    str, StringConstraints(pattern=r"^[0-9]{3}-?[0-9]{3}-?[0-9]{3}[ -]?[0-9]{2}$"), AfterValidator(_checked_snils)
]
"""СНИЛС, written 112-233-445 95 or as 11 digits."""

SHARED = "shared"
"""The legal entity of facts that belong to the company as a whole."""
