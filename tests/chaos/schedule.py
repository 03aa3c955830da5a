"""What is done to the bus and when: a pure function of the seed, so that a run can be repeated."""

import random
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

BUSES: Final = ("bus-a", "bus-b")
BASES: Final = ("onec.retail", "onec.trade", "onec.buh")
PORTAL: Final = "bitrix24.portal"
SHOP: Final = "website.shop"
SYSTEMS: Final = (*BASES, PORTAL, SHOP)
LINKS: Final = ("broker", "redis", *SYSTEMS)

EVENTS: Final = ("events_dropped", "events_duplicated", "events_reordered", "events_delayed")


@dataclass(frozen=True, slots=True)
class Blow:
    """One fault.

    Attributes:
        at: seconds after the start.
        kind: names a method of `blows.Blows`.
        target: what it hits; the form depends on the kind.
        length: seconds until it is mended.
        more: what else the kind needs.
    """

    at: float
    kind: str
    target: str
    length: float
    more: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        more = "".join(f" {name}={value}" for name, value in self.more.items())
        return f"{self.at:6.1f} s  {self.kind} {self.target} for {self.length:.1f} s{more}"


@dataclass(frozen=True, slots=True)
class Severity:
    """How hard: `gap` is the mean time between two blows, `pause` for how long a process is frozen (seconds)."""

    gap: float
    pause: tuple[float, float]


SHORT: Final = Severity(gap=1.5, pause=(13.0, 15.0))
LONG: Final = Severity(gap=2.0, pause=(13.0, 60.0))


@dataclass(frozen=True, slots=True)
class _Kind:
    """`targets`: one is drawn. `length`: from, to."""

    name: str
    targets: tuple[str, ...]
    length: tuple[float, float]
    more: Mapping[str, Any] = field(default_factory=dict)


_EVERY_LINK: Final = tuple(f"{bus}/{link}" for bus in BUSES for link in LINKS)
_BROKER_LINKS: Final = tuple(f"{bus}/broker" for bus in BUSES)

KINDS: Final = (
    _Kind("kill_bus", BUSES, (0, 3)),
    _Kind("kill_bus", BUSES, (0, 1)),
    _Kind("kill_both", ("bus-a+bus-b",), (0, 2)),
    _Kind("change_landscape", BUSES, (0, 1)),
    _Kind("pause_bus", BUSES, (0, 0)),
    _Kind("move_clock", BUSES, (0, 1)),
    _Kind("kill_broker", ("broker",), (0, 3)),
    _Kind("pause_broker", ("broker",), (3, 8)),
    _Kind("alarm", ("memory",), (3, 6)),
    _Kind("alarm", ("disk",), (3, 6)),
    _Kind("kill_redis", ("redis",), (0, 4)),
    _Kind("pause_redis", ("redis",), (1, 5)),
    _Kind("flush_redis", ("redis",), (0, 0)),
    _Kind("kill_standin", SYSTEMS, (0, 2)),
    _Kind("kill_standin", BASES, (0, 1)),
    _Kind("wire", _BROKER_LINKS, (6, 14), {"mode": "blackhole"}),
    _Kind("wire", _BROKER_LINKS, (6, 14), {"mode": "silence_down"}),
    _Kind("wire", _BROKER_LINKS, (6, 14), {"mode": "silence_up"}),
    _Kind("wire", _EVERY_LINK, (0, 1), {"mode": "cut"}),
    _Kind("wire", _EVERY_LINK, (2, 5), {"mode": "delay"}),
    _Kind("wire", _EVERY_LINK, (2, 6), {"mode": "blackhole"}),
    _Kind("wire", _EVERY_LINK, (2, 6), {"mode": "silence_down"}),
    _Kind("wire", ("door",), (1, 4), {"mode": "cut"}),
    _Kind("wire", ("door",), (2, 5), {"mode": "silence_down"}),
    _Kind("fault", BASES, (6, 12), {"kind": "timeout_after_commit", "seconds": 4, "share": 0.3}),
    _Kind("fault", BASES, (6, 12), {"kind": "late_commit", "seconds": 2.5, "share": 0.3}),
    _Kind("fault", BASES, (6, 12), {"kind": "cut_after_commit", "share": 0.3}),
    _Kind("fault", BASES, (6, 12), {"kind": "502_after_commit", "share": 0.3}),
    _Kind("fault", BASES, (4, 8), {"kind": "cut_before_commit", "share": 0.3}),
    _Kind("fault", BASES, (6, 12), {"kind": "late_search", "seconds": 2}),
    _Kind("fault", BASES, (4, 8), {"kind": "posting_refused", "share": 0.3}),
    _Kind("fault", BASES, (4, 8), {"kind": "lock_conflict", "share": 0.3}),
    _Kind("fault", BASES, (3, 6), {"kind": "licence", "share": 0.5}),
    _Kind("fault", BASES, (2, 5), {"kind": "down"}),
    _Kind("fault", (*BASES, PORTAL), (3, 6), {"kind": "slow", "seconds": 1, "share": 0.5}),
    _Kind("fault", (PORTAL, SHOP), (2, 5), {"kind": "down"}),
    _Kind("fault", (PORTAL,), (6, 12), {"kind": "timeout_after_commit", "seconds": 4, "share": 0.3}),
    _Kind("fault", (PORTAL,), (6, 12), {"kind": "late_commit", "seconds": 2.5, "share": 0.3}),
    _Kind("fault", (PORTAL,), (6, 12), {"kind": "cut_after_commit", "share": 0.3}),
    _Kind("fault", (PORTAL,), (6, 12), {"kind": "502_after_commit", "share": 0.3}),
    _Kind("fault", (PORTAL,), (6, 12), {"kind": "late_search", "seconds": 2}),
    _Kind("fault", (PORTAL,), (3, 6), {"kind": "query_limit", "share": 0.5}),
    _Kind("fault", (SHOP,), (3, 6), {"kind": "503", "share": 0.5}),
    *(_Kind("fault", (PORTAL, SHOP), (6, 12), {"kind": kind, "share": 0.3, **({"seconds": 3} if delays else {})})
      for kind, delays in zip(EVENTS, (False, False, True, True), strict=True)),
    _Kind("second_token", ("lease.website.shop.orders", "lease.bitrix24.portal.deals"), (0, 0)),
)  # fmt: skip


def schedule(seed: int, seconds: float, severity: Severity, only: Collection[str] = ()) -> tuple[Blow, ...]:
    """Return every blow of a run, in the order of time. All kinds come once before one comes twice.

    Args:
        only: words; if any, only kinds are drawn whose name, targets or details hold one of them.
    """
    kinds = [kind for kind in KINDS if not only or any(word in str(kind) for word in only)]
    return tuple(_blows(random.Random(seed), seconds, severity, kinds)) if kinds else ()


def _blows(dice: random.Random, seconds: float, severity: Severity, kinds: list[_Kind]) -> Iterator[Blow]:
    at, bag = 2.0, []
    while at < seconds:
        if not bag:
            bag = dice.sample(kinds, len(kinds))
        kind = bag.pop()
        length = severity.pause if kind.name == "pause_bus" else kind.length
        more = dict(kind.more)
        if kind.name == "move_clock":
            more["offset_s"] = dice.choice((-3600, -90, 90, 3600))
        if "share" in more:
            more["seed"] = dice.randrange(1000)
        yield Blow(round(at, 2), kind.name, dice.choice(kind.targets), round(dice.uniform(*length), 2), more)
        at += dice.uniform(0.2, 2 * severity.gap - 0.2)
