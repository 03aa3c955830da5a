"""The HTTP side of a base: which resource an address means, and how answers look.

Only JSON is spoken. A client that asks for no format would get Atom from a real base and cannot parse it as
JSON; here it gets an XML refusal, so that the omission is noticed.
"""

import base64
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from xml.sax.saxutils import escape

import orjson

from esb_standins.effects import Canned, html_page
from esb_standins.onec.entity import Entity
from esb_standins.onec.errors import ODataError, no_method
from esb_standins.onec.profile import ZERO_GUID, EntitySet

ROOT: Final = "/odata/standard.odata"
JSON: Final = "application/json;charset=utf-8"

_GUID: Final = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_RESOURCE: Final = re.compile(
    rf"(?P<set>[^(/]+)(?:\(guid'(?P<ref>{_GUID})'\))?(?:/(?P<tail>\$count|Post|Unpost)(?:\(\))?)?"
)
_POINT: Final = re.compile(rf"(?P<plan>ExchangePlan_\w+)\(guid'(?P<node>{_GUID})'\)")


@dataclass(frozen=True)
class Resource:
    """What an address below the root means: `kind` is service, metadata, batch, select, notify, list, count,
    entity, Post or Unpost."""

    kind: str
    set: str = ""
    ref: str = ""


def read_resource(path: str) -> Resource:
    """Return what `path` (decoded, below the root) names. Raises ODataError 400/6."""
    path = path.strip("/")
    fixed = {"": "service", "$metadata": "metadata", "$batch": "batch"}
    fixed |= {"SelectChanges": "select", "NotifyChangesReceived": "notify"}
    if path in fixed:
        return Resource(fixed[path])
    match = _RESOURCE.fullmatch(path)
    if match is None:
        raise no_method(path)
    set_name, ref, tail = match["set"], (match["ref"] or "").lower(), match["tail"]
    if tail == "$count" and not ref:
        return Resource("count", set_name)
    if tail in {"Post", "Unpost"} and ref:
        return Resource(tail, set_name, ref)
    if tail:
        raise no_method(path)
    return Resource("entity" if ref else "list", set_name, ref)


def read_exchange_point(options: Mapping[str, str]) -> tuple[str, str, int]:
    """Return plan, node and message number of an exchange plan call. Raises ODataError."""
    point = _POINT.search(options.get("DataExchangePoint", ""))
    number = options.get("MessageNo", "")
    if point is None or not number.isdigit():
        raise ODataError(400, "12", "Не указан обязательный аргумент: DataExchangePoint, MessageNo")
    return point["plan"], point["node"].lower(), int(number)


def accepted_credentials(user: str, password: str) -> bytes:
    """Return the only `Authorization` value that is let in; names and passwords are UTF-8 before Base64."""
    return b"Basic " + base64.b64encode(f"{user}:{password}".encode())


def is_authorised(header: bytes, accepted: bytes) -> bool:
    return hmac.compare_digest(header.strip(), accepted)


def wants_json(format_option: str, accept: str) -> bool:
    return "json" in (format_option or accept).lower()


def metadata_level(format_option: str, accept: str) -> str:
    """Return nometadata, minimalmetadata or fullmetadata."""
    asked = f"{format_option};{accept}"
    return next((level for level in ("nometadata", "fullmetadata") if level in asked), "minimalmetadata")


def json_answer(status: int, content: Any, headers: Mapping[str, str] | None = None) -> Canned:
    return Canned(status, orjson.dumps(content), {**_HEADERS, **(headers or {})})


def error_answer(error: ODataError, *, as_json: bool) -> Canned:
    if as_json:
        message = {"lang": "ru", "value": error.text}
        return json_answer(error.status, {"odata.error": {"code": error.code, "message": message}})
    body = (
        f'<?xml version="1.0" encoding="utf-8"?><m:error xmlns:m="{_XML_NAMESPACE}">'
        f"<m:code>{error.code}</m:code><m:message>{escape(error.text)}</m:message></m:error>"
    )
    return Canned(error.status, body.encode(), {"content-type": "application/xml;charset=utf-8"})


def unauthorised(realm: str) -> Canned:
    page = html_page(401, "Unauthorized", "Идентификация пользователя не выполнена")
    return Canned(401, page.body, {**page.headers, "www-authenticate": f'Basic realm="{realm}"'})


def with_links(entity: Entity, entity_set: EntitySet) -> Entity:
    """Add `@navigationLinkUrl` for every reference that is not empty."""
    address = f"{entity_set.name}(guid'{entity['Ref_Key']}')"
    return entity | {
        f"{field.name}@navigationLinkUrl": f"{address}/{field.name}"
        for field in entity_set.by_property.values()
        if field.kind == "ref" and entity.get(field.wire_name, ZERO_GUID) != ZERO_GUID
    }


_XML_NAMESPACE: Final = "http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"
_HEADERS: Final = {"content-type": JSON, "dataserviceversion": "3.0"}

CANNED_FAULTS: Final[Mapping[str, Canned]] = {
    "401": unauthorised("1C:Enterprise 8.3"),
    "licence": html_page(
        500, "1C:Enterprise 8 application error", "by reason: Не обнаружена лицензия. Не найден ключ защиты программы"
    ),
    "pool_exhausted": html_page(406, "Not Acceptable"),
}
"""Faults of a base that are nothing but a fixed answer."""
