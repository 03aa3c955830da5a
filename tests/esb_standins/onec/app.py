"""The ASGI application of one base: an address and a method to a call of `Service`, and its result to bytes."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
from starlette.types import Receive, Scope, Send

from esb_standins.effects import Canned, answer, html_page, read_body
from esb_standins.onec.edmx import metadata
from esb_standins.onec.entity import Entity
from esb_standins.onec.errors import ODataError, broken_json, method_not_allowed, no_rows_directly
from esb_standins.onec.options import BaseOptions
from esb_standins.onec.query import QueryOptions, ordered, projected, read_options, split_query
from esb_standins.onec.service import Service
from esb_standins.onec.wire import (
    ROOT,
    Resource,
    accepted_credentials,
    error_answer,
    is_authorised,
    json_answer,
    metadata_level,
    read_exchange_point,
    read_resource,
    unauthorised,
    wants_json,
    with_links,
)

_REALM: Final = "1C:Enterprise 8.3"


class OneCApp:
    """Serves `/<publication>/odata/standard.odata/…`."""

    def __init__(self, service: Service, options: BaseOptions) -> None:
        self._service = service
        self._options = options
        self._root = f"/{options.publication}{ROOT}"
        self._accepted = accepted_credentials(options.user, options.password)
        self._metadata = metadata(service.profile, service.sets)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        path = str(scope["path"])
        if self._options.user and not is_authorised(headers.get(b"authorization", b""), self._accepted):
            await answer(unauthorised(_REALM), send)
        elif not f"{path}/".startswith(f"{self._root}/"):
            await answer(html_page(404, "Not Found"), send)
        else:
            call = _Call(self._root, scope, headers, await read_body(receive))
            await answer(self._answered(call, path[len(self._root) :]), send)

    def _answered(self, call: "_Call", path: str) -> Canned:
        try:
            return self._handlers(read_resource(path), call)
        except ODataError as error:
            return error_answer(error, as_json=call.wants_json)

    def _handlers(self, resource: Resource, call: "_Call") -> Canned:
        match call.method, resource.kind:
            case "GET", "metadata":
                return Canned(200, self._metadata, {"content-type": "application/xml;charset=utf-8"})
            case _, "batch":
                return error_answer(ODataError(501, "0", "Произошла ошибка сервиса"), as_json=False)
            case "POST", "list" if self._is_section(resource.set):
                raise no_rows_directly()
        if not call.wants_json:
            raise ODataError(400, "3", "Представление не поддерживается: запросите $format=json")
        handler = self._table().get((call.method, resource.kind))
        if handler is None:
            raise method_not_allowed()
        return handler(resource, call)

    def _table(self) -> Mapping[tuple[str, str], Callable[[Resource, "_Call"], Canned]]:
        return {
            ("GET", "service"): self._list_sets,
            ("GET", "list"): self._list,
            ("GET", "count"): self._count,
            ("GET", "entity"): self._entity,
            ("POST", "list"): self._create,
            ("PATCH", "entity"): self._update,
            ("POST", "Post"): self._post,
            ("POST", "Unpost"): self._unpost,
            ("POST", "select"): self._select_changes,
            ("POST", "notify"): self._notify_received,
        }

    def _list_sets(self, _: Resource, call: "_Call") -> Canned:
        value = [{"name": name, "url": name} for name in self._service.sets]
        return json_answer(200, call.header("") | {"value": value})

    def _list(self, resource: Resource, call: "_Call") -> Canned:
        options = call.options()
        entity_set = self._service.entity_set(resource.set)
        found = ordered(
            self._service.find(resource.set, options.condition), options, entity_set, self._service.presented
        )
        count = {"odata.count": str(len(found))} if options.wants_count else {}
        value = [
            projected(self._shown(resource.set, item), options.select, entity_set)
            for item in self._page(found, options)
        ]
        return json_answer(200, call.header(f"#{resource.set}") | count | {"value": value})

    def _page(self, found: list[Entity], options: QueryOptions) -> list[Entity]:
        if options.wants_count and self._options.inlinecount_ignores_paging:
            return found
        end = None if options.top is None else options.skip + options.top
        return found[options.skip : end]

    def _count(self, resource: Resource, call: "_Call") -> Canned:
        count = len(self._service.find(resource.set, call.options().condition))
        return Canned(200, f"\ufeff{count}".encode(), {"content-type": "text/plain;charset=utf-8"})

    def _entity(self, resource: Resource, call: "_Call") -> Canned:
        options = call.options()
        entity = self._shown(resource.set, self._service.get(resource.set, resource.ref))
        entity_set = self._service.entity_set(resource.set)
        return self._one(200, resource.set, projected(entity, options.select, entity_set), call)

    def _create(self, resource: Resource, call: "_Call") -> Canned:
        entity = self._service.create(resource.set, call.body())
        address = f"{call.root}/{resource.set}(guid'{entity['Ref_Key']}')"
        return self._one(201, resource.set, self._shown(resource.set, entity), call, {"location": address})

    def _update(self, resource: Resource, call: "_Call") -> Canned:
        entity = self._service.update(resource.set, resource.ref, call.body(), call.if_match)
        return self._one(200, resource.set, self._shown(resource.set, entity), call)

    def _post(self, resource: Resource, call: "_Call") -> Canned:
        return self._acted(resource, self._service.post(resource.set, resource.ref), call)

    def _unpost(self, resource: Resource, call: "_Call") -> Canned:
        return self._acted(resource, self._service.unpost(resource.set, resource.ref), call)

    def _acted(self, resource: Resource, entity: Entity, call: "_Call") -> Canned:
        if self._options.post_answers_entity:
            return self._one(200, resource.set, entity, call)
        return Canned(200, b"", {"content-type": "application/json;charset=utf-8"})

    def _select_changes(self, _: Resource, call: "_Call") -> Canned:
        found = self._service.select_changes(*read_exchange_point(call.query))
        value = [{"odata.type": f"StandardODATA.{set_name}", **entity} for set_name, entity in found]
        return json_answer(200, call.header("") | {"value": value})

    def _notify_received(self, _: Resource, call: "_Call") -> Canned:
        self._service.notify_received(*read_exchange_point(call.query))
        return Canned(200, b"", {"content-type": "application/json;charset=utf-8"})

    def _shown(self, set_name: str, entity: Entity) -> Entity:
        return with_links(entity, self._service.sets[set_name]) if self._options.navigation_links else entity

    def _one(
        self, status: int, set_name: str, entity: Entity, call: "_Call", headers: Mapping[str, str] | None = None
    ) -> Canned:
        return json_answer(status, call.header(f"#{set_name}/@Element") | entity, headers)

    def _is_section(self, name: str) -> bool:
        owner, _, table = name.rpartition("_")
        return owner in self._service.sets and table in self._service.sets[owner].tables


class _Call:
    """One request, read as far as handlers need it."""

    def __init__(self, root: str, scope: Scope, headers: Mapping[bytes, bytes], raw: bytes) -> None:
        self.method = str(scope["method"])
        self._query = bytes(scope["query_string"])
        self._raw = raw
        self._accept = headers.get(b"accept", b"").decode("latin-1")
        self.query = split_query(self._query)
        self.if_match = headers[b"if-match"].decode("latin-1") if b"if-match" in headers else None
        self.root = f"{scope['scheme']}://{headers.get(b'host', b'localhost').decode('latin-1')}{root}"

    @property
    def wants_json(self) -> bool:
        return wants_json(self.query.get("$format", ""), self._accept)

    def options(self) -> QueryOptions:
        return read_options(self._query)

    def body(self) -> dict[str, Any]:
        """Return the JSON object sent. Raises ODataError 500/-1 as a base does."""
        try:
            body = orjson.loads(self._raw)
        except orjson.JSONDecodeError as error:
            raise broken_json() from error
        if not isinstance(body, dict):
            raise broken_json()
        return body

    def header(self, fragment: str) -> dict[str, str]:
        if metadata_level(self.query.get("$format", ""), self._accept) == "nometadata":
            return {}
        return {"odata.metadata": f"{self.root}/$metadata{fragment}"}
