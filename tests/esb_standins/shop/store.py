"""The shop's database: orders with their history, notes, refunds, webhooks, products, and the ledger of writes."""

import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

from esb_standins.storage import LedgerEntry, append_ledger, open_database, read_ledger, transaction

Record = dict[str, Any]

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS sequence (last INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY, status TEXT NOT NULL, created TEXT NOT NULL, modified TEXT NOT NULL,
    version INTEGER NOT NULL, data TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS orders_modified ON orders (modified);
CREATE TABLE IF NOT EXISTS versions (
    order_id INTEGER, version INTEGER, modified TEXT NOT NULL, actor TEXT NOT NULL, data TEXT NOT NULL,
    PRIMARY KEY (order_id, version));
CREATE TABLE IF NOT EXISTS children (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, order_id INTEGER NOT NULL, data TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS children_order ON children (order_id, kind);
CREATE TABLE IF NOT EXISTS webhooks (id INTEGER PRIMARY KEY, data TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS products (id INTEGER PRIMARY KEY, sku TEXT NOT NULL UNIQUE, data TEXT NOT NULL);
"""
_FIRST_ID: Final = 1000
_CONTENT_IGNORES: Final = frozenset({"date_modified", "date_modified_gmt"})


class ShopStore:
    """One SQLite file. Every change of an order adds a version and a ledger row in the same transaction."""

    def __init__(self, path: Path, endpoint: str) -> None:
        self._db: sqlite3.Connection = open_database(path, _SCHEMA)
        self._endpoint = endpoint
        if self._db.execute("SELECT last FROM sequence").fetchone() is None:
            self._db.execute("INSERT INTO sequence VALUES (?)", (_FIRST_ID,))

    def close(self) -> None:
        self._db.close()

    def writing(self) -> AbstractContextManager[None]:
        return transaction(self._db)

    def next_id(self) -> int:
        """Return the next number; orders, lines, notes and webhooks share one sequence, as in WordPress."""
        row = self._db.execute("UPDATE sequence SET last = last + 1 RETURNING last").fetchone()
        return int(row[0])

    def order(self, number: int) -> Record | None:
        row = self._db.execute("SELECT data FROM orders WHERE id = ?", (number,)).fetchone()
        return json.loads(row[0]) if row else None

    def select(
        self, where: str, values: Sequence[Any], order: str, limit: int, offset: int
    ) -> tuple[list[Record], int]:
        """Return one page of orders and the number of all that match; `where` and `order` are the caller's SQL."""
        total = self._db.execute(f"SELECT count(*) FROM orders WHERE {where}", values).fetchone()[0]  # noqa: S608 - built from fixed words
        sql = f"SELECT data FROM orders WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?"  # noqa: S608 - built from fixed words
        rows = self._db.execute(sql, (*values, limit, offset))
        return [json.loads(row[0]) for row in rows], int(total)

    def save_order(self, order: Record, action: str, actor: str, fields: Mapping[str, Any]) -> None:
        """Store an order as its next version; `actor` is "shop" or "rest", `fields` what was asked for."""
        row = self._db.execute("SELECT version FROM orders WHERE id = ?", (order["id"],)).fetchone()
        version = (int(row[0]) if row else 0) + 1
        data = _json(order)
        place = (order["id"], order["status"], order["date_created_gmt"], order["date_modified_gmt"], version, data)
        self._db.execute("REPLACE INTO orders VALUES (?, ?, ?, ?, ?, ?)", place)
        history = (order["id"], version, order["date_modified_gmt"], actor, data)
        self._db.execute("INSERT INTO versions VALUES (?, ?, ?, ?, ?)", history)
        append_ledger(self._db, self._endpoint, LedgerEntry(
            action=action,
            set="orders",
            ref=str(order["id"]),
            sha256=content_hash(order),
            number=order["number"],
            date=order["date_modified_gmt"],
            key=order["number"],
            version=version,
            organisation=meta_value(order, "_seller"),
            deletion_mark=order["status"] == "trash",
            fields={"actor": actor, **fields},
        ))  # fmt: skip

    def add_child(self, kind: str, order_id: int, data: Record, actor: str) -> None:
        """Add a note or a refund of an order."""
        self._db.execute("INSERT INTO children VALUES (?, ?, ?, ?)", (data["id"], kind, order_id, _json(data)))
        append_ledger(self._db, self._endpoint, LedgerEntry(
            action="create", set=kind, ref=str(data["id"]), sha256=content_hash(data), number=str(order_id),
            key=str(order_id), fields={"actor": actor, **data},
        ))  # fmt: skip

    def children(self, kind: str, order_id: int) -> list[Record]:
        sql = "SELECT data FROM children WHERE kind = ? AND order_id = ? ORDER BY id"
        return [json.loads(row[0]) for row in self._db.execute(sql, (kind, order_id))]

    def versions(self) -> list[Record]:
        """Return every version of every order, oldest first: what was really asked for, to compare with."""
        sql = "SELECT order_id, version, modified, actor, data FROM versions ORDER BY order_id, version"
        return [_version(row) for row in self._db.execute(sql)]

    def orders(self) -> list[Record]:
        return [json.loads(row[0]) for row in self._db.execute("SELECT data FROM orders ORDER BY id")]

    def webhooks(self) -> list[Record]:
        return [json.loads(row[0]) for row in self._db.execute("SELECT data FROM webhooks ORDER BY id")]

    def webhook(self, number: int) -> Record | None:
        row = self._db.execute("SELECT data FROM webhooks WHERE id = ?", (number,)).fetchone()
        return json.loads(row[0]) if row else None

    def save_webhook(self, webhook: Record, action: str | None = None) -> None:
        """Store a webhook; an `action` (not a mere change of the failure counter) leaves a ledger row."""
        self._db.execute("REPLACE INTO webhooks VALUES (?, ?)", (webhook["id"], _json(webhook)))
        if action:
            shown = {name: webhook[name] for name in ("status", "topic", "delivery_url")}
            append_ledger(self._db, self._endpoint, LedgerEntry(
                action=action, set="webhooks", ref=str(webhook["id"]), sha256=content_hash(webhook), fields=shown,
            ))  # fmt: skip

    def delete_webhook(self, number: int) -> None:
        self._db.execute("DELETE FROM webhooks WHERE id = ?", (number,))

    def products(self) -> list[Record]:
        return [json.loads(row[0]) for row in self._db.execute("SELECT data FROM products ORDER BY id")]

    def product_of(self, sku: str) -> Record | None:
        row = self._db.execute("SELECT data FROM products WHERE sku = ?", (sku,)).fetchone()
        return json.loads(row[0]) if row else None

    def add_product(self, product: Record) -> None:
        self._db.execute("INSERT INTO products VALUES (?, ?, ?)", (product["id"], product["sku"], _json(product)))

    def ledger(self, after: int, limit: int) -> list[dict[str, Any]]:
        return read_ledger(self._db, after, limit)


def content_hash(record: Mapping[str, Any]) -> str:
    """Digest what a record says, without the moments that only record that it was saved."""
    content = {name: value for name, value in record.items() if name not in _CONTENT_IGNORES}
    return hashlib.sha256(_json(content).encode()).hexdigest()


def meta_value(order: Mapping[str, Any], key: str) -> str | None:
    return next((str(meta["value"]) for meta in order["meta_data"] if meta["key"] == key), None)


def _version(row: sqlite3.Row) -> Record:
    order = json.loads(row["data"])
    return {
        "order_id": row["order_id"],
        "number": order["number"],
        "version": row["version"],
        "modified": row["modified"],
        "actor": row["actor"],
        "seller": meta_value(order, "_seller"),
        "status": order["status"],
        "total": order["total"],
        "sha256": content_hash(order),
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
