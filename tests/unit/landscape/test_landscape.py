"""The company's file: what it says, and everything it must not say."""

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest

import factories
from esb_bus.landscape import LandscapeInvalid, UnknownLegalEntity, Unrouted, load_landscape, parse_landscape

EXAMPLE = tomllib.loads(factories.EXAMPLE_LANDSCAPE.read_text(encoding="utf-8"))


def at(*path: str | int, value: Any) -> dict[str, Any]:
    """The example with one value set; `...` removes it."""
    wire = copy.deepcopy(EXAMPLE)
    place: Any = wire
    for step in path[:-1]:
        place = place[step]
    if value is ...:
        del place[path[-1]]
    elif isinstance(place, list) and path[-1] == len(place):
        place.append(value)
    else:
        place[path[-1]] = value
    return wire


def problems(wire: dict[str, Any]) -> list[str]:
    with pytest.raises(LandscapeInvalid) as caught:
        parse_landscape(wire)
    return caught.value.problems


def test_example_names_the_company_of_three_legal_entities() -> None:
    landscape = factories.landscape()

    assert list(landscape.endpoints()) == [
        "website.shop",
        "bitrix24.portal",
        "onec.retail",
        "onec.trade",
        "onec.buh",
    ]
    assert "website.shop" not in landscape.receivers()


@pytest.mark.parametrize(
    ("event_type", "legal_entity", "expected"),
    [
        ("order.placed", factories.RETAIL, ("onec.retail",)),
        ("order.changed", factories.OPT, ("onec.trade",)),
        ("order.cancelled", factories.SERVICE, ("onec.trade",)),
        ("invoice.requested", factories.SERVICE, ("onec.buh",)),
        ("payment.received", factories.RETAIL, ("onec.buh", "bitrix24.portal")),
    ],
)
def test_event_goes_where_the_first_matching_route_says(
    event_type: str, legal_entity: str, expected: tuple[str, ...]
) -> None:
    assert factories.landscape().route(event_type, legal_entity) == expected


def test_earlier_route_wins_and_nobody_is_an_answer() -> None:
    nobody = {"event": ["order.cancelled"], "legal_entity": factories.RETAIL, "to": []}
    wire = {**EXAMPLE, "routes": [nobody, *EXAMPLE["routes"]]}

    assert parse_landscape(wire).route("order.cancelled", factories.RETAIL) == ()


def test_event_without_a_route_is_refused_with_the_entry_to_add() -> None:
    with pytest.raises(Unrouted, match=r'add a \[\[routes\]\] entry .*shipment\.posted.*"romashka-opt"'):
        factories.landscape().route("shipment.posted", factories.OPT)


def test_legal_entity_nobody_knows_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownLegalEntity, match=r"'romashka-export'; known are romashka-opt, romashka-retail"):
        factories.landscape().route("order.placed", "romashka-export")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("order/bitrix24.portal/410", ("bitrix24.portal",)),
        ("order/website.shop/10015", ("bitrix24.portal",)),
        ("invoice/website.shop/10015", ("bitrix24.portal",)),
        ("order/website.outlet/1", ()),
    ],
)
def test_outcome_returns_to_the_portal_that_may_have_a_deal(key: str, expected: tuple[str, ...]) -> None:
    assert factories.landscape().targets("order.accepted", factories.RETAIL, key) == expected


def test_endpoint_events_go_to_subscribers_only() -> None:
    assert factories.landscape().targets("endpoint.paused", "shared", "endpoint/onec.trade") == ()


BASE = ("onec", "retail")
PREFIXES = {"website.shop": "ИМ", "bitrix24.portal": "ИМ"}
SAME_INN = {"name": "Двойник", "inn": "7701234560"}
ORDERS = ["order.placed", "order.changed", "order.cancelled"]


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        pytest.param(
            at("legal_entities", "romashka-opt", "inn", value="7706123450"),
            "legal_entities.romashka-opt.inn: not an INN",
            id="wrong check digit",
        ),
        pytest.param(
            at("legal_entities", "shared", value=SAME_INN | {"kpp": "770199001"}),
            "legal_entities.shared: the name is kept",
            id="reserved name",
        ),
        pytest.param(
            at("legal_entities", "twin", value=SAME_INN | {"kpp": "770101001"}),
            "legal_entities.twin.inn: 'romashka-retail' has the same INN 7701234560",
            id="same INN twice",
        ),
        pytest.param(
            at("legal_entities", "twin", value=SAME_INN),
            "legal_entities.twin.inn: 'romashka-retail' has the same INN 7701234560",
            id="same INN, nothing tells them apart",
        ),
        pytest.param(
            at(*BASE, "timezone", value="Europe/Moskow"), "onec.retail.timezone: there is no time zone", id="zone"
        ),
        pytest.param(at(*BASE, "setle_s", value=5), "onec.retail.setle_s: there is no such setting", id="typo"),
        pytest.param(at(*BASE, "secret", value=...), "onec.retail.secret: is missing", id="missing"),
        pytest.param(at(*BASE, "configuration", value="ut-12"), "onec.retail.configuration: ", id="configuration"),
        pytest.param(
            at(*BASE, "organisations", "romashka-export", value="x"),
            "onec.retail.organisations: there is no [legal_entities.romashka-export]",
            id="unknown entity in a base",
        ),
        pytest.param(
            at(*BASE, "organisations", "romashka-opt", value="7701234560"),
            "onec.retail.organisations: '7701234560' is claimed by both 'romashka-retail' and 'romashka-opt'",
            id="one organisation for two entities",
        ),
        pytest.param(
            at(*BASE, "organisations", "romashka-retail", value="7706123455"),
            "onec.retail.organisations.romashka-retail: the INN 7706123455 is not that of",
            id="organisation of another entity",
        ),
        pytest.param(
            at(*BASE, "number_prefixes", value=PREFIXES),
            "onec.retail.number_prefixes: 'ИМ' is claimed by both",
            id="same prefix twice",
        ),
        pytest.param(
            at(*BASE, "number_prefixes", value={"website.outlet": "ИМ"}),
            "onec.retail.number_prefixes: there is no [website.outlet]",
            id="prefix of an unknown endpoint",
        ),
        pytest.param(
            at("bitrix24", "portal", "sellers", "47", value="romashka-export"),
            "bitrix24.portal.sellers.47: there is no [legal_entities.romashka-export]",
            id="unknown entity in sellers",
        ),
        pytest.param(
            at("bitrix24", "portal", "shops", "shop", value="onec.trade"),
            "bitrix24.portal.shops.shop: there is no shop [onec.trade]",
            id="shop that is none",
        ),
        pytest.param(
            at("website", "shop", "legal_entity", value="romashka-retail"),
            "website.shop: name either legal_entity or seller_meta",
            id="two ways to a seller",
        ),
        pytest.param(
            at("website", "shop", "sellers", value={}), "website.shop.sellers: ", id="seller field without sellers"
        ),
        pytest.param(
            at("website", "shop", "url", value=...), "website.shop.url: a WooCommerce shop needs", id="no address"
        ),
        pytest.param(
            at("routes", 0, "event", value=["order.plased"]),
            "routes.0.event: there is no event type 'order.plased'; did you mean 'order.placed'?",
            id="misspelt event",
        ),
        pytest.param(
            at("routes", 0, "event", value=["order.accepted"]),
            "routes.0.event: order.accepted is the bus's own answer",
            id="own outcome",
        ),
        pytest.param(
            at("routes", 0, "event", value=["endpoint.paused"]),
            "routes.0.event: endpoint.paused is for subscribers",
            id="endpoint event",
        ),
        pytest.param(
            at("routes", 0, "to", value=["onec.retial"]),
            "routes.0.to: there is no [onec.retial]; did you mean 'onec.retail'?",
            id="misspelt target",
        ),
        pytest.param(
            at("routes", 0, "to", value=["website.shop"]),
            "routes.0.to: website.shop is only read from",
            id="target nobody writes to",
        ),
        pytest.param(
            at("routes", 0, "to", value=["onec.retail", "onec.retail"]),
            "routes.0.to: names onec.retail more than once",
            id="same target twice",
        ),
        pytest.param(
            at("routes", 0, "legal_entity", value="romashka-export"),
            "routes.0.legal_entity: there is no [legal_entities.romashka-export]",
            id="unknown entity in a route",
        ),
        pytest.param(
            at("routes", 0, "legal_entity", value=["romashka-retail", "romashka-opt"]),
            "routes.0: sends documents of 'romashka-opt' to onec.retail, whose organisations do not name it",
            id="base without the organisation",
        ),
        pytest.param(
            at("routes", 2, "to", value=["onec.trade"]),
            "routes.2: sends documents of 'romashka-retail' to onec.trade, whose organisations do not name it",
            id="route for all to a base of some",
        ),
        pytest.param(
            at("routes", 5, value={"event": ["order.placed"], "legal_entity": "romashka-opt", "to": []}),
            "routes.5: is never reached",
            id="route behind another",
        ),
        pytest.param(
            {**EXAMPLE, "routes": [{"event": ["order.changed"], "to": ["onec.buh"]}, *EXAMPLE["routes"]]},
            "routes: events of one order of 'romashka-opt' go to different bases: order.placed to onec.trade, "
            "order.changed to onec.buh, order.cancelled to onec.trade",
            id="order split over two bases",
        ),
        pytest.param(at("limits", "hold_s", value=-1), "limits.hold_s: ", id="negative patience"),
        pytest.param({}, "legal_entities: is missing", id="empty file"),
        pytest.param({"legal_entities": 5, "routes": 7, "onec": []}, "legal_entities: ", id="wrong types"),
    ],
)
def test_fault_is_told_with_its_path(wire: dict[str, Any], expected: str) -> None:
    found = problems(wire)

    assert [line for line in found if line.startswith(expected)], found


def test_branches_of_one_company_may_share_an_inn() -> None:
    branch = {"name": "Филиал", "inn": "7701234560", "kpp": "780145001"}
    wire = at("legal_entities", "branch", value=branch)
    wire["onec"]["buh"]["organisations"]["branch"] = "6d1b4f0e-2c55-4b0c-9d5e-0f7a3b8c1d2e"

    assert "branch" in parse_landscape(wire).legal_entities


def test_all_problems_are_told_at_once_and_none_is_made_up() -> None:
    wire = at("legal_entities", "romashka-opt", "inn", value="7706123450")
    wire["onec"]["buh"]["configuration"] = "bp-3"
    wire["routes"][1]["to"] = ["onec.trad"]
    wire["routes"][3]["event"] = []
    wire["website"]["shop"]["sellers"]["x"] = "romashka-export"

    paths = [line.split(":")[0] for line in problems(wire)]

    assert sorted(paths) == [
        "legal_entities.romashka-opt.inn",
        "onec.buh.configuration",
        "routes.1.to",
        "routes.3.event",
        "website.shop.sellers.x",
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [(None, "No such file"), (b"[legal_entities", "Expected"), (b"\xff", "utf-8")],
    ids=["no file", "no TOML", "no text"],
)
def test_file_that_cannot_be_read_is_told_with_its_path(tmp_path: Path, content: bytes | None, expected: str) -> None:
    path = tmp_path / "landscape.toml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(LandscapeInvalid, match=expected) as caught:
        load_landscape(path)

    assert str(path) in str(caught.value)
