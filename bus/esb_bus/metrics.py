"""Counters the console and alerts read. Labels are bounded: queues, outcomes and error codes, never messages."""

from prometheus_client import Counter, Gauge, Histogram

_processed = Counter("esb_deliveries_total", "Messages brought to their effect", ["queue", "outcome"])
_failed = Counter("esb_failures_total", "Failed attempts by what they failed with", ["queue", "error_code"])
_parked = Counter("esb_parked_total", "Messages moved to .parked", ["queue"])
_seconds = Histogram("esb_delivery_seconds", "Duration of successful attempts", ["queue"])
_paused = Gauge("esb_endpoint_paused", "1 while the consumer of a queue waits for its endpoint", ["queue"])
_stalled = Counter("esb_queue_stalled_total", "Channels opened anew because their queue made no progress", ["queue"])


def processed(queue: str, outcome: str, seconds: float) -> None:
    _processed.labels(queue, outcome).inc()
    _seconds.labels(queue).observe(seconds)


def failed(queue: str, error_code: str) -> None:
    _failed.labels(queue, error_code).inc()


def parked(queue: str) -> None:
    _parked.labels(queue).inc()


def paused(queue: str, *, is_paused: bool) -> None:
    _paused.labels(queue).set(1 if is_paused else 0)


def stalled(queue: str) -> None:
    _stalled.labels(queue).inc()
