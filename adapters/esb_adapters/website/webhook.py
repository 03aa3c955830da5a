"""The route a website's webhooks come in by."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from pydantic import SecretStr
from starlette.routing import Route

from esb_adapters.receiving import Check, Intake, Verdict, webhook_path
from esb_adapters.website.protocol import check_standard, check_woocommerce, standard_keys
from esb_bus.landscape import Website


def _clock() -> datetime:
    return datetime.now(UTC)


def webhook_route(
    endpoint: str, site: Website, secret: SecretStr, intake: Intake, now: Callable[[], datetime] = _clock
) -> Route:
    """Build the route `/webhooks/website/<name>`.

    Raises:
        SecretUnusable: the secret does not have the form its protocol wants.
    """
    check = _checks[site.protocol](endpoint, secret.get_secret_value(), now)
    return Route(webhook_path(endpoint), intake.receiver(endpoint, check), methods=["POST"])


def _woocommerce(endpoint: str, secret: str, now: Callable[[], datetime]) -> Check:
    def check(headers: Mapping[str, str], body: bytes) -> Verdict:
        return check_woocommerce(endpoint, secret, headers, body, now())

    return check


def _standard(endpoint: str, secret: str, now: Callable[[], datetime]) -> Check:
    keys = standard_keys(secret)

    def check(headers: Mapping[str, str], body: bytes) -> Verdict:
        return check_standard(endpoint, keys, headers, body, now())

    return check


_checks: Mapping[str, Callable[[str, str, Callable[[], datetime]], Check]] = {
    "woocommerce": _woocommerce,
    "standard": _standard,
}
