"""Private servers of these tests' own: they are killed, paused and left behind here."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from esb_standins.nodes import NodesUnavailable
from esb_standins.nodes.claim import Claim, claim_near
from esb_standins.nodes.packages import Binaries, binaries
from esb_standins.nodes.private import cache_of

RUN_DIR = Path(__file__).parents[3] / ".run" / "tests-nodes"


@pytest.fixture(scope="session")
def programs() -> Binaries:
    try:
        return binaries(cache_of(RUN_DIR))
    except NodesUnavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no servers on this machine: {error}")


@pytest.fixture
def claimed() -> Iterator[Claim]:
    with claim_near(RUN_DIR) as taken:
        yield taken
