import pytest
from pydantic import SecretStr

from esb_adapters.bitrix24.webhook import event_check
from esb_adapters.receiving import Accepted, Refused

ENDPOINT = "bitrix24.portal"
TOKEN = "q9w8e7r6t5y4u3i2o1p0a1s2d3f4g5h6"


@pytest.fixture
def check():
    return event_check(ENDPOINT, SecretStr(TOKEN))


def form(event, data=""):
    return f"event={event}{data}&auth[application_token]={TOKEN}".encode()


def test_event_is_kept_under_the_thread_of_its_deal(check, sample):
    verdict = check({"content-type": "application/x-www-form-urlencoded"}, sample("deal_update.event"))

    assert isinstance(verdict, Accepted)
    message = verdict.message
    assert (message.thread, message.kind) == ("deal/bitrix24.portal/731", "bitrix24.event")
    assert message.version == int(message.received_at.timestamp() * 1000)


def test_genuine_event_without_a_deal_is_kept_for_a_person(check):
    verdict = check({}, form("ONCRMDEALUPDATE"))

    assert verdict.message.thread is None


def test_event_about_something_else_is_accepted_and_not_kept(check):
    assert check({}, form("ONCRMCOMPANYUPDATE", "&data[FIELDS][ID]=17")) == Accepted(None)


@pytest.mark.parametrize("body", [b"", b"event=ONCRMDEALUPDATE&data[FIELDS][ID]=1", b"\xff", form("X")[:-1]])
def test_whoever_has_not_the_token_is_refused(check, body):
    verdict = check({}, body)

    assert isinstance(verdict, Refused)
    assert (verdict.status, verdict.reason) == (401, "wrong_token")


def test_portal_without_a_token_refuses_every_event():
    verdict = event_check(ENDPOINT, None)({}, form("ONCRMDEALUPDATE", "&data[FIELDS][ID]=1"))

    assert (verdict.status, verdict.reason) == (401, "no_token")
