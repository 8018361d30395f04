"""Chunks of a chat completions stream, as Poe might send them, and events without the frames they were read from."""

import json
from dataclasses import replace
from typing import Any

from poe_proxy.canonical.events import Event, Failed, Opaque
from poe_proxy.wire.openai_chat.stream import Reader

Json = dict[str, Any]
DONE = b"data: [DONE]\n\n"


def chunk(delta: Json | None = None, finish: str | None = None, **more: Any) -> Json:
    """One chunk; ``more`` goes to its top level."""
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    around = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1774471078, "model": "odd"}
    return {**around, "choices": [choice], **more}


def usage_chunk(told: Json | None = None, **more: Any) -> Json:
    """The chunk that OpenAI ends a stream with where usage was asked for."""
    return chunk(choices=[], usage=told or usage(), **more)


def usage(prompt: int = 7, completion: int = 4) -> Json:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def own_usage() -> Json:
    """The same in the writers' own words, with the details that SDKs look for."""
    details = {"prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0}}
    return {**usage(), **details}


def piece(index: int | None = None, id_: Any = None, name: str | None = None, arguments: Any = None) -> Json:
    """A piece of a tool call; what is None is left out."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    made = {"index": index, "id": id_, "type": "function" if id_ else None, "function": function}
    return {key: value for key, value in made.items() if value is not None}


def calls(*pieces: Json) -> Json:
    """A delta that holds pieces of tool calls."""
    return {"tool_calls": list(pieces)}


def frame(data: Json) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def stream(*chunks: Json, end: bytes = DONE) -> bytes:
    return b"".join(frame(one) for one in chunks) + end


def read(*chunks: Json, end: bytes = DONE) -> list[Event]:
    """The events of a stream of ``chunks``, frames and all."""
    return read_bytes(stream(*chunks, end=end))


def read_bytes(*pieces: bytes) -> list[Event]:
    reader = Reader()
    return [event for one in pieces for event in reader.feed(one)] + reader.close()


def bare(events: list[Event]) -> list[Event]:
    """The events as every dialect sees them: without frames. What only this dialect knows stays as it is."""
    return [event if isinstance(event, Opaque | Failed) else replace(event, frame=None) for event in events]
