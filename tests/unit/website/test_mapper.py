import json

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esb_adapters.website.client import ShopClient
from esb_adapters.website.mapper import OrderDeletedInShop, UnknownNativeKind, WebsiteMapper, native_events
from esb_adapters.website.protocol import STANDARD_EVENT, WOO_ORDER, WOO_ORDER_DELETED, WOO_OTHER
from esb_adapters.website.rest import ShopBusy
from esb_bus.cache import MemoryCache
from esb_bus.errors import EsbError
from esb_bus.ports import NativeMessage


def message(wire, kind=WOO_ORDER):
    body = wire if isinstance(wire, bytes) else json.dumps(wire).encode()
    return NativeMessage("website.shop", kind, body, thread="order/website.shop/10015")


@pytest.fixture
def mapper(shop):
    return WebsiteMapper(shop(), MemoryCache())


async def test_content_that_was_published_is_not_published_again_whatever_its_version(mapper, firm_order):
    first = await mapper.events(message(firm_order()))
    await mapper.published(first)

    again = await mapper.events(message(firm_order(date_modified_gmt="2026-03-02T10:00:00", status="completed")))

    assert len(first) == 2
    assert again == []


async def test_cancellation_is_news_although_the_content_is_the_same_and_so_is_taking_it_back(mapper, firm_order):
    await mapper.published(await mapper.events(message(firm_order())))

    cancelled = await mapper.events(message(firm_order(date_modified_gmt="2026-03-02T10:00:00", status="cancelled")))
    await mapper.published(cancelled)
    revived = await mapper.events(message(firm_order(date_modified_gmt="2026-03-02T11:00:00", status="processing")))

    assert [event.type for event in cancelled] == ["order.cancelled"]
    assert [event.type for event in revived] == ["order.changed"]


async def test_what_was_not_confirmed_is_published_again(mapper, firm_order):
    first = await mapper.events(message(firm_order()))

    second = await mapper.events(message(firm_order()))

    assert [event.id for event in second] == [event.id for event in first]


async def test_other_content_is_published(mapper, firm_order):
    await mapper.published(await mapper.events(message(firm_order())))

    later = firm_order(date_modified_gmt="2026-03-02T09:10:40", customer_note="Домофон не работает")
    found = await mapper.events(message(later))

    assert [event.type for event in found] == ["order.placed", "invoice.requested"]


@pytest.fixture
async def asking(shop, firm_order):
    """A mapper whose shop holds the order with the note «в магазине»."""
    present = json.dumps(firm_order(customer_note="в магазине")).encode()
    answers = [httpx.Response(200, content=present)]
    transport = httpx.MockTransport(lambda request: answers[-1] if request.url.path.endswith("/10015") else None)
    async with ShopClient("https://sad.example", "ck_1:cs_1", 5, transport) as source:
        yield WebsiteMapper(shop(), MemoryCache(), source), answers


async def test_of_two_states_of_one_second_the_present_one_is_published_as_newer(asking, firm_order):
    mapper, _ = asking
    first = await mapper.events(message(firm_order()))
    await mapper.published(first)

    second = await mapper.events(message(firm_order(customer_note="между")))
    await mapper.published(second)
    late = await mapper.events(message(firm_order()))

    assert [event.data.comment for event in second] == ["в магазине", "в магазине"]
    assert [event.dataversion for event in second] == [event.dataversion + 1 for event in first]
    assert late == []


async def test_two_states_of_one_second_wait_while_the_shop_cannot_be_asked(asking, firm_order):
    mapper, answers = asking
    await mapper.published(await mapper.events(message(firm_order())))
    answers.append(httpx.Response(502, text="<html>"))

    with pytest.raises(ShopBusy, match="two states in one second"):
        await mapper.events(message(firm_order(customer_note="между")))


async def test_without_a_way_to_ask_the_state_that_came_last_counts(mapper, firm_order):
    first = await mapper.events(message(firm_order()))
    await mapper.published(first)

    second = await mapper.events(message(firm_order(customer_note="между")))

    assert [event.data.comment for event in second] == ["между", "между"]
    assert second[0].dataversion == first[0].dataversion + 1


async def test_late_confirmation_of_an_older_state_does_not_hide_the_newer_one(mapper, firm_order):
    older = await mapper.events(message(firm_order()))
    newer = await mapper.events(message(firm_order(date_modified_gmt="2026-03-02T10:00:00", customer_note="новое")))
    await mapper.published(newer)
    await mapper.published(older)

    again = await mapper.events(message(firm_order(date_modified_gmt="2026-03-02T10:00:00", customer_note="новое")))

    assert again == []


@pytest.mark.parametrize("entry", ["", "rubbish", "abc def", "17"])
async def test_damaged_cache_entry_is_a_miss(mapper, firm_order, entry):
    await mapper._cache.put("published:order/website.shop/10015", entry, 60)

    assert await mapper.events(message(firm_order()))


async def test_deleted_order_goes_to_a_person(mapper):
    with pytest.raises(OrderDeletedInShop, match=r"order/website\.shop/10015 was deleted in website\.shop"):
        await mapper.events(message({"id": 10015}, WOO_ORDER_DELETED))


async def test_other_resources_of_a_shop_say_nothing(mapper):
    assert await mapper.events(message({"id": 5}, WOO_OTHER)) == []


async def test_kind_of_another_release_is_refused(mapper):
    with pytest.raises(UnknownNativeKind, match=r"'woocommerce\.refund'"):
        await mapper.events(message({}, "woocommerce.refund"))


ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(
        ["1e999999", "-0.000000000000000001", "99999999999999", "0001-01-01T00:00:00+14:00", "\ud800", ""]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def places(wire, path=()):
    """List the path of every value of a JSON document."""
    children = wire.items() if isinstance(wire, dict) else enumerate(wire) if isinstance(wire, list) else ()
    yield from ([path] if path else [])
    for name, child in children:
        yield from places(child, (*path, name))


def replaced(wire, path, value):
    head, *rest = path
    copied = wire.copy()
    copied[head] = replaced(wire[head], rest, value) if rest else value
    return copied


def survives(native, shop):
    try:
        for event in native_events(native, shop):
            event.model_dump_json()
    except EsbError as error:
        str(error).encode()


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_mapping_of_a_damaged_shop_order_raises_only_what_the_bus_can_act_on(firm_order_once, shop_once, data):
    wire = firm_order_once
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(places(wire))))
        wire = replaced(wire, path, data.draw(ANY_JSON))

    survives(message(wire), shop_once)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_mapping_of_a_damaged_site_order_raises_only_what_the_bus_can_act_on(site_order_once, shop_once, data):
    path = data.draw(st.sampled_from(list(places(site_order_once))))
    wire = replaced(site_order_once, path, data.draw(ANY_JSON))

    survives(message(wire, STANDARD_EVENT), shop_once)


@settings(max_examples=200, deadline=None)
@given(
    body=st.binary() | ANY_JSON.map(lambda wire: json.dumps(wire).encode()),
    kind=st.sampled_from([WOO_ORDER, STANDARD_EVENT]),
)
def test_mapping_of_anything_raises_only_what_the_bus_can_act_on(shop_once, body, kind):
    survives(message(body, kind), shop_once)
