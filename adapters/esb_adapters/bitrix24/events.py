"""Events of outgoing webhooks, and the names deals have inside the bus. No I/O.

Source: Bitrix24 REST docs, "Events", "Security of event handlers".
"""

import hmac
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_plus

SECRET_FIELDS = frozenset({"auth[application_token]", "auth[access_token]", "auth[refresh_token]"})
MAX_FORM_FIELDS = 500
"""Events have a dozen; this is read before the sender has proved who he is."""


@dataclass(frozen=True, slots=True)
class DealEvent:
    """What an outgoing webhook tells: which deal, and what happened to it. Never the deal itself."""

    name: str
    deal_id: str | None
    token: str

    @property
    def is_about_deals(self) -> bool:
        return self.name.startswith("ONCRMDEAL") and not self.name.startswith(("ONCRMDEALRECUR", "ONCRMDEALUSERFIELD"))

    @property
    def is_deletion(self) -> bool:
        return self.name == "ONCRMDEALDELETE"


def read_event(body: bytes) -> DealEvent:
    """Read the form of an event; what is missing stays empty, and so does everything of a form that is too large."""
    try:
        form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS))
    except ValueError:
        form = {}
    return DealEvent(
        name=form.get("event", "").upper(),
        deal_id=deal_number(form.get("data[FIELDS][ID]", "")),
        token=form.get("auth[application_token]", ""),
    )


def deal_number(text: object) -> str | None:
    """Return the id of a deal in its only spelling, None when it is none."""
    digits = str(text).strip() if isinstance(text, str | int) and not isinstance(text, bool) else ""
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 15) or int(digits) == 0:  # noqa: PLR2004  fits an id
        return None
    return str(int(digits))


def is_genuine(event: DealEvent, application_token: str) -> bool:
    return hmac.compare_digest(event.token.encode(), application_token.encode())


def without_secrets(body: bytes) -> bytes:
    """Return the form without its tokens: it will lie in a queue that people can look into."""
    return b"&".join(
        pair
        for pair in body.split(b"&")
        if unquote_plus(pair.split(b"=", 1)[0].decode("utf-8", "replace")) not in SECRET_FIELDS
    )


def order_key(endpoint: str, native_id: str) -> str:
    return f"order/{endpoint}/{native_id}"


def native_thread(endpoint: str, deal_id: str) -> str:
    return f"deal/{endpoint}/{deal_id}"


def split_key(key: str) -> tuple[str, str]:
    """Return the endpoint an order was born in and its id there."""
    _, endpoint, native_id = key.split("/", 2)
    return endpoint, native_id
