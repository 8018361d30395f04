"""What the benchmarks' upstream says, as bytes of HTTP made beforehand, in the shapes that Poe's answers have.

Each answer is the same: what is measured is what a server adds, not what it can remember.
"""

from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import orjson

Json = dict[str, Any]
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
TOKENS = 20
"""Content chunks of a stream, and words of a whole answer, unless asked for others."""

_ROOT = Path(__file__).parents[1]
_HEADERS = b"x-request-id: req_poe_" + b"0" * 32 + b"\r\nopenai-version: 2020-10-01\r\n"
_WORDS = [f"word{n:02} " for n in range(TOKENS)]


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream in pieces, each of them whole chunks of HTTP: the head with all before the content, words, the end."""

    begin: bytes
    words: list[bytes]
    end: bytes


def whole(body: bytes, status: bytes = b"200 OK") -> bytes:
    """A whole answer."""
    head = b"HTTP/1.1 %b\r\n%bcontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (status, _HEADERS, len(body)) + body


def _stream(begin: list[bytes], words: list[bytes], end: list[bytes]) -> Stream:
    head = b"HTTP/1.1 200 OK\r\n%bcontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
    last = b"".join(_chunk(frame) for frame in end) + b"0\r\n\r\n"
    return Stream(head % _HEADERS + b"".join(map(_chunk, begin)), list(map(_chunk, words)), last)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _words(tokens: int) -> list[str]:
    return list(islice(cycle(_WORDS), tokens))


def _data(body: Json) -> bytes:
    return b"data: " + orjson.dumps(body) + b"\n\n"


def _named(body: Json) -> bytes:
    return f"event: {body['type']}\n".encode() + _data(body)


_CHAT_HEAD = {"id": "chatcmpl-" + "0" * 24, "created": 1_776_000_000, "model": "gpt-5.4-mini-2025-11-13"}


def _chat_usage(tokens: int) -> Json:
    return {
        "prompt_tokens": 13,
        "completion_tokens": tokens,
        "total_tokens": 13 + tokens,
        "completion_tokens_details": {"reasoning_tokens": 0},
        "prompt_tokens_details": {"cached_tokens": 0},
    }


def chat_answer(tokens: int) -> bytes:
    """A whole chat completion."""
    message = {"role": "assistant", "content": "".join(_words(tokens))}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {**_CHAT_HEAD, "object": "chat.completion", "choices": [choice], "usage": _chat_usage(tokens)}
    return whole(orjson.dumps(body))


def chat_stream(tokens: int) -> Stream:
    """A streamed chat completion, its usage before ``[DONE]``."""
    head = {**_CHAT_HEAD, "object": "chat.completion.chunk", "system_fingerprint": None}

    def chunk(delta: Json, finish: str | None = None) -> bytes:
        return _data({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    usage = _data({**head, "choices": [], "usage": _chat_usage(tokens)})
    return _stream(
        [chunk({"role": "assistant", "content": ""})],
        [chunk({"content": word}) for word in _words(tokens)],
        [chunk({}, "stop"), usage, b"data: [DONE]\n\n"],
    )


_MESSAGE = {"model": "claude-haiku-4-5-20251001", "id": "req_poe_" + "0" * 32, "type": "message", "role": "assistant"}


def _message_usage(tokens: int) -> Json:
    kept = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    return {"input_tokens": 13, **kept, "output_tokens": tokens}


def message_answer(tokens: int) -> bytes:
    """A whole message."""
    content = [{"type": "text", "text": "".join(_words(tokens))}]
    end = {"stop_reason": "end_turn", "stop_sequence": None, "usage": _message_usage(tokens)}
    return whole(orjson.dumps({**_MESSAGE, "content": content, **end}))


def message_stream(tokens: int) -> Stream:
    """A streamed message."""
    message: Json = {**_MESSAGE, "content": [], "stop_reason": None, "stop_sequence": None, "usage": _message_usage(1)}
    begin: list[Json] = [
        {"type": "message_start", "message": message},
        {"type": "ping"},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    ]
    deltas = [{"type": "text_delta", "text": word} for word in _words(tokens)]
    ended = {"stop_reason": "end_turn", "stop_sequence": None}
    end: list[Json] = [
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ended, "usage": _message_usage(tokens)},
        {"type": "message_stop"},
    ]
    words = [_named({"type": "content_block_delta", "index": 0, "delta": delta}) for delta in deltas]
    return _stream([_named(event) for event in begin], words, [_named(event) for event in end])


NOT_FOUND = whole(b'{"error":{"message":"no such path","type":"invalid_request_error"}}', b"404 Not Found")
LOOKS = {
    b"/v1/models": whole((_ROOT / "poe_sim" / "catalogue.json").read_bytes()),
    b"/usage/current_balance": whole(b'{"current_point_balance":1000000}'),
    b"/usage/points_history": whole(b'{"has_more":false,"length":0,"data":[]}'),
}
"""What the proxy asks beside the models: the catalogue of the stand-in, a balance, and a history without rows."""
