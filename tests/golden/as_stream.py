"""A whole recorded answer told as a chat completions stream, in the manners that streams were seen to have."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Manner:
    """How a stream is written: its line ends, characters per delta, and bytes per write (0: all at once)."""

    name: str
    newline: bytes
    per_delta: int
    per_write: int


MANNERS = (
    Manner("LF, a frame at a time", b"\n", 8, 0),
    Manner("CRLF, cut anywhere", b"\r\n", 5, 97),
    Manner("CR, one delta, all at once", b"\r", 100_000, 0),
)


def as_stream(body: Json, manner: Manner) -> list[bytes]:
    """The pieces in which ``body`` arrives when it is streamed."""
    end = manner.newline * 2
    frames = [b"data: " + json.dumps(chunk).encode() + end for chunk in _chunks(body, manner.per_delta)]
    frames.append(b"data: [DONE]" + end)
    if manner.per_write:
        data = b"".join(frames)
        return [data[at : at + manner.per_write] for at in range(0, len(data), manner.per_write)]
    return frames if manner.newline == b"\n" else [b"".join(frames)]


def _chunks(body: Json, size: int) -> Iterator[Json]:
    (choice,) = body["choices"]
    around = {name: value for name, value in body.items() if name not in ("choices", "usage")}
    around["object"] = "chat.completion.chunk"

    def chunk(delta: Json, finish: str | None = None) -> Json:
        return {**around, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    message = dict(choice["message"])
    yield chunk({"role": message.pop("role"), "content": ""})
    for delta in _deltas(message, size):
        yield chunk(delta)
    yield chunk({}, choice["finish_reason"])
    if "usage" in body:
        yield {**around, "choices": [], "usage": body["usage"]}


def _deltas(message: Json, size: int) -> Iterator[Json]:
    doubled = message.pop("reasoning", None)
    thought = message.pop("reasoning_content", None)
    for piece in _cut(thought or doubled, size):
        yield {name: piece for name, value in (("reasoning_content", thought), ("reasoning", doubled)) if value}
    calls = message.pop("tool_calls", None) or ()
    content = message.pop("content", None)
    if rest := {name: value for name, value in message.items() if value is not None}:
        yield rest
    for piece in _cut(content, size):
        yield {"content": piece}
    for index, call in enumerate(calls):
        function = call["function"]
        arguments = function.get("arguments")
        begun = {**call, "index": index, "function": {**function, "arguments": ""}}
        yield {"tool_calls": [begun]}
        for piece in _cut(arguments, size):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _cut(text: Any, size: int) -> Iterator[Any]:
    """Texts in pieces of ``size`` characters; anything else whole."""
    if not isinstance(text, str):
        yield from () if text is None else (text,)
        return
    for start in range(0, len(text), size):
        yield text[start : start + size]
