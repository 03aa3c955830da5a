"""Buyers in one base: found by INN and KPP, created where there is none, never twice.

Before and after a creation the base is asked, also for what is marked for deletion; between the two nobody else
works on the same INN.
"""

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from esb_adapters.onec.errors import (
    AmbiguousCounterparty,
    DeletedInBase,
    Doubled,
)
from esb_adapters.onec.mapping import Ref
from esb_adapters.onec.memory import Answer
from esb_adapters.onec.protocol import ZERO_REF, cast, guid, text
from esb_adapters.onec.resolve import NOT_MARKED, Directory
from esb_bus.errors import InDoubt, RetryableError
from esb_bus.ports import WriteGuard
from esb_schemas.parties import Party

NAME_LENGTH = 100

Row = Mapping[str, Any]


def choose(found: Sequence[Row], party: Party, base: str) -> Row | None:
    """Return the counterparty that is `party`, None when it has to be created.

    A buyer without KPP is the only one with its INN; one with KPP is the one with this KPP, else the only one
    whose KPP nobody filled in, else a branch that is not there yet.

    Raises:
        Doubled, AmbiguousCounterparty: several fit.
        DeletedInBase: the only one is marked for deletion.
    """
    kpp = party.kpp or ""
    fitting = [row for row in found if not kpp or _kpp(row) == kpp]
    if not fitting:
        fitting = [row for row in found if not _kpp(row)]
    alive = [row for row in fitting if not row["DeletionMark"]]
    if len(alive) > 1:
        error = Doubled if len({_kpp(row) for row in alive}) == 1 else AmbiguousCounterparty
        names = ", ".join(repr(row["Description"]) for row in alive)
        raise error(f"{base} has {len(alive)} counterparties with INN {party.inn} KPP {kpp or '(not given)'}: {names}")
    if alive:
        return alive[0]
    if fitting:
        raise DeletedInBase(
            f"the counterparty with INN {party.inn} KPP {kpp or '(not given)'} is marked for deletion in {base}: "
            "take the mark away there and replay"
        )
    return None


def _kpp(row: Row) -> str:
    return str(row.get("КПП") or "").strip()


class Counterparties:
    """Finds and creates buyers of one base."""

    def __init__(self, directory: Directory, clock: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._client = directory.client
        self._facts = directory.facts.counterparty
        self._clock = clock
        self._doubtful: dict[str, float] = {}
        """What it is → when a creation whose outcome nobody knows must have ended."""

    async def resolve(self, party: Party, guard: WriteGuard) -> Answer:
        """Return `ref` and `partner` of the buyer.

        Raises:
            UnknownCounterparty: a person without INN and no walk-in counterparty in the landscape.
        """
        if party.inn is None:
            return await self._directory.walk_in()
        question = f"counterparty/{party.inn}/{party.kpp or ''}"
        return await self._directory.memory.recall(question) or await self._find_or_create(party, question, guard)

    async def _find_or_create(self, party: Party, question: str, guard: WriteGuard) -> Answer:
        found = await self._look_up(party)
        if found is None:
            async with guard.lock(f"counterparty/{party.inn}"):
                found = await self._look_up(party) or await self._create(party, guard)
        answer = _answer(found)
        await self._directory.memory.keep(question, answer)
        return answer

    async def _look_up(self, party: Party) -> Row | None:
        assert party.inn is not None
        condition = f"ИНН eq {text(party.inn)}"
        found = await self._client.rows(self._facts.entity_set, filter=condition)
        return choose([row for row in found if not row.get("IsFolder")], party, self._directory.name)

    async def _create(self, party: Party, guard: WriteGuard) -> Row:
        async with self._creation(f"counterparty/{party.inn}", guard):
            partner = await self._partner(party, guard)
            guard.before_write(shared=True)
            await self._client.create(self._facts.entity_set, self._counterparty(party, partner))
            found = await self._look_up(party)
            if found is None:
                raise InDoubt(f"the new counterparty with INN {party.inn} is written and not found again")
        return found

    @asynccontextmanager
    async def _creation(self, thing: str, guard: WriteGuard) -> AsyncIterator[None]:
        """Create inside this block, unless another order's creation of the same thing may still commit.

        The guard knows what the process before us may have left under way, `_doubtful` what we have.
        """
        guard.before_write(shared=True)
        left = self._doubtful.get(thing, 0) - self._clock()
        if left > 0:
            raise RetryableError(f"{thing} may still appear in {self._directory.name}", retry_after=left)
        self._doubtful.pop(thing, None)
        try:
            yield
        except InDoubt:
            self._doubtful[thing] = self._clock() + self._directory.base.settle_s
            raise

    def _counterparty(self, party: Party, partner: Ref | None) -> dict[str, Any]:
        facts = self._facts
        made = {
            "Description": party.name[:NAME_LENGTH],
            "НаименованиеПолное": party.name[: facts.full_name_length],
            "ИНН": party.inn,
            "КПП": party.kpp or "",
            **facts.constants,
            **facts.kinds[party.kind],
        }
        if partner is not None:
            made["Партнер_Key"] = partner.ref
        if facts.ogrn and party.ogrn:
            made[facts.ogrn] = party.ogrn
        return made

    async def _partner(self, party: Party, guard: WriteGuard) -> Ref | None:
        """УТ tells the customer («Партнер») from the legal person («Контрагент»); a new one gets both.

        A partner has no INN. One that an interrupted attempt left behind is known by the mark in its comment.
        """
        partner_set = self._facts.partner_set
        if partner_set is None:
            return None
        mark = f"[esb counterparty/{party.inn}/{party.kpp or ''}]"
        name = party.name[:NAME_LENGTH]
        namesakes = await self._client.rows(partner_set, filter=f"Description eq {text(name)} and {NOT_MARKED}")
        for row in namesakes:
            if mark in str(row.get("Комментарий", "")):
                return Ref(partner_set, row["Ref_Key"])
        guard.before_write(shared=True)
        made = await self._client.create(
            partner_set,
            {
                "Description": name,
                "НаименованиеПолное": party.name[: self._facts.full_name_length],
                "Клиент": True,
                "Комментарий": mark,
                **self._facts.partner_kinds[party.kind],
            },
        )
        return Ref(partner_set, made["Ref_Key"])

    async def contract(self, counterparty: Ref, organisation: Ref, currency: Ref, guard: WriteGuard) -> Ref | None:
        """Return the buyer's sales contract with the organisation, created where there is none."""
        facts = self._directory.facts.contract
        if facts is None:
            return None
        question = f"contract/{counterparty.ref}/{organisation.ref}/{currency.ref}"
        recall, keep = self._directory.memory.recall, self._directory.memory.keep
        known = await recall(question)
        if known is None:
            async with guard.lock(f"contract/{counterparty.ref}"):
                # Asked again: a list may not show yet what another order has just created.
                known = await recall(question)
                if known is None:
                    ref = await self._look_up_contract(counterparty, organisation, currency)
                    known = {"ref": ref or await self._create_contract(counterparty, organisation, currency, guard)}
                    await keep(question, known)
        return Ref(facts.entity_set, known["ref"])

    async def _look_up_contract(self, counterparty: Ref, organisation: Ref, currency: Ref) -> str | None:
        """Several are usual: the first by code is the one people call the main contract."""
        facts = self._directory.facts.contract
        assert facts is not None
        owner = (
            f"Owner eq {cast(counterparty.ref, counterparty.entity_set)}"
            if facts.owner_is_composite
            else f"Owner_Key eq {guid(counterparty.ref)}"
        )
        condition = (
            f"{owner} and {facts.organisation} eq {guid(organisation.ref)} and "
            f"{facts.currency} eq {guid(currency.ref)} and {facts.search} and {NOT_MARKED}"
        )
        found = await self._client.rows(facts.entity_set, filter=condition)
        codes = sorted((str(row["Code"]), str(row["Ref_Key"])) for row in found)
        return codes[0][1] if codes else None

    async def _create_contract(self, counterparty: Ref, organisation: Ref, currency: Ref, guard: WriteGuard) -> str:
        facts = self._directory.facts.contract
        assert facts is not None
        owner = (
            {"Owner": counterparty.ref, "Owner_Type": f"StandardODATA.{counterparty.entity_set}"}
            if facts.owner_is_composite
            else {"Owner_Key": counterparty.ref}
        )
        async with self._creation(f"contract/{counterparty.ref}", guard):
            made = await self._client.create(
                facts.entity_set,
                {
                    "Description": "Основной договор",
                    facts.organisation: organisation.ref,
                    facts.currency: currency.ref,
                    **owner,
                    **facts.constants,
                },
            )
        return str(made["Ref_Key"])


def _answer(row: Row) -> Answer:
    return {"ref": row["Ref_Key"], "partner": row.get("Партнер_Key", ZERO_REF)}
