"""Structured logs: JSON lines on standard output, key-values only, no bodies, names or secrets."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, cast

import orjson
import structlog

from esb_bus.redaction import redacted, told, visible

LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}

Line = MutableMapping[str, Any]


def set_up_logging(level: str = "INFO", log_format: str = "json") -> None:
    """Configure structlog and quieten libraries that log addresses (which may hold secrets)."""
    number = LEVELS.get(level.upper(), LEVELS["INFO"])
    for noisy in ("httpx", "httpcore", "aiormq", "aio_pika", "uvicorn"):
        logging.getLogger(noisy).setLevel(max(number, logging.WARNING))
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # it logs every lost connection with a traceback
    root = logging.getLogger()
    root.handlers = [*(one for one in root.handlers if not isinstance(one, _Foreign)), _Foreign(logging.WARNING)]
    structlog.configure(
        processors=[*_SHARED, *(_json() if log_format == "json" else _console())],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=_factory(log_format),
        cache_logger_on_first_use=True,
    )


class _Foreign(logging.Handler):
    """Warnings of libraries, in our form: nobody knows what their arguments and further lines hold."""

    def emit(self, record: logging.LogRecord) -> None:
        text = str(record.msg).partition("\n")[0]
        try:
            structlog.get_logger().log(
                record.levelno, "library.warned", logger=record.name, text=text, exc_info=record.exc_info
            )
        except (OSError, ValueError):
            return  # the output is closed; `handleError` would print the arguments elsewhere


def _tell_exception(_: Any, __: str, line: Line) -> Line:
    """Replace an exception by its kinds and places; a traceback as Python prints it quotes values.

    Also for the console: its own renderer would print the local variables of every frame.
    """
    error = _error_of(line.pop("exc_info", None))
    if error is not None:
        line["exception"] = told(error)
    return line


def _error_of(given: Any) -> BaseException | None:
    if isinstance(given, tuple):
        given = given[1]
    if given is True:
        given = sys.exc_info()[1]
    return given if isinstance(given, BaseException) else None


def _redact(_: Any, __: str, line: Line) -> Line:
    for name in _FREE_TEXTS & line.keys():
        line[name] = redacted(str(line[name]))
    return line


def _show(_: Any, __: str, line: Line) -> Line:
    """For a terminal; JSON escapes what could steer one."""
    return {name: visible(value) if isinstance(value, str) else value for name, value in line.items()}


_FREE_TEXTS = frozenset({"reason", "error", "text"})
"""Keys whose values were not written by us; the others are names, numbers and codes."""

_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _tell_exception,
    _redact,
]


def _json() -> list[Any]:
    return [structlog.processors.JSONRenderer(serializer=_dumps)]


def _console() -> list[Any]:
    return [_show, structlog.dev.ConsoleRenderer()]


def _dumps(value: Any, **_: Any) -> bytes:
    return orjson.dumps(value, default=str)


def _factory(log_format: str) -> Any:
    if log_format == "json":
        return structlog.BytesLoggerFactory(file=cast("Any", sys.stdout.buffer))
    return structlog.PrintLoggerFactory(file=cast("Any", _Stderr()))


class _Stderr:
    """Whatever standard error is at the moment of writing: tests and tools exchange it."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()
