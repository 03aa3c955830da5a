"""What a base does with objects: create, update, post, list, hand out changes.

Every write is one transaction: the object, the change registration and the ledger row. Nothing here awaits.
"""

import base64
import struct
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from esb_standins.faults import FaultBox
from esb_standins.onec import changes
from esb_standins.onec.entity import (
    Entity,
    applied,
    blank,
    digest,
    organisation_of,
    presentation,
    recognised,
    tag_of,
    without_values,
)
from esb_standins.onec.errors import (
    ODataError,
    bad_filter,
    lock_conflict,
    no_instance,
    no_set,
    not_posted,
    not_unique,
    not_written,
    period_closed,
)
from esb_standins.onec.evaluate import Evaluator, candidates, earliest_date
from esb_standins.onec.filters import Node
from esb_standins.onec.numbering import following, pattern_of, period_of, prefix_of
from esb_standins.onec.options import BaseOptions
from esb_standins.onec.profile import EMPTY_DATE, ZERO_GUID, EntitySet, Profile, exchange_plan
from esb_standins.onec.rules import PLAN, PLAN_TITLE, RULES
from esb_standins.onec.store import Record, Store
from esb_standins.storage import LedgerEntry, append_ledger, transaction

Clock = Callable[[], float]
_PLAN_SET: Final = exchange_plan(PLAN, PLAN_TITLE)


class Service:
    """One base."""

    def __init__(
        self,
        name: str,
        profile: Profile,
        options: BaseOptions,
        store: Store,
        faults: FaultBox,
        clock: Clock = time.time,
    ) -> None:
        self.profile = profile
        self.sets = {**profile.sets, PLAN: _PLAN_SET}
        self._name = name
        self._options = options
        self._rules = RULES[profile.name]
        self._store = store
        self._faults = faults
        self._clock = clock
        with transaction(store.db):
            changes.create_nodes(store.db, name)

    def entity_set(self, name: str) -> EntitySet:
        """Raises ODataError 404/8 for a set that is not published."""
        if name not in self.sets:
            raise no_set(name)
        return self.sets[name]

    def get(self, set_name: str, ref: str) -> Entity:
        """Return one object. Raises ODataError 404/9."""
        entity_set = self.entity_set(set_name)
        if entity_set is _PLAN_SET:
            found = next((node for node in self._nodes() if node["Ref_Key"] == ref), None)
        else:
            record = self._store.get(set_name, ref)
            found = record.entity if record else None
        if found is None:
            raise no_instance(set_name)
        return found

    def find(self, set_name: str, condition: Node | None) -> list[Entity]:
        """Return every object that matches, in the order of creation."""
        entity_set = self.entity_set(set_name)
        if condition is None:
            return list(self._candidates(entity_set, None))
        evaluator = self._evaluator(entity_set)
        evaluator.check(condition)
        try:
            return [item for item in self._candidates(entity_set, condition) if evaluator.matches(condition, item)]
        except RecursionError as error:
            raise bad_filter() from error

    def presented(self, set_name: str, ref: str) -> str:
        """Return the presentation of an object that may not exist."""
        record = self._store.get(set_name, ref) if set_name in self.sets else None
        return presentation(record.entity, self.sets[set_name]) if record else ""

    def plant(self, set_name: str, ref: str, body: Mapping[str, Any]) -> bool:
        """Put an object that was there before anybody looked: no ledger row, no change registered.

        Returns False when it is there already. Raises ValueError for a name the set does not have.
        """
        entity_set = self._writable(set_name)
        if self._store.get(set_name, ref):
            return False
        unknown = set(body) - set(recognised(entity_set, body)) - {"PredefinedDataName"}
        if unknown:
            raise ValueError(f"{set_name} has no {sorted(unknown)}")
        entity = applied(blank(entity_set, ref), entity_set, body, self.profile.enums)
        if "PredefinedDataName" in body:
            entity |= {"Predefined": True, "PredefinedDataName": body["PredefinedDataName"]}
        record = _numbered_record(entity_set, self._numbered(entity_set, entity), Record(set_name, entity, 0))
        with transaction(self._store.db):
            self._store.put(record)
        return True

    def create(self, set_name: str, body: Mapping[str, Any]) -> Entity:
        entity_set = self._writable(set_name)
        self._faulty_write("POST", set_name)
        entity = applied(blank(entity_set, str(uuid.uuid4())), entity_set, body, self.profile.enums)
        if entity_set.is_document and entity["Date"] == EMPTY_DATE:
            entity["Date"] = self.local_now()
        entity = self._numbered(entity_set, self._handled(entity_set, entity))
        self._check_period(entity_set, entity)
        late = self._faults.pick(("late_search",), "POST", set_name)
        visible_from = self._clock() + late.delay if late else 0.0
        return self._commit("create", entity_set, Record(set_name, entity, 0, visible_from=visible_from), body)

    def update(self, set_name: str, ref: str, body: Mapping[str, Any], if_match: str | None = None) -> Entity:
        entity_set = self._writable(set_name)
        old = self._record(set_name, ref)
        if self._options.if_match and if_match not in {None, "*", old.entity["DataVersion"]}:
            raise ODataError(412, "-1", "Версия данных не совпадает")
        self._faulty_write("PATCH", set_name, str(old.entity.get("Number", "")))
        self._check_period(entity_set, old.entity)
        entity = applied(old.entity, entity_set, body, self.profile.enums)
        if entity["DeletionMark"] and entity.get("Posted"):
            raise not_written(presentation(entity, entity_set))
        entity = self._numbered(entity_set, self._handled(entity_set, entity))
        self._check_period(entity_set, entity)
        marks = entity["DeletionMark"] and not old.entity["DeletionMark"]
        return self._commit("mark" if marks else "update", entity_set, _next(old, entity), body)

    def post(self, set_name: str, ref: str) -> Entity:
        entity_set, old = self._document(set_name, ref)
        number = str(old.entity["Number"])
        self._faulty_write("POST", set_name, number)
        shown = presentation(old.entity, entity_set)
        if self._faults.pick(("posting_refused",), "POST", set_name, number):
            raise not_posted(shown)
        self._check_period(entity_set, old.entity)
        if old.entity["DeletionMark"] or self._lacks(set_name, old.entity):
            raise not_posted(shown)
        return self._commit("post", entity_set, _next(old, old.entity | {"Posted": True}), {})

    def unpost(self, set_name: str, ref: str) -> Entity:
        entity_set, old = self._document(set_name, ref)
        self._faulty_write("POST", set_name, str(old.entity["Number"]))
        self._check_period(entity_set, old.entity)
        return self._commit("unpost", entity_set, _next(old, old.entity | {"Posted": False}), {})

    def select_changes(self, plan: str, node: str, message_no: int) -> list[tuple[str, Entity]]:
        """Return the current state of everything the node has not acknowledged. Raises ODataError 404/9."""
        self._known_node(plan, node)
        with transaction(self._store.db):
            found = changes.select(self._store.db, plan, node, message_no)
        records = [self._store.get(set_name, ref) for set_name, ref in found]
        return [(record.set, record.entity) for record in records if record]

    def notify_received(self, plan: str, node: str, message_no: int) -> None:
        self._known_node(plan, node)
        with transaction(self._store.db):
            changes.forget(self._store.db, plan, node, message_no)

    def local_now(self) -> str:
        """Return the server's wall clock, as dates are stored."""
        return datetime.fromtimestamp(self._clock(), self._options.zone).strftime("%Y-%m-%dT%H:%M:%S")

    def _candidates(self, entity_set: EntitySet, condition: Node | None) -> Iterable[Entity]:
        if entity_set is _PLAN_SET:
            return self._nodes()
        hint = candidates(condition)
        if hint:
            return self._store.found_by(entity_set.name, *hint, self._clock())
        since = earliest_date(condition) if entity_set.is_document else None
        return self._store.all(entity_set.name, self._clock(), since=since)

    def _evaluator(self, entity_set: EntitySet) -> Evaluator:
        def lookup(set_name: str, ref: str) -> Entity | None:
            record = self._store.get(set_name, ref)
            return record.entity if record else None

        return Evaluator(self.sets, entity_set, lookup, substring_of_unlimited=self._options.substring_of_unlimited)

    def _nodes(self) -> list[Entity]:
        return [
            blank(_PLAN_SET, row["ref"])
            | {
                "DataVersion": data_version(row["received_no"]),
                "Code": row["code"],
                "Description": self._name if row["this_node"] else PLAN_TITLE,
                "SentNo": str(row["sent_no"]),
                "ReceivedNo": str(row["received_no"]),
                "ThisNode": bool(row["this_node"]),
            }
            for row in changes.nodes(self._store.db, PLAN)
        ]

    def _known_node(self, plan: str, node: str) -> None:
        self.entity_set(plan)
        if node not in {row["ref"] for row in changes.nodes(self._store.db, plan) if not row["this_node"]}:
            raise no_instance(plan)

    def _writable(self, set_name: str) -> EntitySet:
        entity_set = self.entity_set(set_name)
        if entity_set is _PLAN_SET:
            raise not_written(PLAN_TITLE)
        return entity_set

    def _record(self, set_name: str, ref: str) -> Record:
        record = self._store.get(set_name, ref)
        if record is None:
            raise no_instance(set_name)
        return record

    def _document(self, set_name: str, ref: str) -> tuple[EntitySet, Record]:
        entity_set = self.entity_set(set_name)
        if not entity_set.is_document:
            raise ODataError(400, "11", "Метод не найден")
        return entity_set, self._record(set_name, ref)

    def _faulty_write(self, method: str, set_name: str, number: str | None = None) -> None:
        if self._faults.pick(("lock_conflict",), method, set_name, number):
            raise lock_conflict()

    def _check_period(self, entity_set: EntitySet, entity: Entity) -> None:
        """Refuse documents of a closed period. The fault closes every day up to now, the option up to its date."""
        if not entity_set.is_document:
            return
        fault = self._faults.pick(("period_closed",), "PATCH", entity_set.name, str(entity["Number"]))
        until = (fault.until or self.local_now()[:10]) if fault else self._options.prohibition_date
        if until and str(entity["Date"])[:10] <= until:
            year, month, day = until.split("-")
            raise period_closed(f"{day}.{month}.{year}", entity_set.title)

    def _handled(self, entity_set: EntitySet, entity: Entity) -> Entity:
        """Do what the configuration's own handler does before a write: «ВидОперации» empties some sections."""
        rule = self._rules.clears.get(entity_set.name)
        return without_values(entity, rule[1].get(entity[rule[0]], ())) if rule else entity

    def _numbered(self, entity_set: EntitySet, entity: Entity) -> Entity:
        """Give a number or code where none was sent, and refuse one that is taken."""
        numbering = entity_set.numbering
        if numbering is None:
            return entity
        period = period_of(entity, numbering)
        given = str(entity[numbering.field]).strip()
        if not given:
            return (
                entity | {numbering.field: self._free_number(entity_set, entity, period)} if numbering.auto else entity
            )
        checked = numbering.unique and self._options.number_uniqueness and not self._faults.get("number_uniqueness_off")
        if checked and self._store.is_taken(entity_set.name, given, period, entity["Ref_Key"]):
            raise not_unique(presentation(entity, entity_set), "Номер" if entity_set.is_document else "Код")
        return entity

    def _free_number(self, entity_set: EntitySet, entity: Entity, period: str) -> str:
        numbering = entity_set.numbering
        assert numbering is not None
        prefix = prefix_of(entity_set, self._organisation_prefix(entity), self._base_prefix)
        highest = self._store.highest_number(entity_set.name, period, pattern_of(prefix, numbering.length))
        return following(highest, prefix, numbering.length)

    @property
    def _base_prefix(self) -> str:
        return self._options.base_prefix or self._rules.base_prefix

    def _organisation_prefix(self, entity: Entity) -> str:
        record = self._store.get("Catalog_Организации", entity.get("Организация_Key", ZERO_GUID))
        return str(record.entity.get("Префикс", "")) if record else ""

    def _lacks(self, set_name: str, entity: Entity) -> bool:
        """True when posting code would stumble over something that is not filled."""
        needed = self._rules.posting_needs.get(set_name, ())
        return any(entity.get(name) in (ZERO_GUID, "", [], None) for name in needed)

    def _commit(self, action: str, entity_set: EntitySet, record: Record, body: Mapping[str, Any]) -> Entity:
        saved = _numbered_record(entity_set, record.entity, record)
        entity = saved.entity
        with transaction(self._store.db):
            self._store.put(saved)
            changes.register(self._store.db, record.set, saved.ref, self._rules.in_plan)
            append_ledger(self._store.db, self._name, _ledger_entry(action, entity_set, entity, body))
        return entity


def data_version(counter: int) -> str:
    """Return the counter as 1C shows it: Base64 of four big-endian bytes and four zeros."""
    return base64.b64encode(struct.pack(">II", counter, 0)).decode()


def _numbered_record(entity_set: EntitySet, entity: Entity, record: Record) -> Record:
    """Return the record as it is stored: version counter shown, number and its period beside the content."""
    numbering = entity_set.numbering
    return Record(
        set=record.set,
        entity=entity | {"DataVersion": data_version(record.version)},
        version=record.version,
        number=str(entity[numbering.field]).strip() if numbering else "",
        period=period_of(entity, numbering) if numbering else "",
        visible_from=record.visible_from,
    )


def _next(old: Record, entity: Entity) -> Record:
    return Record(old.set, entity, old.version + 1, visible_from=old.visible_from)


def _ledger_entry(action: str, entity_set: EntitySet, entity: Entity, body: Mapping[str, Any]) -> LedgerEntry:
    key, version = tag_of(entity)
    numbering = entity_set.numbering
    return LedgerEntry(
        action=action,
        set=entity_set.name,
        ref=entity["Ref_Key"],
        sha256=digest(entity),
        number=entity[numbering.field] if numbering else None,
        date=entity.get("Date"),
        key=key,
        version=version,
        organisation=organisation_of(entity),
        deletion_mark=entity["DeletionMark"],
        posted=bool(entity.get("Posted")),
        fields=recognised(entity_set, body),
    )
