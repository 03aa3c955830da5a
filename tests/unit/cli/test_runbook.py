"""Whoever is on duty finds every code that a person can meet."""

import importlib
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import esb_adapters
import esb_bus
import esb_cli
import esb_transformers
from esb_bus.errors import EsbError

RUNBOOK = Path(__file__).parents[3] / "docs" / "runbook.md"
GIVEN_BY_VERDICTS = {"bug", "retries_exhausted"}


def codes(error: type[EsbError] = EsbError) -> Iterator[str]:
    yield error.code
    for leaf in error.__subclasses__():
        yield from codes(leaf)


def all_codes() -> set[str]:
    for box in (esb_bus, esb_adapters, esb_transformers, esb_cli):
        for module in pkgutil.walk_packages(box.__path__, f"{box.__name__}."):
            importlib.import_module(module.name)
    return {*codes(), *GIVEN_BY_VERDICTS}


def rows() -> Counter[str]:
    """Codes in the first column of the runbook's tables."""
    lines = RUNBOOK.read_text("utf-8").partition("## Reason codes")[2].splitlines()
    cells = [line.split("|")[1] for line in lines if line.startswith("| `")]
    return Counter(code for cell in cells for code in re.findall(r"`([a-z0-9_]+)`", cell))


def test_every_code_has_its_row() -> None:
    assert not all_codes() - rows().keys()


def test_no_row_is_about_a_code_that_is_gone() -> None:
    assert not rows().keys() - all_codes()


def test_no_code_has_two_rows() -> None:
    assert not [code for code, count in rows().items() if count > 1]
