"""Our documents in one base, found by our key: which requests to send and what the answers prove."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from esb_adapters.onec.client import ODataClient
from esb_adapters.onec.configurations import DocumentFacts
from esb_adapters.onec.errors import DeletedInBase, Doubled, RefusedByBase, StampMissing
from esb_adapters.onec.protocol import any_of, text
from esb_adapters.onec.stamp import Stamp, candidate_numbers, read_stamp
from esb_bus.landscape import OneCBase

COMMENT = "Комментарий"


@dataclass(frozen=True, slots=True)
class Found:
    """Our document as the base holds it."""

    row: dict[str, Any]
    stamp: Stamp

    @property
    def ref(self) -> str:
        return str(self.row["Ref_Key"])


@dataclass(frozen=True, slots=True)
class Search:
    """The answer to one look-up: our document, and the number a new one would get."""

    found: Found | None
    free_number: str | None


class Documents:
    """Finds documents of one base by our keys."""

    def __init__(self, name: str, base: OneCBase, client: ODataClient) -> None:
        self._name = name
        self._base = base
        self._client = client

    def is_fenced(self, facts: DocumentFacts) -> bool:
        """The base itself refuses a second document of one key."""
        return self._base.number == "ours" and facts.number_is_unique

    async def find(self, facts: DocumentFacts, key: str) -> Search:
        """Look for the document of `key`, marked for deletion or not, whatever date people gave it.

        Raises:
            Doubled: there are two.
            DeletedInBase: it is marked for deletion.
            StampMissing: a document has our number and no stamp, so nobody can tell whose it is.
        """
        if self._base.number == "ours":
            return await self._by_number(facts, key)
        place = facts.key_place(key)
        rows = await self._client.rows(facts.entity_set, filter=f"{place.name} eq {text(key)}")
        return Search(self._ours(rows, facts, key), None)

    def key_of(self, facts: DocumentFacts, row: Mapping[str, Any]) -> str | None:
        """Return the key a document stands for, None for a person's own document.

        A copy that a person made in 1C carries our stamp in its comment, but not our number.
        """
        stamp = read_stamp(str(row.get(COMMENT) or ""))
        if stamp is None:
            return None
        if self._base.number == "theirs":
            return stamp.key if facts.key_field and row.get(facts.key_field.name) == stamp.key else None
        is_ours = str(row["Number"]).strip() in candidate_numbers(self._prefix(stamp.key), stamp.key)
        return stamp.key if is_ours else None

    async def _by_number(self, facts: DocumentFacts, key: str) -> Search:
        numbers = candidate_numbers(self._prefix(key), key)
        rows = await self._client.rows(facts.entity_set, filter=any_of("Number", map(text, numbers)))
        found = self._ours(rows, facts, key)
        taken = {str(row["Number"]).strip() for row in rows}
        free = next((number for number in numbers if number not in taken), None)
        if found is None and free is None:
            raise RefusedByBase(
                f"{facts.title}: the numbers {', '.join(numbers)} of {key} are all taken by other documents: "
                f"give [{self._name}] number_prefixes a prefix that nobody else uses"
            )
        return Search(found, free)

    def _prefix(self, key: str) -> str | None:
        return self._base.number_prefixes.get(key.partition("/")[2].partition("/")[0])

    def _ours(self, rows: Sequence[dict[str, Any]], facts: DocumentFacts, key: str) -> Found | None:
        stamped = [(row, read_stamp(str(row.get(COMMENT) or ""))) for row in rows]
        nameless = [row for row, stamp in stamped if stamp is None]
        if nameless:
            raise StampMissing(
                f"{shown(nameless[0], facts)} of {self._name} carries our number or key and no stamp in its comment: "
                f"put [esb {key} v0] back into the comment if it is this order, give it another number if it is not"
            )
        ours = [Found(row, stamp) for row, stamp in stamped if stamp is not None and stamp.key == key]
        if len(ours) > 1:
            both = " and ".join(shown(found.row, facts) for found in ours)
            raise Doubled(f"{self._name} holds {key} twice: {both}. Mark the wrong one for deletion, remove its stamp")
        if ours and ours[0].row["DeletionMark"]:
            raise DeletedInBase(
                f"{shown(ours[0].row, facts)} of {self._name} is marked for deletion: take the mark away and replay, "
                "or drop this letter if the order is not wanted"
            )
        return ours[0] if ours else None


def shown(row: dict[str, Any], facts: DocumentFacts) -> str:
    """A document as people name it: type, number, date."""
    return f"{facts.title} №{str(row['Number']).strip()} of {str(row['Date'])[:10]}"
