"""What becomes of a failed attempt."""

import pytest

from esb_bus.errors import (
    AwaitingPredecessor,
    BrokerUnavailable,
    EndpointDown,
    EsbError,
    InDoubt,
    InvalidData,
    PermanentError,
    PoisonMessageError,
    RetryableError,
)
from esb_bus.verdict import Bury, Failures, Hold, LookAgain, Park, Pause, RetryPolicy, judge
from esb_schemas.registry import MalformedEvent

POLICY = RetryPolicy(delays=(1, 5), hold_s=60, settle_s=10, give_up_s=1000)
FIRST = Failures(attempt=1, held_s=0, age_s=0)
TIRED = Failures(attempt=9, held_s=58, age_s=200)
OLD = Failures(attempt=99, held_s=0, age_s=1000)


@pytest.mark.parametrize(
    ("error", "failures", "verdict"),
    [
        pytest.param(PoisonMessageError("x"), FIRST, Bury("poison", replayable=False), id="poison"),
        pytest.param(MalformedEvent("x"), FIRST, Bury("poison", replayable=False), id="malformed event"),
        pytest.param(PermanentError("x"), FIRST, Bury("permanent"), id="permanent"),
        pytest.param(InvalidData("x"), FIRST, Bury("invalid_data"), id="a leaf keeps its code"),
        pytest.param(EsbError("x"), FIRST, Bury("error"), id="of no class"),
        pytest.param(KeyError("x"), FIRST, Bury("bug"), id="bug"),
        pytest.param(EndpointDown("gone"), TIRED, Pause("endpoint_down", "gone"), id="endpoint down"),
        pytest.param(InDoubt("x"), FIRST, LookAgain(10, "in_doubt"), id="in doubt"),
        pytest.param(InDoubt("x", wait_s=3), FIRST, LookAgain(3, "in_doubt"), id="in doubt for less"),
        pytest.param(InDoubt("x"), TIRED, Park("in_doubt"), id="in doubt for too long to hold"),
        pytest.param(InDoubt("x"), OLD, Bury("in_doubt"), id="in doubt for ever"),
        pytest.param(RetryableError("x"), TIRED, Park("retryable"), id="held too long"),
        pytest.param(RetryableError("x", retry_after=90), FIRST, Park("retryable"), id="told to wait too long"),
        pytest.param(RetryableError("x"), OLD, Bury("retries_exhausted"), id="given up"),
        pytest.param(AwaitingPredecessor("x"), TIRED, Park("awaiting_predecessor"), id="a leaf parks under its code"),
    ],
)
def test_verdict(error, failures, verdict):
    assert judge(error, failures, POLICY) == verdict


@pytest.mark.parametrize(
    ("error", "failures", "least"),
    [
        pytest.param(RetryableError("x"), FIRST, 1, id="first delay"),
        pytest.param(BrokerUnavailable("x"), Failures(2, 1, 1), 5, id="second delay"),
        pytest.param(RetryableError("x"), Failures(7, 1, 1), 5, id="the last delay repeats"),
        pytest.param(RetryableError("x", retry_after=7), FIRST, 7, id="as asked"),
        pytest.param(RetryableError("x", retry_after=0), FIRST, 1, id="never at once"),
        pytest.param(RetryableError("x", retry_after=-5), FIRST, 1, id="never in the past"),
    ],
)
def test_a_held_message_waits_at_least_its_delay_and_little_more(error, failures, least):
    verdict = judge(error, failures, POLICY)

    assert isinstance(verdict, Hold)
    assert least <= verdict.delay_s <= least * 1.1
