"""Fixtures every test may use: one RabbitMQ and one Redis for the whole run, with names of one's own inside."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from esb_standins.nodes import Nodes, NodesUnavailable, blocking_nodes

RUN_DIR = Path(__file__).parent.parent / ".run" / "tests"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run on two processes; tests that share a running company, a broker to break or a module stay on one."""
    for item in items:
        folders = item.path.relative_to(Path(__file__).parent).parts
        group = "/".join(folders[:2]) if folders[0] == "integration" else folders[0]
        item.add_marker(pytest.mark.xdist_group(str(item.path) if group in ALONE else group))


ALONE = {"unit", "integration/bus", "integration/onec", "integration/bitrix24", "integration/website"}
"""Folders whose files share nothing but the broker."""


@pytest.fixture(scope="session")
def servers() -> Iterator[Nodes]:
    """RabbitMQ and Redis: those of ESB_AMQP_URL and ESB_REDIS_URL, or private ones."""
    try:
        with blocking_nodes(RUN_DIR) as nodes:
            yield nodes
    except NodesUnavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no broker to test with: {error}")


@pytest.fixture
def unique() -> str:
    """A name nobody else uses, so that tests do not meet in a queue."""
    return f"t{uuid.uuid4().hex[:10]}"
