"""Finish reasons and token counts as Poe's many backends write them, and as OpenAI defines them."""

from collections.abc import Mapping

from poe_proxy.canonical.json import Json, as_object
from poe_proxy.canonical.usage import Usage
from poe_proxy.wire.usage import count

LEGAL = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})
_FOREIGN: Mapping[str, str] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "eos": "stop",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",
    "tool_use": "tool_calls",
    "tool_call": "tool_calls",
    "safety": "content_filter",
    "refusal": "content_filter",
    "blocklist": "content_filter",
    "prohibited_content": "content_filter",
    "recitation": "content_filter",
}
_FAILURES = frozenset({"error", "failed", "cancelled", "abort", "aborted", "malformed_function_call"})
GAVE_UP = "The model gave up in the middle of its answer; it is not complete."


def is_finish(reason: object) -> bool:
    """Whether a chunk's reason ends the answer; some backends say ``""`` or ``"null"`` until then."""
    return isinstance(reason, str) and reason.lower() not in ("", "null", "none")


def is_failure(reason: object) -> bool:
    """Whether a backend says with its reason that the answer went wrong, which no legal reason of OpenAI's tells."""
    return isinstance(reason, str) and reason.lower() in _FAILURES


def legal_finish(reason: object, *, has_calls: bool) -> str:
    """The reason OpenAI's clients know. Poe says ``stop`` after a tool call on some models; ``tool_calls`` is meant."""
    word = str(reason).lower() if reason is not None else "stop"
    word = word if word in LEGAL else _FOREIGN.get(word, "stop")
    return "tool_calls" if has_calls and word == "stop" else word


def read_usage(usage: Json) -> Usage:
    """Token counts; absent, null and nonsense count as 0."""
    prompt_details = as_object(usage.get("prompt_tokens_details"))
    return Usage(
        prompt=count(usage.get("prompt_tokens")),
        completion=count(usage.get("completion_tokens")),
        cached=count(prompt_details.get("cached_tokens")),
        reasoning=count(as_object(usage.get("completion_tokens_details")).get("reasoning_tokens")),
        written=count(prompt_details.get("cache_creation_tokens")),
    )


def whole_usage(usage: Json, read: Usage) -> Json:
    """The usage with the three figures that SDKs require, whatever Poe left out; ``read`` is what it says."""
    return {
        **usage,
        "prompt_tokens": read.prompt,
        "completion_tokens": read.completion,
        "total_tokens": count(usage.get("total_tokens")) or read.prompt + read.completion,
    }


def written_usage(used: Usage) -> Json:
    """The usage of an answer that came in another dialect."""
    return {
        "prompt_tokens": used.prompt,
        "completion_tokens": used.completion,
        "total_tokens": used.prompt + used.completion,
        "prompt_tokens_details": {"cached_tokens": used.cached},
        "completion_tokens_details": {"reasoning_tokens": used.reasoning},
    }
