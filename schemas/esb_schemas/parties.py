"""Who buys and pays: counterparties as all systems may describe them."""

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from esb_schemas.envelope import Event
from esb_schemas.identifiers import Inn, Kpp, ObjectKey, Ogrn
from esb_schemas.values import Value

ORGANISATION_INN_LENGTH = 10


class PartyKind(StrEnum):
    """Legal form of a counterparty: decides which numbers it has."""

    ORGANISATION = "organisation"
    SOLE_PROPRIETOR = "sole_proprietor"
    PERSON = "person"


class Party(Value):
    """A buyer or payer. An organisation or sole proprietor is identified by INN (and KPP), a person has none."""

    kind: PartyKind
    name: str = Field(min_length=1, max_length=1000)
    inn: Inn | None = None
    kpp: Kpp | None = None
    ogrn: Ogrn | None = None
    email: str | None = Field(default=None, max_length=320)
    phone: str | None = Field(default=None, max_length=50)
    address: str | None = Field(default=None, max_length=1000)

    @model_validator(mode="after")
    def _numbers_fit_the_kind(self) -> Self:
        if self.kind is PartyKind.ORGANISATION and (self.inn is None or len(self.inn) != ORGANISATION_INN_LENGTH):
            raise ValueError("an organisation has an INN of 10 digits")
        if self.kind is PartyKind.SOLE_PROPRIETOR and (self.inn is None or len(self.inn) == ORGANISATION_INN_LENGTH):
            raise ValueError("a sole proprietor has an INN of 12 digits")
        if self.kind is PartyKind.PERSON and self.inn is not None and len(self.inn) == ORGANISATION_INN_LENGTH:
            raise ValueError("a person's INN has 12 digits; 10 digits belong to an organisation")
        return self


class CounterpartyState(Event):
    counterparty_key: ObjectKey
    party: Party
    is_deleted: bool = False


class CounterpartyChanged(CounterpartyState):
    """A counterparty was created or changed in the system that owns it."""

    type = "counterparty.changed"


class CounterpartyMerged(CounterpartyState):
    """Several counterparties became one; `merged_keys` no longer exist."""

    type = "counterparty.merged"

    merged_keys: tuple[ObjectKey, ...] = Field(min_length=1)
