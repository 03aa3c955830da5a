"""Change registration of exchange plans: a set of dirty objects per node, not a log.

- A write puts the object into the set of every node with an empty message number, whatever it changed.
- `SelectChanges(N)` stamps the empty ones with N and returns everything empty or stamped N.
- `NotifyChangesReceived(N)` forgets what is stamped up to N; an object written again meanwhile is empty, so
  it survives.
"""

import sqlite3
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final

from esb_standins.onec.rules import NODE_CODE, PLAN

_NAMESPACE: Final = uuid.UUID("0e0c6a2b-6f0d-5a57-9a7e-64b1f0a9d2c1")


def node_ref(endpoint: str, code: str) -> str:
    """Return the reference of a node; the same in every run, so that a landscape can name it."""
    return str(uuid.uuid5(_NAMESPACE, f"{endpoint}/{PLAN}/{code}"))


def create_nodes(db: sqlite3.Connection, endpoint: str) -> None:
    """Make the node of the base itself and that of the bus, once."""
    rows = [(PLAN, node_ref(endpoint, code), code, code != NODE_CODE) for code in ("00", NODE_CODE)]
    db.executemany("INSERT OR IGNORE INTO nodes (plan, ref, code, this_node) VALUES (?, ?, ?, ?)", rows)


def add_node(db: sqlite3.Connection, endpoint: str, code: str) -> str:
    """Add another reader's node and return its reference."""
    ref = node_ref(endpoint, code)
    db.execute("INSERT OR IGNORE INTO nodes (plan, ref, code, this_node) VALUES (?, ?, ?, 0)", (PLAN, ref, code))
    return ref


def nodes(db: sqlite3.Connection, plan: str) -> list[Mapping[str, Any]]:
    return [
        dict(row) for row in db.execute("SELECT * FROM nodes WHERE plan = ? ORDER BY this_node DESC, code", (plan,))
    ]


def register(db: sqlite3.Connection, set_name: str, ref: str, in_plan: Iterable[str]) -> None:
    """Mark an object as changed for every node but the base's own."""
    if set_name in in_plan:
        db.execute(
            'INSERT OR REPLACE INTO changes (plan, node, "set", ref, message_no)'
            " SELECT plan, ref, ?, ?, NULL FROM nodes WHERE this_node = 0",
            (set_name, ref),
        )


def select(db: sqlite3.Connection, plan: str, node: str, message_no: int) -> list[tuple[str, str]]:
    """Stamp what is unstamped and return (set, reference) of everything with this number."""
    db.execute(
        "UPDATE changes SET message_no = ? WHERE plan = ? AND node = ? AND message_no IS NULL",
        (message_no, plan, node),
    )
    db.execute("UPDATE nodes SET sent_no = MAX(sent_no, ?) WHERE plan = ? AND ref = ?", (message_no, plan, node))
    rows = db.execute(
        'SELECT "set", ref FROM changes WHERE plan = ? AND node = ? AND message_no = ? ORDER BY rowid',
        (plan, node, message_no),
    )
    return [(row["set"], row["ref"]) for row in rows]


def forget(db: sqlite3.Connection, plan: str, node: str, message_no: int) -> None:
    """Take the reader's word that everything up to this number is safe with it."""
    db.execute("DELETE FROM changes WHERE plan = ? AND node = ? AND message_no <= ?", (plan, node, message_no))
    db.execute(
        "UPDATE nodes SET received_no = MAX(received_no, ?) WHERE plan = ? AND ref = ?", (message_no, plan, node)
    )
