"""Free loopback ports for servers that must not collide with anything else on the machine."""

import random
import socket
from collections.abc import Iterator

LOOPBACK = "127.0.0.1"
# Below the range from which the kernel takes ports for outgoing connections (32768 by default): a port that is free
# now is then not taken by a client between our look and the server's bind.
_CANDIDATES = range(20_000, 32_000)


def free_ports(count: int) -> tuple[int, ...]:
    """Return `count` different ports on which nobody listens on the loopback address."""
    candidates = _shuffled()
    return tuple(next(candidates) for _ in range(count))


def free_port() -> int:
    return free_ports(1)[0]


def _shuffled() -> Iterator[int]:
    # Not the seeded generator of the module: two test runs with one seed would then fight for the same ports.
    order = random.SystemRandom().sample(_CANDIDATES, len(_CANDIDATES))
    return (port for port in order if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
