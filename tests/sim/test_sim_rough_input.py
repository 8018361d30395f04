"""Whatever arrives, the stand-in answers: it refuses, but it does not fall over."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from poe_sim import script
from poe_sim.app import DIALECTS
from poe_sim.dialects.dialect import Dialect
from poe_sim.samples import sample
from poe_sim.settings import Settings

SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=5)
ANYTHING = st.recursive(
    SCALARS | st.sampled_from(["user", "tool", "assistant", "text", "function", "tool_result", "auto", "medium"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "function", "name", "tool_calls", "cache_control"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    [
        "messages",
        "input",
        "stream",
        "stream_options",
        "tools",
        "tool_choice",
        "stop",
        "stop_sequences",
        "response_format",
        "max_tokens",
        "max_output_tokens",
        "thinking",
        "reasoning",
        "reasoning_effort",
        "text",
        "system",
        "temperature",
        "n",
    ]
)
MODELS = {"/v1/chat/completions": "gpt-5.1-instant", "/v1/messages": "claude-haiku-4.5", "/v1/responses": "gpt-5.1"}


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.path)
@settings(max_examples=80, deadline=None)
@given(fields=st.dictionaries(FIELDS, ANYTHING, max_size=5))
@example(fields={"messages": [{"role": []}]})
def test_any_body_is_read_and_judged(dialect: Dialect, fields: dict[str, Any]) -> None:
    body = fields | {"model": MODELS[dialect.path]}
    prompt = dialect.read(body)
    card = dialect.find(prompt.model)
    assert card is not None
    if dialect.check(body, card, Settings(), {"anthropic-version": "2023-06-01"}) is None:
        script.answer(prompt, None, card)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "integer", "minimum": 3}}}, 3),
        (
            {"allOf": [{"properties": {"a": {"const": 1}}}, {"properties": {"b": {"enum": ["x", "y"]}}}]},
            {"a": 1, "b": "x"},
        ),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, None),
        ({"type": ["boolean", "null"]}, True),
        ({"type": "array", "minItems": 2, "items": {"type": "string", "maxLength": 3}}, ["sam", "sam"]),
        ({"type": "number", "exclusiveMinimum": 1, "multipleOf": 5}, 5),
        ({"type": "string", "format": "date"}, "2026-03-01"),
        ({"type": "object"}, {}),
    ],
    ids=str,
)
def test_samples_satisfy_their_schema(schema: dict[str, Any], value: Any) -> None:
    assert sample(schema) == value


def test_schemas_that_contain_themselves_have_samples() -> None:
    tree = {"$ref": "#/$defs/t", "$defs": {"t": {"properties": {"left": {"$ref": "#/$defs/t"}, "n": {"const": 1}}}}}
    assert sample(tree)["left"]["left"]["n"] == 1
    knot: dict[str, Any] = {"type": "object"}
    knot["allOf"] = [knot]
    assert sample(knot) == {}
