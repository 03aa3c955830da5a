"""What a stranger may do to the door with nothing but bytes."""

import asyncio
import base64
import gzip
import hashlib
import hmac
import json
from contextlib import AsyncExitStack

import httpx
import pytest
from tests.security.conftest import WEBHOOK_SECRET, Kept, serving

from esb_adapters import door_server as door_server_module

PATH = "/webhooks/website/shop"
ORDER = json.dumps({"id": 10015, "date_modified_gmt": "2026-01-05T10:00:00"}).encode()


def signed(body, **headers):
    digest = base64.b64encode(hmac.new(WEBHOOK_SECRET.encode(), body, hashlib.sha256).digest()).decode()
    return {"X-WC-Webhook-Signature": digest, "X-WC-Webhook-Topic": "order.updated", **headers}


async def post(door, body, headers):
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        return await client.post(f"http://127.0.0.1:{door.port}{PATH}", content=body, headers=headers)


async def test_a_signed_order_is_taken_in(served_door):
    answer = await post(served_door, ORDER, signed(ORDER))

    assert answer.status_code == 200
    assert [message.body for message in served_door.kept.messages] == [ORDER]
    assert "server" not in answer.headers


async def test_a_compressed_body_is_refused_and_never_unpacked(served_door):
    bomb = gzip.compress(b"0" * 50_000_000)

    answer = await post(served_door, bomb, signed(bomb, **{"Content-Encoding": "gzip"}))

    assert answer.status_code == 415
    assert served_door.kept.messages == []


async def test_silence_is_ended(served_door):
    assert await served_door.says(b"") == b""


async def test_a_head_that_never_ends_is_ended(served_door):
    async with served_door.connection() as (reader, writer), asyncio.timeout(5):
        writer.write(b"POST /webhooks/website/shop HTTP/1.1\r\nHost: door\r\n")
        for number in range(200):
            writer.write(f"X-Slow-{number}: 1\r\n".encode())
            await asyncio.sleep(0.05)
            if reader.at_eof():
                break

        assert reader.at_eof()


async def test_a_second_head_on_the_same_connection_is_timed_too(served_door):
    async with served_door.connection() as (reader, writer), asyncio.timeout(5):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: door\r\n\r\nGET /heal")

        assert (await reader.read()).startswith(b"HTTP/1.1 200")


async def test_a_body_may_take_longer_than_a_head(served_door):
    async with served_door.connection() as (reader, writer), asyncio.timeout(5):
        head = "".join(f"{name}: {value}\r\n" for name, value in signed(ORDER).items())
        writer.write(f"POST {PATH} HTTP/1.1\r\nHost: d\r\nContent-Length: {len(ORDER)}\r\n{head}\r\n".encode())
        await asyncio.sleep(0.6)
        writer.write(ORDER)

        assert (await reader.readline()).startswith(b"HTTP/1.1 200")


async def test_a_head_above_the_limit_is_refused(served_door):
    request = b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: d\r\nX-Long: " + b"a" * 1_000_000 + b"\r\n\r\n"

    assert (await served_door.says(request)).startswith((b"HTTP/1.1 400", b"reset"))


SMUGGLED = b"POST /webhooks/website/shop HTTP/1.1\r\nHost: inner\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 4\r\nContent-Length: 90\r\n",
        b"Content-Length: 4, 90\r\n",
        b"Content-Length: +4\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Content-Length : 4\r\n",
        b"X-Folded: a\r\n Content-Length: 4\r\nBad Name: 1\r\n",
        b"X-Null: a\x00b\r\n",
    ],
    ids=["two-lengths", "list", "signed", "coding-not-last", "unknown-coding", "blank-before-colon", "bad-name", "nul"],
)
async def test_a_request_whose_length_is_unclear_ends_the_connection(served_door, head):
    request = b"POST /webhooks/website/shop HTTP/1.1\r\nHost: d\r\n" + head + b"\r\n0\r\n\r\n" + SMUGGLED

    answer = await served_door.says(request)

    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 501")), answer
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "path",
    [
        "/webhooks/website/../../healthz",
        "/webhooks/website/%2e%2e/shop",
        "/webhooks/onec/trade",
        "//etc/passwd",
        "/webhooks/website/shop%00",
    ],
)
async def test_no_other_path_leads_anywhere(served_door, path):
    answer = await served_door.says(f"POST {path} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n".encode())

    assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 405"))


async def test_control_characters_of_headers_and_ids_reach_no_header_of_ours(served_door):
    body = json.dumps({"id": "1\r\nx-esb-legal-entity: other", "date_modified_gmt": "2026-01-05T10:00:00"}).encode()

    answer = await post(served_door, body, signed(body, **{"X-WC-Webhook-Delivery-ID": "a" * 5000}))

    assert answer.status_code == 200
    (message,) = served_door.kept.messages
    assert message.thread is None
    assert all(len(value) <= 200 and value.isprintable() for value in message.headers.values())


async def test_more_connections_than_the_limit_are_turned_away(monkeypatch):
    monkeypatch.setattr(door_server_module, "MAX_CONNECTIONS", 3)
    async with serving(Kept()) as crowded, AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(crowded.connection())

        answer = await crowded.says(b"GET /healthz HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 503")
