"""The official SDKs as callers, without retries of their own: what they yield, and what they raise."""

from dataclasses import dataclass
from typing import Any

import anthropic
import openai

from tests.faults.cells import Cell
from tests.faults.tables import CHAT
from tests.running import Proxy

_SCHEMA: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}}
_FUNCTION: Any = {"type": "function", "function": {"name": "look", "parameters": _SCHEMA}}
_TOOL: Any = {"name": "look", "input_schema": _SCHEMA}


@dataclass
class Seen:
    """What a caller has of an answer: its words, the arguments of its call, how it ended, whether it told tokens."""

    text: str = ""
    call: str = ""
    finish: str | None = None
    has_usage: bool = False
    error: Exception | None = None


class Callers:
    """Both SDKs in front of one proxy."""

    def __init__(self, proxy: Proxy) -> None:
        self._openai = proxy.openai()
        self._anthropic = proxy.anthropic()

    def close(self) -> None:
        self._openai.close()
        self._anthropic.close()

    def ask(self, cell: Cell, words: str, request_id: str) -> Seen:
        """Ask the model of ``cell`` with ``words``, and hear the answer out."""
        seen = Seen()
        headers = {"x-request-id": request_id}
        try:
            if cell.route.caller == CHAT:
                self._chat(cell, words, headers, seen)
            else:
                self._message(cell, words, headers, seen)
        except (openai.APIError, anthropic.APIError) as error:
            seen.error = error
        return seen

    def _chat(self, cell: Cell, words: str, headers: dict[str, str], seen: Seen) -> None:
        asked: Any = {
            "model": cell.route.model,
            "messages": [{"role": "user", "content": words}],
            "tools": [_FUNCTION],
            "extra_headers": headers,
        }
        create: Any = self._openai.chat.completions.create
        if not cell.stream:
            _read_completion(create(**asked), seen)
            return
        for chunk in create(**asked, stream=True, stream_options={"include_usage": True}):
            _read_chunk(chunk, seen)

    def _message(self, cell: Cell, words: str, headers: dict[str, str], seen: Seen) -> None:
        asked: Any = {
            "model": cell.route.model,
            "max_tokens": 500,
            "messages": [{"role": "user", "content": words}],
            "tools": [_TOOL],
            "extra_headers": headers,
        }
        if not cell.stream:
            _read_message(self._anthropic.messages.create(**asked), seen)
            return
        with self._anthropic.messages.stream(**asked) as stream:
            for event in stream:
                _read_event(event, seen)


def _read_completion(completion: Any, seen: Seen) -> None:
    (choice,) = completion.choices
    seen.text, seen.finish = choice.message.content or "", choice.finish_reason
    seen.call = "".join(call.function.arguments for call in choice.message.tool_calls or ())
    seen.has_usage = completion.usage is not None


def _read_chunk(chunk: Any, seen: Seen) -> None:
    seen.has_usage = seen.has_usage or chunk.usage is not None
    for choice in chunk.choices:
        seen.text += choice.delta.content or ""
        seen.call += "".join(call.function.arguments or "" for call in choice.delta.tool_calls or ())
        assert not (seen.finish and choice.finish_reason), "it finished twice"
        seen.finish = choice.finish_reason or seen.finish


def _read_message(message: Any, seen: Seen) -> None:
    seen.text = "".join(block.text for block in message.content if block.type == "text")
    seen.finish, seen.has_usage = message.stop_reason, message.usage.output_tokens > 0


def _read_event(event: Any, seen: Seen) -> None:
    if event.type == "content_block_delta":
        seen.text += getattr(event.delta, "text", "")
        seen.call += getattr(event.delta, "partial_json", "")
    elif event.type == "message_delta":
        assert not seen.finish, "it finished twice"
        seen.finish, seen.has_usage = event.delta.stop_reason, event.usage.output_tokens > 0
