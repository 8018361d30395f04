"""Anthropic's events, as Poe might stream them, and our readers and writers around them."""

import json
from typing import Any

from poe_proxy.canonical.cost import Cost
from poe_proxy.canonical.events import Event, Used
from poe_proxy.wire.anthropic_messages.stream import Reader, Writer
from poe_proxy.wire.openai_chat.stream import Reader as ChatReader
from tests.wire.anthropic_messages import grammar
from tests.wire.chunks import DONE
from tests.wire.chunks import stream as chat_stream

Json = dict[str, Any]
PING: Json = {"type": "ping"}
STOP: Json = {"type": "message_stop"}


def start(usage: Json | None = None, **more: Any) -> Json:
    """The beginning; ``more`` goes into the message."""
    told = usage or {"input_tokens": 9, "output_tokens": 1}
    message = {"id": "req_poe_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5-20251001"}
    empty: Json = {"content": [], "stop_reason": None, "stop_sequence": None, "usage": told}
    return {"type": "message_start", "message": {**message, **empty, **more}}


def begin(index: int, kind: str, **fields: Any) -> Json:
    return {"type": "content_block_start", "index": index, "content_block": {"type": kind, **fields}}


def delta(index: int, kind: str, **fields: Any) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def stop(index: int) -> Json:
    return {"type": "content_block_stop", "index": index}


def end(reason: str | None = "end_turn", usage: Json | None = None) -> Json:
    told = usage or {"output_tokens": 4}
    return {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": told}


def text(index: int, *pieces: str) -> list[Json]:
    deltas = [delta(index, "text_delta", text=piece) for piece in pieces]
    return [begin(index, "text", text=""), *deltas, stop(index)]


def thinking(index: int, *pieces: str, signature: str = "EqQB") -> list[Json]:
    deltas = [delta(index, "thinking_delta", thinking=piece) for piece in pieces]
    signed = delta(index, "signature_delta", signature=signature)
    return [begin(index, "thinking", thinking="", signature=""), *deltas, signed, stop(index)]


def call(index: int, id_: str, name: str, *pieces: str) -> list[Json]:
    deltas = [delta(index, "input_json_delta", partial_json=piece) for piece in pieces]
    return [begin(index, "tool_use", id=id_, name=name, input={}), *deltas, stop(index)]


def stream(*events: Json) -> bytes:
    return b"".join(b"event: %s\ndata: %s\n\n" % (one["type"].encode(), json.dumps(one).encode()) for one in events)


def read_bytes(*pieces: bytes, keep: bool = False) -> list[Event]:
    reader = Reader(keep_frames=keep)
    return [event for one in pieces for event in reader.feed(one)] + reader.close()


def read(*events: Json, keep: bool = False) -> list[Event]:
    return read_bytes(stream(*events), keep=keep)


def between(*events: Json) -> list[Event]:
    """What ``events`` say between a start and a good end, to a client of another dialect."""
    return read(start(), *events, end(), STOP)[1:-2]


def write(events: list[Event], model: str = "asked", **more: Any) -> bytes:
    writer = Writer(model, **more)
    return writer.push(events) + writer.close()


def told(events: list[Event], **more: Any) -> list[Json]:
    """The events that a client of messages reads."""
    return grammar.read(write(events, **more))


def translated(*chunks: Json, ends: bytes = DONE) -> bytes:
    """What a client of messages gets for a chat stream of ``chunks``."""
    reader = ChatReader(keep_frames=False)
    return write(reader.feed(chat_stream(*chunks, end=ends)) + reader.close())


def whole(*chunks: Json) -> list[Json]:
    """The same as events, checked, and read by the SDK as well."""
    data = translated(*chunks)
    events = grammar.read(data)
    grammar.check_whole(events, model="asked")
    message = grammar.by_sdk(data)
    assert [block.type for block in message.content] == grammar.kinds(events)
    assert message.stop_reason == events[-2]["delta"]["stop_reason"]
    return events


def costed(events: list[Event], cost: Cost) -> list[Event]:
    return [Used(event.usage, event.frame, cost) if isinstance(event, Used) else event for event in events]
