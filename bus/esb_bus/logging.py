"""Structured logs: JSON lines on standard output, key-values only, no bodies, names or secrets."""

import logging
import sys
from typing import Any, cast

import orjson
import structlog

LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}


def set_up_logging(level: str = "INFO", log_format: str = "json") -> None:
    """Configure structlog and quieten libraries that log addresses (which may hold secrets)."""
    number = LEVELS.get(level.upper(), LEVELS["INFO"])
    for noisy in ("httpx", "httpcore", "aiormq", "aio_pika", "uvicorn"):
        logging.getLogger(noisy).setLevel(max(number, logging.WARNING))
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # it logs every lost connection with a traceback
    structlog.configure(
        processors=[*_SHARED, *(_json() if log_format == "json" else [structlog.dev.ConsoleRenderer()])],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=_factory(log_format),
        cache_logger_on_first_use=True,
    )


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def _json() -> list[Any]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_dumps)]


def _dumps(value: Any, **_: Any) -> bytes:
    return orjson.dumps(value, default=str)


def _factory(log_format: str) -> Any:
    if log_format == "json":
        return structlog.BytesLoggerFactory(file=cast("Any", sys.stdout.buffer))
    return structlog.PrintLoggerFactory(file=sys.stderr)
