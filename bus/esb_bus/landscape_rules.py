"""What a landscape must not say: contradictions between its parts, each told with its path.

One function for each kind of part. They see what can be understood of a faulty file, and `Names` of what it declares,
so that one misspelt setting hides no other problem and makes up none.
"""

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import HttpUrl

from esb_bus.landscape import (
    BITRIX24_KIND,
    NOWHERE,
    ONEC_KIND,
    WEBSITE_KIND,
    Bitrix24Portal,
    Landscape,
    OneCBase,
    Route,
    Subscriber,
    Website,
    table,
)
from esb_schemas.identifiers import SHARED
from esb_schemas.registry import EVENT_TYPES, OUTCOME_TYPES

KNOWN_TYPES = frozenset(event.type for event in EVENT_TYPES)
INBOUND_WEBHOOK = re.compile(r"/rest/\d+/")


@dataclass(frozen=True, slots=True)
class Names:
    """What the file declares, whether or not it is described well."""

    entities: frozenset[str]
    endpoints: frozenset[str]

    @classmethod
    def of(cls, wire: dict[str, Any]) -> "Names":
        kinds = (WEBSITE_KIND, BITRIX24_KIND, ONEC_KIND)
        return cls(
            frozenset(table(wire, "legal_entities")),
            frozenset(f"{kind}.{name}" for kind in kinds for name in table(wire, kind)),
        )


def contradictions(landscape: Landscape, names: Names) -> Iterator[str]:
    yield from _unknown_entities(landscape, names)
    yield from _entity_problems(landscape, names)
    for name, base in landscape.onec.items():
        yield from _base_problems(f"{ONEC_KIND}.{name}", base, landscape, names)
    for name, site in landscape.website.items():
        yield from _website_problems(f"{WEBSITE_KIND}.{name}", site)
    for name, portal in landscape.bitrix24.items():
        yield from _portal_problems(f"{BITRIX24_KIND}.{name}", portal, names)
    for path, url in _addresses(landscape):
        yield from _address_problems(path, url)
    for name, subscriber in landscape.subscribers.items():
        yield from _subscriber_problems(f"subscribers.{name}", subscriber, names)
    for index, route in enumerate(landscape.routes):
        yield from _route_problems(f"routes.{index}", route, landscape, names)
    yield from _unreached_routes(landscape, names)
    yield from _split_orders(landscape, names)


def _unknown_entities(landscape: Landscape, names: Names) -> Iterator[str]:
    for path, code in (*_entities_of_endpoints(landscape), *_entities_of_routes(landscape)):
        if code not in names.entities:
            yield f"{path}: there is no [legal_entities.{code}]"


def _entities_of_endpoints(landscape: Landscape) -> Iterator[tuple[str, str]]:
    for name, base in landscape.onec.items():
        yield from ((f"onec.{name}.organisations", code) for code in base.organisations)
        yield from ((f"onec.{name}.settlement_account", code) for code in base.settlement_account)
    for name, portal in landscape.bitrix24.items():
        yield from ((f"bitrix24.{name}.sellers.{item}", code) for item, code in portal.sellers.items())
    for name, site in landscape.website.items():
        if site.legal_entity:
            yield f"website.{name}.legal_entity", site.legal_entity
        yield from ((f"website.{name}.sellers.{item}", code) for item, code in site.sellers.items())


def _entities_of_routes(landscape: Landscape) -> Iterator[tuple[str, str]]:
    for index, route in enumerate(landscape.routes):
        yield from ((f"routes.{index}.legal_entity", code) for code in route.entities() or () if code != SHARED)


def _entity_problems(landscape: Landscape, names: Names) -> Iterator[str]:
    if SHARED in names.entities:
        yield f"legal_entities.{SHARED}: the name is kept for facts of the company as a whole"
    entities = list(landscape.legal_entities.items())
    for place, (code, entity) in enumerate(entities):
        for other, earlier in entities[:place]:
            # Branches share an INN; only two different KPPs tell them apart.
            if entity.inn == earlier.inn and (entity.kpp == earlier.kpp or None in {entity.kpp, earlier.kpp}):
                yield f"legal_entities.{code}.inn: '{other}' has the same INN {entity.inn}, and no other KPP"


def _base_problems(path: str, base: OneCBase, landscape: Landscape, names: Names) -> Iterator[str]:
    yield from _doubled_values(f"{path}.organisations", base.organisations)
    for code, organisation in base.organisations.items():
        entity = landscape.legal_entities.get(code)
        if organisation.isdecimal() and entity is not None and organisation != entity.inn:
            yield f"{path}.organisations.{code}: the INN {organisation} is not that of '{code}', {entity.inn}"
    for endpoint in base.number_prefixes:
        if endpoint not in names.endpoints:
            yield f"{path}.number_prefixes: there is no [{endpoint}]"
    yield from _doubled_values(f"{path}.number_prefixes", base.number_prefixes)


def _doubled_values(path: str, table: dict[str, str]) -> Iterator[str]:
    first: dict[str, str] = {}
    for key, value in table.items():
        if (other := first.setdefault(value, key)) != key:
            yield f"{path}: '{value}' is claimed by both '{other}' and '{key}'"


def _website_problems(path: str, site: Website) -> Iterator[str]:
    if (site.legal_entity is None) == (site.seller_meta is None):
        yield f"{path}: name either legal_entity or seller_meta (with sellers)"
    elif (site.seller_meta is None) != (not site.sellers):
        yield f"{path}.sellers: seller_meta and sellers belong together"
    if site.protocol == "woocommerce" and site.url is None:
        yield f"{path}.url: a WooCommerce shop needs its address"


def _portal_problems(path: str, portal: Bitrix24Portal, names: Names) -> Iterator[str]:
    for originator, shop in portal.shops.items():
        if not shop.startswith(f"{WEBSITE_KIND}.") or shop not in names.endpoints:
            yield f"{path}.shops.{originator}: there is no shop [{shop}]"


def _addresses(landscape: Landscape) -> Iterator[tuple[str, HttpUrl]]:
    yield from ((f"{ONEC_KIND}.{name}.url", base.url) for name, base in landscape.onec.items())
    yield from ((f"{BITRIX24_KIND}.{name}.url", portal.url) for name, portal in landscape.bitrix24.items())
    yield from ((f"{WEBSITE_KIND}.{name}.url", site.url) for name, site in landscape.website.items() if site.url)


def _address_problems(path: str, url: HttpUrl) -> Iterator[str]:
    """The file is reviewed, copied and sent around: no secret may hide in it. The address itself is not repeated."""
    if url.username or url.password:
        yield f"{path}: holds an account; put it into the secret and name that"
    if url.query or url.fragment:
        yield f"{path}: an address ends before '?' and '#'"
    if path.startswith(BITRIX24_KIND) and INBOUND_WEBHOOK.search(url.path or ""):
        yield f"{path}: holds the code of the inbound webhook; end it with /rest/ and put <user>/<code> into the secret"


def _subscriber_problems(path: str, subscriber: Subscriber, names: Names) -> Iterator[str]:
    for code in subscriber.legal_entities:
        if code != SHARED and code not in names.entities:
            yield f"{path}.legal_entities: there is no [legal_entities.{code}]{_perhaps(code, names.entities)}"
    subjects = {f"{event_type.split('.', 1)[0]}.*" for event_type in KNOWN_TYPES}
    for event in subscriber.events:
        if event not in KNOWN_TYPES | subjects:
            yield f"{path}.events: there is no event type {event!r}{_perhaps(event, KNOWN_TYPES | subjects)}"


def _route_problems(path: str, route: Route, landscape: Landscape, names: Names) -> Iterator[str]:
    for event_type in route.event:
        if event_type not in KNOWN_TYPES:
            yield f"{path}.event: there is no event type {event_type!r}{_perhaps(event_type, KNOWN_TYPES)}"
        elif event_type in OUTCOME_TYPES:
            yield f"{path}.event: {event_type} is the bus's own answer and returns to the source by itself"
        elif event_type.startswith("endpoint."):
            yield f"{path}.event: {event_type} is for subscribers and operators; no document is made of it"
    for target in dict.fromkeys(route.to):
        if target not in names.endpoints:
            yield f"{path}.to: there is no [{target}]{_perhaps(target, names.endpoints)}"
        elif target.startswith(f"{WEBSITE_KIND}."):
            yield f"{path}.to: {target} is only read from, nothing is written to a website"
        elif route.to.count(target) > 1:
            yield f"{path}.to: names {target} more than once"
        yield from _missing_organisations(path, route, target, landscape, names)


def _perhaps(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _missing_organisations(path: str, route: Route, target: str, landscape: Landscape, names: Names) -> Iterator[str]:
    base = landscape.onec.get(target.removeprefix(f"{ONEC_KIND}.")) if target.startswith(f"{ONEC_KIND}.") else None
    if base is None:
        return
    entities = route.entities()
    for code in sorted(names.entities) if entities is None else entities:
        if code in names.entities and code not in base.organisations:
            yield f"{path}: sends documents of '{code}' to {target}, whose organisations do not name it"


def _unreached_routes(landscape: Landscape, names: Names) -> Iterator[str]:
    everybody = (*sorted(names.entities), SHARED)
    taken: set[tuple[str, str]] = set()
    for index, route in enumerate(landscape.routes):
        takes = {(event, code) for event in route.event for code in route.entities() or everybody}
        if takes and takes <= taken:
            yield f"routes.{index}: is never reached, earlier routes take all its events"
        taken |= takes


def _split_orders(landscape: Landscape, names: Names) -> Iterator[str]:
    """A change that goes to another base than the order would create the order there a second time."""
    for code in sorted(names.entities):
        homes = {
            event: _bases(landscape, event, code) for event in ("order.placed", "order.changed", "order.cancelled")
        }
        if len({bases for bases in homes.values() if bases}) > 1:
            told = ", ".join(f"{event} to {' and '.join(sorted(bases)) or 'nobody'}" for event, bases in homes.items())
            yield f"routes: events of one order of '{code}' go to different bases: {told}"


def _bases(landscape: Landscape, event_type: str, legal_entity: str) -> frozenset[str]:
    route = next((route for route in landscape.routes if route.matches(event_type, legal_entity)), NOWHERE)
    return frozenset(target for target in route.to if target.startswith(f"{ONEC_KIND}."))
