"""The CloudEvents 1.0 envelope (structured mode) that every canonical event travels in."""

import hashlib
import uuid
from datetime import UTC, datetime
from typing import ClassVar, Generic, Literal, Self, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from esb_schemas.identifiers import EventId, LegalEntityCode, ObjectKey
from esb_schemas.values import DataVersion, Value

EVENT_NAMESPACE = uuid.UUID("6f1f3e0c-6c0e-5a0c-9d1b-2f9a4d0c7e55")
CONTENT_TYPE = "application/cloudevents+json"


class Event(Value):
    """A fact in the past tense. Carries the whole state of its object, never a difference.

    `observed` names the fields that say when we looked and not what we saw: they make no other fact.
    """

    type: ClassVar[str]
    version: ClassVar[int] = 1
    observed: ClassVar[frozenset[str]] = frozenset()

    legal_entity: LegalEntityCode


EventT = TypeVar("EventT", bound=Event)


class Envelope(BaseModel, Generic[EventT]):
    """One event with what routing, ordering and explaining need.

    `thread` names the sequence the event belongs to (an order and what follows from it);
    `objectkey` the object whose state it carries; `dataversion` the owning system's version of that state.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    specversion: Literal["1.0"] = "1.0"
    id: EventId
    source: str = Field(pattern=r"^/[a-z0-9]+/[a-z0-9-]+$")
    type: str
    time: AwareDatetime
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str
    legalentity: LegalEntityCode
    correlationid: str
    causationid: str | None = None
    thread: str = Field(min_length=1, max_length=200)
    objectkey: ObjectKey
    dataversion: DataVersion
    data: EventT

    @model_validator(mode="after")
    def _one_legal_entity(self) -> Self:
        # Routing and permissions go by the envelope, documents by the content: they must not differ.
        if self.legalentity != self.data.legal_entity:
            raise ValueError(f"legalentity is {self.legalentity!r}, data.legal_entity {self.data.legal_entity!r}")
        return self

    @property
    def routing_key(self) -> str:
        return f"{self.type}.{self.legalentity}"


def content_hash(data: Event) -> str:
    """Hash of the canonical content: equal content gives equal text, whatever version it has.

    Without fields at their default, so that a release that adds an optional field sees no change where none is.
    """
    text = data.model_dump_json(exclude=set(data.observed) or None, exclude_defaults=True)
    return hashlib.sha256(text.encode()).hexdigest()


def event_id(source: str, objectkey: str, dataversion: int, digest: str, event_type: str) -> EventId:
    """The same fact seen twice is the same event, whoever sees it."""
    return EventId(
        str(uuid.uuid5(EVENT_NAMESPACE, "\n".join((source, objectkey, str(dataversion), digest, event_type))))
    )


def schema_name(event: type[Event]) -> str:
    return f"urn:onec-esb:{event.type}:{event.version}"


def envelope_class(event: type[EventT]) -> type[Envelope[EventT]]:
    return Envelope[event]  # type: ignore[valid-type]  # pydantic makes (and caches) one class per event type


def new_event(
    data: EventT,
    *,
    endpoint: str,
    objectkey: str,
    dataversion: int,
    thread: str | None = None,
    time: datetime | None = None,
    correlationid: str | None = None,
    causationid: str | None = None,
) -> Envelope[EventT]:
    """Wrap a fact.

    Args:
        data: the fact itself.
        endpoint: where it was seen, `<kind>.<name>` as in the landscape.
        objectkey: key of the object whose state `data` is.
        dataversion: version of that state in the system that owns the object.
        thread: the sequence it belongs to; the object itself when None.
        time: when it happened; now when None. Not part of the id.
        correlationid: what everything about one order shares; the thread when None.
        causationid: id of the event or native message this one follows from.
    """
    kind, name = endpoint.split(".", 1)
    source = f"/{kind}/{name}"
    return envelope_class(type(data))(
        id=event_id(source, objectkey, dataversion, content_hash(data), data.type),
        source=source,
        type=data.type,
        time=time or datetime.now(UTC),
        dataschema=schema_name(type(data)),
        legalentity=data.legal_entity,
        correlationid=correlationid or thread or objectkey,
        causationid=causationid,
        thread=thread or objectkey,
        objectkey=objectkey,
        dataversion=dataversion,
        data=data,
    )
