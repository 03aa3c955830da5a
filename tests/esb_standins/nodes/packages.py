"""Find RabbitMQ and Redis on this machine, or unpack the distribution's packages beside the project.

Installed programs are run as they are, under our own settings: the system's service is neither used nor touched.
"""

import fcntl
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from esb_standins.nodes.apt import fetch, is_complete, run
from esb_standins.nodes.errors import NodesUnavailable
from esb_standins.nodes.foreign import adapt

_SYSTEM = Path("/")
_WANTED = ("rabbitmq-server", "redis-server")
_OLDEST_RABBITMQ = (3, 10)
_OLDEST_REDIS = (7, 0)
_RELEASE_OF = {4: "trixie"}
"""Where a newer RabbitMQ than the machine's is to be had: Debian 13 carries 4.0.5."""
_WAY_OUT = "name running servers in ESB_AMQP_URL and ESB_REDIS_URL instead"


@dataclass(frozen=True, slots=True)
class Binaries:
    """Where the servers are.

    Args:
        rabbitmq_home: folder with `sbin` and `plugins`.
        erlang_root: Erlang's ROOTDIR.
        erlexec: the runtime's first program.
        redis_server: the program.
        library_path: value of LD_LIBRARY_PATH for RabbitMQ; empty when everything is installed.
        redis_library_path: likewise for Redis.
    """

    rabbitmq_home: Path
    erlang_root: Path
    erlexec: Path
    redis_server: Path
    library_path: str
    redis_library_path: str

    @property
    def rabbitmq_version(self) -> tuple[int, ...]:
        return _numbers(self.rabbitmq_home.name)


def binaries(cache: Path, major: str | None = None) -> Binaries:
    """Return usable servers, fetching the packages when the machine has not all of them installed.

    Args:
        cache: folder that keeps what was fetched; shared by all run directories of a checkout.
        major: of RabbitMQ, `4` or `3`; else the variable ESB_TEST_RABBITMQ, else whatever the machine has.

    Raises:
        NodesUnavailable: neither installed nor to be had, or too old.
    """
    wanted = major or os.environ.get("ESB_TEST_RABBITMQ")
    try:
        found = _checked(_installed() or _fetched(cache))
        return found if wanted is None else of_major(int(wanted), found, cache)
    except NodesUnavailable as error:
        raise NodesUnavailable(f"{error}; {_WAY_OUT}") from error


def _installed() -> Binaries | None:
    try:
        return search([_SYSTEM], library_path="")
    except FileNotFoundError:
        return None


def _fetched(cache: Path) -> Binaries:
    unpacked = cache / "system"
    with _alone(cache):
        if not is_complete(unpacked):
            fetch(_WANTED, unpacked)
    try:
        # apt leaves out what is installed, hence half of it may be in the system.
        return search([unpacked, _SYSTEM], _library_path(unpacked))
    except FileNotFoundError as error:
        raise NodesUnavailable(f"{error} is not in the fetched packages; delete {unpacked} and try again") from error


def of_major(wanted: int, found: Binaries, cache: Path) -> Binaries:
    """Return RabbitMQ of another major version, with the Redis that was found."""
    if found.rabbitmq_version[0] == wanted:
        return found
    if wanted not in _RELEASE_OF:
        raise NodesUnavailable(f"RabbitMQ {wanted} is asked for, this machine has {found.rabbitmq_home.name}")
    unpacked = cache / f"system-{_RELEASE_OF[wanted]}"
    with _alone(cache):
        if not is_complete(unpacked):
            fetch(["rabbitmq-server"], unpacked, _RELEASE_OF[wanted])
        try:
            adapt(unpacked)
            return of_other_release(unpacked, found)
        except FileNotFoundError as error:
            raise NodesUnavailable(f"{error} is not in the packages; delete {unpacked} and try again") from error


def of_other_release(root: Path, found: Binaries) -> Binaries:
    """Take RabbitMQ from `root`; its programs find their libraries themselves, and the machine's must not see them."""
    other = search([root], library_path="", redis_server=found.redis_server)
    return replace(other, redis_library_path=found.redis_library_path)


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Let one process at a time fetch; the others wait and find the work done."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "packages.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def search(roots: Sequence[Path], library_path: str, redis_server: Path | None = None) -> Binaries:
    """Find each program in the first root that has it. Raises FileNotFoundError."""
    erlexec = _newest(roots, "usr/lib/erlang/erts-*/bin/erlexec")
    return Binaries(
        rabbitmq_home=_newest(roots, "usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin").parent,
        erlang_root=erlexec.parents[2],
        erlexec=erlexec,
        redis_server=redis_server or _newest(roots, "usr/bin/redis-server"),
        library_path=library_path,
        redis_library_path=library_path,
    )


def _newest(roots: Sequence[Path], pattern: str) -> Path:
    for root in roots:
        found = sorted(root.glob(pattern), key=lambda path: _numbers(str(path)))
        if found:
            return found[-1]
    raise FileNotFoundError(f"/{pattern}")


def _library_path(root: Path) -> str:
    folders = {str(library.parent) for library in root.glob("**/lib*.so*")}
    return os.pathsep.join(sorted(folder for folder in folders if "/erlang/" not in folder))


def _checked(found: Binaries) -> Binaries:
    rabbitmq = _numbers(found.rabbitmq_home.name)
    if rabbitmq < _OLDEST_RABBITMQ:
        raise NodesUnavailable(_too_old("RabbitMQ", rabbitmq, _OLDEST_RABBITMQ))
    redis = redis_version(found)
    if redis < _OLDEST_REDIS:
        raise NodesUnavailable(_too_old("Redis", redis, _OLDEST_REDIS))
    return found


def redis_version(found: Binaries) -> tuple[int, ...]:
    environment = {"LD_LIBRARY_PATH": found.redis_library_path}
    answer = run([str(found.redis_server), "--version"], environment)
    match = re.search(r"v=([0-9.]+)", answer)
    return _numbers(match[1]) if match else ()


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text))


def _too_old(name: str, version: Sequence[int], oldest: Sequence[int]) -> str:
    has, needs = ".".join(map(str, version)), ".".join(map(str, oldest))
    return f"{name} {has} of this system is too old, {needs} is needed"
