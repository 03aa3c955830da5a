"""JSON Schema of every event and one AsyncAPI 3 document, for people who do not read Python."""

from pathlib import Path
from typing import Any

import orjson

from esb_schemas.envelope import CONTENT_TYPE
from esb_schemas.registry import Registry

ASYNCAPI = "asyncapi.json"
EXCHANGE = "esb.events"
_JSON_SCHEMA = "https://json-schema.org/draft/2020-12/schema"


def export(directory: Path, registry: Registry | None = None) -> list[Path]:
    """Write all files into `directory` and return their paths. The same models give the same bytes."""
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, content in files(registry or Registry()).items():
        path = directory / name
        path.write_bytes(content)
        written.append(path)
    return written


def files(registry: Registry) -> dict[str, bytes]:
    """Content of every file by name."""
    schemas = {name: _named(name, schema) for name, schema in registry.json_schemas().items()}
    documents: dict[str, Any] = {**schemas, ASYNCAPI: asyncapi(registry)}
    return {name: _pretty(document) for name, document in documents.items()}


def _named(file_name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Say in the schema itself which type and version it is for: in the model these are plain strings."""
    event_type, version, _ = file_name.rsplit(".", 2)
    urn = f"urn:onec-esb:{event_type}:{version.removeprefix('v')}"
    properties = {
        **schema["properties"],
        "type": {"const": event_type, "type": "string"},
        "dataschema": {"const": urn, "type": "string"},
    }
    return {**schema, "$schema": _JSON_SCHEMA, "$id": f"{urn}:schema", "title": event_type, "properties": properties}


def _pretty(document: dict[str, Any]) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def asyncapi(registry: Registry) -> dict[str, Any]:
    """The exchange as a subscriber sees it: one channel for each type, the legal entity as its parameter."""
    names = sorted(registry.types)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "onec-esb canonical events",
            # Counts event versions and not releases: equal models, equal file.
            "version": f"{sum(event.version for event in registry.types.values())}.0.0",
            "description": "Facts about orders, payments, goods and counterparties of companies with several 1C bases.",
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {name: _channel(name, registry) for name in names},
        "operations": {_operation_name(name): _operation(name) for name in names},
        "components": {"messages": {name: _message(name, registry) for name in names}},
    }


def _channel(name: str, registry: Registry) -> dict[str, Any]:
    return {
        "address": f"{name}.{{legalentity}}",
        "description": (registry.types[name].__doc__ or "").strip().split("\n", 1)[0],
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "parameters": {"legalentity": {"description": 'Code of the legal entity in the landscape, or "shared".'}},
        "bindings": {
            "amqp": {"is": "routingKey", "exchange": {"name": EXCHANGE, "type": "topic", "durable": True}},
        },
    }


def _operation(name: str) -> dict[str, Any]:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{name}"},
        "messages": [{"$ref": f"#/channels/{name}/messages/{name}"}],
    }


def _operation_name(name: str) -> str:
    return "send" + "".join(part.capitalize() for part in name.split("."))


def _message(name: str, registry: Registry) -> dict[str, Any]:
    event = registry.types[name]
    return {
        "name": name,
        "title": event.__name__,
        "contentType": CONTENT_TYPE,
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": {"$ref": f"{name}.v{event.version}.json"},
        },
    }
