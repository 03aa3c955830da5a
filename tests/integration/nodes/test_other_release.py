import os

import httpx
import pytest

from esb_standins.nodes import NodesUnavailable
from esb_standins.nodes.claim import Claim
from esb_standins.nodes.packages import binaries
from esb_standins.nodes.private import cache_of
from esb_standins.nodes.rabbitmq import rabbitmq_plan
from esb_standins.nodes.server import PrivateServer


async def test_rabbitmq_4_runs_on_a_machine_that_carries_an_older_one(claimed: Claim):
    try:
        found = binaries(cache_of(claimed.directory), "4")
    except NodesUnavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no RabbitMQ 4 on this machine: {error}")
    server = PrivateServer(rabbitmq_plan(claimed.directory / "rabbitmq", found), lock=claimed.descriptor)

    await server.start()

    async with httpx.AsyncClient(trust_env=False) as client:
        told = (await client.get(f"{server.address.management_url}/api/overview")).json()
    assert told["rabbitmq_version"].startswith("4.")
    await server.discard()
