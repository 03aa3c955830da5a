import asyncio
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aio_pika
import httpx
import pytest

from esb_standins.nodes.claim import Claim, claim
from esb_standins.nodes.packages import Binaries
from esb_standins.nodes.private import end_leftovers
from esb_standins.nodes.process import ProcessRecord, Supervised, record_of
from esb_standins.nodes.rabbitmq import RabbitAddress, rabbitmq_plan
from esb_standins.nodes.redis import RedisAddress, is_ready, redis_plan
from esb_standins.nodes.server import PrivateServer

LISTENING = "0A"

# What a process of ours does that starts a server and is then killed, or interrupted.
OWNER = """
import asyncio, signal, sys
from pathlib import Path
from esb_standins.nodes.claim import claim
from esb_standins.nodes.packages import binaries
from esb_standins.nodes.private import cache_of
from esb_standins.nodes.redis import redis_plan
from esb_standins.nodes.server import PrivateServer

async def main(run_dir):
    with claim(run_dir) as taken:
        plan = redis_plan(run_dir / "redis", binaries(cache_of(run_dir)))
        server = PrivateServer(plan, lock=taken.descriptor)
        await server.start()
        print(server.pid, flush=True)
        await asyncio.sleep(60)

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have started the tests with it ignored
asyncio.run(main(Path(sys.argv[1])))
"""


def until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def listening_addresses(pid: int) -> set[str]:
    """Return the local addresses on which a process listens, as the kernel writes them."""
    inodes = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING and f"socket:[{fields[9]}]" in inodes:
                found.add(fields[1].split(":")[0])
    return found


@pytest.fixture
async def redis(programs: Binaries, claimed: Claim) -> AsyncIterator[PrivateServer[RedisAddress]]:
    server = PrivateServer(redis_plan(claimed.directory / "redis", programs), lock=claimed.descriptor)
    await server.start()
    yield server
    await server.discard()


@pytest.fixture
async def rabbitmq(programs: Binaries, claimed: Claim) -> AsyncIterator[PrivateServer[RabbitAddress]]:
    server = PrivateServer(rabbitmq_plan(claimed.directory / "rabbitmq", programs), lock=claimed.descriptor)
    await server.start()
    yield server
    await server.discard()


async def test_rabbitmq_listens_on_loopback_only_and_keeps_its_secrets_to_itself(
    rabbitmq: PrivateServer[RabbitAddress],
):
    modes = {
        stat.S_IMODE((rabbitmq.directory / name).stat().st_mode)
        for name in ("rabbitmq.conf", "address.json", "home/.erlang.cookie")
    }

    assert listening_addresses(rabbitmq.pid) == {"0100007F"}
    assert modes <= {0o600, 0o400}


async def test_rabbitmq_knows_no_guest(rabbitmq: PrivateServer[RabbitAddress]):
    url = f"http://127.0.0.1:{rabbitmq.address.management_port}/api/overview"

    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(url, auth=("guest", "guest"))

    assert answer.status_code == httpx.codes.UNAUTHORIZED


async def test_killed_rabbitmq_comes_back_on_the_same_ports_with_its_messages(rabbitmq: PrivateServer[RabbitAddress]):
    async with await aio_pika.connect(rabbitmq.address.amqp_url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("kept", durable=True, arguments={"x-queue-type": "quorum"})
        await channel.default_exchange.publish(aio_pika.Message(b"held"), routing_key="kept")
        # RabbitMQ (3.10 and 4.0 alike) writes the names of new quorum queues half a second later, and nothing shows it;
        # a queue declared within that time before a power cut never gets a leader again.
        await asyncio.sleep(1)
        await rabbitmq.kill()

    await rabbitmq.revive()

    async with await aio_pika.connect(rabbitmq.address.amqp_url) as connection:
        queue = await (await connection.channel()).get_queue("kept")
        message = await queue.get(timeout=10)
        assert message.body == b"held"


async def test_paused_redis_does_not_answer_until_resumed(redis: PrivateServer[RedisAddress]):
    redis.pause()

    assert not await is_ready(redis.address)

    redis.resume()
    assert await is_ready(redis.address)


async def test_restarted_redis_is_another_process_at_the_same_address(redis: PrivateServer[RedisAddress]):
    before = redis.pid

    await redis.restart()

    assert redis.pid != before
    assert await is_ready(redis.address)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_server_is_gone_when_its_owner_ends(programs: Binaries, claimed: Claim, number: signal.Signals):
    run_dir = claimed.directory / "owned"
    with subprocess.Popen([sys.executable, "-c", OWNER, str(run_dir)], stdout=subprocess.PIPE, text=True) as owner:  # noqa: S603 - our own script
        server = record_of(int(owner.stdout.readline()), str(run_dir))
        assert server.is_alive()

        owner.send_signal(number)

        assert until(lambda: not server.is_alive())


def test_server_is_gone_when_its_guard_is_killed(programs: Binaries, claimed: Claim):
    plan = redis_plan(claimed.directory / "redis", programs)
    server = PrivateServer(plan, lock=claimed.descriptor)
    asyncio.run(server.start())
    record = record_of(server.pid, str(plan.directory))
    guard = int(Path(f"/proc/{server.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[1])

    os.kill(guard, signal.SIGKILL)

    assert until(lambda: not record.is_alive())
    asyncio.run(server.discard())


def test_leftover_of_a_crashed_run_is_ended(programs: Binaries, claimed: Claim):
    server = PrivateServer(redis_plan(claimed.directory / "redis", programs), lock=claimed.descriptor, detached=True)
    asyncio.run(server.start())
    left = record_of(server.pid, str(server.directory))

    end_leftovers(claimed.directory)

    assert not left.is_alive()
    asyncio.run(server.discard())


def test_process_that_took_over_a_recorded_number_is_left_alone(claimed: Claim):
    with subprocess.Popen(["/bin/sleep", "60"]) as stranger:
        strange = record_of(stranger.pid, "sleep")
        mistaken = ProcessRecord(stranger.pid, started="another boot/1", marker="sleep")
        Supervised(claimed.directory / "process.json", mistaken, mistaken).kill()

        assert strange.is_alive()
        stranger.kill()


def test_process_is_alive_while_it_replaces_itself_by_another_program(claimed: Claim):
    again = 'n=$1; [ "$n" -eq 0 ] || exec /bin/sh "$0" $((n - 1)); exec /bin/sleep 60'
    script = claimed.directory / "again.sh"
    script.write_text(again, encoding="utf-8")
    with subprocess.Popen(["/bin/sh", str(script), "300"]) as process:  # noqa: S603 - written above
        record = record_of(process.pid, "")

        seen = [record.is_alive() for _ in range(3000)]

        process.kill()
    assert all(seen)


def test_run_directory_belongs_to_one_process_at_a_time(claimed: Claim):
    assert claim(claimed.directory) is None


def test_run_directory_is_free_again_after_release(tmp_path: Path):
    with claim(tmp_path):
        pass

    with claim(tmp_path) as again:
        assert again is not None
