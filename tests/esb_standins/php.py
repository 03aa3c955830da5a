"""JSON as PHP writes it; both the portal and the shop run on PHP."""

import json
from typing import Any


def encode(value: Any) -> bytes:
    """Encode with `/` escaped, other alphabets as `\\uXXXX`, no spaces, an empty map as a list, 649.0 as 649."""
    return json.dumps(_plain(value), separators=(",", ":")).replace("/", "\\/").encode()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()} if value else []
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    return [_plain(entry) for entry in value] if isinstance(value, list) else value
