"""1C in: a payment document of a base becomes a payment of the company."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from esb_adapters.onec.client import ODataClient
from esb_adapters.onec.configurations import IncomingFacts
from esb_adapters.onec.lookup import Documents
from esb_adapters.onec.memory import Answer
from esb_adapters.onec.payments import (
    COUNTERPARTIES,
    Paid,
    Surroundings,
    by_set,
    is_from_customer,
    meaning,
    paid_reference,
    paid_share,
    payer,
    payer_reference,
    payment_key,
    payment_received,
    payments_for,
    set_of,
)
from esb_adapters.onec.protocol import Object, counter, guid
from esb_adapters.onec.resolve import CURRENCIES, CURRENCY_CODES, Directory
from esb_bus.cache import MemoryCache
from esb_bus.errors import PoisonMessageError
from esb_bus.ports import Cache, NativeMessage
from esb_schemas.envelope import new_event
from esb_schemas.parties import Party
from esb_schemas.registry import AnyEnvelope

PAYMENT_KIND = "onec.payment"
REMEMBER_S = 90 * 86_400.0

_CURRENCY_OF = {numeric: code for code, numeric in CURRENCY_CODES.items()}


def _now() -> datetime:
    return datetime.now(UTC)


class OneCMapper:
    """Mapper (see `esb_bus.ports`) for one base."""

    def __init__(
        self,
        directory: Directory,
        documents: Documents,
        client: ODataClient,
        cache: Cache,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._directory = directory
        self._documents = documents
        self._client = client
        self._cache = cache
        self._own = MemoryCache()
        self._now = now
        self._incoming = by_set(directory.facts.incoming)

    async def events(self, message: NativeMessage) -> Sequence[AnyEnvelope]:
        payment = _read(message)
        facts = self._incoming.get(set_of(payment))
        if facts is None or self._is_echo(payment, facts) or not is_from_customer(payment, facts):
            return ()
        legal_entity = await self._legal_entity(str(payment["Организация_Key"]))
        if legal_entity is None:
            return ()
        around = Surroundings(
            endpoint=self._directory.name,
            zone=self._directory.base.timezone,
            legal_entity=legal_entity,
            currency=await self._currency(payment, facts),
            payer=await self._payer(payment),
            paid=await self._paid(payment, facts),
            as_of=self._now(),
        )
        fact = payment_received(payment, facts, around)
        if await self._last_published(fact.payment_key) == meaning(fact):
            return ()
        event: AnyEnvelope = new_event(
            fact,
            endpoint=self._directory.name,
            objectkey=fact.payment_key,
            dataversion=counter(str(payment.get("DataVersion", ""))),
            thread=fact.order_key or fact.payment_key,
            time=fact.paid_at,
            correlationid=fact.order_key,
        )
        return (event,)

    def _is_echo(self, payment: Object, facts: IncomingFacts) -> bool:
        """True for a payment the bus itself has written."""
        written = self._directory.facts.documents.get("incoming_payment")
        if written is None or written.entity_set != facts.entity_set:
            return False
        return self._documents.key_of(written, payment) is not None

    def _order_key(self, paid: Object, facts: IncomingFacts) -> str | None:
        """Key of the order behind an order or invoice of the base; None for those made by hand."""
        for written in self._directory.facts.documents.values():
            if written.entity_set == facts.order_set:
                key = self._documents.key_of(written, paid)
                return None if key is None else key.replace("invoice/", "order/", 1)
        return None

    async def published(self, events: Sequence[AnyEnvelope]) -> None:
        for event in events:
            key, value = f"published:{event.objectkey}", f"{event.dataversion} {meaning(event.data)}"
            await self._own.put(key, value, REMEMBER_S)
            await self._cache.put(key, value, REMEMBER_S)

    async def _last_published(self, key: str) -> str:
        key = f"published:{key}"
        known = await self._own.get(key) or await self._cache.get(key) or ""
        return known.rpartition(" ")[2]

    async def _legal_entity(self, organisation: str) -> str | None:
        """The legal entity of an organisation; None for organisations that the landscape leaves out on purpose."""
        for code in self._directory.base.organisations:
            if (await self._directory.organisation(code))["ref"] == organisation:
                return code
        return None

    async def _currency(self, payment: Object, facts: IncomingFacts) -> str:
        ref = str(payment.get(facts.currency or "") or "")
        if not ref.strip("0-"):
            return "RUB"

        async def ask() -> Answer:
            (row,) = await self._client.rows(CURRENCIES, filter=f"Ref_Key eq {guid(ref)}")
            return {"code": str(row["Code"]).strip()}

        numeric = (await self._directory.memory.ask(f"currency_of/{ref}", ask))["code"]
        return _CURRENCY_OF.get(numeric, "RUB")

    async def _payer(self, payment: Object) -> Party | None:
        ref = payer_reference(payment)
        if ref is None:
            return None
        found = await self._client.rows(COUNTERPARTIES, filter=f"Ref_Key eq {guid(ref)}")
        return payer(found[0], self._directory.facts.counterparty) if found else None

    async def _paid(self, payment: Object, facts: IncomingFacts) -> Paid | None:
        """Add up what was paid for the order, so that nobody behind us has to keep count."""
        ref = paid_reference(payment, facts)
        if ref is None:
            return None
        found = await self._client.rows(facts.order_set, filter=f"Ref_Key eq {guid(ref)}")
        if not found:
            return None
        paid = Decimal(0)
        for other in self._directory.facts.incoming:
            rows = await self._client.rows(other.entity_set, filter=payments_for(other, ref))
            paid += sum((paid_share(row, other, ref) for row in rows if is_from_customer(row, other)), Decimal(0))
        cents = Decimal("0.01")
        total = Decimal(str(found[0]["СуммаДокумента"])).quantize(cents)
        return Paid(self._order_key(found[0], facts), total, paid.quantize(cents))


def native_payment(endpoint: str, payment: Object, received_at: datetime) -> NativeMessage:
    """A payment document as it is put into `in.<endpoint>`: the whole object as the base handed it out."""
    return NativeMessage(
        endpoint=endpoint,
        kind=PAYMENT_KIND,
        body=json.dumps(payment, ensure_ascii=False, default=str).encode("utf-8"),
        thread=payment_key(endpoint, payment),
        version=counter(str(payment.get("DataVersion", ""))),
        received_at=received_at,
    )


def _read(message: NativeMessage) -> dict[str, Any]:
    if message.kind != PAYMENT_KIND:
        raise PoisonMessageError(f"no native message of 1C is of kind {message.kind!r}")
    try:
        payment = json.loads(message.body, parse_float=Decimal)
    except ValueError as error:
        raise PoisonMessageError(f"not JSON: {error}") from error
    if not isinstance(payment, dict) or not {"Ref_Key", "Posted", "DeletionMark", "Организация_Key"} <= set(payment):
        raise PoisonMessageError("not a payment document of 1C")
    return payment
