"""What a log line may hold, whatever a bug, a library or a stranger puts into it."""

import json
import subprocess
import sys

import pytest

from esb_bus.redaction import redacted, told, visible

SECRET = "s3cr3t-of-the-broker"
PERSON = "Иванова Мария Образцовна"


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        (f"cannot connect to amqp://esb:{SECRET}@10.0.0.1:5672/%2F", SECRET),
        (f"cannot connect to redis://:{SECRET}@10.0.0.1/0", SECRET),
        (f"POST https://portal.example/rest/1/{SECRET}/crm.deal.get failed", SECRET),
        ("billing.email: 'maria@example.test' is no address", "maria@example.test"),
        ("phone +7 (495) 555-01-10 is unknown", "555-01-10"),
        ("phone 8 495 555 01 10 is unknown", "555 01 10"),
        ("phone +74955550110 is unknown", "4955550110"),
    ],
    ids=["amqp", "redis", "webhook-code", "e-mail", "phone", "phone-8", "phone-digits"],
)
def test_free_text_is_redacted(text, gone):
    assert gone not in redacted(text)


@pytest.mark.parametrize(
    "text", ["onec.trade answers 503", "order/website.shop/88005553535", "2026-01-05T10:00:00.123"]
)
def test_what_ops_need_stays(text):
    assert redacted(text) == text


def stumble():
    try:
        {}[PERSON]
    except KeyError as error:
        raise RuntimeError(f"no counterparty {PERSON}") from error


def test_an_exception_is_told_without_its_message():
    with pytest.raises(RuntimeError) as caught:
        stumble()

    text = told(caught.value)

    assert PERSON not in text
    assert "builtins.RuntimeError" in text
    assert "builtins.KeyError" in text
    assert "test_logs.py" in text


def test_control_characters_become_visible():
    assert "\x1b" not in visible("\x1b]0;title\x07\x1b[2J order\r\x9b31m")
    assert visible("a\tb\nc") == "a\tb\nc"
    assert "\u202e" not in visible("gpj.\u202eexe")


SCRIPT = """
import asyncio, logging, sys
import structlog
from esb_bus.logging import set_up_logging
set_up_logging("INFO", sys.argv[1])
person = sys.argv[2]
log = structlog.get_logger()
log.warning("order.read", thread="order/website.shop/1\\n{\\"event\\": \\"forged\\"}", reason="x\\x1b[2J " + person[:0])
def stumble(name):
    raise ValueError(f"no such person: {name}")
try:
    stumble(person)
except ValueError:
    log.exception("role.failed", role="a")
    logging.getLogger("uvicorn.error").exception("Exception in ASGI application\\n%s", person)
    logging.getLogger("asyncio").error("Task exception was never retrieved\\nfuture: %r" % person)
"""


def run(log_format):
    command = [sys.executable, "-c", SCRIPT, log_format, PERSON]
    return subprocess.run(command, capture_output=True, check=True, timeout=30)  # noqa: S603  the script above


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_line_of_a_process_holds_a_value_of_an_exception_or_is_forged(log_format):
    ran = run(log_format)
    printed = (ran.stdout + ran.stderr).decode()

    assert PERSON not in printed
    assert "\x1b[2J" not in printed
    assert "role.failed" in printed
    assert printed.count("library.warned") == 2
    assert [line for line in printed.splitlines() if line.startswith('{"event": "forged')] == []


def test_json_lines_stay_one_line_each():
    events = [json.loads(line)["event"] for line in run("json").stdout.splitlines()]

    assert events == ["order.read", "role.failed", "library.warned", "library.warned"]
