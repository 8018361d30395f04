"""A chat completions stream: Poe's bytes to events, and events to the client's bytes.

The reader gives each event a frame of its own and mends what is odd in it; the writer sends the frame back, with the
model the client asked for. What a frame says beyond our events stays in it.
"""

from typing import Any

import orjson

from poe_proxy import sse
from poe_proxy.canonical.errors import ProxyError, StreamBroken
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
from poe_proxy.wire.openai_chat import errors
from poe_proxy.wire.openai_chat.calls import CallAssembler, pieces
from poe_proxy.wire.openai_chat.frames import decoded, framed, seconds
from poe_proxy.wire.openai_chat.reasons import (
    GAVE_UP,
    is_failure,
    is_finish,
    legal_finish,
    read_usage,
    whole_usage,
)

DONE = b"[DONE]"
_OURS = frozenset({"role", "content", "refusal", "reasoning_content", "reasoning", "tool_calls"})
_MISSING = object()
_AROUND = frozenset(
    {"id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier", "error"}
)


class Reader:
    """Reads one stream. ``done`` is set by ``[DONE]`` or a failure: nothing after it counts."""

    def __init__(self) -> None:
        self._frames = sse.Decoder()
        self._calls = CallAssembler()
        self._id: str | None = None
        self._reasoning_key: str | None = None
        self._finished = False
        self._failed = False
        self.done = False
        self.garbled = 0

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that ``data`` completes."""
        if self.done:
            return []
        try:
            frames = self._frames.feed(data)
        except sse.FrameTooLarge as error:
            return self._fail(StreamBroken(f"Poe sent {error}; the answer is not complete."))
        return self._events(frames)

    def close(self) -> list[Event]:
        """The stream ended: return what its end means. An answer without a finish is never passed off as whole.

        One end without a finish is whole all the same: ``[DONE]`` after tool calls with complete arguments, which Poe
        was seen to leave open for Google's models.
        """
        events = self._events(self._frames.close())
        if self._finished or self._failed:
            return events
        if self.done and self._calls.all_whole:
            return [*events, self._finish("tool_calls", None)]
        return [*events, *self._fail(StreamBroken(self._how_it_broke()))]

    def _how_it_broke(self) -> str:
        if self._id is None:
            return "Poe ended the stream without an answer."
        if self.done:
            return "Poe ended the answer without saying that it is finished; it may not be complete."
        return "Poe cut the stream in the middle of the answer."

    def _events(self, frames: list[sse.Frame]) -> list[Event]:
        events: list[Event] = []
        for frame in frames:
            if self.done:
                break
            if frame.data == DONE:
                self.done = True
            else:
                events += self._read(frame)
        return events

    def _read(self, frame: sse.Frame) -> list[Event]:
        try:
            chunk = decoded(frame.data)
        except (ValueError, RecursionError):
            chunk = frame.data.decode("utf-8", "replace")
        if frame.name == b"error":
            return self._fail(errors.read_in_stream(chunk))
        if not isinstance(chunk, dict):
            self.garbled += 1  # nothing to show for it; whether the answer is whole is told by its finish
            return []
        if chunk.get("error"):
            return self._fail(errors.read_in_stream(chunk))
        return self._chunk(chunk)

    def _fail(self, error: ProxyError) -> list[Event]:
        self.done = self._failed = True
        return [Failed(error)]

    def _chunk(self, chunk: Json) -> list[Event]:
        choice = _first(chunk.get("choices"))
        delta = as_object(choice.get("delta") or choice.get("message"))
        usage = chunk.get("usage")
        text = delta.get("content")
        if (
            text
            and self._id is not None
            and len(delta) == 1 + ("role" in delta)
            and choice.get("finish_reason", _MISSING) is None
            and choice.get("index") == 0
            and "delta" in choice
            and "error" not in chunk
            and len(chunk["choices"]) == 1
            and usage is None
            and isinstance(text, str)
        ):
            delta.pop("role", None)  # some backends say it every time, and the SDK adds it up
            return [Text(text, chunk)]  # nearly every frame of nearly every stream
        return self._split(chunk, choice, delta, usage)

    def _split(self, chunk: Json, choice: Json, delta: Json, usage: Any) -> list[Event]:
        """All that one frame says, in the legal order, each with a frame of its own."""
        if not choice and not isinstance(usage, dict):
            return self._beside(chunk)
        events = self._start(chunk)
        rest = {key: value for key, value in delta.items() if key not in _OURS and value is not None}
        if rest or choice.get("logprobs"):
            events += self._with_rest(chunk, choice, delta, rest)
        else:
            events += self._deltas(chunk, delta)
        reason = choice.get("finish_reason")
        if is_failure(reason) and not self._finished:
            return [*events, *self._fail(StreamBroken(GAVE_UP))]
        if is_finish(reason) and not self._finished:
            events += [self._no_arguments(index, chunk) for index in self._calls.without_arguments()]
            legal = legal_finish(reason, has_calls=len(self._calls) > 0)
            events.append(self._finish(legal, framed(chunk, {}, {**choice, "logprobs": None}, finish=legal)))
        if isinstance(usage, dict):
            whole = whole_usage(usage)
            events.append(Used(read_usage(usage), {**framed(chunk, {}), "choices": [], "usage": whole}))
        return events

    def _beside(self, chunk: Json) -> list[Event]:
        """A chunk without a choice may still say what only this dialect knows; ahead of the answer Azure sends one."""
        if self._id is None or self._finished or chunk.keys() <= _AROUND:
            return []
        return [Opaque(framed(chunk, {}))]

    def _start(self, chunk: Json) -> list[Event]:
        if self._id is not None:
            return []
        self._id = str(chunk.get("id") or "")
        return [
            Started(
                self._id,
                seconds(chunk.get("created")),
                str(chunk.get("model") or ""),
                framed(chunk, {"role": "assistant", "content": ""}),
            )
        ]

    def _with_rest(self, chunk: Json, choice: Json, delta: Json, rest: Json) -> list[Event]:
        """Unknown fields and logprobs ride on the frame's first event, or on one that only this dialect knows."""
        events = self._deltas(chunk, delta)
        if not events:
            return [] if self._finished else [Opaque(framed(chunk, rest, choice))]
        frame = getattr(events[0], "frame", None)
        if frame is not None:
            frame["choices"] = [{**choice, **frame["choices"][0], "logprobs": choice.get("logprobs")}]
            frame["choices"][0]["delta"] = {**rest, **frame["choices"][0]["delta"]}
        return events

    def _deltas(self, chunk: Json, delta: Json) -> list[Event]:
        events: list[Event] = []
        if reasoning := self._reasoning(delta):
            events.append(Reasoning(reasoning, framed(chunk, {"reasoning_content": reasoning})))
        if text := _text(delta.get("content")):
            events.append(Text(text, framed(chunk, {"content": text})))
        if refusal := _text(delta.get("refusal")):
            events.append(Refusal(refusal, framed(chunk, {"refusal": refusal})))
        for piece in pieces(delta.get("tool_calls")):
            events.append(self._call(chunk, piece))
        return events

    def _reasoning(self, delta: Json) -> str:
        """One reasoning field. Poe's bots send the same text as ``reasoning`` too; the first name seen is read."""
        for key in ("reasoning_content", "reasoning"):
            value = delta.get(key)
            if value and isinstance(value, str) and self._reasoning_key in (None, key):
                self._reasoning_key = key
                return value
        return ""

    def _call(self, chunk: Json, piece: Json) -> Event:
        event, whole = self._calls.add(piece, self._id or "")
        frame = framed(chunk, {"tool_calls": [whole]})
        if isinstance(event, ToolCall):
            return ToolCall(event.index, event.id, event.name, event.arguments, frame)
        return ToolArguments(event.index, event.arguments, frame)

    def _no_arguments(self, index: int, chunk: Json) -> ToolArguments:
        """An empty object where no arguments came, since clients parse what they get."""
        piece = {"index": index, "function": {"arguments": "{}"}}
        return ToolArguments(index, "{}", framed(chunk, {"tool_calls": [piece]}))

    def _finish(self, reason: str, frame: Json | None) -> Finished:
        self._finished = True
        return Finished(reason, frame)


def _first(choices: Any) -> Json:
    """The first choice: ``n`` is always 1 at Poe."""
    return choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}


def _text(content: Any) -> str:
    """Text from a string, or from parts, which a few backends send."""
    if isinstance(content, list):
        return "".join(part["text"] for part in content if isinstance(part, dict) and _is_text(part))
    return content if isinstance(content, str) else ""


def _is_text(part: Json) -> bool:
    return isinstance(part.get("text"), str)


class Writer:
    """Writes one stream to a client that asked for ``model``. The usage goes out only if it was asked for, and last."""

    def __init__(self, model: str, *, include_usage: bool, answer_id: str = "", created: int = 0) -> None:
        self._model = model
        self._include_usage = include_usage
        self._id = answer_id
        self._created = created
        self._started = False
        self._failed = False
        self._usage: Json | None = None

    def push(self, events: list[Event]) -> bytes:
        """The bytes of ``events``, empty where they say nothing to this client."""
        return b"".join([self._write(event) for event in events])

    def close(self) -> bytes:
        """The end of the stream: the usage, which some backends tell with every chunk, and ``[DONE]``; none of it
        after a failure."""
        if self._failed:
            return b""
        usage = self._send(self._usage) if self._usage is not None and self._include_usage else b""
        return usage + sse.encode(DONE)

    def _write(self, event: Event) -> bytes:
        match event:
            case Text(text, frame):
                return self._send(frame or self._fresh({"content": text}))
            case Started():
                return self._start(event)
            case Used(_, frame):
                self._usage = frame or {**self._fresh({}), "choices": [], "usage": _usage(event)}
                return b""
            case Finished(reason, frame):
                return self._send(frame or self._fresh({}, finish=reason))
            case Failed(error):
                self._failed = True
                return sse.encode(orjson.dumps(errors.write(error)))
            case Opaque(frame):
                return self._send(frame)
            case _:
                return self._send(event.frame or self._fresh(_delta(event)))

    def _start(self, event: Started) -> bytes:
        if self._started:  # an attempt that was repeated before any content; the client knows the first one
            return b""
        self._started = True
        self._id, self._created = event.id or self._id, event.created or self._created
        return self._send(event.frame or self._fresh({"role": "assistant", "content": ""}))

    def _send(self, frame: Json) -> bytes:
        frame["model"] = self._model
        frame["id"] = self._id
        frame["object"] = "chat.completion.chunk"
        frame["created"] = self._created
        return b"data: " + orjson.dumps(frame) + b"\n\n"

    def _fresh(self, delta: Json, finish: str | None = None) -> Json:
        return {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }


def _delta(event: Reasoning | Refusal | ToolCall | ToolArguments) -> Json:
    match event:
        case Reasoning(text):
            return {"reasoning_content": text}
        case Refusal(text):
            return {"refusal": text}
        case ToolCall(index, id_, name, arguments):
            function = {"name": name, "arguments": arguments}
            return {"tool_calls": [{"index": index, "id": id_, "type": "function", "function": function}]}
        case ToolArguments(index, arguments):
            return {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}


def _usage(event: Used) -> Json:
    used = event.usage
    return {
        "prompt_tokens": used.prompt,
        "completion_tokens": used.completion,
        "total_tokens": used.prompt + used.completion,
    }
