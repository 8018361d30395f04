"""Stop reasons and token counts as Anthropic has them, and as the one stream of events has them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from poe_proxy.canonical.json import Json, as_object
from poe_proxy.canonical.usage import Usage
from poe_proxy.wire.usage import count

_FINISHES: Mapping[str, str] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_ENDED_EARLY: Mapping[str, str] = {"length": "max_tokens", "content_filter": "refusal"}

_CHARACTERS_A_TOKEN = 4


def read_finish(reason: str) -> str:
    """The finish that Anthropic's ``reason`` is; one that we do not know is an ordinary end."""
    return _FINISHES.get(reason, "stop")


def stop_reason(finish: str | None, *, has_calls: bool, refused: bool = False) -> str:
    """Anthropic's reason for ``finish``: a call that was written is to be answered whatever Poe says of the end, and
    clients that read ``tool_use`` look for a call."""
    if early := _ENDED_EARLY.get(finish or ""):
        return early
    if refused:
        return "refusal"
    return "tool_use" if has_calls else "end_turn"


def read_usage(usage: Json) -> Usage:
    """Token counts; Anthropic's ``input_tokens`` leaves out what was read from the cache and what was written to it."""
    read, written = count(usage.get("cache_read_input_tokens")), _written(usage)
    return Usage(
        prompt=count(usage.get("input_tokens")) + read + written,
        completion=count(usage.get("output_tokens")),
        cached=read,
        reasoning=count(as_object(usage.get("output_tokens_details")).get("thinking_tokens")),
        written=written,
    )


def _written(usage: Json) -> int:
    told = usage.get("cache_creation_input_tokens")
    return count(told) if told is not None else sum(map(count, as_object(usage.get("cache_creation")).values()))


def completed(so_far: Json, later: Any) -> Json:
    """``so_far`` with what a later usage of the same answer says: its counts are totals, and 0 says nothing."""
    return {**so_far, **{name: told for name, told in as_object(later).items() if told or name not in so_far}}


def written_usage(used: Usage | None, prompt_estimate: int, *, said: int = 0) -> Json:
    """The full usage, which clients read as it is; the prompt is never 0, which Claude Code's context gauge trusts.

    Nor is an answer of ``said`` characters, which Poe's estimates often call one of no tokens.
    """
    used = used if used is not None else Usage()
    if said and not used.completion:
        used = replace(used, completion=-(-said // _CHARACTERS_A_TOKEN))
    told: Json = {
        "input_tokens": max(0, (used.prompt or max(1, prompt_estimate)) - used.cached - used.written),
        "cache_creation_input_tokens": used.written,
        "cache_read_input_tokens": used.cached,
        "output_tokens": used.completion,
    }
    if used.reasoning:
        told["output_tokens_details"] = {"thinking_tokens": used.reasoning}
    return told
