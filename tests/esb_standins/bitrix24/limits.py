"""The intensity limit: a bucket per source address that every request fills and time drains."""

from dataclasses import dataclass, field


@dataclass
class LeakyBucket:
    """Admit requests while the bucket has room.

    `capacity` requests, draining `drain` per second; capacity 0 switches the limit off. Source: Bitrix24 REST docs,
    "Limits": 50 and 2 per second on ordinary plans, 250 and 5 on Enterprise, counted per source address.
    """

    capacity: int = 50
    drain: float = 2.0
    _levels: dict[str, tuple[float, float]] = field(default_factory=dict)

    def admits(self, address: str, now: float) -> bool:
        """Count one request of `address` at `now` (seconds of any steady clock)."""
        if self.capacity <= 0:
            return True
        level, since = self._levels.get(address, (0.0, now))
        level = max(0.0, level - (now - since) * self.drain)
        admitted = level + 1 <= self.capacity
        self._levels[address] = (level + 1 if admitted else level, now)
        return admitted
