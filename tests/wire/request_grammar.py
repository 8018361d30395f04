"""What strict providers take: a checker of request bodies for each dialect. It knows nothing of who wrote them."""

import re
from typing import Any

Json = dict[str, Any]
_ID = re.compile(r"[a-zA-Z0-9_-]+")


def check_messages(body: Json) -> None:
    """Turns alternate from the user's on, each call is answered first thing in the next turn, no text is empty."""
    turns = body["messages"]
    assert body["max_tokens"] >= 1
    assert [turn["role"] for turn in turns] == [("user", "assistant")[index % 2] for index in range(len(turns))]
    asked: list[str] = []
    seen: set[str] = set()
    for turn in turns:
        content = turn["content"]
        assert content
        results = [block["tool_use_id"] for block in content if block["type"] == "tool_result"]
        assert results == asked
        assert all(block["type"] == "tool_result" for block in content[: len(results)])
        asked = [block["id"] for block in content if block["type"] == "tool_use"]
        assert turn["role"] == "assistant" or not asked
        assert all(_ID.fullmatch(id_) for id_ in asked)
        assert len({*seen, *asked}) == len(seen) + len(asked)
        seen.update(asked)
        _check_blocks(content)
    assert not asked
    _check_blocks(body.get("system", []))
    _check_thinking(body)


def _check_blocks(blocks: list[Json]) -> None:
    for block in blocks:
        assert "text" not in block or block["text"].strip()
        assert block["type"] != "thinking" or block["signature"]
        if block["type"] == "tool_use":
            assert isinstance(block["input"], dict)
        if isinstance(block.get("content"), list):
            _check_blocks(block["content"])


def _check_thinking(body: Json) -> None:
    thinking = body.get("thinking", {})
    if thinking.get("type") == "enabled":
        assert 1024 <= thinking["budget_tokens"] < body["max_tokens"]
    if thinking.get("type") in ("enabled", "adaptive"):
        assert not {"temperature", "top_p", "top_k"} & body.keys()
        assert body.get("tool_choice", {}).get("type") not in ("any", "tool")
        assert body["messages"][-1]["role"] == "user"
    assert 0 <= body.get("temperature", 1) <= 1


def check_chat(body: Json) -> None:
    """Each call is answered once by the tool messages right after it, which hold text; nothing else answers."""
    asked: list[str] = []
    assert body["messages"]
    for message in body["messages"]:
        if asked:
            assert message["role"] == "tool"
        if message["role"] == "tool":
            assert message["tool_call_id"] == asked.pop(0)
            assert isinstance(message["content"], str)
            continue
        calls = message.get("tool_calls", [])
        asked = [call["id"] for call in calls]
        assert message["role"] == "assistant" or not calls
        assert message["content"] or calls or len(body["messages"]) == 1 or "reasoning_content" in message
        assert all(isinstance(call["function"]["arguments"], str) for call in calls)
    assert not asked
