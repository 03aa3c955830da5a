"""A portal as the landscape describes it, and the samples of its answers."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from esb_adapters.bitrix24.mapping import Snapshot
from esb_adapters.bitrix24.shapes import Company, Contact, Requisite, Row, read_deal, read_list, read_one
from esb_bus.landscape import Bitrix24Portal

SAMPLES = Path(__file__).parents[2] / "samples" / "bitrix24"


@pytest.fixture
def sample():
    return lambda name: (SAMPLES / name).read_bytes()


@pytest.fixture
def portal():
    """Build a portal; settings of the landscape may be given."""

    def build(**settings):
        defaults = {
            "url": "https://romashka.example.test/rest/",
            "secret": "portal",
            "sellers": {"44": "romashka-retail", "45": "romashka-opt"},
        }
        return Bitrix24Portal.model_validate({**defaults, **settings})

    return build


@pytest.fixture
def wire(sample):
    """The objects of the sample deal as they came over the wire; change them at will."""
    return json.loads(sample("deal_batch.json"), parse_float=Decimal)["result"]["result"]


@pytest.fixture
def snapshot(wire):
    """Read the sample deal; `deal` replaces fields of it, `rows` all rows."""

    def build(deal=None, rows=None, contact=None, **changes):
        members = {
            "deal": read_deal({**wire["deal"], **(deal or {})}),
            "rows": read_list(Row, wire["rows"] if rows is None else rows),
            "company": None if contact else read_one(Company, wire["company"]),
            "contact": read_one(Contact, contact) if contact else None,
            "requisites": read_list(Requisite, wire["requisites"]),
            "articles": {1001: "RM-0001", 1021: "RM-0201"},
        }
        return Snapshot(**{**members, **changes})

    return build
