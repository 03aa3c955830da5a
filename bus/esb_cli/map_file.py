"""What would be sent where for one message, without sending anything: `esb map <file>`.

Reads what a source sends or the bus carries, told apart by its members:

| members | is |
| --- | --- |
| `line_items` | a WooCommerce order |
| `type`, `timestamp`, `data` | the body of a site that signs by Standard Webhooks |
| `deal`, `rows`, `company`, `contact`, `requisites`, `articles` | a Bitrix24 deal, each part as REST shows it |
| `specversion` | a canonical event |
| `format`, `content` | a document of `out.<endpoint>` |
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from esb_adapters.bitrix24.mapping import Snapshot, is_order, order_events
from esb_adapters.bitrix24.shapes import Company, Contact, Requisite, Row, read_deal, read_list, read_one
from esb_adapters.onec.preview import preview
from esb_adapters.website import protocol
from esb_adapters.website.mapper import native_events
from esb_adapters.website.mapping import Shop
from esb_bus.errors import EsbError, NeedsUpgrade, PermanentError, PoisonMessageError
from esb_bus.landscape import BITRIX24_KIND, ONEC_KIND, WEBSITE_KIND, Landscape
from esb_bus.ports import NativeMessage
from esb_bus.topology import MAX_BODY_BYTES, RECEIVER_KINDS, kind_of
from esb_schemas.documents import Document, read_document
from esb_schemas.registry import AnyEnvelope, MalformedEvent, NewerEventVersion, Registry
from esb_transformers.routing import documents


class Unmappable(PermanentError):
    """The file cannot be told to be anything, or not whose."""

    code = "unmappable"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something would become a dead letter: `step` is `mapping`, `routing` or an endpoint."""

    step: str
    code: str
    reason: str

    @classmethod
    def of(cls, step: str, error: EsbError) -> "Failure":
        return cls(step, error.code, str(error))


@dataclass(frozen=True, slots=True)
class Planned:
    """One document, and the request a 1C base would get if it has no such document yet.

    In `request` natural keys stand in ‹…› for references that only the base knows. Other endpoints compare with
    what they hold first, so their request cannot be told here.
    """

    document: Document
    request: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "endpoint": self.document.endpoint,
            "document": self.document.model_dump(mode="json"),
            "request": self.request,
        }


@dataclass(frozen=True, slots=True)
class Mapped:
    """All that would come of one message."""

    shape: str
    source: str
    events: Sequence[AnyEnvelope] = ()
    planned: Sequence[Planned] = ()
    failures: Sequence[Failure] = field(default=())

    def as_json(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "source": self.source,
            "events": [event.model_dump(mode="json") for event in self.events],
            "documents": [planned.as_json() for planned in self.planned],
            "failures": [
                {"step": failure.step, "code": failure.code, "reason": failure.reason} for failure in self.failures
            ],
        }


def map_file(path: Path, landscape: Landscape, source: str | None = None) -> Mapped:
    """Map one message of a file.

    Args:
        path: the file.
        landscape: decides where everything goes.
        source: endpoint the message comes from; needed where the landscape has several that could send it.

    Raises:
        Unmappable: the file cannot be read, is nothing we know, or could come from several sources.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Unmappable(f"{path}: {error.strerror}") from error
    return map_bytes(content, landscape, source)


def map_bytes(content: bytes, landscape: Landscape, source: str | None = None) -> Mapped:
    """Map one message; whatever is wrong with the message itself is told in `failures`."""
    wire = _read(content)
    shape, members = next(((shape, wanted) for shape, wanted in _SHAPES.items() if wanted <= wire.keys()), ("", set()))
    if not members:
        raise Unmappable(f"nothing we know has the members {', '.join(sorted(wire)[:10])}")
    if shape == "document":
        return _of_document(content, landscape)
    if shape == "event":
        return _of_events("event", lambda: [_read_event(content)], _text(wire, "source"), landscape)
    endpoint = source or _only_source(shape, landscape)
    _check_source(endpoint, shape, landscape)
    if shape == "deal":
        return _of_events(shape, lambda: _deal_events(wire, endpoint, landscape), endpoint, landscape)
    message = NativeMessage(endpoint=endpoint, kind=_WEBSITE_KINDS[shape], body=content)
    shop = Shop(endpoint, landscape.website[_name(endpoint)], landscape.rounding)
    return _of_events(shape, lambda: native_events(message, shop), endpoint, landscape)


_SHAPES: Mapping[str, set[str]] = {
    "event": {"specversion", "type"},
    "document": {"format", "content"},
    "woocommerce": {"line_items"},
    "deal": {"deal"},
    "standard": {"type", "data"},
}
_WEBSITE_KINDS = {"woocommerce": protocol.WOO_ORDER, "standard": protocol.STANDARD_EVENT}


def _read(content: bytes) -> dict[str, Any]:
    if len(content) > MAX_BODY_BYTES:
        raise Unmappable(f"the file has {len(content)} bytes; a message has at most {MAX_BODY_BYTES}")
    try:
        wire = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Unmappable(f"the file is not JSON: {error}") from error
    if not isinstance(wire, dict):
        raise Unmappable(f"the file holds a JSON {type(wire).__name__}, a message is one object")
    return wire


def _text(wire: Mapping[str, Any], name: str) -> str:
    return str(wire.get(name, "")).removeprefix("/").replace("/", ".", 1)


def _name(endpoint: str) -> str:
    return endpoint.split(".", 1)[1]


def _only_source(shape: str, landscape: Landscape) -> str:
    """The one endpoint that can send such a message."""
    if shape == "deal":
        found = [f"{BITRIX24_KIND}.{name}" for name in landscape.bitrix24]
    else:
        found = [f"{WEBSITE_KIND}.{name}" for name, site in landscape.website.items() if site.protocol == shape]
    if len(found) != 1:
        told = f"several endpoints could send it ({', '.join(found)})" if found else "no endpoint sends such a thing"
        raise Unmappable(f"{shape}: {told}; name the source")
    return found[0]


def _check_source(endpoint: str, shape: str, landscape: Landscape) -> None:
    kind = BITRIX24_KIND if shape == "deal" else WEBSITE_KIND
    able = [name for name in landscape.endpoints() if kind_of(name) == kind]
    if endpoint not in able:
        raise Unmappable(f"{shape}: {endpoint!r} cannot have sent it; endpoints that could are {', '.join(able)}")


def _of_events(shape: str, events_of: Callable[[], Sequence[AnyEnvelope]], source: str, landscape: Landscape) -> Mapped:
    try:
        events = events_of()
    except EsbError as error:
        return Mapped(shape, source, failures=[Failure.of("mapping", error)])
    outcomes = [outcome for event in events for outcome in _outcomes(event, landscape)]
    return Mapped(
        shape,
        source,
        events,
        planned=[outcome for outcome in outcomes if isinstance(outcome, Planned)],
        # A missing route is told by every kind of receiver.
        failures=list(dict.fromkeys(outcome for outcome in outcomes if isinstance(outcome, Failure))),
    )


def _outcomes(event: AnyEnvelope, landscape: Landscape) -> Iterator[Planned | Failure]:
    for kind in RECEIVER_KINDS:
        try:
            made = documents(event, kind, landscape)
        except EsbError as error:
            yield Failure.of("routing", error)
            continue
        yield from (_planned(document, landscape) for document in made)


def _planned(document: Document, landscape: Landscape) -> Planned | Failure:
    base = landscape.onec.get(_name(document.endpoint)) if kind_of(document.endpoint) == ONEC_KIND else None
    if base is None:
        return Planned(document)
    try:
        request = preview(document, base)
    except EsbError as error:
        return Failure.of(document.endpoint, error)
    return Planned(document, {"POST": request.entity_set, "title": request.title, "body": request.values})


def _of_document(content: bytes, landscape: Landscape) -> Mapped:
    try:
        document = read_document(content)
    except MalformedEvent as error:
        return Mapped("document", "", failures=[Failure("mapping", "poison", str(error))])
    outcome = _planned(document, landscape)
    if isinstance(outcome, Failure):
        return Mapped("document", document.endpoint, failures=[outcome])
    return Mapped("document", document.endpoint, planned=[outcome])


def _read_event(content: bytes) -> AnyEnvelope:
    try:
        return Registry().read(content)
    except MalformedEvent as error:
        raise PoisonMessageError(str(error)) from error
    except NewerEventVersion as error:
        raise NeedsUpgrade(str(error)) from error


def _deal_events(wire: Mapping[str, Any], endpoint: str, landscape: Landscape) -> Sequence[AnyEnvelope]:
    portal = landscape.bitrix24[_name(endpoint)]
    snapshot = _snapshot(wire)
    if not is_order(snapshot.deal, snapshot.rows, portal):
        return ()
    return order_events(snapshot, endpoint, portal)


def _snapshot(wire: Mapping[str, Any]) -> Snapshot:
    articles = wire.get("articles")
    return Snapshot(
        deal=read_deal(wire["deal"]),
        rows=read_list(Row, wire.get("rows")),
        company=read_one(Company, wire["company"]) if wire.get("company") else None,
        contact=read_one(Contact, wire["contact"]) if wire.get("contact") else None,
        requisites=read_list(Requisite, wire.get("requisites")),
        articles={
            int(product): str(article)
            for product, article in (articles if isinstance(articles, dict) else {}).items()
            if str(product).isdecimal()
        },
    )
