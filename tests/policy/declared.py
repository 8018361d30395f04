"""The real catalogue's models, and a strict validator of the tests' own: a body passes if each of its fields is one of
OpenAI's that Poe takes, or is declared by the model and holds a value that the declaration allows."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from poe_proxy.canonical.card import ModelCard
from poe_proxy.poe.catalogue import read_catalogue

Json = dict[str, Any]
_SEED = Path(__file__).parents[2] / "poe_proxy" / "files" / "catalogue_seed.json"
_TAKEN = {
    "model",
    "messages",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "n",
    "stop",
    "max_tokens",
    "max_completion_tokens",
    "logprobs",
    "top_logprobs",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "functions",
    "function_call",
    "response_format",
}


@cache
def rows() -> dict[str, Json]:
    """Each model's entry as Poe wrote it, by id."""
    return {row["id"]: row for row in orjson.loads(_SEED.read_bytes())["data"]}


@cache
def cards() -> dict[str, ModelCard]:
    return read_catalogue(orjson.loads(_SEED.read_bytes()))


def schemas(model: str) -> dict[str, Json]:
    """What the model declares, by name."""
    return {declared["name"]: declared["schema"] or {} for declared in rows()[model]["parameters"]}


def takes_effort(model: str) -> bool:
    return bool((rows()[model]["reasoning"] or {}).get("supports_reasoning_effort"))


def faults(body: Json, model: str) -> Iterator[str]:
    """Everything that Poe's strict validation would refuse in ``body``."""
    declared = schemas(model)
    for name, value in body.items():
        if name == "model":
            continue
        if name in declared:
            if not _allowed(value, declared[name]):
                yield f"{model}: {name}={value!r} is not {declared[name]}"
        elif name == "reasoning_effort" and takes_effort(model):
            if value not in {"none", "minimal", "low", "medium", "high", "xhigh", "max"}:
                yield f"{model}: {name}={value!r} is no effort"
        elif name not in _TAKEN:
            yield f"{model}: {name} is not declared"


def _allowed(value: Any, schema: Json) -> bool:
    if "enum" in schema:
        return value in schema["enum"]
    match schema.get("type"):
        case "boolean":
            return isinstance(value, bool)
        case "number" | "integer":
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            return is_number and schema.get("minimum", value) <= value <= schema.get("maximum", value)
        case "string":
            return isinstance(value, str)
    return True
