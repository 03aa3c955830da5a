"""What becomes of a failed attempt: a table, and nothing that does anything."""

import random
from dataclasses import dataclass
from typing import TypeAlias

from esb_bus.errors import (
    EndpointDown,
    EsbError,
    InDoubt,
    PermanentError,
    PoisonMessageError,
    RetryableError,
)
from esb_schemas.registry import MalformedEvent, NewerEventVersion


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long a thread is held and when waiting ends. Times in seconds."""

    delays: tuple[float, ...] = (1, 5, 15, 60, 120, 300)
    hold_s: float = 600
    settle_s: float = 60
    give_up_s: float = 7 * 86400


@dataclass(frozen=True, slots=True)
class Hold:
    """Keep the message unacknowledged, its thread behind it, and try again after `delay_s`."""

    delay_s: float
    code: str


@dataclass(frozen=True, slots=True)
class Park:
    """Move the thread aside; it is tried again from `.parked`."""

    code: str


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Wait until an earlier write can no longer commit, then start over with a look-up."""

    after_s: float
    code: str


@dataclass(frozen=True, slots=True)
class Pause:
    """The endpoint as a whole: close the channel, probe, go on. No attempt is counted."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Bury:
    """Into `.dead` with original bytes and reason; the thread is blocked."""

    code: str
    replayable: bool = True


Verdict: TypeAlias = Hold | Park | LookAgain | Pause | Bury


@dataclass(frozen=True, slots=True)
class Failures:
    """What is known about earlier attempts of the same message: this is attempt number `attempt`, 1 is the first."""

    attempt: int
    held_s: float
    age_s: float


def judge(  # noqa: PLR0911  a table reads in one direction
    error: Exception, failures: Failures, policy: RetryPolicy
) -> Verdict:
    """Decide the fate of one failed attempt."""
    match error:
        case PoisonMessageError() | MalformedEvent():
            return Bury(getattr(error, "code", PoisonMessageError.code), replayable=False)
        case PermanentError():
            return Bury(error.code)
        case EndpointDown():
            return Pause(error.code, str(error))
        case InDoubt():
            return _look_again(error, failures, policy)
        case NewerEventVersion():
            return _wait("needs_upgrade", None, failures, policy)
        case RetryableError():
            return _wait(error.code, error.retry_after, failures, policy)
        case EsbError():
            return Bury(error.code)
        case _:
            return Bury("bug")


def _look_again(error: InDoubt, failures: Failures, policy: RetryPolicy) -> Verdict:
    """Waiting for certainty has the bounds of all waiting: an endpoint may never let us know."""
    after_s = policy.settle_s if error.wait_s is None else error.wait_s
    if failures.age_s >= policy.give_up_s:
        return Bury(error.code)
    if failures.held_s > 0 and failures.held_s + after_s > policy.hold_s:
        return Park(error.code)
    return LookAgain(after_s, error.code)


def _wait(code: str, retry_after: float | None, failures: Failures, policy: RetryPolicy) -> Verdict:
    if failures.age_s >= policy.give_up_s:
        return Bury("retries_exhausted")
    delay = policy.delays[min(failures.attempt, len(policy.delays)) - 1]
    if retry_after is not None:
        # "Retry-After: 0" would let us run in circles, and holding would never end: no time passes in it.
        delay = max(retry_after, policy.delays[0])
    if failures.held_s + delay > policy.hold_s:
        return Park(code)
    return Hold(delay * random.uniform(1.0, 1.1), code)  # noqa: S311  jitter only lengthens
