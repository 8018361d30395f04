"""A messages stream: Poe's bytes to events, and events to the client's bytes.

Where the client speaks messages too, every event of Poe's travels as it was and the writer sends it back so. Where it
is translated, the writer makes a message of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from poe_proxy import sse
from poe_proxy.canonical.events import (
    Event,
    Failed,
    Finished,
    Reasoning,
    Refusal,
    Started,
    Text,
    ToolArguments,
    ToolCall,
    Used,
)
from poe_proxy.canonical.json import Json, as_object
from poe_proxy.wire.anthropic_messages import errors
from poe_proxy.wire.anthropic_messages.blocks import Blocks
from poe_proxy.wire.anthropic_messages.frames import MESSAGE_STOP, PING, block_stop, encoded
from poe_proxy.wire.anthropic_messages.ids import message_id
from poe_proxy.wire.anthropic_messages.message import MessageReader
from poe_proxy.wire.anthropic_messages.reasons import stop_reason, written_usage
from poe_proxy.wire.lenient import decoded
from poe_proxy.wire.stream_reader import StreamReader
from poe_proxy.wire.usage import with_cost


class Reader(StreamReader):
    """Reads one stream; with ``keep_frames`` for a client that speaks messages too. ``done`` is set by the end of the
    message or a failure: nothing after it counts."""

    __slots__ = ("_message",)

    def __init__(self, keep_frames: bool) -> None:
        super().__init__()
        self._message = MessageReader(keep=keep_frames)

    @property
    def _started(self) -> bool:
        return self._message.started

    @property
    def finished(self) -> bool:
        return self._message.finished

    def _unclosed(self) -> list[Event] | None:
        """The message's own end after tool calls that were all closed."""
        return self._message.unclosed()

    def _read(self, frame: sse.Frame) -> list[Event]:
        body = _decoded(frame)
        if frame.name == b"error" or as_object(body).get("error"):
            return self._fail(errors.read_in_stream(body))
        events = self._message.read(body) if isinstance(body, dict) else None
        if events is None:
            self.garbled += 1  # nothing to show for it; whether the answer is whole is told by its stop reason
            return []
        self.done = body.get("type") == "message_stop"
        return events


def _decoded(frame: sse.Frame) -> Any:
    """The event in ``frame``; its name stands in for a type that it lacks. What is no JSON is its text."""
    try:
        body = decoded(frame.data)
    except ValueError:
        return frame.data.decode("utf-8", "replace")
    if isinstance(body, dict) and "type" not in body and frame.name is not None:
        return {"type": frame.name.decode("utf-8", "replace"), **body}
    return body


def _characters(event: Event) -> int:
    match event:
        case Reasoning(text) | Refusal(text):
            return len(text)
        case ToolCall() | ToolArguments():
            return len(event.name) + len(event.arguments)
    return 0


@dataclass(frozen=True, slots=True)
class _At:
    """How far the message has come; ``open`` is the block of Poe's own that is open, where frames are sent back."""

    stage: Literal["before", "within", "over"] = "before"
    open: int | None = None


@dataclass(slots=True)
class _End:
    """What is known of the end, which is written last: everything in it may come in any order."""

    finished: Finished | None = None
    used: Used | None = None
    refused: bool = False
    has_calls: bool = False
    stop: Json | None = None


class Writer:
    """Writes one stream to a client that asked for ``model``. ``prompt_estimate`` says the tokens to tell until Poe's
    own count is there; a relayed stream never asks. Events with frames are sent back as they were; an answer's events
    have either all frames or none.

    An answer without any content has no block: Claude Code then asks for a visible answer, once, where words of ours
    would end its work in the middle.
    """

    __slots__ = ("_at", "_blocks", "_end", "_id", "_model", "_prompt_estimate", "_said")

    def __init__(self, model: str, *, answer_id: str = "", prompt_estimate: Callable[[], int] = lambda: 1) -> None:
        self._model = model
        self._id = answer_id
        self._prompt_estimate = prompt_estimate
        self._blocks = Blocks()
        self._at = _At()
        self._end = _End()
        self._said = 0

    def push(self, events: list[Event]) -> bytes:
        """The bytes of ``events``, empty where they say nothing yet."""
        return b"".join([self._write(event) for event in events])

    def close(self) -> bytes:
        """The end of the message, with the usage and what it cost; nothing after a failure."""
        if self._at.stage == "over":
            return b""
        begun = self._begun()
        self._at, at = _At("over"), self._at
        if at.open is not None:
            begun += block_stop(at.open)
        return begun + self._blocks.end() + encoded(self._message_delta()) + encoded(self._end.stop or MESSAGE_STOP)

    def _write(self, event: Event) -> bytes:
        if isinstance(event, Text) and event.frame is None:  # nearly every event of nearly every translated stream
            self._said += len(event.text)
            return self._begun() + self._blocks.say("text", event.text)
        match event:
            case Started():
                return self._start(event)
            case Finished():
                self._end.finished = event
                return b""
            case Used():
                self._end.used = event
                return b""
            case Failed(error):
                self._at = _At("over")
                return sse.encode(errors.encoded(error), b"error")
            case ToolCall():
                self._end.has_calls = True
        if event.frame is not None:
            return self._relay(event.frame)
        self._said += _characters(event)
        return self._begun() + self._content(event)

    def _content(self, event: Event) -> bytes:
        match event:
            case Reasoning(text):
                return self._blocks.say("thinking", text)
            case Refusal(text):
                self._end.refused = self._end.refused or bool(text)
                return self._blocks.say("text", text)
            case ToolCall():
                return self._blocks.call(event)
            case ToolArguments():
                return self._blocks.go_on(event)
        return b""

    def _start(self, event: Started) -> bytes:
        """The start, once: an attempt that was repeated before any content begins with another."""
        if self._at.stage != "before":
            return b""
        self._id = event.id or self._id
        if event.frame is None:
            return self._begun()
        self._at = _At("within")
        return encoded(event.frame)

    def _begun(self) -> bytes:
        if self._at.stage != "before":
            return b""
        self._at = _At("within")
        return encoded({"type": "message_start", "message": self._message()}) + PING

    def _message(self) -> Json:
        return {
            "id": message_id(self._id),
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {**written_usage(None, self._prompt_estimate()), "output_tokens": 1},
        }

    def _relay(self, frame: Json) -> bytes:
        """A frame of Poe's as it was; the block that it opens or closes is known, so that none is left open."""
        match frame["type"]:
            case "content_block_start":
                self._at = replace(self._at, open=frame.get("index"))
            case "content_block_stop":
                self._at = replace(self._at, open=None)
            case "message_stop":
                self._end.stop = frame
                return b""
        return self._begun() + encoded(frame)

    def _stop_reason(self) -> str:
        finish = self._end.finished.reason if self._end.finished is not None else None
        return stop_reason(finish, has_calls=self._end.has_calls, refused=self._end.refused)

    def _message_delta(self) -> Json:
        used = self._end.used
        said = self._end.finished.frame if self._end.finished is not None else None
        latest = used.frame if used is not None and used.frame is not None else said
        usage = as_object(latest.get("usage")) if latest is not None else {}
        if not usage:
            usage = written_usage(used.usage if used is not None else None, self._prompt_estimate(), said=self._said)
        if used is not None and used.cost is not None:
            usage = with_cost(usage, used.cost)
        ended = {"stop_reason": self._stop_reason(), "stop_sequence": None}
        return {**(said or {"type": "message_delta", "delta": ended}), "usage": usage}
