"""A chat completions stream: Poe's bytes to events, and events to the client's bytes.

The reader gives each event a frame of its own and mends what is odd in it; the writer sends the frame back, with the
model the client asked for. What a frame says beyond our events stays in it.
"""

from dataclasses import replace
from typing import Any

import orjson

from poe_proxy import sse
from poe_proxy.canonical.events import (
    Event,
    Failed,
    Finished,
    Opaque,
    Reasoning,
    Refusal,
    Started,
    Text,
    ToolArguments,
    ToolCall,
    Used,
)
from poe_proxy.canonical.json import Json, as_object
from poe_proxy.wire.lenient import leniently, mended
from poe_proxy.wire.openai_chat import errors
from poe_proxy.wire.openai_chat.chunk import ChunkReader
from poe_proxy.wire.openai_chat.frames import the_choice
from poe_proxy.wire.openai_chat.reasons import is_finish, written_usage
from poe_proxy.wire.openai_chat.thoughts import Halves
from poe_proxy.wire.stream_reader import StreamReader
from poe_proxy.wire.usage import with_cost

DONE = b"[DONE]"
_Framed = Started | Text | Reasoning | Refusal | ToolCall | ToolArguments | Finished | Used | Opaque


class Reader(StreamReader):
    """Reads one stream; without ``keep_frames`` for a client of another dialect. ``done`` is set by ``[DONE]`` or a
    failure: nothing after it counts."""

    __slots__ = ("_chunks", "_halves")

    def __init__(self, keep_frames: bool = True) -> None:
        super().__init__()
        self._chunks = ChunkReader(keep=keep_frames)
        self._halves = Halves()

    @property
    def _started(self) -> bool:
        return self._chunks.id is not None

    @property
    def finished(self) -> bool:
        return self._chunks.finished

    def _unclosed(self) -> list[Event] | None:
        """``[DONE]`` after tool calls with complete arguments, or with none: Poe was seen to leave Google's open."""
        return self._chunks.unclosed() if self._chunks.calls.all_whole else None

    def _read(self, frame: sse.Frame) -> list[Event]:
        if frame.data == DONE:
            self.done = True
            return []
        try:
            chunk = orjson.loads(frame.data) if not self._halves.held else self._odd(frame.data)
        except orjson.JSONDecodeError:
            chunk = self._odd(frame.data)
        if frame.name == b"error":
            return self._fail(errors.read_in_stream(chunk))
        if not isinstance(chunk, dict):
            self.garbled += 1  # nothing to show for it; whether the answer is whole is told by its finish
            return []
        if chunk.get("error"):
            return self._fail(errors.read_in_stream(chunk))
        events = self._chunks.read(chunk)
        if events and isinstance(events[-1], Failed):
            self.done = self._failed = True
        return events

    def _odd(self, data: bytes) -> Any:
        """JSON that orjson refuses, with the halves of emojis joined to those of the chunk before."""
        try:
            chunk = leniently(data)
            if choice := the_choice(as_object(chunk).get("choices")):
                choice["delta"] = delta = as_object(choice.get("delta") or choice.get("message"))
                self._halves.join(delta, is_last=is_finish(choice.get("finish_reason")))
            return mended(chunk)
        except ValueError:
            return data.decode("utf-8", "replace")


class Writer:
    """Writes one stream to a client that asked for ``model``. The usage goes out only if it was asked for, and last."""

    __slots__ = ("_created", "_failed", "_id", "_include_usage", "_model", "_started", "_used")

    def __init__(self, model: str, *, include_usage: bool, answer_id: str = "", created: int = 0) -> None:
        self._model = model
        self._include_usage = include_usage
        self._id = answer_id
        self._created = created
        self._started = False
        self._failed = False
        self._used: Used | None = None

    def push(self, events: list[Event]) -> bytes:
        """The bytes of ``events``, empty where they say nothing to this client."""
        return b"".join([self._write(event) for event in events])

    def close(self) -> bytes:
        """The end of the stream: the usage, which some backends tell with every chunk, and ``[DONE]``; none of it
        after a failure."""
        if self._failed:
            return b""
        usage = self._send(self._used) if self._used is not None and self._include_usage else b""
        return usage + sse.encode(DONE)

    def _write(self, event: Event) -> bytes:
        match event:
            case Text():
                return self._send(event)
            case Started():
                return self._start(event)
            case Used():
                self._used = _costed(event)
                return b""
            case Failed(error):
                self._failed = True
                return sse.encode(orjson.dumps(errors.write(error)))
            case _:
                return self._send(event)

    def _start(self, event: Started) -> bytes:
        if self._started:  # an attempt that was repeated before any content; the client knows the first one
            return b""
        self._started = True
        self._id, self._created = event.id or self._id, event.created or self._created
        return self._send(event)

    def _send(self, event: _Framed) -> bytes:
        frame = event.frame or self._made(event)
        frame["model"] = self._model
        frame["id"] = self._id
        frame["object"] = "chat.completion.chunk"
        frame["created"] = self._created
        try:
            return b"data: " + orjson.dumps(frame) + b"\n\n"
        except TypeError:
            return self._plainly(event)

    def _plainly(self, event: _Framed) -> bytes:
        """The event without what else its frame says: orjson reads what is nested deeper than it writes."""
        return b"" if isinstance(event, Opaque) else sse.encode(orjson.dumps(mended(self._made(event))))

    def _made(self, event: _Framed) -> Json:
        """A frame for an event that has none."""
        match event:
            case Used():
                return {**self._fresh({}), "choices": [], "usage": _usage(event)}
            case Finished(reason):
                return self._fresh({}, finish=reason)
            case Opaque(frame):
                return frame
            case _:
                return self._fresh(_delta(event))

    def _fresh(self, delta: Json, finish: str | None = None) -> Json:
        return {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }


def _delta(event: Started | Text | Reasoning | Refusal | ToolCall | ToolArguments) -> Json:
    match event:
        case Started():
            return {"role": "assistant", "content": ""}
        case Text(text):
            return {"content": text}
        case Reasoning(text):
            return {"reasoning_content": text}
        case Refusal(text):
            return {"refusal": text}
        case ToolCall(index, id_, name, arguments):
            function = {"name": name, "arguments": arguments}
            return {"tool_calls": [{"index": index, "id": id_, "type": "function", "function": function}]}
        case ToolArguments(index, arguments):
            named = {"name": event.name} if event.name else {}
            return {"tool_calls": [{"index": index, "function": {**named, "arguments": arguments}}]}


def _costed(event: Used) -> Used:
    if event.cost is None or event.frame is None:
        return event
    return replace(event, frame={**event.frame, "usage": with_cost(event.frame["usage"], event.cost)})


def _usage(event: Used) -> Json:
    figures = written_usage(event.usage)
    return figures if event.cost is None else with_cost(figures, event.cost)
