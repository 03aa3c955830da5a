"""SQLite as the stand-ins use it: one file per stand-in, an object and its ledger row in one transaction.

WAL with synchronous=NORMAL survives `kill -9` of the process at any moment (only a power cut could take the
newest transactions), and a commit costs no fsync.
"""

import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

LEDGER_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS ledger (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    time REAL NOT NULL,
    endpoint TEXT NOT NULL,
    action TEXT NOT NULL,
    "set" TEXT NOT NULL,
    ref TEXT NOT NULL,
    number TEXT,
    date TEXT,
    key TEXT,
    version INTEGER,
    organisation TEXT,
    deletion_mark INTEGER NOT NULL,
    posted INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    fields TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS ledger_key ON ledger (key);
"""


@dataclass(frozen=True)
class LedgerEntry:
    """What one committed write did. `key` and `version` are those of the bus, None where it left none.

    Attributes:
        action: create, update, delete, post, unpost or mark.
        set: entity set (1C), object kind (Bitrix24) or resource (shop).
        organisation: reference of the legal entity in this base, where the object has one.
        sha256: digest of the object's content after the write, without its own version counter.
        fields: what the request wrote.
    """

    action: str
    set: str
    ref: str
    sha256: str
    number: str | None = None
    date: str | None = None
    key: str | None = None
    version: int | None = None
    organisation: str | None = None
    deletion_mark: bool = False
    posted: bool = False
    fields: Mapping[str, Any] = field(default_factory=dict)


def open_database(path: Path, schema: str) -> sqlite3.Connection:
    """Open (or create) the file of one stand-in with its tables and the ledger."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA busy_timeout=5000")
    connection.executescript(LEDGER_SCHEMA + schema)
    return connection


class transaction:  # noqa: N801 - read as a statement: `with transaction(db):`
    """Commit everything inside, or nothing. Never await inside: requests share the connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._connection.execute("COMMIT" if kind is None else "ROLLBACK")


def append_ledger(connection: sqlite3.Connection, endpoint: str, entry: LedgerEntry) -> int:
    """Add a row inside the caller's transaction and return its sequence number."""
    row = vars(entry) | {
        "time": time.time(),
        "endpoint": endpoint,
        "fields": orjson.dumps(entry.fields).decode(),
    }
    columns = ", ".join(f'"{name}"' for name in row)
    marks = ", ".join("?" for _ in row)
    cursor = connection.execute(f"INSERT INTO ledger ({columns}) VALUES ({marks})", tuple(row.values()))  # noqa: S608 - column names are our own
    return int(cursor.lastrowid or 0)


def read_ledger(connection: sqlite3.Connection, after: int = 0, limit: int = 10_000) -> list[dict[str, Any]]:
    """Return rows with a sequence number above `after`, oldest first."""
    rows = connection.execute("SELECT * FROM ledger WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit))
    return [_plain(row) for row in rows]


def _plain(row: sqlite3.Row) -> dict[str, Any]:
    return dict(row) | {
        "deletion_mark": bool(row["deletion_mark"]),
        "posted": bool(row["posted"]),
        "fields": orjson.loads(row["fields"]),
    }
