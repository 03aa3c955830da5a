"""Brings orders, invoices and payments to one 1C base: look up, create, post, look again."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, assert_never

from esb_adapters.onec.client import ODataClient
from esb_adapters.onec.configurations import DocumentFacts
from esb_adapters.onec.contents import Contents
from esb_adapters.onec.errors import DocumentNotVisible, EditedInBase, NumberTaken, PostingRefused
from esb_adapters.onec.lookup import COMMENT, Documents, Found, Search, shown
from esb_adapters.onec.mapping import Content, new_object
from esb_adapters.onec.owned import header_change, lines_change, owned_of_content, owned_of_object
from esb_adapters.onec.protocol import moment
from esb_adapters.onec.stamp import Hashes, Stamp, write_stamp
from esb_adapters.onec.verdicts import BOTH, Edited, Keep, Part, Stale, Write, judge
from esb_bus.errors import InDoubt
from esb_bus.landscape import OneCBase
from esb_bus.ports import Delivered, WriteGuard
from esb_schemas.documents import CustomerInvoice, CustomerOrder, Document
from esb_schemas.envelope import new_event
from esb_schemas.orders import DocumentRef, OrderAccepted
from esb_schemas.payments import InvoiceIssued
from esb_schemas.registry import AnyEnvelope

FENCED_WAIT_S = 1.0
"""A base that refuses a second number needs no settle time; this only keeps us from asking while it still writes."""


@dataclass(frozen=True, slots=True)
class Work:
    """One document on its way: what it is, and what it shall contain."""

    document: Document
    facts: DocumentFacts
    content: Content

    @property
    def shall_be_posted(self) -> bool:
        return not (self.facts.unposted_when_cancelled and self.content.is_cancelled)

    def stamp(self) -> Stamp:
        hashes = owned_of_content(self.content, self.facts).hashes
        return Stamp(self.document.key, self.document.version, hashes)


class OneCSender:
    """Sender (see `esb_bus.ports`) for one base."""

    def __init__(
        self, name: str, base: OneCBase, client: ODataClient, documents: Documents, contents: Contents
    ) -> None:
        self._name = name
        self._base = base
        self._client = client
        self._documents = documents
        self._contents = contents

    async def probe(self) -> None:
        await self._client.rows("Catalog_Организации", top="1", select="Ref_Key")

    async def deliver(self, document: Document, guard: WriteGuard) -> Delivered:
        facts = self._contents.facts(document)
        search = await self._documents.find(facts, document.key)
        if search.found is not None and search.found.stamp.version > document.version:
            return Delivered("stale")
        if search.found is None and self._contents.is_cancellation(document):
            return Delivered("ignored")
        work = Work(document, facts, await self._contents.of(document, guard))
        if search.found is None:
            return await self._create(work, search, guard)
        return await self._update(work, search.found, guard)

    async def _create(self, work: Work, search: Search, guard: WriteGuard) -> Delivered:
        number = {"Number": search.free_number} if search.free_number else {}
        values = {
            **new_object(work.content, work.facts),
            **number,
            COMMENT: write_stamp(work.stamp(), work.content.note),
        }
        guard.before_write(fenced=self._documents.is_fenced(work.facts))
        try:
            made = await self._client.create(work.facts.entity_set, values)
        except NumberTaken:
            return await self._after_collision(work, search.free_number, guard)
        except InDoubt as error:
            raise self._doubt(work, str(error)) from error
        await self._restamp_if_altered(work, made, BOTH, guard)
        return await self._post_and_verify(work, str(made["Ref_Key"]), "created", guard)

    def _doubt(self, work: Work, message: str) -> InDoubt:
        return InDoubt(message, wait_s=FENCED_WAIT_S if self._documents.is_fenced(work.facts) else None)

    async def _after_collision(self, work: Work, tried: str | None, guard: WriteGuard) -> Delivered:
        """The number is taken: by an earlier attempt of ours that committed late, or by another document."""
        search = await self._documents.find(work.facts, work.document.key)
        if search.found is not None:
            return await self._update(work, search.found, guard)
        if search.free_number not in {None, tried}:
            return await self._create(work, search, guard)
        raise DocumentNotVisible(f"{work.facts.title}: the base refuses the number and does not show who has it")

    async def _restamp_if_altered(
        self, work: Work, stored: Mapping[str, Any], parts: frozenset[Part], guard: WriteGuard
    ) -> None:
        """Code of the base may change the parts we wrote; the stamp must tell that from a person's edit."""
        wanted = owned_of_content(work.content, work.facts)
        held, meant = owned_of_object(stored, wanted, work.facts).hashes, wanted.hashes
        true = Hashes(
            header=held.header if "header" in parts else meant.header,
            lines=held.lines if "lines" in parts else meant.lines,
        )
        if true == meant:
            return
        guard.before_write()
        comment = write_stamp(Stamp(work.document.key, work.document.version, true), str(stored.get(COMMENT) or ""))
        await self._client.update(work.facts.entity_set, str(stored["Ref_Key"]), {COMMENT: comment})

    async def _update(self, work: Work, found: Found, guard: WriteGuard) -> Delivered:
        wanted = owned_of_content(work.content, work.facts)
        held = owned_of_object(found.row, wanted, work.facts)
        is_settled = bool(found.row["Posted"]) == work.shall_be_posted
        match judge(found.stamp, work.document.version, wanted, held, is_posted=is_settled):
            case Stale():
                return Delivered("stale")
            case Edited(parts):
                raise EditedInBase(
                    f"{shown(found.row, work.facts)} of {self._name}: a person has changed its "
                    f"{' and '.join(sorted(parts))} since version {found.stamp.version}, and version "
                    f"{work.document.version} would overwrite that: settle it in 1C, then drop or replay"
                )
            case Keep(should_post=False):
                return Delivered("unchanged", self._outcome(work, found.row))
            case Keep():
                return await self._post_and_verify(work, found.ref, "unchanged", guard)
            case Write(parts):
                changes: dict[str, Any] = {}
                if "header" in parts:
                    changes |= header_change(work.content, wanted, held, work.facts)
                if "lines" in parts:
                    changes |= lines_change(work.content, wanted, found.row, work.facts)
                return await self._write(work, found, changes, parts, guard)
            case other:
                assert_never(other)

    async def _write(
        self, work: Work, found: Found, changes: dict[str, Any], parts: frozenset[Part], guard: WriteGuard
    ) -> Delivered:
        changes[COMMENT] = write_stamp(work.stamp(), str(found.row.get(COMMENT) or ""))
        guard.before_write()
        stored = await self._client.update(work.facts.entity_set, found.ref, changes)
        await self._restamp_if_altered(work, stored, parts, guard)
        return await self._post_and_verify(work, found.ref, "updated", guard)

    async def _post_and_verify(self, work: Work, ref: str, outcome: Any, guard: WriteGuard) -> Delivered:
        """Post as a step of its own, then look again: there must be one document, in the wanted state."""
        guard.before_write(fenced=True)
        if work.shall_be_posted:
            await self._client.post_document(work.facts.entity_set, ref)
        else:
            await self._client.unpost_document(work.facts.entity_set, ref)
        found = (await self._documents.find(work.facts, work.document.key)).found
        if found is None:
            raise self._doubt(work, f"{work.facts.title} {work.document.key}: written and not found again")
        if bool(found.row["Posted"]) != work.shall_be_posted:
            raise PostingRefused(
                f"{shown(found.row, work.facts)} of {self._name} is not posted although the base did not refuse: "
                "open it in 1C and post it there"
            )
        return Delivered(outcome, self._outcome(work, found.row))

    def _outcome(self, work: Work, row: Mapping[str, Any]) -> tuple[AnyEnvelope, ...]:
        """The answer to the source. The same state gives the same event, so a repeat is harmless."""
        document = work.document
        if work.content.is_cancelled:
            return ()
        total = Decimal(str(work.content.header["total"]))
        held = self._reference(work.facts, row)
        content = document.content
        fact: OrderAccepted | InvoiceIssued
        if isinstance(content, CustomerOrder):
            fact = OrderAccepted(
                legal_entity=document.legalentity, order_key=content.order.order_key, document=held, total=total
            )
        elif isinstance(content, CustomerInvoice):
            fact = InvoiceIssued(
                legal_entity=document.legalentity,
                invoice_key=content.invoice_key,
                order_key=content.order.order_key,
                document=held,
                total=total,
            )
        else:
            return ()
        return (
            new_event(
                fact,
                endpoint=self._name,
                objectkey=document.key,
                dataversion=document.version,
                thread=document.thread,
                correlationid=document.correlationid,
                causationid=document.event_id,
            ),
        )

    def _reference(self, facts: DocumentFacts, row: Mapping[str, Any]) -> DocumentRef:
        return DocumentRef(
            endpoint=self._name,
            kind=facts.title,
            ref=str(row["Ref_Key"]),
            number=str(row["Number"]).strip(),
            date=moment(str(row["Date"]), self._base.timezone),
            is_posted=bool(row["Posted"]),
        )
