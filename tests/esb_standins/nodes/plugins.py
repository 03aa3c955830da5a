"""Which of RabbitMQ's many plugins a private node sees.

At every start RabbitMQ reads the modules of all plugins it finds, enabled or not. With the packaged set of 3.10.8
that is half of the time until the first connection: 6.9 s against 3.6 s with what this module leaves.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

ENABLED = ("rabbitmq_management", "rabbitmq_stream")
_ALWAYS = ("rabbitmq_prelaunch", *ENABLED)
_APPLICATIONS = re.compile(r"\{\s*applications\s*,\s*\[(.*?)\]", re.DOTALL)


def links(rabbitmq_home: Path) -> dict[str, Path]:
    """Return the links that make up a slimmer RabbitMQ home: its scripts, its libraries and the plugins we enable."""
    found = {entry.name.rpartition("-")[0]: entry for entry in (rabbitmq_home / "plugins").iterdir() if entry.is_dir()}
    needed = needed_plugins({name: _dependencies(folder, name) for name, folder in found.items()})
    return {
        "server/sbin": rabbitmq_home / "sbin",
        "server/escript": rabbitmq_home / "escript",
        **{f"server/plugins/{found[name].name}": found[name] for name in sorted(needed)},
    }


def needed_plugins(dependencies: Mapping[str, Iterable[str]]) -> set[str]:
    """Return every library, and of the plugins those that `ENABLED` rests on."""
    needed = {name for name in dependencies if not name.startswith("rabbitmq_")}
    waiting = [name for name in _ALWAYS if name in dependencies]
    while waiting:
        name = waiting.pop()
        needed.add(name)
        waiting += [other for other in dependencies[name] if other in dependencies and other not in needed]
    return needed


def _dependencies(folder: Path, name: str) -> list[str]:
    """Return the applications that the one in `folder` names in its resource file."""
    resource = folder / "ebin" / f"{name}.app"
    match = _APPLICATIONS.search(resource.read_text(encoding="utf-8")) if resource.exists() else None
    return re.findall(r"[a-z]\w*", match[1]) if match else []
