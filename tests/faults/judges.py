"""The official SDKs as judges: what their own parsers make of our bytes, in words that both dialects have."""

import json
from dataclasses import dataclass
from typing import Any

import httpx2
from anthropic.types import Message
from openai import OpenAI
from openai.lib.streaming.chat import ParsedChatCompletionSnapshot
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.faults.meant import Tokens
from tests.wire.anthropic_messages import grammar as messages_grammar

Json = dict[str, Any]


@dataclass(frozen=True)
class Heard:
    """An answer as a client's program has it."""

    text: str
    reasoning: str
    refusal: str
    calls: list[tuple[str, str, Any]]
    reason: str | None
    tokens: Tokens | None


_SCRIPT = messages_grammar.Script()
_OPENAI = OpenAI(
    api_key="k", base_url="http://127.0.0.1:9", http_client=httpx2.Client(transport=_SCRIPT), max_retries=0
)


def chat_stream(data: bytes) -> Heard:
    """What OpenAI's ``stream`` helper adds up to. Raises what it raises."""
    _SCRIPT.data = data
    with _OPENAI.chat.completions.stream(model="asked", messages=[{"role": "user", "content": "hi"}]) as stream:
        stream.until_done()  # the final completion is one for structured outputs, and an error where it was cut short
        return _of_completion(stream.current_completion_snapshot)


def chat_chunks(data: bytes) -> list[ChatCompletionChunk]:
    """The chunks of OpenAI's plain stream, each checked against its type. Raises what the SDK raises."""
    _SCRIPT.data = data
    asked: Any = {"model": "asked", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    chunks = list(_OPENAI.chat.completions.create(**asked))
    return [ChatCompletionChunk.model_validate(chunk.to_dict(), strict=True) for chunk in chunks]


def chat_whole(body: Json) -> Heard:
    """A whole chat completion, checked against the SDK's type."""
    return _of_completion(ChatCompletion.model_validate_json(json.dumps(body), strict=True))


def messages_stream(data: bytes) -> Heard:
    """What Anthropic's ``stream`` helper adds up to. Raises what it raises."""
    return of_message(messages_grammar.by_sdk(data))


def messages_whole(body: Json) -> Heard:
    """A whole message, checked against the SDK's type."""
    return of_message(Message.model_validate_json(json.dumps(body), strict=True))


def _of_completion(completion: ChatCompletion | ParsedChatCompletionSnapshot) -> Heard:
    (choice,) = completion.choices
    message = choice.message
    calls = [call for call in message.tool_calls or [] if call.type == "function"]
    return Heard(
        message.content or "",
        getattr(message, "reasoning_content", None) or "",
        message.refusal or "",
        [(call.id, call.function.name, json.loads(call.function.arguments)) for call in calls],
        choice.finish_reason,
        _tokens(completion),
    )


def _tokens(completion: ChatCompletion | ParsedChatCompletionSnapshot) -> Tokens | None:
    usage = completion.usage
    if usage is None:
        return None
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    prompt, completed = usage.prompt_tokens_details, usage.completion_tokens_details
    return Tokens(
        usage.prompt_tokens,
        usage.completion_tokens,
        (prompt.cached_tokens if prompt else 0) or 0,
        (completed.reasoning_tokens if completed else 0) or 0,
    )


def of_message(message: Message) -> Heard:
    """A message as both dialects have it; Anthropic counts what was read from the cache beside the input."""
    usage, blocks = message.usage, message.content
    details = usage.output_tokens_details
    read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    return Heard(
        "".join(block.text for block in blocks if block.type == "text"),
        "".join(block.thinking for block in blocks if block.type == "thinking"),
        "",
        [(block.id, block.name, block.input) for block in blocks if block.type == "tool_use"],
        message.stop_reason,
        Tokens(
            usage.input_tokens + read + written,
            usage.output_tokens,
            read,
            (details.thinking_tokens if details else 0) or 0,
            written,
        ),
    )
