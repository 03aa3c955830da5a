"""Servers that run already: a corner of their own, and nothing left in it."""

from pathlib import Path

import aio_pika
import httpx
import pytest
from redis.asyncio import Redis

from esb_standins.nodes import Nodes, NodesUnavailable, nodes
from esb_standins.nodes.ports import free_port

RUN_DIR = Path(__file__).parents[3] / ".run" / "tests-given"


def given(servers: Nodes) -> dict[str, str]:
    return servers.environment()


async def vhosts(servers: Nodes) -> set[str]:
    async with httpx.AsyncClient(base_url=servers.management_url, trust_env=False) as client:
        return {item["name"] for item in (await client.get("/api/vhosts")).json()}


async def test_given_broker_gets_a_virtual_host_that_is_removed_afterwards(servers: Nodes):
    before = await vhosts(servers)

    async with nodes(RUN_DIR, given(servers)) as own:
        during = await vhosts(servers)
        async with await aio_pika.connect(own.amqp_url) as connection:
            await (await connection.channel()).declare_queue("q", durable=True)

    assert len(during - before) == 1
    assert await vhosts(servers) == before
    assert own.rabbitmq is None
    assert own.is_own_vhost


async def test_keys_under_the_prefix_are_removed_and_others_stay(servers: Nodes, unique: str):
    async with Redis.from_url(servers.redis_url) as client:
        await client.set(unique, "kept")
        async with nodes(RUN_DIR, given(servers)) as own:
            await client.set(f"{own.redis_prefix}mine", "gone")

        assert await client.exists(f"{own.redis_prefix}mine") == 0
        assert await client.delete(unique) == 1


async def test_without_a_management_plugin_the_given_virtual_host_is_used_and_told(servers: Nodes):
    # The usual management port beside this address belongs to nobody.
    url = servers.amqp_url.replace("127.0.0.1", "127.9.9.9")

    async with nodes(RUN_DIR, {"ESB_AMQP_URL": url, "ESB_REDIS_URL": servers.redis_url}) as own:
        assert not own.is_own_vhost
        assert own.management_url is None
        assert own.amqp_url == url


async def test_management_address_that_does_not_answer_is_named(servers: Nodes):
    environ = given(servers) | {"ESB_AMQP_MANAGEMENT_URL": f"http://127.0.0.1:{free_port()}"}

    with pytest.raises(NodesUnavailable, match="ESB_AMQP_MANAGEMENT_URL does not answer"):
        async with nodes(RUN_DIR, environ):
            pass
