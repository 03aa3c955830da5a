"""Outgoing webhooks: form-encoded calls that carry only ids and a token, sent once and never repeated."""

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from esb_standins.bitrix24.portal import Event
from esb_standins.bitrix24.store import Record
from esb_standins.outgoing import Notification

DEFAULT_EVENTS: Final = (
    "ONCRMDEALADD", "ONCRMDEALUPDATE", "ONCRMDEALDELETE", "ONCRMDEALMOVETOCATEGORY",
    "ONCRMCOMPANYADD", "ONCRMCOMPANYUPDATE", "ONCRMREQUISITEADD", "ONCRMREQUISITEUPDATE",
)  # fmt: skip
MEMBER_ID: Final = "5ad1e0f2b3c4968778695a4b3c2d1e0f"
_HEADERS: Final = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "Bitrix24 Webhook Engine"}


def handler_record(number: int, raw: Mapping[str, Any]) -> Record:
    """Return an outgoing webhook as it is kept: address, token shown in the user interface, events."""
    return {
        "ID": number,
        "URL": str(raw["url"]),
        "TOKEN": str(raw["token"]),
        "EVENTS": [str(name).upper() for name in raw.get("events") or DEFAULT_EVENTS],
    }


def notification(handler: Record, event: Event, clock: Callable[[], float], portal_url: str) -> Notification:
    """Build the call of one webhook for one event.

    An outgoing webhook gets no access token, only the five members of `auth` below.
    Source: Bitrix24 REST docs, "Events", and payloads seen on real portals.
    """
    host = urlsplit(portal_url).netloc
    members = {
        "event": event.name,
        "event_handler_id": str(handler["ID"]),
        **{f"data[FIELDS][{name}]": str(value) for name, value in event.fields.items()},
        "auth[domain]": host,
        "auth[client_endpoint]": f"{portal_url}/rest/",
        "auth[server_endpoint]": "https://oauth.bitrix24.tech/rest/",
        "auth[member_id]": MEMBER_ID,
        "auth[application_token]": handler["TOKEN"],
    }

    def render() -> tuple[bytes, Mapping[str, str]]:
        # `ts` is the moment of sending, not of the change
        return urlencode({**members, "ts": str(int(clock()))}).encode(), _HEADERS

    return Notification(handler["URL"], event.name, str(event.fields["ID"]), render)
