"""JSON objects as they are handled inside: plain dictionaries, looked at with care."""

from typing import Any

Json = dict[str, Any]


def as_object(value: Any) -> Json:
    """``value`` if it is a JSON object, else an empty one: for fields that others may have filled with anything."""
    return value if isinstance(value, dict) else {}
