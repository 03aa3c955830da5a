"""The objects of one base in SQLite.

Every object is one row with its whole content; `lookup` repeats the few values that clients search by, so that
finding an order by its number or a counterparty by its ИНН never scans.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from esb_standins.onec.entity import Entity
from esb_standins.onec.evaluate import EMPTY, INDEXED
from esb_standins.onec.values import folded
from esb_standins.storage import open_database

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS objects (
    id INTEGER PRIMARY KEY,
    "set" TEXT NOT NULL,
    ref TEXT NOT NULL,
    number TEXT NOT NULL,
    period TEXT NOT NULL,
    date TEXT NOT NULL,
    version INTEGER NOT NULL,
    visible_from REAL NOT NULL,
    data BLOB NOT NULL,
    UNIQUE ("set", ref)
);
CREATE INDEX IF NOT EXISTS objects_number ON objects ("set", number, period);
CREATE INDEX IF NOT EXISTS objects_date ON objects ("set", date);
CREATE TABLE IF NOT EXISTS lookup (
    "set" TEXT NOT NULL,
    field TEXT NOT NULL,
    value TEXT NOT NULL,
    id INTEGER NOT NULL,
    PRIMARY KEY ("set", field, value, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS nodes (
    plan TEXT NOT NULL,
    ref TEXT NOT NULL,
    code TEXT NOT NULL,
    this_node INTEGER NOT NULL,
    sent_no INTEGER NOT NULL DEFAULT 0,
    received_no INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (plan, ref)
);
CREATE TABLE IF NOT EXISTS changes (
    plan TEXT NOT NULL,
    node TEXT NOT NULL,
    "set" TEXT NOT NULL,
    ref TEXT NOT NULL,
    message_no INTEGER,
    PRIMARY KEY (plan, node, "set", ref)
);
"""


@dataclass(frozen=True)
class Record:
    """An object and what the base knows about it besides its content."""

    set: str
    entity: Entity
    version: int
    number: str = ""
    period: str = ""
    visible_from: float = 0.0

    @property
    def ref(self) -> str:
        return str(self.entity["Ref_Key"])


class Store:
    """Reads and writes objects. Writes belong inside the caller's transaction."""

    def __init__(self, path: Path) -> None:
        self.db = open_database(path, SCHEMA)

    def close(self) -> None:
        self.db.close()

    def get(self, set_name: str, ref: str) -> Record | None:
        row = self.db.execute('SELECT * FROM objects WHERE "set" = ? AND ref = ?', (set_name, ref)).fetchone()
        return _record(row) if row else None

    def put(self, record: Record) -> None:
        """Insert or replace an object and what it can be found by."""
        entity = record.entity
        old = self.db.execute(
            'SELECT id, data FROM objects WHERE "set" = ? AND ref = ?', (record.set, record.ref)
        ).fetchone()
        values = (
            folded(record.number),
            record.period,
            str(entity.get("Date", "")),
            record.version,
            orjson.dumps(entity),
        )
        if old is None:
            cursor = self.db.execute(
                'INSERT INTO objects (number, period, date, version, data, "set", ref, visible_from)'
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*values, record.set, record.ref, record.visible_from),
            )
            self._index(record.set, int(cursor.lastrowid or 0), {}, entity)
        else:
            self.db.execute(
                "UPDATE objects SET number = ?, period = ?, date = ?, version = ?, data = ? WHERE id = ?",
                (*values, old["id"]),
            )
            self._index(record.set, old["id"], orjson.loads(old["data"]), entity)

    def all(self, set_name: str, now: float, *, since: str | None = None) -> Iterator[Entity]:
        """Yield the objects a list query sees at `now`, in the order they were created."""
        condition, arguments = ("AND date >= ?", [since]) if since else ("", [])
        rows = self.db.execute(
            f'SELECT data FROM objects WHERE "set" = ? AND visible_from <= ? {condition} ORDER BY id',  # noqa: S608 - one of two constants
            (set_name, now, *arguments),
        )
        return (orjson.loads(row["data"]) for row in rows)

    def found_by(self, set_name: str, field: str, values: Iterable[str], now: float) -> Iterator[Entity]:
        """Yield the objects that have one of these values in an indexed property."""
        wanted = tuple(values)
        marks = ", ".join("?" for _ in wanted)
        rows = self.db.execute(
            "SELECT data FROM objects JOIN lookup USING (id)"  # noqa: S608 - only placeholders are inserted
            f' WHERE lookup."set" = ? AND field = ? AND value IN ({marks}) AND visible_from <= ? ORDER BY id',
            (set_name, field, *wanted, now),
        )
        return (orjson.loads(row["data"]) for row in rows)

    def is_taken(self, set_name: str, number: str, period: str, ref: str) -> bool:
        """True when another object of the period has this number or code."""
        row = self.db.execute(
            'SELECT 1 FROM objects WHERE "set" = ? AND number = ? AND period = ? AND ref <> ?',
            (set_name, folded(number), period, ref),
        ).fetchone()
        return row is not None

    def highest_number(self, set_name: str, period: str, pattern: str) -> str | None:
        """Return the greatest number of the period that matches a GLOB pattern, as it is compared."""
        pattern = folded(pattern)
        row = self.db.execute(
            "SELECT MAX(number) AS found FROM objects"
            ' WHERE "set" = ? AND number >= ? AND number < ? AND period = ? AND number GLOB ?',
            (set_name, pattern.partition("[")[0], pattern.partition("[")[0] + "\U0010ffff", period, pattern),
        ).fetchone()
        return row["found"] if row else None

    def _index(self, set_name: str, identity: int, old: Entity, new: Entity) -> None:
        before, after = _searchable(old), _searchable(new)
        for field, value in before - after:
            self.db.execute(
                'DELETE FROM lookup WHERE "set" = ? AND field = ? AND value = ? AND id = ?',
                (set_name, field, value, identity),
            )
        self.db.executemany(
            "INSERT INTO lookup VALUES (?, ?, ?, ?)",
            [(set_name, field, value, identity) for field, value in after - before],
        )


def _searchable(entity: Entity) -> set[tuple[str, str]]:
    return {(name, folded(str(entity[name]))) for name in INDEXED if entity.get(name, "") not in EMPTY}


def _record(row: sqlite3.Row) -> Record:
    data: Any = orjson.loads(row["data"])
    return Record(row["set"], data, row["version"], row["number"], row["period"], row["visible_from"])
