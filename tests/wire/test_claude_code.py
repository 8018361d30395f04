"""Whole requests in the shapes that Claude Code was seen to send: to Claude as they came, to others translated."""

from copy import deepcopy
from typing import Any

import orjson

from poe_proxy.canonical.card import ModelCard
from poe_proxy.wire.anthropic_messages import conversation as messages
from poe_proxy.wire.anthropic_messages.request import native, parse
from poe_proxy.wire.openai_chat import conversation as chat
from tests.wire.request_grammar import check_chat

Json = dict[str, Any]
MARK = {"cache_control": {"type": "ephemeral"}}
DRAFT = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}


def shell(id_: str, command: str) -> Json:
    return {"type": "tool_use", "id": id_, "name": "Bash", "input": {"command": command, "description": "Run it"}}


SECOND_TURN: Json = {
    "model": "gpt-5",
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "<system-reminder>\nHow to sign commits.\n</system-reminder>"},
                {"type": "text", "text": "Say hello with the shell, then read the picture."},
            ],
        },
        {"role": "system", "content": "# Environment\nA folder on a Linux machine."},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "two steps", "signature": "cG9lLXByb3h5"},
                {"type": "text", "text": "Both at once."},
                shell("toolu_1", "echo hello"),
                {"type": "tool_use", "id": "toolu_2", "name": "Read", "input": {"file_path": "/a.png"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_2",
                    "content": [
                        {"type": "image", "source": {"type": "base64", "data": "aGk=", "media_type": "image/png"}}
                    ],
                },
                {"tool_use_id": "toolu_1", "type": "tool_result", "content": "hello", "is_error": False, **MARK},
            ],
        },
    ],
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.329.0; cc_entrypoint=sdk-cli;"},
        {"type": "text", "text": "You work for the person at the keyboard.", **MARK},
        {"type": "text", "text": "\nUse your tools.", **MARK},
    ],
    "tools": [
        {"name": "Bash", "description": "Runs a command", "input_schema": {**DRAFT, "additionalProperties": False}},
        {"name": "DeferredToolPlaceholder", "description": "", "input_schema": DRAFT, "defer_loading": True},
        {"name": "Read", "description": "Reads a file", "input_schema": {**DRAFT, "required": ["file_path"]}},
    ],
    "metadata": {"user_id": '{"device_id":"d","account_uuid":"","session_id":"s"}'},
    "max_tokens": 32000,
    "thinking": {"type": "adaptive", "display": "updates"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "output_config": {"effort": "high"},
    "stream": True,
}


def test_translated_for_a_model_that_is_not_claude() -> None:
    request = parse(orjson.dumps(SECOND_TURN))
    body, changes = chat.write(messages.read(request.body), returns_reasoning=False)
    check_chat(body)
    system, asked, surroundings, said, first, second, shown = body["messages"]
    assert system["content"] == "You work for the person at the keyboard.\n\n\nUse your tools."
    assert asked["content"].endswith("\n\nSay hello with the shell, then read the picture.")
    assert surroundings == {"role": "system", "content": "# Environment\nA folder on a Linux machine."}
    assert [call["id"] for call in said["tool_calls"]] == ["toolu_1", "toolu_2"]
    assert (first["content"], second["tool_call_id"]) == ("hello", "toolu_2")
    assert shown["content"][1] == {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    assert [tool["function"]["name"] for tool in body["tools"]] == ["Bash", "Read"]
    assert (body["reasoning_effort"], body["max_tokens"]) == ("high", 32000)
    assert changes == ["dropped context_management"]


def test_native_for_claude() -> None:
    """Byte for byte, but for the name and the thinking that another model did."""
    request = parse(orjson.dumps(SECOND_TURN))
    expected = deepcopy(SECOND_TURN) | {"model": "claude-opus-4.6"}
    del expected["messages"][2]["content"][0]
    assert orjson.dumps(native(request, ModelCard("opus", "claude-opus-4.6"))) == orjson.dumps(expected)


def test_a_prompt_grows_at_its_end_only() -> None:
    """What was said stays what it was in the next request, so that providers find it in their caches."""
    first = messages.read({**SECOND_TURN, "messages": SECOND_TURN["messages"][:2]})
    whole = messages.read(SECOND_TURN)
    before = chat.write(first, returns_reasoning=False)[0]["messages"]
    assert chat.write(whole, returns_reasoning=False)[0]["messages"][: len(before)] == before
