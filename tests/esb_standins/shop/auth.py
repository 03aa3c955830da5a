"""Who may use the REST interface: consumer key and secret by HTTP Basic, in the query, or as an OAuth 1.0a signature.

A real shop takes the first two only over HTTPS and wants the signature over plain HTTP; the stand-in has no HTTPS and
takes all three. Source: WooCommerce REST documentation, "Authentication".
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from starlette.types import Scope

from esb_standins.shop.errors import unauthorised, wrong_key, wrong_secret, wrong_signature

_DIGESTS: Final[Mapping[str, Any]] = {"HMAC-SHA256": hashlib.sha256, "HMAC-SHA1": hashlib.sha1}


def authorise(scope: Scope, query: Mapping[str, str], url: str, key: str, secret: str) -> None:
    """Check a request to `url` (without its query).

    Raises:
        ShopError: 401, naming what does not fit.
    """
    if "oauth_consumer_key" in query:
        _check_signature(str(scope["method"]), url, query, key, secret)
        return
    given_key, given_secret = _basic(scope) or (query.get("consumer_key", ""), query.get("consumer_secret", ""))
    if not given_key:
        raise unauthorised()
    if not _same(given_key, key):
        raise wrong_key()
    if not _same(given_secret, secret):
        raise wrong_secret()


def oauth_signature(method: str, url: str, params: Mapping[str, str], secret: str, algorithm: str) -> str:
    """Sign a request as OAuth 1.0a does, with an empty token secret."""
    pairs = sorted((_quoted(name), _quoted(value)) for name, value in params.items() if name != "oauth_signature")
    text = "&".join((method, _quoted(url), _quoted("&".join(f"{name}={value}" for name, value in pairs))))
    return base64.b64encode(hmac.digest(f"{secret}&".encode(), text.encode(), _DIGESTS[algorithm])).decode()


def _check_signature(method: str, url: str, query: Mapping[str, str], key: str, secret: str) -> None:
    if not _same(query["oauth_consumer_key"], key):
        raise wrong_key()
    algorithm = query.get("oauth_signature_method", "")
    if algorithm not in _DIGESTS:
        raise wrong_signature()
    if not _same(query.get("oauth_signature", ""), oauth_signature(method, url, query, secret, algorithm)):
        raise wrong_signature()


def _basic(scope: Scope) -> tuple[str, str] | None:
    headers: dict[bytes, bytes] = dict(scope["headers"])
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        key, _, secret = base64.b64decode(token).decode().partition(":")
    except ValueError:
        return None
    return key, secret


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _quoted(text: str) -> str:
    return quote(text, safe="")
