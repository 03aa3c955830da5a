"""A broken Redis is a miss, whatever it breaks like."""

import asyncio
import socket
import struct
import threading
import time
from contextlib import contextmanager

import uvloop

from esb_adapters.bitrix24.budget import RedisBudget
from esb_bus.cache import RedisCache, open_redis

RESET = struct.pack("ii", 1, 0)


@contextmanager
def resetting_server():
    """Resets every connection as soon as it is accepted, in a thread of its own: also before the first byte is sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"redis://:word@127.0.0.1:{listener.getsockname()[1]}/0"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def under_uvloop(coroutine):
    """As `esb run` does: its transports refuse to write after a reset in a way of their own."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(coroutine)


def test_a_connection_that_is_reset_at_any_moment_is_a_miss():
    async def ask(url):
        connection = open_redis(url)
        # A fresh cache each time: one that has just failed asks nobody for a while.
        answers = [await asyncio.gather(*(RedisCache(connection, "t:").get("k") for _ in range(50))) for _ in range(20)]
        await connection.aclose()
        return {answer for some in answers for answer in some}

    with resetting_server() as url:
        assert under_uvloop(ask(url)) == {None}


def test_a_rate_budget_whose_connection_is_reset_counts_by_itself():
    async def take(url):
        connection = open_redis(url)
        for _ in range(20):
            await asyncio.gather(*(RedisBudget(connection, "k", 1000, 1000).take() for _ in range(50)))
        await connection.aclose()
        return True

    with resetting_server() as url:
        assert under_uvloop(take(url))


async def test_a_silent_redis_costs_its_patience_once_and_not_for_every_question():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = open_redis(f"redis://127.0.0.1:{listener.getsockname()[1]}/0")
        cache = RedisCache(connection, "t:")
        started = time.monotonic()

        answers = [await cache.get(str(number)) for number in range(20)]

        await connection.aclose()
        assert set(answers) == {None}
        assert time.monotonic() - started < 2
