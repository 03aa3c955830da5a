import re
from pathlib import Path

import orjson
import pytest

import factories
from esb_schemas.export import ASYNCAPI, asyncapi, export, files
from esb_schemas.registry import EVENT_TYPES, Registry

COMMITTED = factories.REPOSITORY / "schemas" / "json"


def test_committed_schemas_are_those_of_the_models(tmp_path: Path) -> None:
    current = {path.name: path.read_bytes() for path in export(tmp_path)}

    committed = {path.name: path.read_bytes() for path in COMMITTED.glob("*.json")}

    assert committed == current, "run `esb schemas export schemas/json` and commit what it writes"


def test_every_type_has_its_schema_and_its_channel() -> None:
    written = files(Registry())

    assert set(written) == {f"{event.type}.v{event.version}.json" for event in EVENT_TYPES} | {ASYNCAPI}
    assert set(asyncapi(Registry())["channels"]) == {event.type for event in EVENT_TYPES}


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = orjson.loads((COMMITTED / ASYNCAPI).read_bytes())
    references = re.findall(r'"\$ref": "([^"]+)"', (COMMITTED / ASYNCAPI).read_text())

    for reference in references:
        place = document
        if not reference.startswith("#/"):
            assert (COMMITTED / reference).is_file()
            continue
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


@pytest.mark.parametrize("event_type", ["order.placed", "payment.received"])
def test_amounts_are_text_in_the_schema(event_type: str) -> None:
    schema = (COMMITTED / f"{event_type}.v1.json").read_text()

    assert '"type": "number"' not in schema


def test_the_table_for_readers_has_every_type_at_its_version() -> None:
    table = (factories.REPOSITORY / "docs" / "events.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([a-z.]+)` \| (\d+) \|", table, re.MULTILINE))

    assert listed == {(event.type, str(event.version)) for event in EVENT_TYPES}
