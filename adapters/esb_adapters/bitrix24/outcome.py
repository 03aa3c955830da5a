"""Outcomes and payments → what to change in a deal. Pure.

The field «versions» of the deal holds, as JSON, what was written last for each subject ("order", "refused",
"invoice", "paid"): the version it had, the event it came from and its text. So the deal itself says what is stale, and
the status a manager reads is put together from all subjects, whatever came last.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final, Literal

from pydantic import BaseModel, TypeAdapter, ValidationError

from esb_adapters.bitrix24.mapping import field_name
from esb_adapters.bitrix24.shapes import Deal
from esb_bus.landscape import Bitrix24Portal
from esb_schemas.documents import DealOutcome, DealPayment, Document

Subject = Literal["order", "refused", "invoice", "paid"]
SUBJECTS: Final[Mapping[str, Subject]] = {"accepted": "order", "refused": "refused", "invoiced": "invoice"}
SHOWN: Final[tuple[Subject, ...]] = ("refused", "order", "invoice")
"""Subjects of the status, in the order a manager reads them: first what he has to act on."""
MAX_STATUS: Final = 1000


class Entry(BaseModel):
    """What was written last about one subject; `v` is comparable only with other versions of the same subject."""

    v: int
    by: str
    text: str


Entries = dict[Subject, Entry]
_entries = TypeAdapter(Entries)


@dataclass(frozen=True, slots=True)
class Change:
    """What a document changes.

    Attributes:
        fields: deal fields to write, by the portal's names; empty when the deal says all of it already.
        comment: text for the timeline.
        is_repeat: this very document was written before, its comment may be missing.
    """

    fields: Mapping[str, str]
    comment: str
    is_repeat: bool = False


def read_entries(text: str) -> Entries:
    """Read the field «versions»; what a person made of it by hand counts as empty."""
    try:
        return _entries.validate_json(text or "{}")
    except ValidationError:
        return {}


def write_entries(entries: Entries) -> str:
    wire = {subject: entry.model_dump() for subject, entry in sorted(entries.items())}
    return json.dumps(wire, ensure_ascii=False, separators=(",", ":"))


def change_of(
    document: Document, content: DealOutcome | DealPayment, deal: Deal, portal: Bitrix24Portal
) -> Change | None:
    """Return what to do with the deal, None when it already holds something newer."""
    if isinstance(content, DealPayment):
        return _payment(document, content, deal, portal)
    return _outcome(document, content, deal, portal)


def _outcome(document: Document, content: DealOutcome, deal: Deal, portal: Bitrix24Portal) -> Change | None:
    entries = read_entries(deal.field(field_name(portal, "versions")))
    subject = SUBJECTS[content.status]
    last = entries.get(subject)
    # Acceptance and refusal are not compared: the version of a refusal may be the clock of the bus. Their order is that
    # of the thread.
    if last is not None and last.v > document.version:
        return None
    text = outcome_text(content)
    entry = Entry(v=document.version, by=document.event_id, text=text)
    after: Entries = {**entries, subject: entry}
    if subject == "order":
        after.pop("refused", None)
    wanted = {field_name(portal, "status"): status_text(after)}
    if content.status == "accepted" and content.document is not None:
        wanted[field_name(portal, "number")] = content.document.number
    return _change(deal, wanted, last, after, subject, portal)


def _payment(document: Document, content: DealPayment, deal: Deal, portal: Bitrix24Portal) -> Change | None:
    entries = read_entries(deal.field(field_name(portal, "versions")))
    last = entries.get("paid")
    as_of = int(content.as_of.timestamp() * 1000)
    if last is not None and last.v > as_of:
        return None
    currency = deal.currency_id or "RUB"
    total = deal.opportunity if content.order_total is None else content.order_total
    debt = total - content.paid_total
    wanted = {
        field_name(portal, "paid"): money(content.paid_total, currency),
        field_name(portal, "debt"): money(debt, currency),
    }
    text = payment_text(content, debt, currency)
    after: Entries = {**entries, "paid": Entry(v=as_of, by=document.event_id, text=text)}
    # The date follows the money: the same total read again later must not move it between two payments.
    follows = {field_name(portal, "paid_at"): content.paid_at.isoformat()}
    return _change(deal, wanted, last, after, "paid", portal, follows)


def _change(
    deal: Deal,
    wanted: Mapping[str, str],
    last: Entry | None,
    after: Entries,
    subject: Subject,
    portal: Bitrix24Portal,
    follows: Mapping[str, str] | None = None,
) -> Change:
    """Write only what differs; the stamp of a newer version alone is no reason to write, or echoes would never end."""
    entry = after[subject]
    different = {name: value for name, value in wanted.items() if not is_same(deal.field(name), value)}
    is_repeat = last is not None and last.by == entry.by
    if not different:
        return Change({}, entry.text, is_repeat)
    stamp = {field_name(portal, "versions"): write_entries(after)}
    return Change({**different, **(follows or {}), **stamp}, entry.text, is_repeat)


def is_same(current: str, wanted: str) -> bool:
    """Compare what the portal shows with what we would write: money by amount, text without regard to blanks."""
    return _comparable(current) == _comparable(wanted)


def _comparable(text: str) -> object:
    amount, separator, currency = text.partition("|")
    if separator:
        try:
            return Decimal(amount), currency
        except InvalidOperation:
            return text
    return " ".join(text.split())


def money(amount: Decimal, currency: str) -> str:
    """Write a value of a money field: `1500.50|RUB`."""
    return f"{amount:.2f}|{currency}"


def outcome_text(content: DealOutcome) -> str:
    """Say in a manager's words what became of the order."""
    document = content.document
    if content.status == "refused" or document is None:
        return f"Не принят в 1С: {content.reason or 'причина не указана'}"[:MAX_STATUS]
    dated = f" от {document.date:%d.%m.%Y}" if document.date else ""
    summed = f" на сумму {content.total:.2f}" if content.total is not None else ""
    verb = "Принят в 1С" if content.status == "accepted" else "Выставлен счёт"
    return f"{verb}: № {document.number}{dated}{summed}"


def payment_text(content: DealPayment, debt: Decimal, currency: str) -> str:
    paid = f"Оплата {content.amount:.2f} {currency} от {content.paid_at:%d.%m.%Y}, № {content.document.number}"
    return f"{paid}. Всего оплачено {content.paid_total:.2f}, долг {debt:.2f}"


def status_text(entries: Entries) -> str:
    return "; ".join(entries[subject].text for subject in SHOWN if subject in entries)[:MAX_STATUS]


def comment_text(change: Change, event_id: str) -> str:
    """Text of the timeline comment; the last line is what it is found again by."""
    return f"{change.comment}\n{marker(event_id)}"


def marker(event_id: str) -> str:
    return f"esb {event_id}"
