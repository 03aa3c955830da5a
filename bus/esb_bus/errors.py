"""Every error the bus knows how to act on, classed by what the bus does next.

EsbError                        code: stable slug for logs, metrics and dead letters
├── RetryableError              the same message may pass later; nobody has to fix anything
│   ├── BrokerUnavailable       a publish was not confirmed in time: in doubt, repeat it under the same key
│   ├── AwaitingPredecessor     what this message follows from is not there yet
│   └── NeedsUpgrade            written by a newer release: waits for ours
├── EndpointDown                a whole endpoint does not answer: pause its queue, burn no attempts
├── InDoubt                     a write may have happened, or may still happen: wait, look, then decide
├── PermanentError              readable, but data, mapping or settings must change first
│   └── InvalidData, UnknownLegalEntity, Unrouted, NoRoute, …
└── PoisonMessageError          the bytes are not what they claim to be

Leaves live beside the code that raises them, always under one of these.
"""

from typing import ClassVar

from pydantic import ValidationError

from esb_schemas.registry import explain


class EsbError(Exception):
    code: ClassVar[str] = "error"


class RetryableError(EsbError):
    """May pass later by itself.

    Args:
        retry_after: seconds the other side asked for, or None.
    """

    code = "retryable"

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BrokerUnavailable(RetryableError):
    """The broker did not confirm in time. The message may still be stored: repeat it under the same key."""

    code = "broker_unavailable"


class AwaitingPredecessor(RetryableError):
    """The object this message refers to has not reached the endpoint yet."""

    code = "awaiting_predecessor"


class NeedsUpgrade(RetryableError):
    """The event's version is newer than this release reads."""

    code = "needs_upgrade"


class EndpointDown(EsbError):
    """An endpoint as a whole is unusable; `code` tells how, the queue is paused until a probe succeeds."""

    code = "endpoint_down"


class InDoubt(EsbError):
    """A write was started and its outcome is unknown.

    Args:
        wait_s: seconds until looking proves something; None means the endpoint's settle time.
    """

    code = "in_doubt"

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class PermanentError(EsbError):
    """A person has to change something before this can pass. The message says what and where."""

    code = "permanent"


class InvalidData(PermanentError):
    """The content breaks a rule of the canonical schema or of the receiver."""

    code = "invalid_data"

    @classmethod
    def of(cls, what: str, error: ValidationError) -> "InvalidData":
        """Name the object, and each field with its value and fault."""
        return cls(f"{what}: {explain(error)}")


class NoRoute(PermanentError):
    """The queue a message was published to does not exist."""

    code = "no_route"


class MessageTooLarge(PermanentError):
    """A body above the 8 MB the broker is asked to carry."""

    code = "too_large"


class PoisonMessageError(EsbError):
    """The bytes cannot be read as what they claim to be; bulk replay skips them."""

    code = "poison"
