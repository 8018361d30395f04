"""Chat completions and messages for benchmarks: prebuilt bytes, nothing checked, nothing booked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.types import Receive, Send

Json = dict[str, Any]
CHUNKS = 20
"""Content chunks in a stream, each of them sent by itself."""

_WORDS = [f"word{n} " for n in range(CHUNKS)]
_STREAM_MARKS = (b'"stream":true', b'"stream": true')


@dataclass(frozen=True, slots=True)
class _Said:
    """An answer as messages of ASGI: whole, and streamed."""

    whole: tuple[Json, Json]
    start: Json
    chunks: list[Json]
    end: Json


def _said(whole: Json, chunks: list[bytes], end: bytes) -> _Said:
    body = orjson.dumps(whole)
    size, events = str(len(body)).encode(), b"text/event-stream; charset=utf-8"
    return _Said(
        (_start((b"content-type", b"application/json"), (b"content-length", size)), _body(body, more=False)),
        _start((b"content-type", events)),
        [_body(chunk, more=True) for chunk in chunks],
        _body(end, more=False),
    )


def _start(*headers: tuple[bytes, bytes]) -> Json:
    return {"type": "http.response.start", "status": 200, "headers": list(headers)}


def _body(data: bytes, *, more: bool) -> Json:
    return {"type": "http.response.body", "body": data, "more_body": more}


def _event(body: Json, name: str = "") -> bytes:
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + orjson.dumps(body) + b"\n\n"


def _chat() -> _Said:
    head = {"id": "chatcmpl-" + "0" * 24, "created": 1_776_000_000, "model": "gpt-5.4-mini"}
    usage = {"prompt_tokens": 8, "completion_tokens": CHUNKS, "total_tokens": 8 + CHUNKS}
    message = {"role": "assistant", "content": "".join(_WORDS)}

    def chunk(delta: Json, finish: str | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {**head, "object": "chat.completion.chunk", "choices": [choice]}

    whole = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage}
    last = {**chunk({}), "choices": [], "usage": usage}
    return _said(
        {**head, "object": "chat.completion", **whole},
        [_event(chunk({"role": "assistant", "content": word})) for word in _WORDS],
        _event(chunk({}, "stop")) + _event(last) + b"data: [DONE]\n\n",
    )


def _messages() -> _Said:
    usage = {"input_tokens": 8, "output_tokens": CHUNKS}
    head = {"id": "req_poe_" + "0" * 32, "type": "message", "role": "assistant", "model": "claude-haiku-4-5"}
    text = {"type": "text", "text": "".join(_WORDS)}
    events: list[Json] = [
        {"type": "message_start", "message": {**head, "content": [], "stop_reason": None, "usage": usage}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    ]
    deltas = [{"type": "text_delta", "text": word} for word in _WORDS]
    pieces: list[Json] = [{"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas]
    ending: list[Json] = [
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": usage},
        {"type": "message_stop"},
    ]
    first, *others = [_event(piece, piece["type"]) for piece in pieces]
    return _said(
        {**head, "content": [text], "stop_reason": "end_turn", "stop_sequence": None, "usage": usage},
        [b"".join(_event(event, event["type"]) for event in events) + first, *others],
        b"".join(_event(event, event["type"]) for event in ending),
    )


FAST = {"/v1/chat/completions": _chat(), "/v1/messages": _messages()}


async def answer_fast(path: str, receive: Receive, send: Send) -> None:
    """Answer whatever was asked at ``path`` with 20 words, streamed if the body says so."""
    message = await receive()
    body = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    said = FAST[path]
    if any(mark in body for mark in _STREAM_MARKS):
        await _stream(said, send)
    else:
        for part in said.whole:
            await send(part)


async def _stream(said: _Said, send: Send) -> None:
    await send(said.start)
    for chunk in said.chunks:
        await send(chunk)
        await asyncio.sleep(0)
    await send(said.end)
