"""What a messages body must look like before anything is sent. It refuses; it never repairs, and lets the unknown pass.

Each complaint names the field the way Anthropic does (``messages.1.content: …``), and quotes no content.
"""

from collections.abc import Callable, Mapping
from typing import Any

from poe_proxy.canonical.errors import BadRequest
from poe_proxy.canonical.json import Json

ROLES = frozenset({"user", "assistant", "system"})


def validate(body: Any, *, needs_max_tokens: bool = True) -> Json:
    """Return ``body`` if it is a messages request. Raises BadRequest."""
    if not isinstance(body, dict):
        raise BadRequest("The request body must be a JSON object.")
    _without_thread(body)
    model = _required(body, "model")
    if not isinstance(model, str) or not model.strip():
        raise _wrong("model", "Input should be a non-empty string")
    if needs_max_tokens:
        _required(body, "max_tokens")
    _messages(_required(body, "messages"))
    for field, (accepts, wanted) in _OPTIONAL.items():
        if body.get(field) is not None and not accepts(body[field]):
            raise _wrong(field, wanted)
    _content("system", body.get("system") or "")
    _tools(body.get("tools") or ())
    return body


def _without_thread(body: Json) -> None:
    """Poe keeps no threads, and a continued one brings new messages only: without this refusal nobody would notice.

    Anthropic's SDKs read the details, send the whole history and ask for no thread again.
    """
    if body.get("thread") is not None:
        raise BadRequest(
            "thread: message threads are not available here. Send all messages with each request.",
            param="thread",
            details={"error_code": "thread_unsupported_request", "unsupported": ["thread"]},
        )


def _required(body: Json, field: str) -> Any:
    if body.get(field) is None:
        raise _wrong(field, "Field required")
    return body[field]


def _messages(messages: Any) -> None:
    if not isinstance(messages, list):
        raise _wrong("messages", "Input should be a valid list")
    if not messages:
        raise _wrong("messages", "at least one message is required")
    for number, message in enumerate(messages):
        _message(f"messages.{number}", message)


def _message(path: str, message: Any) -> None:
    if not isinstance(message, dict):
        raise _wrong(path, "Input should be an object")
    role = message.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise _wrong(f"{path}.role", "Input should be 'user', 'assistant' or 'system'")
    content = message.get("content")
    if content is None and role == "user":
        raise _wrong(f"{path}.content", "Field required")
    _content(f"{path}.content", content or "")


def _content(path: str, content: Any) -> None:
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        raise _wrong(path, "Input should be a valid string or list")
    for number, block in enumerate(content):
        _block(f"{path}.{number}", block)


def _block(path: str, block: Any) -> None:
    if not isinstance(block, dict):
        raise _wrong(path, "Input should be an object")
    kind = block.get("type")
    if not isinstance(kind, str):
        raise _wrong(f"{path}.type", "Field required")
    for field, wanted in _OF_BLOCKS.get(kind, {}).items():
        if not isinstance(block.get(field), wanted):
            raise _wrong(f"{path}.{kind}.{field}", f"Input should be {_KINDS[wanted]}")
    if kind == "tool_result":
        _content(f"{path}.tool_result.content", block.get("content") or "")
    if kind == "document" and block["source"].get("type") == "content":
        _content(f"{path}.document.source.content", block["source"].get("content") or "")


def _tools(tools: Any) -> None:
    for number, tool in enumerate(tools):
        path = f"tools.{number}"
        if not isinstance(tool, dict):
            raise _wrong(path, "Input should be an object")
        if tool.get("type") is not None and not isinstance(tool["type"], str):
            raise _wrong(f"{path}.type", "Input should be a valid string")
        if tool.get("type") in (None, "custom"):
            _custom(f"{path}.custom", tool)


def _custom(path: str, tool: Json) -> None:
    if not isinstance(tool.get("name"), str) or not tool["name"]:
        raise _wrong(f"{path}.name", "Input should be a non-empty string")
    if not isinstance(tool.get("input_schema"), dict | None):
        raise _wrong(f"{path}.input_schema", "Input should be an object")


def _wrong(path: str, complaint: str) -> BadRequest:
    return BadRequest(f"{path}: {complaint}", param=path)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind)


_KINDS: Mapping[type, str] = {str: "a valid string", dict: "an object"}
_OF_BLOCKS: Mapping[str, Mapping[str, type]] = {
    "text": {"text": str},
    "thinking": {"thinking": str},
    "image": {"source": dict},
    "document": {"source": dict},
    "tool_use": {"id": str, "name": str},
    "tool_result": {"tool_use_id": str},
}
_NUMBER = (_is_number, "Input should be a valid number")
_OBJECT = (_is(dict), "Input should be an object")
_LIST = (_is(list), "Input should be a valid list")
_OPTIONAL: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "max_tokens": (_is_count, "Input should be greater than or equal to 1"),
    "stream": (_is(bool), "Input should be a valid boolean"),
    "temperature": _NUMBER,
    "top_p": _NUMBER,
    "top_k": _NUMBER,
    "stop_sequences": (
        lambda value: isinstance(value, list) and all(isinstance(stop, str) for stop in value),
        "Input should be a list of strings",
    ),
    "system": (lambda value: isinstance(value, str | list), "Input should be a valid string or list"),
    "tools": _LIST,
    "mcp_servers": _LIST,
    "tool_choice": _OBJECT,
    "thinking": _OBJECT,
    "metadata": _OBJECT,
    "output_config": _OBJECT,
    "betas": (
        lambda value: isinstance(value, list) and all(isinstance(beta, str) for beta in value),
        "Input should be a list of strings",
    ),
}
