"""Refusals of the portal, as they look on the wire."""

from dataclasses import dataclass
from functools import partial


@dataclass(eq=False)
class RestError(Exception):
    """One refusal: HTTP status, the code in `error` and the text beside it.

    `code` may be a number or empty on the real portal as well; readers must not trust it to be a word.
    Source: Bitrix24 REST docs, "System errors" and the error tables of the methods.
    """

    status: int
    code: str | int
    description: str

    def body(self) -> dict[str, str | int]:
        return {"error": self.code, "error_description": self.description}


def not_found(description: str = "Not found") -> RestError:
    """The old generation's answer to a missing object: an empty code."""
    return RestError(400, "", description)


def item_not_found() -> RestError:
    return RestError(400, "NOT_FOUND", "Item not found")


def missing(parameter: str) -> RestError:
    """The new controllers' answer to an absent or mistyped parameter."""
    return RestError(400, "100", f"Could not find value for parameter {{{parameter}}}")


def bad_fields() -> RestError:
    return RestError(400, "", "Parameter 'fields' must be array.")


def bad_id() -> RestError:
    return RestError(400, "", "ID is not defined or invalid.")


unknown_method = partial(RestError, 404, "ERROR_METHOD_NOT_FOUND", "Method not found!")
invalid_credentials = partial(RestError, 401, "INVALID_CREDENTIALS", "Invalid request credentials")
no_auth = partial(RestError, 401, "NO_AUTH_FOUND", "Wrong authorization data")
query_limit = partial(RestError, 503, "QUERY_LIMIT_EXCEEDED", "Too many requests")
overload_limit = partial(RestError, 503, "OVERLOAD_LIMIT", "REST API is blocked due to overload.")
operation_time_limit = partial(RestError, 429, "OPERATION_TIME_LIMIT", "Method is blocked due to operation time limit.")
insufficient_scope = partial(
    RestError, 403, "insufficient_scope", "The request requires higher privileges than provided by the access token"
)
wrong_auth_type = partial(RestError, 403, "WRONG_AUTH_TYPE", "Current authorization type is denied for this method")
batch_too_long = partial(RestError, 400, "ERROR_BATCH_LENGTH_EXCEEDED", "Max batch length exceeded")
not_in_batch = partial(RestError, 405, "ERROR_BATCH_METHOD_NOT_ALLOWED", "Method is not allowed for batch usage")
no_product = partial(RestError, 400, "0", "Product is not exists.")
