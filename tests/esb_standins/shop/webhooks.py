"""Webhooks of the shop: signed bodies, a ping, a failure counter that switches a webhook off.

Source: WooCommerce, `includes/class-wc-webhook.php`.
"""

import base64
import hashlib
import hmac
import html
from collections.abc import Callable, Mapping
from typing import Any, Final

from esb_standins.outgoing import Notification

TOPICS: Final = frozenset({"order.created", "order.updated", "order.deleted", "order.restored"})
STATUSES: Final = frozenset({"active", "paused", "disabled"})
USER_AGENT: Final = "WooCommerce/10.2.1 Hookshot (WordPress/6.8.3)"
MAX_FAILURES: Final = 5
_LAST_GOOD: Final = 302

Record = dict[str, Any]


def signature(body: bytes, secret: str) -> str:
    """Sign the raw body. A secret that is kept HTML-escaped (`a&amp;b`) is used as it was typed (`a&b`)."""
    return base64.b64encode(hmac.digest(html.unescape(secret).encode(), body, hashlib.sha256)).decode()


def delivery(webhook: Mapping[str, Any], source: str, ref: str, body: Callable[[], bytes],
             clock: Callable[[], float]) -> Notification:  # fmt: skip
    """Build one delivery; `body` is asked at the moment of sending.

    The delivery id is a hash of webhook and second: new for each attempt, shared by two events of one second, hence
    no key for the event.
    """
    resource, _, event = str(webhook["topic"]).partition(".")

    def render() -> tuple[bytes, Mapping[str, str]]:
        raw = body()
        attempt = hashlib.md5(f"{webhook['id']}{int(clock())}".encode(), usedforsecurity=False).hexdigest()
        return raw, {
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            "X-WC-Webhook-Source": source,
            "X-WC-Webhook-Topic": str(webhook["topic"]),
            "X-WC-Webhook-Resource": resource,
            "X-WC-Webhook-Event": event,
            "X-WC-Webhook-Signature": signature(raw, str(webhook["secret"])),
            "X-WC-Webhook-ID": str(webhook["id"]),
            "X-WC-Webhook-Delivery-ID": attempt,
        }

    return Notification(str(webhook["delivery_url"]), str(webhook["topic"]), ref, render)


def ping(webhook: Mapping[str, Any]) -> Notification:
    """Build the call made when a webhook is created: a form, unsigned, not JSON."""
    headers = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": USER_AGENT}
    body = f"webhook_id={webhook['id']}".encode()
    return Notification(str(webhook["delivery_url"]), "ping", str(webhook["id"]), lambda: (body, headers))


def after_delivery(webhook: Record, status: int | None) -> Record:
    """Count the outcome of a delivery: success sets the counter to zero, more than five failures in a row disable.

    Success is 200 to 302; no answer is a failure. Nothing is ever repeated.
    """
    if status is not None and 200 <= status <= _LAST_GOOD:
        return {**webhook, "failure_count": 0}
    failures = webhook["failure_count"] + 1
    return {
        **webhook,
        "failure_count": failures,
        "status": "disabled" if failures > MAX_FAILURES else webhook["status"],
    }
