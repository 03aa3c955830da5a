import pytest

from esb_adapters.website import main
from esb_bus.cache import MemoryCache
from esb_bus.landscape import parse_landscape
from esb_bus.ports import NativeMessage
from esb_bus.settings import SecretMissing, Secrets

ENVIRON = {"ESB_SECRET_HOOK": "geheim", "ESB_SECRET_SHOP": "ck_1:cs_1"}


@pytest.fixture
def landscape():
    def build(**settings):
        site = {"protocol": "woocommerce", "url": "https://sad.example", "webhook_secret": "hook", **settings}
        return parse_landscape(
            {
                "legal_entities": {"romashka": {"name": "ООО «Ромашка»", "inn": "7701234560"}},
                "website": {"shop": {"legal_entity": "romashka", **site}},
            }
        )

    return build


async def test_shop_with_a_rest_key_is_polled(landscape):
    client = main.client("website.shop", landscape(secret="shop"), Secrets(None, ENVIRON))

    assert client is not None
    assert main.poller("website.shop", landscape(secret="shop"), client)
    await client.close()


@pytest.mark.parametrize("settings", [{}, {"protocol": "standard", "url": None}], ids=["no key", "no WooCommerce"])
def test_site_without_a_way_to_ask_is_not_polled(landscape, settings):
    assert main.client("website.shop", landscape(**settings), Secrets(None, ENVIRON)) is None


async def test_mapper_knows_the_site_of_its_endpoint(landscape, sample):
    mapper = main.mapper("website.shop", landscape(), MemoryCache())
    message = NativeMessage("website.shop", "woocommerce.order", sample("order_firm_with_tax.json"))

    assert [event.legalentity for event in await mapper.events(message)] == ["romashka", "romashka"]


def test_route_without_its_secret_is_refused_at_the_start(landscape):
    with pytest.raises(SecretMissing, match="hook"):
        main.routes(landscape(), Secrets(None, {}), None)
