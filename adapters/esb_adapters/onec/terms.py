"""Words that several configurations share."""

from collections.abc import Mapping
from typing import Any

from esb_schemas.parties import PartyKind

VAT_ENUM = {
    "none": "БезНДС",
    "0": "НДС0",
    "5": "НДС5",
    "7": "НДС7",
    "10": "НДС10",
    "18": "НДС18",
    "20": "НДС20",
    "22": "НДС22",
}
"""Members of the enumeration «СтавкиНДС» by canonical rate, as of 2026."""
VAT_ENUM_2020 = {rate: VAT_ENUM[rate] for rate in ("none", "0", "10", "18", "20")}
"""The same before 5 %, 7 % (2025) and 22 % (2026)."""

LEGAL = {"ЮридическоеФизическоеЛицо": "ЮридическоеЛицо"}
NATURAL = {"ЮридическоеФизическоеЛицо": "ФизическоеЛицо"}


def kinds(
    organisation: Mapping[str, Any], proprietor: Mapping[str, Any], person: Mapping[str, Any]
) -> Mapping[PartyKind, Mapping[str, Any]]:
    """Values that tell the kinds of counterparties apart."""
    return {PartyKind.ORGANISATION: organisation, PartyKind.SOLE_PROPRIETOR: proprietor, PartyKind.PERSON: person}
