"""The judgement of a run: sent against found. A pure function, so that its own faults can be tested.

- missing: an order (its invoice, its payment) without document and without letter, or whose newest state is not in its
  document. A cancelled order needs no document.
- doubled: two documents of one key that are not marked for deletion, in one base or in several.
- wrong base: a document in another base or organisation than its legal entity's, or of a key nobody sent.
- out of order: a version lower than one the object already had, or a payment before the invoice it pays.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from esb_cli.demo.facts import DeadLetter, Evidence, Outage, Placement, Row, SentOrder, SentPayment, invoice_key


@dataclass(frozen=True, slots=True)
class Spread:
    """A half and 99 of 100 were not above these, milliseconds; None where nothing was measured."""

    p50: float | None
    p99: float | None
    count: int


@dataclass(frozen=True, slots=True)
class Latency:
    """Webhook accepted → document posted.

    Attributes:
        by_source: endpoint an order comes from → its orders whose base was up.
        longest_wait: milliseconds, of orders that had to wait for a base that was down; None when none had to.
    """

    by_source: Mapping[str, Spread]
    longest_wait: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """The judgement; every finding is a sentence."""

    orders_sent: int
    documents: int
    invoices: int
    payments: int
    missing: tuple[str, ...]
    doubled: tuple[str, ...]
    wrong_base: tuple[str, ...]
    out_of_order: tuple[str, ...]
    letters: tuple[DeadLetter, ...]
    latency: Latency

    @property
    def is_clean(self) -> bool:
        return not (self.missing or self.doubled or self.wrong_base or self.out_of_order)

    def as_json(self, seconds: float, source: str) -> dict[str, float | int | None]:
        """The figures; the latency is that of orders from `source`."""
        spread = self.latency.by_source.get(source, Spread(None, None, 0))
        return {
            "orders_sent": self.orders_sent,
            "documents": self.documents,
            "missing": len(self.missing),
            "doubled": len(self.doubled),
            "wrong_base": len(self.wrong_base),
            "out_of_order": len(self.out_of_order),
            "dead_letters": len(self.letters),
            "p50_ms": spread.p50,
            "p99_ms": spread.p99,
            "seconds": round(seconds, 1),
        }


@dataclass(frozen=True, slots=True)
class Expected:
    """One document there should be."""

    key: str
    base: str
    legal_entity: str
    thread: str
    total: Decimal | None
    may_be_absent: bool = False


def reconcile(evidence: Evidence, placement: Placement) -> Report:
    """Judge a run that has come to rest."""
    expected = {one.key: one for one in _expected(evidence, placement)}
    held = _held(evidence.rows)
    found = {key: documents for key, documents in held.items() if key in expected}
    return Report(
        orders_sent=len(evidence.orders),
        documents=_count(found, "order/"),
        invoices=_count(found, "invoice/"),
        payments=_count(found, "payment/"),
        missing=tuple(_missing(expected.values(), held, evidence)),
        doubled=tuple(_doubled(held)),
        wrong_base=tuple(_wrong_base(held, expected)),
        out_of_order=(*_going_back(evidence.rows), *_payments_too_early(evidence, placement)),
        letters=evidence.letters,
        latency=_latency(evidence, placement),
    )


def _expected(evidence: Evidence, placement: Placement) -> Iterator[Expected]:
    orders = {order.key: order for order in evidence.orders}
    for order in evidence.orders:
        total = None if order.is_cancelled else order.total
        base = placement.order_base[order.legal_entity]
        yield Expected(order.key, base, order.legal_entity, order.key, total, may_be_absent=order.is_cancelled)
        if order.wants_invoice:
            yield _invoice(order, placement)
    for payment in evidence.payments:
        yield _payment(payment, orders, placement)


def _invoice(order: SentOrder, placement: Placement) -> Expected:
    return Expected(
        invoice_key(order.key), placement.invoice_base, order.legal_entity, order.key, None, order.is_cancelled
    )


def _payment(payment: SentPayment, orders: Mapping[str, SentOrder], placement: Placement) -> Expected:
    entity = orders[payment.order_key].legal_entity
    return Expected(payment.key, placement.invoice_base, entity, payment.order_key, None)


def _held(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The last row of every object that carries a key and is not marked for deletion, by key."""
    last = {(row.base, row.set, row.ref): row for row in sorted(rows, key=lambda row: row.sequence)}
    held: dict[str, list[Row]] = defaultdict(list)
    for row in last.values():
        if row.key is not None and not row.is_deleted:
            held[row.key].append(row)
    return held


def _count(found: Mapping[str, Sequence[Row]], prefix: str) -> int:
    return sum(1 for key in found if key.startswith(prefix))


def _missing(expected: Iterable[Expected], held: Mapping[str, Sequence[Row]], evidence: Evidence) -> Iterator[str]:
    for one in expected:
        if any(_explains(letter, one) for letter in evidence.letters):
            continue
        documents = held.get(one.key, ())
        if not documents and not one.may_be_absent:
            yield f"{one.key}: no document in {one.base} and no letter"
        elif documents and one.total is not None and not _is_newest(documents, one.total, evidence):
            yield f"{one.key}: its newest state, {one.total} roubles, is not in {documents[0].number}"


def _explains(letter: DeadLetter, one: Expected) -> bool:
    """Whether the letter is the document, or what the document would have been made of."""
    is_source = not letter.queue.startswith("out.")
    return letter.object == one.key or (is_source and letter.thread == one.thread)


def _is_newest(documents: Sequence[Row], total: Decimal, evidence: Evidence) -> bool:
    return any(evidence.totals.get((row.base, row.ref)) == total for row in documents)


def _doubled(held: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    for key, documents in held.items():
        if len(documents) > 1:
            where = ", ".join(f"{row.number} in {row.base}" for row in documents)
            yield f"{key}: {len(documents)} documents: {where}"


def _wrong_base(held: Mapping[str, Sequence[Row]], expected: Mapping[str, Expected]) -> Iterator[str]:
    for key, documents in held.items():
        one = expected.get(key)
        for row in documents:
            if one is None:
                yield f"{key}: {row.number} in {row.base}, and nobody sent it"
            elif (row.base, row.legal_entity) != (one.base, one.legal_entity):
                yield (
                    f"{key}: {row.number} is in {row.base} with {row.legal_entity}, "
                    f"and belongs into {one.base} with {one.legal_entity}"
                )


def _going_back(rows: Iterable[Row]) -> Iterator[str]:
    highest: dict[tuple[str, str, str], int] = {}
    for row in sorted(rows, key=lambda row: row.sequence):
        if row.version is None:
            continue
        before = highest.get((row.base, row.set, row.ref), row.version)
        if row.version < before:
            yield f"{row.key}: version {row.version} was written after {before} in {row.base}"
        highest[row.base, row.set, row.ref] = max(before, row.version)


def _payments_too_early(evidence: Evidence, placement: Placement) -> Iterator[str]:
    rows = [row for row in evidence.rows if row.base == placement.invoice_base and row.key is not None]
    first: dict[str, int] = {}
    for row in sorted(rows, key=lambda row: row.sequence):
        first.setdefault(str(row.key), row.sequence)
    invoiced = {order.key for order in evidence.orders if order.wants_invoice}
    for payment in evidence.payments:
        invoice = invoice_key(payment.order_key)
        if payment.key in first and payment.order_key in invoiced:
            written = first.get(invoice)
            if written is None or written > first[payment.key]:
                yield f"{payment.key}: written to {placement.invoice_base} before {invoice}"


@dataclass(frozen=True, slots=True)
class _Way:
    """One order on its way, seconds of Unix time."""

    base: str
    source: str
    accepted: float
    done: float

    @property
    def took_ms(self) -> float:
        # The source notes our answer a moment after we gave it: a very quick base may have posted by then.
        return max(0.0, self.done - self.accepted) * 1000


def _latency(evidence: Evidence, placement: Placement) -> Latency:
    ways = list(_ways(evidence, placement))
    outages = [_caught_up(outage, ways) for outage in evidence.outages]
    usual: dict[str, list[float]] = defaultdict(list)
    waited: list[float] = []
    for way in ways:
        if any(_met(way, outage) for outage in outages):
            waited.append(way.took_ms)
        else:
            usual[way.source].append(way.took_ms)
    return Latency({source: _spread(values) for source, values in usual.items()}, max(waited, default=None))


def _ways(evidence: Evidence, placement: Placement) -> Iterator[_Way]:
    posted = _first_posted(evidence.rows)
    for order in evidence.orders:
        base = placement.order_base[order.legal_entity]
        done = posted.get((base, order.key))
        if order.accepted_at is not None and done is not None:
            yield _Way(base, order.key.split("/")[1], order.accepted_at, done)


def _met(way: _Way, outage: Outage) -> bool:
    return way.base == outage.base and way.accepted < outage.ended and way.done > outage.began


def _caught_up(outage: Outage, ways: Iterable[_Way]) -> Outage:
    """The outage until its backlog was worked off: who stands in a queue behind it waits for it, too."""
    return replace(outage, ended=max((way.done for way in ways if _met(way, outage)), default=outage.ended))


def _first_posted(rows: Iterable[Row]) -> dict[tuple[str, str], float]:
    posted: dict[tuple[str, str], float] = {}
    for row in sorted(rows, key=lambda row: row.sequence):
        if row.is_posted and row.key is not None:
            posted.setdefault((row.base, row.key), row.time)
    return posted


def _spread(values: Sequence[float]) -> Spread:
    return Spread(percentile(values, 50), percentile(values, 99), len(values))


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Return the smallest value that at least `percent` of all do not exceed; None without values."""
    if not values:
        return None
    rank = -(-len(values) * percent // 100)
    return round(sorted(values)[max(0, int(rank) - 1)], 1)
