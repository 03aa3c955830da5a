"""Which event types exist, how their bytes are read, and how older versions become current ones."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from esb_schemas.endpoints import EndpointDrifted, EndpointPaused, EndpointResumed
from esb_schemas.envelope import Envelope, Event, envelope_class
from esb_schemas.goods import (
    ActPosted,
    PriceChanged,
    ProductChanged,
    ShipmentPosted,
    StockChanged,
    TaxInvoiceIssued,
)
from esb_schemas.orders import (
    DealTransferred,
    OrderAccepted,
    OrderCancelled,
    OrderChanged,
    OrderPlaced,
    OrderRefused,
)
from esb_schemas.parties import CounterpartyChanged, CounterpartyMerged
from esb_schemas.payments import (
    DebtChanged,
    InvoiceIssued,
    InvoiceRequested,
    PaymentReceived,
    PaymentRefunded,
    SettlementClosed,
    SettlementOpened,
)

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
"""Makes the `data` of version n+1 from the `data` of version n. Pure; may change its argument."""

AnyEnvelope = Envelope[Any]

EVENT_TYPES: tuple[type[Event], ...] = (
    OrderPlaced,
    OrderChanged,
    OrderCancelled,
    OrderAccepted,
    OrderRefused,
    InvoiceRequested,
    InvoiceIssued,
    PaymentReceived,
    PaymentRefunded,
    ShipmentPosted,
    ActPosted,
    TaxInvoiceIssued,
    CounterpartyChanged,
    CounterpartyMerged,
    ProductChanged,
    PriceChanged,
    StockChanged,
    DebtChanged,
    DealTransferred,
    SettlementClosed,
    SettlementOpened,
    EndpointPaused,
    EndpointResumed,
    EndpointDrifted,
)

OUTCOME_TYPES = frozenset({"order.accepted", "order.refused", "invoice.issued"})
"""Answers of the bus to the source of an order. They return to it by themselves; no route may name them."""

UPCASTERS: Mapping[tuple[str, int], Upcaster] = {}
"""(type, version the bytes have) → the step to the next version. Kept for ever."""


class MalformedEvent(ValueError):
    """The bytes are not the event they claim to be."""


class UnknownEventType(MalformedEvent):
    """Nobody has ever defined this type: a typo, not a newer release."""


class NewerEventVersion(ValueError):
    """Written by a newer release than this reader: readable after an upgrade, not poison."""


class Registry:
    """Reads bytes of every known type in every version it ever had."""

    def __init__(
        self,
        types: Iterable[type[Event]] = EVENT_TYPES,
        upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS,
    ) -> None:
        self.types = {event.type: event for event in types}
        self._upcasters = upcasters
        self._adapters = {name: TypeAdapter(envelope_class(event)) for name, event in self.types.items()}

    def read(self, body: bytes) -> AnyEnvelope:
        """Read one structured CloudEvent.

        Raises:
            MalformedEvent: not JSON, no envelope, unknown type, or content that does not fit its schema.
            NewerEventVersion: the type is known, this version is not yet.
        """
        event, version, wire = self._claimed(body)
        if version > event.version:
            raise NewerEventVersion(f"{event.type} version {version}; this release reads up to {event.version}")
        if version < event.version:
            body = self._upcast(wire, event, version)
        try:
            return self._adapters[event.type].validate_json(body)
        except ValidationError as error:
            raise MalformedEvent(explain(error)) from error

    def _claimed(self, body: bytes) -> tuple[type[Event], int, dict[str, Any]]:
        try:
            wire = orjson.loads(body)
            claimed, schema = str(wire["type"]), str(wire["dataschema"])
        except (ValueError, KeyError, TypeError) as error:
            raise MalformedEvent(f"not a CloudEvent of ours: {type(error).__name__} {error}") from error
        if claimed not in self.types:
            raise UnknownEventType(f"there is no event type {claimed[:60]!r}")
        return self.types[claimed], _claimed_version(claimed, schema), wire

    def _upcast(self, wire: dict[str, Any], event: type[Event], version: int) -> bytes:
        data = wire.get("data")
        if not isinstance(data, dict):
            raise MalformedEvent("data is not an object")
        for step in range(version, event.version):
            if (event.type, step) not in self._upcasters:
                raise MalformedEvent(f"{event.type} never had a version {step}")
            data = self._upcasters[event.type, step](data)
        return orjson.dumps({**wire, "dataschema": f"urn:onec-esb:{event.type}:{event.version}", "data": data})

    def json_schemas(self) -> dict[str, dict[str, Any]]:
        """JSON Schema of every type at its current version, by file name."""
        return {
            f"{name}.v{event.version}.json": envelope_class(event).model_json_schema(mode="serialization")
            for name, event in sorted(self.types.items())
        }


def _claimed_version(claimed: str, schema: str) -> int:
    found = re.fullmatch(f"urn:onec-esb:{re.escape(claimed)}:([1-9][0-9]{{0,3}})", schema)
    if found is None:
        raise MalformedEvent(f"dataschema is {schema[:60]!r}, expected 'urn:onec-esb:{claimed}:<version>'")
    return int(found[1])


def write(envelope: AnyEnvelope) -> bytes:
    return envelope.model_dump_json().encode()


def explain(error: ValidationError) -> str:
    """One line per fault: field, value, what is wrong with it."""
    return "; ".join(
        f"{'.'.join(map(str, fault['loc'])) or 'message'}: {fault['msg']} (got {str(fault['input'])[:60]!r})"
        for fault in error.errors(include_url=False, include_context=False)[:10]
    )
