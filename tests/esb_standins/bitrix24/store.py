"""The portal's objects: kept in memory for reading, written through to SQLite with their ledger row."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from esb_standins.storage import LedgerEntry, append_ledger, open_database, read_ledger, transaction

Record = dict[str, Any]

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS objects (kind TEXT, id INTEGER, data TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sequences (kind TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
"""
INDEXED: Final = {
    "deal": ("ORIGIN_ID", "COMPANY_ID"),
    "company": ("ORIGIN_ID",),
    "contact": ("ORIGIN_ID",),
    "invoice": ("XML_ID", "ACCOUNT_NUMBER", "PARENT_ID_2"),
    "requisite": ("RQ_INN", "ENTITY_ID", "XML_ID"),
    "row": ("OWNER",),
    "requisitelink": ("ENTITY_ID",),
    "timeline": ("ENTITY_ID",),
    "status": ("STATUS_ID", "ENTITY_ID"),
    "product": ("XML_ID",),
}
_CONTENT_IGNORES: Final = frozenset({"DATE_MODIFY", "LAST_ACTIVITY_TIME"})


class Store:
    """Objects by kind and id. Every change happens inside `writing()` and leaves a ledger row."""

    def __init__(self, path: Path, endpoint: str) -> None:
        self._db: sqlite3.Connection = open_database(path, _SCHEMA)
        self._endpoint = endpoint
        self._depth = 0
        self._load()

    def close(self) -> None:
        self._db.close()

    def all(self, kind: str) -> Mapping[int, Record]:
        return self._objects.get(kind, {})

    def get(self, kind: str, number: int | None) -> Record | None:
        return None if number is None else self._objects.get(kind, {}).get(number)

    def lookup(self, kind: str, field: str, value: Any) -> list[Record]:
        """Return the objects whose indexed field equals `value` (text without regard to case), by id."""
        numbers = self._indexes.get((kind, field), {}).get(_index_key(value), ())
        return [self._objects[kind][number] for number in sorted(numbers)]

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Commit everything inside or nothing; the outermost block is the transaction."""
        if self._depth:
            yield
            return
        self._depth += 1
        try:
            with transaction(self._db):
                yield
        except BaseException:
            self._load()
            raise
        finally:
            self._depth -= 1

    def next_id(self, kind: str) -> int:
        last = self._last.get(kind, 0) + 1
        self._remember_last(kind, last)
        return last

    def put(self, kind: str, record: Record, action: str, fields: Mapping[str, Any] | None = None) -> None:
        """Insert or replace an object. `fields` is what the request wrote, for the ledger."""
        number = int(record["ID"])
        self._remember_last(kind, max(number, self._last.get(kind, 0)))
        self._db.execute("REPLACE INTO objects VALUES (?, ?, ?)", (kind, number, _json(record)))
        self._forget(kind, number)
        self._keep(kind, number, record)
        append_ledger(self._db, self._endpoint, _entry(action, kind, record, fields or {}))

    def delete(self, kind: str, number: int) -> None:
        record = self._objects[kind][number]
        self._db.execute("DELETE FROM objects WHERE kind = ? AND id = ?", (kind, number))
        self._forget(kind, number)
        append_ledger(self._db, self._endpoint, _entry("delete", kind, record, {}))

    def ledger(self, after: int, limit: int) -> list[dict[str, Any]]:
        return read_ledger(self._db, after, limit)

    def _load(self) -> None:
        self._objects: dict[str, dict[int, Record]] = {}
        self._indexes: dict[tuple[str, str], dict[str, set[int]]] = {}
        self._last: dict[str, int] = dict(self._db.execute("SELECT kind, last FROM sequences").fetchall())
        for kind, number, data in self._db.execute("SELECT kind, id, data FROM objects ORDER BY kind, id"):
            self._keep(kind, number, json.loads(data))

    def _remember_last(self, kind: str, last: int) -> None:
        self._last[kind] = last
        self._db.execute("REPLACE INTO sequences VALUES (?, ?)", (kind, last))

    def _keep(self, kind: str, number: int, record: Record) -> None:
        self._objects.setdefault(kind, {})[number] = record
        for field in INDEXED.get(kind, ()):
            self._indexes.setdefault((kind, field), {}).setdefault(_index_key(record.get(field)), set()).add(number)

    def _forget(self, kind: str, number: int) -> None:
        old = self._objects.get(kind, {}).pop(number, None)
        for field in INDEXED.get(kind, ()) if old else ():
            self._indexes[kind, field][_index_key((old or {}).get(field))].discard(number)


def _index_key(value: Any) -> str:
    return "" if value is None else str(value).casefold()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _entry(action: str, kind: str, record: Record, fields: Mapping[str, Any]) -> LedgerEntry:
    content = {name: value for name, value in record.items() if name not in _CONTENT_IGNORES}
    seller = record.get("UF_CRM_SELLER")
    return LedgerEntry(
        action=action,
        set=kind,
        ref=str(record["ID"]),
        sha256=hashlib.sha256(_json(content).encode()).hexdigest(),
        number=record.get("UF_CRM_ESB_NUMBER") or record.get("ACCOUNT_NUMBER"),
        date=record.get("DATE_MODIFY") or record.get("CREATED"),
        key=_key(record),
        version=_version(record),
        organisation=None if seller is None else str(seller),
        fields=fields,
    )


def _key(record: Record) -> str | None:
    """Return the external key: `ORIGINATOR_ID/ORIGIN_ID`, or the XML_ID of objects that have no origin."""
    if record.get("ORIGIN_ID"):
        return f"{record.get('ORIGINATOR_ID') or ''}/{record['ORIGIN_ID']}"
    return record.get("XML_ID") or None


def _version(record: Record) -> int | None:
    text = str(record.get("ORIGIN_VERSION") or "")
    return int(text) if text.isdigit() else None
