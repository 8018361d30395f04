"""Bodies with junk anywhere in them: refused by name or translated to something legal, never a crash."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from poe_proxy.canonical.errors import BadRequest
from poe_proxy.wire.anthropic_messages import conversation as messages
from poe_proxy.wire.anthropic_messages import request as messages_request
from poe_proxy.wire.openai_chat import conversation as chat
from poe_proxy.wire.openai_chat import request as chat_request
from tests.wire.request_grammar import check_chat, check_messages

_RUNS = settings(max_examples=200, deadline=None, derandomize=True)
_TEXT = [{"type": "text", "text": "x"}]
_MESSAGES = {
    "model": "m",
    "max_tokens": 9,
    "system": _TEXT,
    "tools": [{"name": "f", "input_schema": {"type": "object"}}, {"type": "bash_20250124", "name": "bash"}],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 2000},
    "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {}}},
    "metadata": {"user_id": "u"},
    "mcp_servers": [{"name": "docs"}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
                {"type": "document", "title": "t", "source": {"type": "content", "content": _TEXT}},
            ],
        },
        {
            "role": "system",
            "content": [{"type": "tool_addition", "tool": {"type": "tool_definition", "definition": {"name": "g"}}}],
            "output_config": {"effort": "low"},
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": ""},
                {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
                {"type": "server_tool_use", "name": "web_search", "input": {}},
                {"type": "web_search_tool_result", "content": [{"title": "t"}]},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": _TEXT}]},
    ],
}
_CHAT = {
    "model": "m",
    "max_tokens": 9,
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "functions": [{"name": "g"}],
    "function_call": {"name": "g"},
    "thinking_budget": 9,
    "output_effort": "high",
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
    "user": "u",
    "stop": ["END"],
    "messages": [
        {"role": "developer", "content": "s"},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
                {"type": "file", "file": {"filename": "n", "file_data": "data:application/pdf;base64,aGk="}},
                *_TEXT,
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "hm",
            "function_call": {"name": "g", "arguments": "{}"},
            "tool_calls": [
                {
                    "id": "a",
                    "function": {"name": "f", "arguments": "{}"},
                    "extra_content": {"google": {"thought_signature": "t"}},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "a", "content": _TEXT},
        {"role": "function", "name": "g", "content": "1"},
    ],
}
_junk: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 2.5, "", "x", [], ["x"], [None], [{}], {}, {"type": "x"}, {"type": None}]
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, below in inner:
        yield (*path, name)
        yield from _places(below, (*path, name))


def _with_junk(said: Any, data: st.DataObject) -> bytes:
    body = orjson.loads(orjson.dumps(said))
    for _ in range(data.draw(st.integers(1, 2))):
        *path, last = data.draw(st.sampled_from(list(_places(body))))
        holder = body
        for name in path:
            holder = holder[name]
        holder[last] = deepcopy(data.draw(_junk))
    return orjson.dumps(body)


@_RUNS
@given(st.data())
def test_in_a_messages_body(data: st.DataObject) -> None:
    try:
        request = messages_request.parse(_with_junk(_MESSAGES, data))
    except BadRequest:
        return
    check_chat(chat.write(messages.read(request.body), returns_reasoning=True)[0])


@_RUNS
@given(st.data())
def test_in_a_chat_body(data: st.DataObject) -> None:
    try:
        request = chat_request.parse(_with_junk(_CHAT, data))
    except BadRequest:
        return
    check_messages(messages.write(chat.read(request.body), max_tokens=99)[0])
