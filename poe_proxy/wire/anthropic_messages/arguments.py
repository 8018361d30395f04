"""A call's JSON arguments as the object that Anthropic's ``input`` must be."""

import orjson

from poe_proxy.canonical.json import Json


def as_input(arguments: str) -> Json:
    """The object that ``arguments`` are; none where they are empty or null.

    What is no object is kept under ``arguments``, so that the tool refuses it and the model reads what it said.
    """
    text = arguments.strip()
    try:
        said = orjson.loads(text) if text else None
        orjson.dumps(said)  # it reads what is nested deeper than it writes
    except (orjson.JSONDecodeError, TypeError):
        said = arguments
    if said is None:
        return {}
    return said if isinstance(said, dict) else {"arguments": said}


def may_be_object(arguments: str) -> bool:
    """Whether what ``arguments`` begin with can become an object, so that they may be sent on as they come."""
    return arguments.lstrip(" \t\r\n").startswith("{")
