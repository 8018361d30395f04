"""Chat completions for benchmarks: prebuilt bytes, nothing checked, nothing booked."""

from __future__ import annotations

import asyncio

import orjson
from starlette.types import Receive, Send

CHUNKS = 20
"""Content chunks in a stream, each of them sent by itself."""

_HEAD = {"id": "chatcmpl-" + "0" * 24, "created": 1_776_000_000, "model": "gpt-5.4-mini"}
_USAGE = {"prompt_tokens": 8, "completion_tokens": CHUNKS, "total_tokens": 8 + CHUNKS}
_WORDS = [f"word{n} " for n in range(CHUNKS)]
_STREAM_MARKS = (b'"stream":true', b'"stream": true')


def _body() -> bytes:
    message = {"role": "assistant", "content": "".join(_WORDS)}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return orjson.dumps({**_HEAD, "object": "chat.completion", "choices": [choice], "usage": _USAGE})


def _chunk(delta: dict[str, str], finish: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _event({**_HEAD, "object": "chat.completion.chunk", "choices": [choice]})


def _event(body: object) -> bytes:
    return b"data: " + orjson.dumps(body) + b"\n\n"


_USAGE_CHUNK = _event({**_HEAD, "object": "chat.completion.chunk", "choices": [], "usage": _USAGE})
_END = _chunk({}, "stop") + _USAGE_CHUNK + b"data: [DONE]\n\n"
_BODY = _body()

_JSON_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(_BODY)).encode())],
}
_JSON_BODY = {"type": "http.response.body", "body": _BODY, "more_body": False}
_STREAM_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/event-stream; charset=utf-8")],
}
_STREAM_CHUNKS = [
    {"type": "http.response.body", "body": _chunk({"role": "assistant", "content": word}, None), "more_body": True}
    for word in _WORDS
]
_STREAM_END = {"type": "http.response.body", "body": _END, "more_body": False}


async def answer_fast(receive: Receive, send: Send) -> None:
    """Answer whatever was asked with 20 words, streamed if the body says so."""
    message = await receive()
    body = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    if any(mark in body for mark in _STREAM_MARKS):
        await _stream(send)
    else:
        await send(_JSON_START)
        await send(_JSON_BODY)


async def _stream(send: Send) -> None:
    await send(_STREAM_START)
    for chunk in _STREAM_CHUNKS:
        await send(chunk)
        await asyncio.sleep(0)
    await send(_STREAM_END)
