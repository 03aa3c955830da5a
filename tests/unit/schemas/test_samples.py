"""Every version of every event that was ever published is read for ever."""

from pathlib import Path

import orjson
import pytest

import factories
from esb_schemas.registry import EVENT_TYPES, Registry, write

SAMPLES = sorted((factories.SAMPLES / "events").glob("*.json"))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_sample_is_read_by_this_release(path: Path) -> None:
    event = Registry().read(path.read_bytes())

    assert path.stem.startswith(f"{event.type}.v")


def test_every_version_of_every_type_has_a_sample() -> None:
    wanted = {f"{event.type}.v{version}" for event in EVENT_TYPES for version in range(1, event.version + 1)}

    assert {path.stem for path in SAMPLES} == wanted


@pytest.mark.parametrize("event_type", EVENT_TYPES, ids=lambda event_type: event_type.type)
def test_sample_of_the_current_version_loses_nothing(event_type: type) -> None:
    path = factories.SAMPLES / "events" / f"{event_type.type}.v{event_type.version}.json"  # type: ignore[attr-defined]  # an Event
    wire = orjson.loads(path.read_bytes())

    assert orjson.loads(write(Registry().read(path.read_bytes()))) == wire
