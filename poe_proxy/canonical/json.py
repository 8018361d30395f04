"""JSON as it is handled inside: plain dictionaries and what is in them, looked at with care."""

from typing import Any

Json = dict[str, Any]


def as_object(value: Any) -> Json:
    """``value`` if it is a JSON object, else an empty one: for fields that others may have filled with anything."""
    return value if isinstance(value, dict) else {}


def as_string(value: Any) -> str:
    """``value`` if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""
