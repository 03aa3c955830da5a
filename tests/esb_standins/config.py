"""The configuration file of the stand-ins.

control_port = 18090                # 0 takes a free port
state_dir = ".run/standins"
host = "127.0.0.1"

[standins."onec.trade"]             # kind = the part before the dot unless given
profile = "ut-11.5"
port = 18101
user = "Шина"
password = "…"
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class StandinConfig:
    """One stand-in: its kind, its port (0 takes a free one) and what only its kind understands."""

    kind: str
    port: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class HostConfig:
    """Everything one process serves."""

    state_dir: Path
    standins: Mapping[str, StandinConfig]
    control_port: int = 0
    host: str = "127.0.0.1"


def parse_config(raw: Mapping[str, Any]) -> HostConfig:
    """Read a configuration from parsed TOML. Raises KeyError for a missing `state_dir`."""
    return HostConfig(
        state_dir=Path(raw["state_dir"]),
        standins={name: _standin(name, table) for name, table in raw.get("standins", {}).items()},
        control_port=int(raw.get("control_port", 0)),
        host=str(raw.get("host", "127.0.0.1")),
    )


def read_config(path: Path) -> HostConfig:
    """Read a configuration file."""
    return parse_config(tomllib.loads(path.read_text("utf-8")))


def _standin(name: str, table: Mapping[str, Any]) -> StandinConfig:
    options = {key: value for key, value in table.items() if key not in {"kind", "port"}}
    kind = str(table.get("kind", name.partition(".")[0]))
    return StandinConfig(kind=kind, port=int(table.get("port", 0)), options=options)
