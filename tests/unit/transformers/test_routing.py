import copy
import tomllib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import factories
from esb_bus.landscape import Landscape, LandscapeInvalid, UnknownLegalEntity, Unrouted, parse_landscape
from esb_schemas.registry import EVENT_TYPES, OUTCOME_TYPES, AnyEnvelope
from esb_transformers.routing import TRANSFORMS, NoTransform, documents, untransformable

EXAMPLE = tomllib.loads(factories.EXAMPLE_LANDSCAPE.read_text(encoding="utf-8"))
COMPANY = factories.landscape()
ORDERS = ["order.placed", "order.changed", "order.cancelled"]
ENTITIES = [factories.RETAIL, factories.OPT, factories.SERVICE]
BASES = ["onec.retail", "onec.trade", "onec.buh"]


def routed(*routes: dict[str, Any]) -> Landscape:
    return parse_landscape({**copy.deepcopy(EXAMPLE), "routes": list(routes)})


@pytest.mark.parametrize(
    ("legal_entity", "endpoint"),
    [(factories.RETAIL, "onec.retail"), (factories.OPT, "onec.trade"), (factories.SERVICE, "onec.trade")],
)
def test_order_goes_to_the_base_of_its_legal_entity(legal_entity: str, endpoint: str) -> None:
    made = documents(factories.order_placed(legal_entity=legal_entity), "onec", COMPANY)

    assert [document.endpoint for document in made] == [endpoint]


def test_event_becomes_one_document_for_each_endpoint_of_the_kind() -> None:
    landscape = routed(
        {"event": ["invoice.requested"], "legal_entity": factories.RETAIL, "to": ["onec.buh", "onec.retail"]}
    )

    made = documents(factories.invoice_requested(), "onec", landscape)

    assert [document.endpoint for document in made] == ["onec.buh", "onec.retail"]
    assert len({document.id for document in made}) == 2


def test_deliberate_nobody_is_no_document_and_no_error() -> None:
    landscape = routed({"event": ORDERS, "to": []})

    assert documents(factories.order_placed(), "onec", landscape) == []


def test_endpoint_of_another_kind_is_left_to_its_own_queue() -> None:
    made = documents(factories.payment_received(), "bitrix24", COMPANY)

    assert [document.endpoint for document in made] == ["bitrix24.portal"]


def test_event_nobody_routes_is_a_permanent_failure() -> None:
    with pytest.raises(Unrouted, match=r"no route takes order\.placed of romashka-retail"):
        documents(factories.order_placed(), "onec", routed())


def test_unknown_legal_entity_is_a_permanent_failure_that_says_where_to_fix_it() -> None:
    with pytest.raises(UnknownLegalEntity, match=r"legalentity: .*'romashka-export'.*\[legal_entities\]"):
        documents(factories.order_placed(legal_entity="romashka-export"), "onec", COMPANY)


def test_routed_pair_without_transform_is_a_permanent_failure_in_plain_words() -> None:
    landscape = routed({"event": ["order.placed"], "to": ["bitrix24.portal"]})

    with pytest.raises(NoTransform, match=r"order\.placed cannot be written to bitrix24: this release writes there"):
        documents(factories.order_placed(), "bitrix24", landscape)


def test_routes_that_would_fail_so_are_told_before_the_first_message() -> None:
    landscape = routed(
        {"event": ["order.placed", "stock.changed"], "to": ["bitrix24.portal"]},
        {"event": ["payment.received"], "to": ["bitrix24.portal"]},
    )

    told = list(untransformable(landscape))

    assert [line.split(" cannot")[0] for line in told] == ["routes.0: order.placed", "routes.0: stock.changed"]


def test_example_company_routes_nothing_that_would_fail() -> None:
    assert list(untransformable(COMPANY)) == []


def test_every_outcome_has_its_way_back_and_every_pair_names_a_known_event() -> None:
    assert {event for event, kind in TRANSFORMS if kind == "bitrix24"} >= OUTCOME_TYPES
    assert {event for event, _ in TRANSFORMS} <= {event.type for event in EVENT_TYPES}


routes = st.lists(
    st.fixed_dictionaries(
        {
            "event": st.just(ORDERS),
            "to": st.lists(st.sampled_from(BASES), max_size=2, unique=True),
        },
        optional={"legal_entity": st.lists(st.sampled_from(ENTITIES), min_size=1, max_size=3, unique=True)},
    ),
    max_size=4,
)
# Half of the bases hold everybody, or hardly any drawn company would pass its check.
holdings = st.one_of(st.just(set(ENTITIES)), st.sets(st.sampled_from(ENTITIES), min_size=1))
organisations = st.fixed_dictionaries(dict.fromkeys(("retail", "trade", "buh"), holdings))
MAKERS: dict[str, Callable[..., AnyEnvelope]] = {
    "order.placed": factories.order_placed,
    "order.changed": factories.order_changed,
    "order.cancelled": factories.order_cancelled,
}


@given(routes, organisations, st.sampled_from(ENTITIES), st.sampled_from(ORDERS))
def test_order_never_reaches_a_base_whose_organisations_lack_its_legal_entity(
    drawn: list[dict[str, Any]], held: dict[str, set[str]], legal_entity: str, event_type: str
) -> None:
    wire = copy.deepcopy(EXAMPLE)
    wire["routes"] = drawn
    for name, entities in held.items():
        wire["onec"][name]["organisations"] = {code: wire["legal_entities"][code]["inn"] for code in entities}

    try:
        made = documents(MAKERS[event_type](legal_entity=legal_entity), "onec", parse_landscape(wire))
    except (LandscapeInvalid, Unrouted):
        made = []

    assert all(legal_entity in held[document.endpoint.removeprefix("onec.")] for document in made)


@given(st.sampled_from(ENTITIES), st.sampled_from(ORDERS))
def test_every_event_of_one_order_goes_to_the_same_base(legal_entity: str, event_type: str) -> None:
    assert COMPANY.route(event_type, legal_entity) == COMPANY.route("order.placed", legal_entity)
