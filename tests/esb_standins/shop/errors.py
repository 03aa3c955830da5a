"""Refusals of the shop's REST interface."""

from dataclasses import dataclass
from functools import partial
from typing import Any


@dataclass(eq=False)
class ShopError(Exception):
    """One refusal: WordPress puts the HTTP status into the body as well."""

    status: int
    code: str
    message: str

    def body(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "data": {"status": self.status}}


def invalid_parameter(name: str, reason: str = "is not valid") -> ShopError:
    return ShopError(400, "rest_invalid_param", f"Invalid parameter(s): {name} {reason}.")


no_route = partial(ShopError, 404, "rest_no_route", "No route was found matching the URL and request method.")
unauthorised = partial(ShopError, 401, "woocommerce_rest_cannot_view", "Sorry, you cannot list resources.")
wrong_key = partial(ShopError, 401, "woocommerce_rest_authentication_error", "Consumer key is invalid.")
wrong_secret = partial(ShopError, 401, "woocommerce_rest_authentication_error", "Consumer secret is invalid.")
wrong_signature = partial(
    ShopError, 401, "woocommerce_rest_authentication_error", "Invalid signature - provided signature does not match."
)
invalid_id = partial(ShopError, 404, "woocommerce_rest_shop_order_invalid_id", "Invalid ID.")
no_webhook = partial(ShopError, 404, "woocommerce_rest_shop_webhook_invalid_id", "Invalid ID.")
no_product = partial(ShopError, 404, "woocommerce_rest_product_invalid_id", "Invalid ID.")
