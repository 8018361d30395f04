"""A 400 of Poe's Messages to a chat body in Anthropic's words: what the client has to do with it."""

from typing import Any

import pytest

from poe_proxy.canonical.errors import Refused
from poe_proxy.policy import as_messages

ASKED: dict[str, Any] = {"model": "claude-opus-4.6", "messages": [{"role": "user", "content": "hi"}]}


def repaired(text: str, **said: Any) -> dict[str, Any] | None:
    """What is left of ``said``, and what came to it."""
    body = {**ASKED, **said}
    found = as_messages.repair(Refused(text, poe_status=400), body)
    return None if found is None else {name: said for name, said in found.apply(body).items() if name not in ASKED}


@pytest.mark.parametrize(
    "text",
    [
        "output_config: Extra inputs are not permitted",
        "output_config.effort: Extra inputs are not permitted",
        "thinking.type: Input should be 'enabled' or 'disabled'",
        "adaptive thinking is not supported on this model",
        "This model does not support the effort parameter.",
    ],
)
@pytest.mark.parametrize("knob", ["reasoning_effort", "output_effort", "thinking_budget"])
def test_thinking_is_the_knob_in_the_clients_words(text: str, knob: str) -> None:
    assert repaired(text, **{knob: "high"}, temperature=0.5) == {"temperature": 0.5}


def test_other_names_too() -> None:
    assert repaired("stop_sequences: Extra inputs are not permitted", stop=["a"]) == {}
    assert repaired("tool_choice.disable_parallel_tool_use: unknown", parallel_tool_calls=False) == {}


def test_a_limit_that_was_ours_is_moved() -> None:
    text = "max_tokens: 8192 > 4096, which is the maximum allowed number of output tokens for claude-3-haiku-20240307"
    assert repaired(text) == {"max_tokens": 4096}
    assert repaired(text, max_tokens=8192) == {"max_tokens": 4096}


def test_what_the_client_named_is_found_as_ever() -> None:
    assert repaired("`temperature` is deprecated for this model.", temperature=0.5) == {}
    assert repaired("messages: something is wrong") is None
