"""What every transform does at its end: address a content to one endpoint, with the identity of its event."""

from typing import TypeVar

from esb_schemas.documents import Content, Document
from esb_schemas.envelope import Event
from esb_schemas.registry import AnyEnvelope

StateT = TypeVar("StateT", bound=Event)


def addressed(event: AnyEnvelope, endpoint: str, content: Content) -> Document:
    """Wrap `content` for `endpoint`. Key, version and thread are the event's: the same event, the same document."""
    return Document(
        event_id=event.id,
        event_type=event.type,
        endpoint=endpoint,
        legalentity=event.legalentity,
        key=event.objectkey,
        version=event.dataversion,
        thread=event.thread,
        correlationid=event.correlationid,
        content=content,
    )


def source_endpoint(event: AnyEnvelope) -> str:
    """`<kind>.<name>` of the endpoint that published the event."""
    return event.source.removeprefix("/").replace("/", ".", 1)


def state_of(data: Event, state: type[StateT]) -> StateT:
    """The part of a fact that is `state`, as exactly that class: a document reads back equal to what was written."""
    return state(**{name: getattr(data, name) for name in state.model_fields})
