"""A private Redis server: own port and password, loopback only, nothing written to disk."""

import secrets
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from esb_standins.nodes.packages import Binaries
from esb_standins.nodes.ports import LOOPBACK, free_port
from esb_standins.nodes.server import Plan


@dataclass(frozen=True, slots=True)
class RedisAddress:
    port: int
    password: str

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"


def redis_plan(directory: Path, binaries: Binaries) -> Plan[RedisAddress]:
    """Plan a server with a new port and a new password."""
    address = RedisAddress(free_port(), secrets.token_urlsafe(18))
    return Plan(
        name="Redis",
        directory=directory,
        address=address,
        command=(str(binaries.redis_server), str(directory / "redis.conf")),
        environment={"LD_LIBRARY_PATH": binaries.redis_library_path, "LANG": "C.UTF-8"},
        files={"redis.conf": configuration(address, directory)},
        answers=is_ready,
        start_s=20,
        stop_s=5,
    )


def configuration(address: RedisAddress, directory: Path) -> str:
    """Return `redis.conf`. Nothing is persisted: Redis is never the truth, and a restart loses all of it."""
    return (
        f'bind {LOOPBACK}\nport {address.port}\nrequirepass {address.password}\ndir "{directory}"\n'
        'save ""\nappendonly no\nmaxmemory 256mb\nmaxmemory-policy noeviction\n'
        "set-proc-title no\n"  # keeps the folder in the command line, by which the process is recognised as ours
    )


async def is_ready(address: RedisAddress) -> bool:
    client = Redis.from_url(address.url, socket_timeout=2)
    try:
        return bool(await client.ping())
    except (RedisError, OSError):
        return False
    finally:
        await client.aclose()
