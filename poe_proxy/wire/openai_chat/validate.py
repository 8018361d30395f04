"""What a chat completions body must look like before anything is sent. It refuses; it never repairs.

Each complaint names the field the way OpenAI does (``messages[3].content``), and quotes no content.
"""

from collections.abc import Callable, Mapping
from typing import Any

from poe_proxy.canonical.errors import BadRequest
from poe_proxy.canonical.json import Json

ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_MAY_BE_EMPTY = frozenset({"assistant", "tool", "function"})
_KINDS: Mapping[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}


def validate(body: Any) -> Json:
    """Return ``body`` if it is a chat completions request. Raises BadRequest."""
    if not isinstance(body, dict):
        raise BadRequest(f"The request body must be a JSON object, not {_kind(body)}.")
    _model(body)
    _messages(body)
    for field, value in body.items():
        if value is not None and (rule := _OPTIONAL.get(field)) is not None and not rule[0](value):
            raise _wrong(field, rule[1], value)
    _tools(body)
    _response_format(body)
    return body


def _model(body: Json) -> None:
    model = body.get("model")
    if model is None:
        raise BadRequest("The request names no model: set `model`, see GET /v1/models.", param="model")
    if not isinstance(model, str) or not model.strip():
        raise _wrong("model", "a non-empty string", model)


def _messages(body: Json) -> None:
    messages = body.get("messages")
    if messages is None:
        raise BadRequest("The request has no `messages`.", param="messages")
    if not isinstance(messages, list):
        raise _wrong("messages", "a list", messages)
    if not messages:
        raise BadRequest("`messages` is empty: send at least one message.", param="messages")
    for number, message in enumerate(messages):
        _message(f"messages[{number}]", message)


def _message(path: str, message: Any) -> None:
    if not isinstance(message, dict):
        raise _wrong(path, "an object", message)
    role = message.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise BadRequest(f"`{path}.role` must be one of {', '.join(sorted(ROLES))}.", param=f"{path}.role")
    _content(f"{path}.content", message.get("content"), role)
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        raise _wrong(f"{path}.tool_call_id", "the id of the call it answers", message.get("tool_call_id"))
    _tool_calls(f"{path}.tool_calls", message.get("tool_calls"))


def _content(path: str, content: Any, role: str) -> None:
    if isinstance(content, str) or (content is None and role in _MAY_BE_EMPTY):
        return
    if not isinstance(content, list):
        raise _wrong(path, "a string or a list of parts", content)
    for number, part in enumerate(content):
        _part(f"{path}[{number}]", part)


def _part(path: str, part: Any) -> None:
    if not isinstance(part, dict):
        raise _wrong(path, "an object", part)
    if not isinstance(part.get("type"), str):
        raise _wrong(f"{path}.type", "a string", part.get("type"))
    if part["type"] == "text" and not isinstance(part.get("text"), str):
        raise _wrong(f"{path}.text", "a string", part.get("text"))
    if part["type"] == "image_url":
        _image(f"{path}.image_url", part.get("image_url"))
    if part["type"] == "input_audio":
        _audio(f"{path}.input_audio", part.get("input_audio"))


def _image(path: str, image: Any) -> None:
    if not isinstance(image, dict | str):
        raise _wrong(path, 'an object {"url": …}', image)
    if isinstance(image, dict) and not isinstance(image.get("url"), str):
        raise _wrong(f"{path}.url", "a string", image.get("url"))


def _audio(path: str, audio: Any) -> None:
    if not isinstance(audio, dict):
        raise _wrong(path, 'an object {"data": …, "format": …}', audio)
    for name, wanted in (("data", "base64 text"), ("format", "a string such as wav or mp3")):
        if not isinstance(audio.get(name), str):
            raise _wrong(f"{path}.{name}", wanted, audio.get(name))


def _tool_calls(path: str, calls: Any) -> None:
    if calls is None:
        return
    if not isinstance(calls, list):
        raise _wrong(path, "a list", calls)
    for number, call in enumerate(calls):
        if not isinstance(call, dict):
            raise _wrong(f"{path}[{number}]", "an object", call)
        function = call.get("function")
        if function is not None and not isinstance(function, dict):
            raise _wrong(f"{path}[{number}].function", "an object", function)


def _tools(body: Json) -> None:
    for number, tool in enumerate(body.get("tools") or ()):
        path = f"tools[{number}]"
        if not isinstance(tool, dict):
            raise _wrong(path, "an object", tool)
        if not isinstance(tool.get("type", "function"), str):
            raise _wrong(f"{path}.type", "a string", tool["type"])
        if tool.get("type", "function") == "function":
            _function(f"{path}.function", tool.get("function"))


def _function(path: str, function: Any) -> None:
    if not isinstance(function, dict):
        raise _wrong(path, "an object", function)
    if not isinstance(function.get("name"), str) or not function["name"]:
        raise _wrong(f"{path}.name", "a non-empty string", function.get("name"))
    if not isinstance(function.get("parameters"), dict | None):
        raise _wrong(f"{path}.parameters", "a JSON schema object", function["parameters"])


def _response_format(body: Json) -> None:
    form = body.get("response_format")
    if form is None:
        return
    if not isinstance(form.get("type"), str):
        raise _wrong("response_format.type", "a string", form.get("type"))
    if form["type"] == "json_schema" and not isinstance(form.get("json_schema"), dict):
        raise _wrong("response_format.json_schema", "an object", form.get("json_schema"))


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), type(value).__name__)


def _wrong(path: str, wanted: str, value: Any) -> BadRequest:
    got = "empty" if value == "" else _kind(value)
    return BadRequest(f"`{path}` must be {wanted}, not {got}.", param=path)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_number(value) and value >= 1 and value == int(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_stop(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(v, str) for v in value))


_Rule = tuple[Callable[[Any], bool], str]
_BOOLEAN: _Rule = (_is_bool, "true or false")
_NUMBER: _Rule = (_is_number, "a number")
_COUNT: _Rule = (_is_count, "a whole number of at least 1")
_TEXT: _Rule = (_is_text, "a string")
_OBJECT: _Rule = (_is_object, "an object")
_OPTIONAL: Mapping[str, _Rule] = {
    "stream": _BOOLEAN,
    "stream_options": _OBJECT,
    "temperature": _NUMBER,
    "top_p": _NUMBER,
    "presence_penalty": _NUMBER,
    "frequency_penalty": _NUMBER,
    "max_tokens": _COUNT,
    "max_completion_tokens": _COUNT,
    "n": _COUNT,
    "stop": (_is_stop, "a string or a list of strings"),
    "logprobs": _BOOLEAN,
    "top_logprobs": _NUMBER,
    "user": _TEXT,
    "reasoning_effort": _TEXT,
    "parallel_tool_calls": _BOOLEAN,
    "tools": (lambda value: isinstance(value, list), "a list"),
    "tool_choice": (lambda value: isinstance(value, str | dict), "a string or an object"),
    "response_format": _OBJECT,
    "extra_body": _OBJECT,
}
