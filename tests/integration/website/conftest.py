"""A sink with memory, and the samples."""

import asyncio
import json
from pathlib import Path

import pytest

from esb_bus.errors import BrokerUnavailable

SAMPLES = Path(__file__).parents[2] / "samples" / "website"


class FakeSink:
    """Keeps what it stored; may be told to be gone, or to hang."""

    def __init__(self):
        self.messages = []
        self.is_gone = False
        self.hangs = False
        self.was_asked = asyncio.Event()

    async def store(self, message, deadline_s=None):  # noqa: ARG002  the intake keeps its own deadline as well
        self.was_asked.set()
        if self.is_gone:
            raise BrokerUnavailable("not confirmed in time")
        if self.hangs:
            await asyncio.Event().wait()
        self.messages.append(message)

    def bodies(self):
        return [json.loads(message.body) for message in self.messages]


@pytest.fixture
def sink():
    return FakeSink()


@pytest.fixture
def sample():
    return lambda name: (SAMPLES / name).read_bytes()
