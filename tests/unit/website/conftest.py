"""A shop as the landscape describes it, and orders made from the samples."""

import copy
import json
from pathlib import Path

import pytest

from esb_adapters.website.mapping import Shop
from esb_bus.landscape import Website

SAMPLES = Path(__file__).parents[2] / "samples" / "website"


@pytest.fixture
def sample():
    return lambda name: (SAMPLES / name).read_bytes()


@pytest.fixture
def secrets(sample):
    return json.loads(sample("secrets.json"))


@pytest.fixture
def shop():
    """Build a shop of one legal entity; settings of the landscape may be given."""

    def build(**settings):
        defaults = {
            "protocol": "woocommerce",
            "url": "https://sad.example",
            "webhook_secret": "shop_hook",
            "legal_entity": "romashka-retail",
            "tax_classes": {"": "20", "reduced-rate": "10", "zero-rate": "0"},
        }
        return Shop("website.shop", Website.model_validate({**defaults, **settings}))

    return build


@pytest.fixture
def firm_order(sample):
    """Build the order of an organisation as parsed JSON; top-level members may be replaced."""
    template = json.loads(sample("order_firm_with_tax.json"))

    def build(**members):
        return {**copy.deepcopy(template), **members}

    return build


@pytest.fixture
def site_order(sample):
    """Build a delivery by our own contract; members of `data` may be replaced."""
    template = json.loads(sample("standard_order_placed.json"))

    def build(event="order.placed", **members):
        return {**copy.deepcopy(template), "type": event, "data": {**copy.deepcopy(template["data"]), **members}}

    return build


@pytest.fixture(scope="session")
def firm_order_once():
    return json.loads((SAMPLES / "order_firm_with_tax.json").read_bytes())


@pytest.fixture(scope="session")
def site_order_once():
    return json.loads((SAMPLES / "standard_order_placed.json").read_bytes())


@pytest.fixture(scope="session")
def shop_once():
    site = {
        "protocol": "woocommerce",
        "url": "https://sad.example",
        "webhook_secret": "hook",
        "legal_entity": "romashka",
    }
    return Shop("website.shop", Website.model_validate(site))
