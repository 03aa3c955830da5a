"""The poll against a shop that answers like WooCommerce."""

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from esb_adapters.website.client import ShopClient
from esb_adapters.website.poller import WebsitePoller
from esb_adapters.website.protocol import SecretUnusable
from esb_adapters.website.rest import ShopBusy, ShopDown, ShopMoved

START = datetime(2026, 3, 2, 9, 0, 0, tzinfo=UTC)


class FakeShop:
    """Orders by id, webhooks by id; answers the four requests the poll makes."""

    def __init__(self):
        self.orders = {}
        self.webhooks = {}
        self.canned = {}
        self.on_page = lambda _: None
        self.asked = []

    def save(self, native_id, at, **members):
        gmt = at.strftime("%Y-%m-%dT%H:%M:%S")
        self.orders[native_id] = {"id": native_id, "date_modified_gmt": gmt, "total": "1.50", "price": 0.1} | members

    def handle(self, request):
        self.asked.append((request.method, request.url.path))
        resource = request.url.path.removeprefix("/wp-json/wc/v3/")
        if resource in self.canned:
            return self.canned[resource]
        if request.method == "PUT":
            self.webhooks[int(resource.split("/")[1])] |= json.loads(request.content)
            return httpx.Response(200, json={})
        return self._orders(request) if resource == "orders" else self._page(request, self.webhooks)

    def _orders(self, request):
        self.on_page(int(request.url.params["page"]))
        after = request.url.params["modified_after"]
        return self._page(request, {k: o for k, o in self.orders.items() if o["date_modified_gmt"] > after})

    def _page(self, request, found):
        size, number = int(request.url.params["per_page"]), int(request.url.params["page"])
        items = [found[key] for key in sorted(found)]
        headers = {"X-WP-Total": str(len(items)), "X-WP-TotalPages": str(-(-len(items) // size))}
        body = json.dumps(items[(number - 1) * size : number * size]).replace("/", "\\/")
        return httpx.Response(200, content=body, headers=headers)


@pytest.fixture
def shop():
    return FakeShop()


@pytest.fixture
async def poller(shop):
    transport = httpx.MockTransport(shop.handle)
    async with ShopClient("https://sad.example", "ck_1:cs_1", 5, transport) as client:
        yield WebsitePoller("website.shop", client, 300, now=lambda: START + timedelta(days=30))


def ids(sink):
    return [body["id"] for body in sink.bodies()]


async def test_every_order_changed_since_the_cursor_is_stored_with_its_own_bytes(poller, shop, sink):
    for number in range(250):
        shop.save(number + 1, START + timedelta(seconds=number), url="https://sad.example/x")

    polled = await poller.poll(START.isoformat(), sink)

    assert ids(sink) == list(range(1, 251))
    assert polled.cursor == (START + timedelta(seconds=249)).isoformat()
    assert b"https:\\/\\/sad.example" in sink.messages[0].body
    assert b"0.1" in sink.messages[0].body
    assert sink.messages[0].thread == "order/website.shop/1"
    assert sink.messages[0].version == int(START.timestamp()) * 1000


async def test_order_that_becomes_visible_late_is_found_by_the_overlap(poller, shop, sink):
    shop.save(1, START + timedelta(seconds=60))
    first = await poller.poll(START.isoformat(), sink)
    shop.save(2, START + timedelta(seconds=30))

    await poller.poll(first.cursor, sink)

    assert ids(sink) == [1, 2]


async def test_idle_shop_causes_no_further_messages(poller, shop, sink):
    shop.save(1, START)
    cursor = START.isoformat()

    for _ in range(5):
        cursor = (await poller.poll(cursor, sink)).cursor

    assert ids(sink) == [1]


async def test_change_of_an_order_seen_before_is_stored_again(poller, shop, sink):
    shop.save(1, START)
    first = await poller.poll(START.isoformat(), sink)
    shop.save(1, START, total="2.00")

    await poller.poll(first.cursor, sink)

    assert [body["total"] for body in sink.bodies()] == ["1.50", "2.00"]


async def test_order_that_leaves_the_list_between_two_pages_hides_no_other(poller, shop, sink):
    for number in range(150):
        shop.save(number + 1, START)
    shop.on_page = lambda page: shop.orders.pop(1, None) if page == 2 else None

    with pytest.raises(ShopMoved):
        await poller.poll(START.isoformat(), sink)
    await poller.poll(START.isoformat(), sink)

    assert set(ids(sink)) == set(range(1, 151))


async def test_first_poll_starts_now(poller, shop, sink):
    shop.save(1, START)

    polled = await poller.poll(None, sink)

    assert ids(sink) == []
    assert polled.cursor == (START + timedelta(days=30)).isoformat()


async def test_date_in_the_future_does_not_carry_the_cursor_away(poller, shop, sink):
    shop.save(1, START + timedelta(days=400))

    polled = await poller.poll(START.isoformat(), sink)

    assert ids(sink) == [1]
    assert polled.cursor == (START + timedelta(days=30)).isoformat()


async def test_nothing_moves_while_the_sink_refuses(poller, shop, sink):
    shop.save(1, START)
    sink.is_gone = True

    with pytest.raises(Exception, match="not confirmed"):
        await poller.poll(START.isoformat(), sink)
    sink.is_gone = False
    await poller.poll(START.isoformat(), sink)

    assert ids(sink) == [1]


async def test_only_our_own_disabled_webhooks_are_switched_on_again(poller, shop, sink):
    ours, others = "https://bus.example/webhooks/website/shop", "https://other.example/hook"
    shop.webhooks = {
        1: {"id": 1, "status": "disabled", "delivery_url": ours},
        2: {"id": 2, "status": "paused", "delivery_url": ours},
        3: {"id": 3, "status": "disabled", "delivery_url": others},
        4: {"id": 4, "status": "active", "delivery_url": ours},
    }

    await poller.poll(START.isoformat(), sink)

    assert [hook["status"] for hook in shop.webhooks.values()] == ["active", "paused", "disabled", "active"]
    assert [path for method, path in shop.asked if method == "PUT"] == ["/wp-json/wc/v3/webhooks/1"]


async def test_key_without_the_right_to_webhooks_does_not_stop_the_poll(poller, shop, sink):
    shop.save(1, START)
    shop.canned["webhooks"] = httpx.Response(403, json={"code": "woocommerce_rest_cannot_view"})

    await poller.poll(START.isoformat(), sink)

    assert ids(sink) == [1]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(401, json={"code": "woocommerce_rest_cannot_view"}), ShopDown),
        (httpx.Response(500, text="<html>"), ShopDown),
        (httpx.Response(301, headers={"Location": "https://elsewhere.example"}), ShopDown),
        (httpx.Response(200, text="<html>maintenance</html>"), ShopDown),
        (httpx.Response(200, json=[{"id": 1}]), ShopDown),
        (httpx.Response(200, text='[{"id":1,', headers={"X-WP-Total": "1", "X-WP-TotalPages": "1"}), ShopDown),
        (httpx.Response(429, headers={"Retry-After": "7"}), ShopBusy),
        (httpx.Response(503, text="<html>"), ShopBusy),
    ],
    ids=["unauthorised", "broken", "moved", "page", "no totals", "cut off", "too many", "unavailable"],
)
async def test_answer_without_orders_leaves_the_cursor_where_it_is(poller, shop, sink, answer, error):
    shop.canned["orders"] = answer

    with pytest.raises(error):
        await poller.poll(START.isoformat(), sink)

    assert sink.messages == []


async def test_shop_that_does_not_answer_is_down(sink):
    def refuse(request):
        raise httpx.ConnectError("refused", request=request)

    async with ShopClient("https://sad.example", "ck_1:cs_1", 5, httpx.MockTransport(refuse)) as client:
        with pytest.raises(ShopDown, match="GET orders"):
            await WebsitePoller("website.shop", client, 300).poll(START.isoformat(), sink)


@pytest.mark.parametrize("secret", ["", "ck_1", "ck_1:", ":cs_1"])
def test_rest_key_without_its_two_halves_is_refused(secret):
    with pytest.raises(SecretUnusable):
        ShopClient("https://sad.example", secret, 5)
