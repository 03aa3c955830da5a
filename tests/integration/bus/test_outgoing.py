"""A partner whose connections break in any way is a partner that is away, never a bug of ours."""

import asyncio

import httpx
from tests.resetting import resetting_server, under_uvloop

from esb_bus.outgoing import open_http


def test_a_connection_that_is_reset_as_soon_as_it_stands_was_never_used():
    async def ask(url):
        async with open_http(timeout=2) as client:
            failures = []
            for _ in range(60):
                failures += await asyncio.gather(*(client.get(url) for _ in range(50)), return_exceptions=True)
        return [failure for failure in failures if not isinstance(failure, httpx.TransportError)]

    with resetting_server() as port:
        assert under_uvloop(ask(f"http://127.0.0.1:{port}/")) == []
