"""The door for outgoing webhooks: who sent it is proved by the token, what it says is looked at later."""

from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import SecretStr

from esb_adapters.bitrix24.events import DealEvent, is_genuine, native_thread, read_event, without_secrets
from esb_adapters.bitrix24.mapper import EVENT_KIND
from esb_adapters.receiving import Accepted, Check, Refused, Verdict
from esb_bus.ports import NativeMessage


def event_check(endpoint: str, application_token: SecretStr | None) -> Check:
    """Return the check for events of one portal. Without a token every event is refused: only the poll brings deals.

    Source: Bitrix24 REST docs, "Security of event handlers".
    """

    def check(headers: Mapping[str, str], body: bytes) -> Verdict:
        if application_token is None:
            return Refused(401, "no_token", "This portal has no application token in the landscape.")
        event = read_event(body)
        if not is_genuine(event, application_token.get_secret_value()):
            return Refused(401, "wrong_token", "The application token is not the portal's.")
        if event.name and not event.is_about_deals:
            return Accepted(None)
        return Accepted(native_event(endpoint, event, headers, body))

    return check


def native_event(endpoint: str, event: DealEvent, headers: Mapping[str, str], body: bytes) -> NativeMessage:
    """Wrap an event. Its version is the time of arrival: it says no more than "look again"."""
    thread = None if event.deal_id is None else native_thread(endpoint, event.deal_id)
    now = datetime.now(UTC)
    return NativeMessage(
        endpoint=endpoint,
        kind=EVENT_KIND,
        body=without_secrets(body),
        thread=thread,
        version=int(now.timestamp() * 1000),
        received_at=now,
        correlation_id=thread,
        headers={"content-type": headers.get("content-type", "")},
    )
