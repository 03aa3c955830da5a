"""The folder of reference data: what real systems wrote. It is no part of the repository; see docs/conformance.md."""

import json
import os
from decimal import Decimal
from pathlib import Path

import pytest

CONFIGURATION_RELEASES = {
    "ut-11.4": "ut-11.4.2.139",
    "ut-11.5": "ut-11.5.27.56",
    "bp-3.0": "bp-3.0.198.19",
    "retail-2": "roznica-2.2.12",
    "retail-3": "unf-3.0.8.73",
}
"""The release each table of the adapter was written for."""


@pytest.fixture(scope="session")
def reference() -> Path:
    folder = os.environ.get("ESB_REFERENCE")
    if not folder:
        pytest.skip("no reference data: run `make conformance REFERENCE=<folder>`")
    path = Path(folder).resolve()
    assert path.is_dir(), f"ESB_REFERENCE: there is no folder {path}"
    return path


@pytest.fixture(scope="session")
def recorded(reference):
    """Read a recorded JSON file with exact decimals."""
    return lambda name: json.loads((reference / name).read_text("utf-8"), parse_float=Decimal)


@pytest.fixture(scope="session")
def schema(recorded):
    """Facts about a real configuration: attributes, types and lengths, by the name of the adapter's table."""
    return lambda name: recorded(f"onec-samples/config-schema/{CONFIGURATION_RELEASES.get(name, name)}.json")
