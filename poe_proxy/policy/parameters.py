"""A body fitted to what the model declares, so that Poe's strict validation passes it. Messages are not its business.

Poe refuses a non-standard field unless the model lists it in ``parameters[]``, and ignores a number of standard ones.
For a model that the catalogue does not know, only what Poe ignores is taken out: nothing else can be concluded.
"""

from collections.abc import Mapping
from typing import Any

from poe_proxy.canonical.card import ModelCard, Parameter
from poe_proxy.canonical.json import Json, as_object
from poe_proxy.policy import knob

PROTECTED = frozenset({"model", "messages", "tools", "tool_choice", "response_format", "stream"})
"""What makes the request what it is; never dropped, whatever an error says."""
IGNORED = frozenset(
    {
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "user",
        "metadata",
        "store",
        "prediction",
        "service_tier",
        "modalities",
        "audio",
    }
)
"""Standard fields that Poe documents as ignored."""
STANDARD = PROTECTED | {
    "stream_options",
    "temperature",
    "top_p",
    "n",
    "stop",
    "max_tokens",
    "max_completion_tokens",
    "logprobs",
    "top_logprobs",
    "parallel_tool_calls",
    "functions",
    "function_call",
    "reasoning_effort",
}
_SEARCH_SWITCHES = ("web_search", "enable_web_search", "web_search_enabled", "tool_web_search")


def fit(body: Json, card: ModelCard, unsupported: Mapping[str, str | None]) -> tuple[Json, list[str]]:
    """Return a fitted copy of ``body`` and what was changed, in words for ``x-poe-changes``.

    ``unsupported`` is what Poe refused for this model before: a name, and the name to use instead (None: none).
    """
    fitted = {name: value for name, value in body.items() if value is not None}
    fitted.pop("auto_manage_context", None)  # taken for the first version's clients; clipping is the proxy's own
    changes = (
        _no_empty_tools(fitted) + _one_choice(fitted) + _stops(fitted) + _search(fitted, card) + knob.turn(fitted, card)
    )
    changes += _only_known(fitted, card) + _typed(fitted, card) + _homonyms(fitted, card) + _loose_tools(fitted)
    changes += without_unsupported(fitted, unsupported)
    return fitted, changes


def without_unsupported(body: Json, unsupported: Mapping[str, str | None]) -> list[str]:
    """Drop or rename in place what Poe does not support; protected fields stay."""
    changes = []
    for name, instead in unsupported.items():
        if name not in body or name in PROTECTED:
            continue
        value = body.pop(name)
        if instead is not None and instead not in body:
            body[instead] = value
            changes.append(f"{name} became {instead}")
        else:
            changes.append(f"dropped {name}")
    return changes


def _no_empty_tools(body: Json) -> list[str]:
    """An empty list of tools says no more than none, but providers refuse it, and a choice among none as well."""
    gone = [name for name in ("tools", "functions") if body.get(name) == []]
    if not body.get("tools"):
        gone += ["tool_choice"] if body.get("tool_choice") in ("auto", "none") else []
        gone += ["parallel_tool_calls"] if "parallel_tool_calls" in body else []
    for name in gone:
        del body[name]
    return [f"dropped {name}" for name in gone]


def _one_choice(body: Json) -> list[str]:
    if body.get("n", 1) == 1:
        return []
    body["n"] = 1
    return ["n set to 1"]


def _stops(body: Json) -> list[str]:
    """Poe refuses stop sequences of nothing but white space."""
    stop = body.get("stop")
    stops = [stop] if isinstance(stop, str) else stop or []
    kept = [text for text in stops if text.strip()]
    if len(kept) == len(stops):
        return []
    if kept:
        body["stop"] = kept
        return ["dropped blank stops"]
    del body["stop"]
    return ["dropped stop"]


def _search(body: Json, card: ModelCard) -> list[str]:
    """OpenAI's web search options as the model's own switch, with size and place where it declares them."""
    options = body.pop("web_search_options", None)
    if options is None:
        return []
    switch = next((name for name in _SEARCH_SWITCHES if name in card.parameters), None)
    place = as_object(as_object(as_object(options).get("user_location")).get("approximate"))
    finer = {"search_context_size": as_object(options).get("search_context_size"), **place}
    settings = {name: value for name, value in finer.items() if value is not None and name in card.parameters}
    if switch is not None:
        settings[switch] = True
    for name, value in settings.items():
        body.setdefault(name, value)
    return [f"web_search_options became {', '.join(sorted(settings))}" if settings else "dropped web_search_options"]


def _only_known(body: Json, card: ModelCard) -> list[str]:
    strict = card.in_catalogue
    gone = [
        name for name in body if name not in card.parameters and (name in IGNORED or (strict and name not in STANDARD))
    ]
    for name in gone:
        del body[name]
    return [f"dropped {name}" for name in gone]


def _typed(body: Json, card: ModelCard) -> list[str]:
    """Values of declared parameters in the declared type: a number for a string enumeration, say."""
    changes = []
    for name in [name for name in body if name in card.parameters and name not in PROTECTED]:
        value = typed(body[name], card.parameters[name])
        if value != body[name] or type(value) is not type(body[name]):
            body[name] = value
            changes.append(f"{name} retyped")
    return changes


def _homonyms(body: Json, card: ModelCard) -> list[str]:
    """OpenAI's fields that Poe ignores, where the model means another thing by the name, as ``audio``."""
    gone = [name for name in body if name in IGNORED and isinstance(body[name], dict) and name in card.parameters]
    for name in gone:
        del body[name]
    return [f"dropped {name}" for name in gone]


def typed(value: Any, parameter: Parameter) -> Any:
    """``value`` as ``parameter`` wants it, or unchanged where there is no telling."""
    if parameter.values:
        return _of_values(value, parameter.values)
    match parameter.kind:
        case "string" if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        case "number" if isinstance(value, str):
            return _number(value)
        case "boolean" if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
    return value


def _of_values(value: Any, values: tuple[str, ...]) -> Any:
    if value in values:
        return value
    same = next((allowed for allowed in values if allowed.lower() == str(value).lower()), None)
    if same is not None:
        return same
    if isinstance(value, int | float) and not isinstance(value, bool):
        return nearest_number(value, values)
    return value


def nearest_number(value: float, values: tuple[str, ...]) -> Any:
    """Of an enumeration of numbers the one nearest to ``value``; ``value`` itself where they are not numbers."""
    numbers = {allowed: _number(allowed) for allowed in values}
    if not numbers or not all(isinstance(number, int | float) for number in numbers.values()):
        return value
    return min(numbers, key=lambda allowed: abs(numbers[allowed] - value))


def _number(text: str) -> Any:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


def _loose_tools(body: Json) -> list[str]:
    """``strict`` in a function is ignored by Poe."""
    tools = body.get("tools")
    if not tools or not any("strict" in as_object(tool.get("function")) for tool in tools):
        return []
    body["tools"] = [_loose(tool) for tool in tools]
    return ["dropped tools[].function.strict"]


def _loose(tool: Json) -> Json:
    function = as_object(tool.get("function"))
    if "strict" not in function:
        return tool
    return {**tool, "function": {name: value for name, value in function.items() if name != "strict"}}


def searches(body: Json) -> bool:
    """Whether the web shall be searched for a chat completion."""
    return "web_search_options" in body or any(body.get(name) for name in _SEARCH_SWITCHES)
