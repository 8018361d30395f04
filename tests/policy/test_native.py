"""What Poe's own Messages refuses: what goes for which words, how deep it lies, and what stays whatever they say."""

from typing import Any

import pytest

from poe_proxy.canonical.errors import Refused
from poe_proxy.canonical.json import Json
from poe_proxy.policy.attempts import AS_CHAT, NATIVE
from poe_proxy.policy.native import BETA, repair, without

THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "sig"}
SAID = {"type": "text", "text": "so"}


def body(**more: Any) -> Json:
    return {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], **more}


def repaired(words: str, said: Json) -> Json | None:
    found = repair(Refused(words, poe_status=400), said)
    return None if found is None else found.apply(said)


@pytest.mark.parametrize(
    "words",
    [
        "Unexpected value(s) `new-2026-01-01` for the `anthropic-beta` header. Please consult our documentation.",
        "anthropic-beta: new-2026-01-01 is not supported",
    ],
)
def test_a_beta_that_is_named_goes_and_the_others_stay(words: str) -> None:
    said = body(betas=["old-2025-01-01", "new-2026-01-01"])
    assert repaired(words, said) == {**said, "betas": ["old-2025-01-01"]}
    found = repair(Refused(words, poe_status=400), said)
    assert found is not None
    assert found.unsupported == {f"{BETA}new-2026-01-01": None}
    assert found.words() == ["dropped beta new-2026-01-01"]


@pytest.mark.parametrize(
    ("words", "before", "after"),
    [
        ("context_management: Extra inputs are not permitted", {"context_management": {"edits": []}}, {}),
        (
            "tools.0.custom.strict: Extra inputs are not permitted",
            {"tools": [{"name": "a", "strict": True}, {"name": "b", "strict": True}]},
            {"tools": [{"name": "a"}, {"name": "b"}]},
        ),
        (
            "system.0.cache_control.ephemeral.ttl: Extra inputs are not permitted",
            {"system": [{"type": "text", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
            {"system": [{"type": "text", "cache_control": {"type": "ephemeral"}}]},
        ),
        (
            "thinking.enabled.display: Extra inputs are not permitted",
            {"thinking": {"type": "enabled", "budget_tokens": 2000, "display": "updates"}},
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        ),
        ("`speed` is not supported with this model", {"speed": "fast"}, {}),
    ],
)
def test_a_field_that_is_named_goes_wherever_it_lies(words: str, before: Json, after: Json) -> None:
    assert repaired(words, body(**before)) == body(**after)


def test_a_field_of_one_block_goes_from_all_that_have_it() -> None:
    words = "messages.0.content.1.text.citations: Extra inputs are not permitted"
    blocks = [{"type": "text", "text": "a", "citations": []}, {"type": "text", "text": "b", "citations": []}]
    found = repaired(words, body(messages=[{"role": "user", "content": blocks}]))
    assert found is not None
    assert found["messages"][0]["content"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]


@pytest.mark.parametrize(
    "words",
    [
        "messages.1.content.0: Invalid `signature` in `thinking` block",
        "`thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified.",
    ],
)
def test_thinking_that_claude_does_not_take_for_its_own_goes_as_a_whole(words: str) -> None:
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [THOUGHT, SAID]},
        {"role": "assistant", "content": [THOUGHT]},
    ]
    found = repaired(words, body(messages=messages))
    assert found is not None
    assert found["messages"] == [messages[0], {"role": "assistant", "content": [SAID]}]


@pytest.mark.parametrize(
    "words",
    [
        "max_tokens: Field required",
        "`max_tokens` is not supported",
        'messages.1.role: Unexpected role "system"',
        "system: Input should be a valid list",
        "Your credit balance is too low",
    ],
)
def test_what_makes_the_request_is_never_left_out_and_the_error_is_the_callers(words: str) -> None:
    assert repair(Refused(words, poe_status=400), body(system="s")) is None


def test_what_is_remembered_is_left_out_beforehand() -> None:
    names = [f"{BETA}b", "tools.*.strict", "speed"]
    said = body(betas=["a", "b"], tools=[{"name": "x", "strict": True}], speed="fast")
    assert without(said, names) == body(betas=["a"], tools=[{"name": "x"}])
    assert without(body(), names) == body()


def test_nothing_is_guessed_and_what_is_learnt_is_kept_apart_from_chat() -> None:
    assert (NATIVE.guesses, NATIVE.apart) == ((), " on messages")
    assert (bool(AS_CHAT.guesses), AS_CHAT.apart) == (True, "")
