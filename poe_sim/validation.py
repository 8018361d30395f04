"""What chat completions accepts: OpenAI's own fields, and whatever the model declares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from poe_sim import refusals
from poe_sim.catalogue import Card
from poe_sim.refusals import Json, Refusal

Check = Callable[[Any], bool]
ROLES = frozenset({"system", "user", "assistant", "tool"})


def _number(low: float, high: float) -> Check:
    return lambda value: _is_number(value) and low <= value <= high


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is(*kinds: type) -> Check:
    return lambda value: isinstance(value, kinds)


def _stop(value: Any) -> bool:
    """Poe fact: stop sequences of nothing but white space are refused."""
    stops = value if isinstance(value, list) else [value]
    return all(isinstance(stop, str) and stop.strip() for stop in stops)


STANDARD: Mapping[str, Check] = {
    "model": _is(str),
    "messages": _is(list),
    "stream": _is(bool),
    "stream_options": _is(dict),
    "max_tokens": lambda value: _is_int(value) and value >= 1,
    "max_completion_tokens": lambda value: _is_int(value) and value >= 1,
    "temperature": _number(0, 2),
    "top_p": _number(0, 1),
    "n": lambda value: value == 1,
    "stop": _stop,
    "tools": _is(list),
    "tool_choice": _is(str, dict),
    "parallel_tool_calls": _is(bool),
    "functions": _is(list),
    "function_call": _is(str, dict),
    "response_format": _is(dict),
    "reasoning_effort": _is(str),
    "verbosity": _is(str),
    "seed": _is_int,
    "presence_penalty": _number(-2, 2),
    "frequency_penalty": _number(-2, 2),
    "logit_bias": _is(dict),
    "logprobs": _is(bool),
    "top_logprobs": _is_int,
    "user": _is(str),
    "metadata": _is(dict),
    "store": _is(bool),
    "prediction": _is(dict),
    "service_tier": _is(str),
    "modalities": _is(list),
    "audio": _is(dict),
    "web_search_options": _is(dict),
    "prompt_cache_key": _is(str),
    "safety_identifier": _is(str),
}
"""OpenAI's fields with what each may hold; null is always taken."""

# A few media models declare a parameter called `model`; on the wire that name is taken by the model itself.
_STRUCTURE = frozenset({"model", "messages", "stream", "stream_options", "tools", "tool_choice"})
_EFFORTS = ("reasoning_effort", "output_effort", "effort")


def check(body: Json, card: Card, *, style: str, strict: bool = True) -> Refusal | None:
    """The first thing wrong with a chat request to `card`, if any."""
    return next(_faults(body, card, style, strict), None)


def check_shape(body: Any) -> Refusal | None:
    """The first thing that keeps a request from being read at all."""
    if not isinstance(body, dict):
        return refusals.invalid("The request body must be a JSON object.")
    if not isinstance(body.get("model"), str):
        return refusals.invalid("Missing required parameter: 'model'.", param="model")
    return None


def _faults(body: Json, card: Card, style: str, strict: bool) -> Iterator[Refusal]:
    yield from _wrong_messages(body.get("messages"))
    yield from _wrong_effort(body, card)
    for name, value in body.items():
        if name in _STRUCTURE or name not in card.parameters:
            yield from _wrong_standard(name, value, style, strict)
        else:
            yield from _wrong_declared(name, value, card)


def _wrong_messages(messages: Any) -> Iterator[Refusal]:
    if not isinstance(messages, list) or not messages:
        yield refusals.invalid("Invalid 'messages': must be a non-empty array.", param="messages")
        return
    for place, message in enumerate(messages):
        if not isinstance(message, dict):
            yield refusals.invalid(f"Invalid 'messages[{place}]': must be an object.", param="messages")
        elif not isinstance(message.get("role"), str) or message["role"] not in ROLES:
            yield _wrong_role(place, message.get("role"))


def _wrong_role(place: int, role: Any) -> Refusal:
    supported = ", ".join(f"'{one}'" for one in sorted(ROLES))
    message = f"Invalid value: '{role}'. Supported values are: {supported}."
    return refusals.invalid(message, param=f"messages[{place}].role", code="invalid_value")


def _wrong_effort(body: Json, card: Card) -> Iterator[Refusal]:
    effort = body.get("reasoning_effort")
    if card.effort_is_fixed and effort not in (None, "medium"):
        yield refusals.unsupported_value("reasoning_effort", effort, card.provider_id, ["medium"])


def _wrong_standard(name: str, value: Any, style: str, strict: bool) -> Iterator[Refusal]:
    if name not in STANDARD:
        if strict:
            yield refusals.unknown_parameter(name, style)
    elif value is not None and not STANDARD[name](value):
        yield refusals.invalid(f"Invalid value for '{name}': {value!r}.", param=name)


def _wrong_declared(name: str, value: Any, card: Card) -> Iterator[Refusal]:
    schema = card.parameters[name]
    as_openai = name in STANDARD and name not in (*_EFFORTS, "verbosity") and STANDARD[name](value)
    if as_openai or satisfies(value, schema):
        return
    yield refusals.unsupported_value(name, value, card.id, list(schema.get("enum", ())))


def satisfies(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether `value` fits a parameter's declaration (enum, type, minimum, maximum)."""
    if "enum" in schema:
        return value in schema["enum"]
    match schema.get("type"):
        case "boolean":
            return isinstance(value, bool)
        case "string":
            return isinstance(value, str)
        case "number" | "integer":
            low, high = schema.get("minimum", float("-inf")), schema.get("maximum", float("inf"))
            return _is_number(value) and low <= value <= high
        case _:
            return True
