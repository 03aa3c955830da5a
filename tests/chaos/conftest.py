"""Chaos comes last: what fails in small should be seen first."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move the tests of this folder to the end."""
    items.sort(key=lambda item: HERE in item.path.parents)
