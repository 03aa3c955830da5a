"""The company in one TOML file: legal entities, endpoints and routes, checked as a whole."""

import tomllib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, HttpUrl, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from esb_bus.errors import EsbError, PermanentError
from esb_bus.redaction import redacted
from esb_schemas.identifiers import SHARED, Inn, Kpp, LegalEntityCode, Ogrn
from esb_schemas.registry import OUTCOME_TYPES
from esb_schemas.values import VatRate

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,40}$")]
SecretName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,60}$")]
Configuration = Literal["ut-11.4", "ut-11.5", "bp-2.0", "bp-3.0", "retail-2", "retail-3", "custom"]

ONEC_KIND = "onec"
BITRIX24_KIND = "bitrix24"
WEBSITE_KIND = "website"


class LandscapeInvalid(EsbError):
    """The landscape breaks its rules; `problems` has one line for each, with its path."""

    code = "landscape_invalid"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class UnknownLegalEntity(PermanentError):
    """An event names a legal entity that the landscape does not have."""

    code = "unknown_legal_entity"


class Unrouted(PermanentError):
    """No route of the landscape takes this event; a missing route is never a default."""

    code = "unrouted"


def _known_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"there is no time zone {value!r}") from error
    return value


TimeZone = Annotated[str, AfterValidator(_known_zone)]


class Strict(BaseModel):
    """A part of the landscape: frozen, and a misspelt setting is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


PartT = TypeVar("PartT", bound=Strict)


class LegalEntity(Strict):
    """One of our own companies."""

    name: str
    inn: Inn
    kpp: Kpp | None = None
    ogrn: Ogrn | None = None


class ExchangePlan(Strict):
    """Change capture of one base: the plan's name and our node in it, by code."""

    name: str = Field(min_length=1)
    node: str = Field(min_length=1)


class OneCBase(Strict):
    """One 1C base. Holds one or more legal entities as organisations."""

    configuration: Configuration
    transport: Literal["odata", "http", "com", "commerceml", "enterprisedata"] = "odata"
    url: HttpUrl
    secret: SecretName
    organisations: dict[LegalEntityCode, str] = Field(min_length=1)
    """Legal entity → Ref_Key or INN of the organisation in this base."""
    timezone: TimeZone = "Europe/Moscow"
    """Dates in 1C carry no zone: they are the wall clock of its server."""
    number: Literal["ours", "theirs"] = "ours"
    number_prefixes: dict[str, Annotated[str, StringConstraints(pattern=r"^[0-9A-ZА-ЯЁ]{1,4}$")]] = {}
    """Endpoint an order comes from → prefix of our document numbers."""
    walk_in_counterparty: str | None = None
    """Ref_Key or exact name of the counterparty that stands for persons without INN."""
    warehouse: str | None = None
    price_type: str | None = None
    agreement: str | None = None
    settlement_account: dict[LegalEntityCode, str] = {}
    """Legal entity → account number of the bank account that receives payments."""
    units: dict[str, str] = {}
    """ОКЕИ code of an event → code of the unit in this base, where they differ."""
    vat_rates: dict[VatRate, str] = {}
    """VAT rate of an event → name of the rate in this base, where the configuration's table does not fit."""
    price_types: dict[str, str] = {}
    warehouses: dict[str, str] = {}
    exchange_plan: ExchangePlan | None = None
    schedule: dict[Literal["prices", "products", "stock", "payments"], str] = {}
    poll_s: Annotated[float, Field(gt=0, le=300)] = 60
    max_parallel: Annotated[int, Field(ge=1, le=32)] = 2
    settle_s: Annotated[float, Field(ge=0, le=600)] = 60
    timeout_s: Annotated[float, Field(gt=0, le=300)] = 60


class Bitrix24Portal(Strict):
    """One Bitrix24 portal, spoken to through an inbound webhook."""

    url: HttpUrl
    """`https://portal.example/rest/`: the webhook's user and code are the secret."""
    secret: SecretName
    application_token: SecretName | None = None
    """Secret of the outgoing webhook; without it events are refused and only the poll brings deals."""
    seller_field: str = "UF_CRM_SELLER"
    sellers: dict[str, LegalEntityCode] = Field(min_length=1)
    """Item id of the seller field → legal entity."""
    stages: tuple[str, ...] = ()
    """Stages from which a deal is an order; empty means every stage that is not lost."""
    invoice: bool = True
    """Deals of organisations also ask for an invoice."""
    article: str = "CML2_ARTICLE"
    """Where a catalogue product keeps its article: "xmlId", "code", "id", or the code of a property."""
    shops: dict[str, str] = {}
    """ORIGINATOR_ID of deals made by a shop → the shop's endpoint: such a deal is the shop's order."""
    fields: dict[Literal["entity", "number", "status", "paid", "paid_at", "debt", "versions"], str] = {}
    """Deal fields the bus writes, where they differ from the names of `BITRIX24_FIELDS`."""
    settle_s: Annotated[float, Field(ge=0, le=600)] = 10
    poll_s: Annotated[float, Field(gt=0, le=300)] = 60
    overlap_s: Annotated[float, Field(ge=0, le=3600)] = 300
    requests_per_s: Annotated[float, Field(gt=0, le=50)] = 2
    burst: Annotated[int, Field(ge=1, le=250)] = 50
    max_parallel: Annotated[int, Field(ge=1, le=32)] = 4
    timeout_s: Annotated[float, Field(gt=0, le=120)] = 30


BITRIX24_FIELDS = {
    "entity": "UF_CRM_ESB_ENTITY",
    "number": "UF_CRM_ESB_NUMBER",
    "status": "UF_CRM_ESB_STATUS",
    "paid": "UF_CRM_ESB_PAID",
    "paid_at": "UF_CRM_ESB_PAID_AT",
    "debt": "UF_CRM_ESB_DEBT",
    "versions": "UF_CRM_ESB_VERSIONS",
}
"""Deal fields the bus writes unless the landscape names others."""


class Website(Strict):
    """One shop or site that sends orders."""

    protocol: Literal["woocommerce", "standard"]
    """WooCommerce (webhooks and REST), or any site by Standard Webhooks."""
    url: HttpUrl | None = None
    secret: SecretName | None = None
    """`consumer key:consumer secret` of the REST API; without it no poll closes the webhooks' gaps."""
    webhook_secret: SecretName
    legal_entity: LegalEntityCode | None = None
    seller_meta: str | None = None
    """Order field (meta key) that names the seller, translated by `sellers`."""
    sellers: dict[str, LegalEntityCode] = {}
    inn_meta: str = "_billing_inn"
    kpp_meta: str = "_billing_kpp"
    unit: str = "796"
    tax_classes: dict[str, VatRate] = {"": VatRate.VAT_20, "zero-rate": VatRate.VAT_0}
    """Tax class of an order line → VAT rate; "" is the standard class."""
    delivery_articles: dict[str, str] = {}
    """Name of a delivery method in the shop → article of the service it is sold as in 1C."""
    invoice_methods: tuple[str, ...] = ("bacs",)
    """Payment methods that ask for an invoice."""
    ignored_statuses: tuple[str, ...] = ("checkout-draft", "auto-draft", "trash")
    cancelled_statuses: tuple[str, ...] = ("cancelled", "failed", "refunded")
    poll_s: Annotated[float, Field(gt=0, le=300)] = 60
    overlap_s: Annotated[float, Field(ge=0, le=3600)] = 300
    timeout_s: Annotated[float, Field(gt=0, le=120)] = 30


class Route(Strict):
    """First match wins. `to = []` is a deliberate "nobody"."""

    event: tuple[str, ...] = Field(min_length=1)
    legal_entity: LegalEntityCode | tuple[LegalEntityCode, ...] | None = None
    """None takes every legal entity."""
    to: tuple[str, ...]

    def matches(self, event_type: str, legal_entity: str) -> bool:
        if event_type not in self.event:
            return False
        allowed = self.entities()
        return allowed is None or legal_entity in allowed

    def entities(self) -> tuple[str, ...] | None:
        """The legal entities it takes, None for all."""
        return (self.legal_entity,) if isinstance(self.legal_entity, str) else self.legal_entity


class Subscriber(Strict):
    """Another service that reads events: it gets a user and a queue of its own on the broker, and nothing else."""

    legal_entities: tuple[LegalEntityCode, ...] = Field(min_length=1)
    """Whose events; `shared` for facts of the company as a whole (prices, endpoints)."""
    events: tuple[str, ...] = Field(min_length=1)
    """Event types, or `order.*` for all of a subject."""
    history: bool = False
    """Also the history of these legal entities, which holds every type of event."""
    max_bytes: Annotated[int, Field(ge=1_000_000)] = 256_000_000
    """Beyond this its queue forgets the oldest."""


class Limits(Strict):
    """How long and how much before a thread is parked, a letter is written or an alarm is raised."""

    hold_s: Annotated[float, Field(gt=0, le=1800)] = 600
    retry_delays_s: tuple[Annotated[float, Field(gt=0)], ...] = (1, 5, 15, 60, 120, 300)
    park_retry_s: Annotated[float, Field(gt=0)] = 300
    give_up_s: Annotated[float, Field(gt=0)] = 7 * 86400
    """Age of the first failure at which a waiting message becomes a dead letter, `retries_exhausted`."""
    history_days: Annotated[int, Field(ge=1)] = 30
    backlog_alarm_messages: Annotated[int, Field(ge=1)] = 10_000
    backlog_alarm_bytes: Annotated[int, Field(ge=1)] = 256_000_000
    backlog_alarm_s: Annotated[float, Field(gt=0)] = 3600
    backlog_stop_messages: Annotated[int, Field(ge=1)] = 500_000
    backlog_stop_bytes: Annotated[int, Field(ge=1)] = 2_000_000_000
    """Of one endpoint. Above either nothing more is taken in for it, so that it cannot fill the broker's disk."""


class Landscape(Strict):
    """The whole company."""

    legal_entities: dict[LegalEntityCode, LegalEntity] = Field(min_length=1)
    onec: dict[Name, OneCBase] = {}
    bitrix24: dict[Name, Bitrix24Portal] = {}
    website: dict[Name, Website] = {}
    routes: tuple[Route, ...] = ()
    subscribers: dict[Name, Subscriber] = {}
    limits: Limits = Limits()
    rounding: Decimal = Decimal("0.01")

    def endpoints(self) -> Iterator[str]:
        """Full names, `<kind>.<name>`."""
        for kind in (WEBSITE_KIND, BITRIX24_KIND, ONEC_KIND):
            yield from (f"{kind}.{name}" for name in getattr(self, kind))

    def receivers(self) -> tuple[str, ...]:
        """Endpoints that are written to."""
        return tuple(name for name in self.endpoints() if not name.startswith(f"{WEBSITE_KIND}."))

    def route(self, event_type: str, legal_entity: str) -> tuple[str, ...]:
        """Return the endpoints an event goes to by the routes.

        Raises:
            UnknownLegalEntity: the landscape has no such legal entity.
            Unrouted: no route takes the event.
        """
        if legal_entity != SHARED and legal_entity not in self.legal_entities:
            raise UnknownLegalEntity(
                f"legalentity: the landscape has no legal entity {legal_entity!r}; "
                f"known are {', '.join(sorted(self.legal_entities))}. Add it under [legal_entities], or correct the "
                "seller in the source"
            )
        for candidate in self.routes:
            if candidate.matches(event_type, legal_entity):
                return candidate.to
        raise Unrouted(
            f"no route takes {event_type} of {legal_entity}: add a [[routes]] entry with event = [{event_type!r}] and "
            f'legal_entity = "{legal_entity}" (to = [] if nobody shall get it)'
        )

    def targets(self, event_type: str, legal_entity: str, objectkey: str) -> tuple[str, ...]:
        """Return every endpoint an event goes to: by routes, or back to its source for our own outcomes."""
        if event_type in OUTCOME_TYPES:
            return self.interested_portals(objectkey)
        if event_type.startswith("endpoint."):
            return ()
        return self.route(event_type, legal_entity)

    def interested_portals(self, objectkey: str) -> tuple[str, ...]:
        """Return the portals that may have a deal about an order (or its invoice): born there, or made by a shop."""
        origin = objectkey.split("/")[1]
        return tuple(
            f"{BITRIX24_KIND}.{name}"
            for name, portal in self.bitrix24.items()
            if origin == f"{BITRIX24_KIND}.{name}" or origin in portal.shops.values()
        )


def load_landscape(path: Path) -> Landscape:
    """Read and check a landscape file.

    Raises:
        LandscapeInvalid: with every problem found, not only the first.
    """
    try:
        wire = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LandscapeInvalid([f"{path}: {error.strerror}"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LandscapeInvalid([f"{path}: {error}"]) from error
    return parse_landscape(wire)


def parse_landscape(wire: dict[str, Any]) -> Landscape:
    """Check a landscape as a whole.

    Raises:
        LandscapeInvalid: with the problems of every part and between parts, all at once.
    """
    # The rules need the models above, which need no rules: hence the late import.
    from esb_bus.landscape_rules import Names, contradictions

    faults: list[str] = []
    try:
        landscape = Landscape.model_validate(wire)
    except ValidationError as error:
        faults = [_fault(fault) for fault in error.errors(include_url=False, include_context=False)]
        landscape = _readable_part(wire)
    if problems := [*faults, *contradictions(landscape, Names.of(wire))]:
        raise LandscapeInvalid(problems)
    return landscape


def _fault(fault: ErrorDetails) -> str:
    path = ".".join(map(str, fault["loc"]))
    if fault["type"] == "extra_forbidden":
        return f"{path}: there is no such setting"
    if fault["type"] == "missing":
        return f"{path}: is missing"
    return f"{path}: {fault['msg'].removeprefix('Value error, ')} (got {redacted(str(fault['input'])[:60])!r})"


SECTIONS: dict[str, type[Strict]] = {
    "legal_entities": LegalEntity,
    ONEC_KIND: OneCBase,
    BITRIX24_KIND: Bitrix24Portal,
    WEBSITE_KIND: Website,
    "subscribers": Subscriber,
}
NOWHERE = Route.model_construct(event=(), legal_entity=None, to=())
"""A route that takes nothing."""


def _readable_part(wire: dict[str, Any]) -> Landscape:
    """What of a faulty landscape can be understood, so that its other problems can be told, too."""
    parts: dict[str, Any] = {
        section: {name: part for name, raw in table(wire, section).items() if (part := _readable(model, raw))}
        for section, model in SECTIONS.items()
    }
    routes = wire.get("routes")
    # A faulty route keeps its place: problems name routes by number.
    parts["routes"] = tuple(_readable(Route, raw) or NOWHERE for raw in (routes if isinstance(routes, list) else ()))
    return Landscape.model_construct(**parts)


def _readable(model: type[PartT], raw: Any) -> PartT | None:
    try:
        return model.model_validate(raw)
    except ValidationError:
        return None


def table(wire: dict[str, Any], section: str) -> dict[str, Any]:
    table = wire.get(section)
    return table if isinstance(table, dict) else {}
