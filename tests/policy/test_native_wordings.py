"""What a 400 of Poe's own Messages names is left out of the body, and nothing else is."""

from typing import Any

import orjson
import pytest

from poe_proxy.canonical.errors import Refused
from poe_proxy.policy import native
from poe_proxy.wire.anthropic_messages import errors

Json = dict[str, Any]
BETAS = ["advanced-tool-use-2025-11-20", "context-1m-2025-08-07", "mid-conversation-tool-changes-2026-07-01"]
TOOL: Json = {"name": "a", "input_schema": {"type": "object"}, "strict": True, "defer_loading": True}
MARK: Json = {"type": "ephemeral", "ttl": "1h"}
CALL: Json = {"type": "tool_use", "id": "toolu_1", "name": "a", "input": {}, "caller": {"type": "direct"}}
BODY: Json = {
    "model": "claude-sonnet-4.5",
    "max_tokens": 4000,
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "x", "cache_control": MARK}]},
        {"role": "assistant", "content": [CALL]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "r"}]},
    ],
    "tools": [TOOL],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "thinking": {"type": "adaptive", "display": "updates"},
    "output_config": {"effort": "max", "format": {"type": "json_schema", "schema": {}}},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "betas": BETAS,
    "stream": False,
}


def repaired(text: str) -> Json | None:
    """``BODY`` after a 400 of these words; None where it is not asked once more."""
    body = orjson.dumps({"type": "error", "error": {"type": "invalid_request_error", "message": text}})
    error = errors.read(400, {}, body)
    found = native.repair(error, BODY) if type(error) is Refused else None
    return None if found is None else found.apply(BODY)


def gone(text: str, *path: str | int) -> bool:
    """Whether ``path`` is there before and not after, and all its parents are."""
    before, after = BODY, repaired(text)
    assert after is not None, "asked once more"
    for step in path[:-1]:
        before, after = before[step], after[step]  # type: ignore[index]
    assert path[-1] in before
    return path[-1] not in after


@pytest.mark.parametrize(
    ("text", "beta"),
    [
        ("Unexpected value(s) `advanced-tool-use-2025-11-20` for the `anthropic-beta` header.", BETAS[0]),
        ("Unsupported beta: context-1m-2025-08-07. The 1M context window is not available.", BETAS[1]),
        ("mid-conversation-tool-changes-2026-07-01 is not supported", BETAS[2]),
    ],
)
def test_a_beta_goes_though_its_name_speaks_of_tools_or_of_context(text: str, beta: str) -> None:
    after = repaired(text)
    assert after is not None
    assert after["betas"] == [other for other in BETAS if other != beta]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("tools.0.custom.strict: Extra inputs are not permitted", ("tools", 0, "strict")),
        ("tools[0].custom.strict: Extra inputs are not permitted", ("tools", 0, "strict")),
        ("property 'tools[0].strict' is unsupported", ("tools", 0, "strict")),
        ("tools.0.custom.defer_loading: unsupported field", ("tools", 0, "defer_loading")),
        ("tools.0.defer_loading: This field is not supported", ("tools", 0, "defer_loading")),
        (
            "messages.1.content.0.tool_use.caller: Extra inputs are not permitted",
            ("messages", 1, "content", 0, "caller"),
        ),
        (
            "messages.0.content.0.text.cache_control.ttl: Extra inputs are not permitted",
            ("messages", 0, "content", 0, "cache_control", "ttl"),
        ),
        (
            "Unknown parameter: 'messages[0].content[0].cache_control.ttl'.",
            ("messages", 0, "content", 0, "cache_control", "ttl"),
        ),
        (
            "tool_choice.disable_parallel_tool_use: Extra inputs are not permitted",
            ("tool_choice", "disable_parallel_tool_use"),
        ),
        ("thinking.adaptive.display: Extra inputs are not permitted", ("thinking", "display")),
        ("This model does not support the effort parameter.", ("output_config", "effort")),
        ("The `effort` parameter is not supported by this model", ("output_config", "effort")),
        ("'claude-3-5-haiku-20241022' does not support thinking.", ("thinking",)),
        ("thinking.type: Input should be 'enabled' or 'disabled'", ("thinking",)),
        ("adaptive thinking is not supported on this model", ("thinking",)),
        ("messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`.", ("thinking",)),
    ],
)
def test_a_field_goes_wherever_it_is(text: str, path: tuple[str | int, ...]) -> None:
    assert gone(text, *path)


def test_thinking_is_not_cleared_where_there_is_none() -> None:
    after = repaired("'claude-3-5-haiku-20241022' does not support thinking.")
    assert after is not None
    assert after["context_management"] == {"edits": []}


def test_a_form_of_thinking_is_remembered_and_the_other_left() -> None:
    known = ["thinking adaptive"]
    enabled = {**BODY, "thinking": {"type": "enabled", "budget_tokens": 1024}}
    assert "thinking" not in native.without(BODY, known)
    assert native.without(enabled, known) == enabled


def test_a_value_within_an_object_is_changed_there() -> None:
    after = repaired("output_config.effort: Input should be 'low', 'medium' or 'high'")
    assert after is not None
    assert after["output_config"] == {**BODY["output_config"], "effort": "high"}


@pytest.mark.parametrize(
    "text",
    [
        "messages.1.role: Input should be 'user' or 'assistant'",
        "messages.2: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_1",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        "This model does not support assistant message prefill. The conversation must end with a user message.",
        "messages: text content blocks must be non-empty",
        "Output blocked by content filtering policy",
        "tools.0.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'",
        "tools: Tool names must be unique.",
        "messages.0.content.0.image.source.base64.data: The image could not be processed",
    ],
)
def test_what_names_nothing_that_may_go_is_passed_on(text: str) -> None:
    assert repaired(text) is None
