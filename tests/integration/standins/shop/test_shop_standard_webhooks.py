"""The sender of «any site»: Standard Webhooks."""

import json

import pytest

from esb_standins.shop.standard_webhooks import Sender, encode_event, signature

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_c3RhbmRpbi1zZWNyZXQtbnVtYmVyLXR3bw=="


def test_the_public_vector_fits():
    body = b'{"test": 2432232314}'

    signed = signature(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)

    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_an_event_names_its_type_its_moment_and_its_data():
    event = json.loads(encode_event("order.created", {"id": "А-1"}, 1_772_442_605.7))

    assert event == {"type": "order.created", "timestamp": "2026-03-02T09:10:05Z", "data": {"id": "А-1"}}


async def test_retries_keep_the_id_until_the_event_is_accepted(receiver):
    receiver.statuses = [500, 503, 204]
    sender = Sender(receiver.url, [SECRET], schedule=(0, 0, 0, 0))

    outcome = await sender.send("order.created", {"id": "1"})

    assert (outcome.is_delivered, [attempt.status for attempt in outcome.attempts]) == (True, [500, 503, 204])
    assert {request.headers["webhook-id"] for request in receiver.requests} == {outcome.webhook_id}


@pytest.mark.parametrize(("status", "attempts"), [(410, 1), (302, 3), (400, 3)])
async def test_only_gone_ends_the_schedule_early(receiver, status, attempts):
    receiver.status = status
    sender = Sender(receiver.url, [SECRET], schedule=(0, 0, 0))

    outcome = await sender.send("order.created", {"id": "1"})

    assert (outcome.is_delivered, len(outcome.attempts)) == (False, attempts)


async def test_two_secrets_give_two_signatures(receiver):
    sender = Sender(receiver.url, [OTHER, SECRET], clock=lambda: 1614265330.0)

    outcome = await sender.send_raw(b'{"test": 2432232314}', "msg_p5jXN8AQM9LWM0D4loKWxJek")

    signatures = receiver.requests[0].headers["webhook-signature"].split()
    assert outcome.is_delivered
    assert len(signatures) == 2
    assert signatures[1] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_nobody_there_is_an_attempt_without_a_status():
    sender = Sender("http://127.0.0.1:9/hook", [SECRET], schedule=(0,))

    outcome = await sender.send("order.created", {})

    assert [attempt.status for attempt in outcome.attempts] == [None]
