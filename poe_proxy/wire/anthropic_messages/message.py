"""What one event of Anthropic's stream says, as events of ours; which block it belongs to is all that it remembers."""

from dataclasses import dataclass
from typing import Any

from poe_proxy.canonical.events import (
    Event,
    Finished,
    Opaque,
    Reasoning,
    Started,
    Text,
    ToolArguments,
    ToolCall,
    Used,
)
from poe_proxy.canonical.json import Json, as_object, as_string
from poe_proxy.wire.anthropic_messages.reasons import completed, read_finish, read_usage
from poe_proxy.wire.lenient import as_text, call_id


@dataclass(slots=True)
class _Block:
    """A content block: the ``call`` that it is of ours, if it is one, and whether arguments came and it was ended."""

    call: int | None = None
    input: str = ""
    has_arguments: bool = False
    is_closed: bool = False


class MessageReader:
    """Reads the events of one answer. With ``keep`` each becomes one event that carries it; else only what all
    dialects know is told. ``finished`` is set by a stop reason: only the usage counts after it."""

    __slots__ = ("_answer", "_blocks", "_calls", "_held", "_id", "_keep", "_newest", "_usage", "finished", "started")

    def __init__(self, *, keep: bool, answer: Json | None = None) -> None:
        self._keep = keep
        self._answer = answer
        self._blocks: dict[int, _Block] = {}
        self._newest = -1
        self._calls = 0
        self._id = ""
        self._usage: Json = {}
        self._held: list[Event] = []
        self.started = False
        self.finished = False

    def read(self, event: Json) -> list[Event] | None:
        """What ``event`` says; None where it is none of Anthropic's."""
        kind = event.get("type")
        if kind == "content_block_delta" and not self._held and self.started and not self.finished:
            return self._delta(event)
        if not isinstance(kind, str) or not kind.isprintable():
            return None
        if self.finished:
            return self._after(kind, event)
        if kind == "ping":
            return self._ping(event)
        told = self._told(kind, event)
        held: list[Event] = []
        if kind != "message_start":
            held, self._held = self._held, held
        return [*self._begun(told), *held, *told]

    def unclosed(self) -> list[Event] | None:
        """A finish where the end lacks one and is whole all the same: calls that were all ended; None where it is
        not."""
        if not self._calls or not all(block.is_closed for block in self._blocks.values()):
            return None
        return self._finish("tool_calls", None)

    def _told(self, kind: str, event: Json) -> list[Event]:
        match kind:
            case "content_block_delta":
                return self._delta(event)
            case "content_block_start":
                return self._block_start(event)
            case "content_block_stop":
                return self._block_stop(event)
            case "message_start":
                return self._start(event)
            case "message_delta":
                return self._message_delta(event)
        return self._opaque(event)

    def _ping(self, event: Json) -> list[Event]:
        """Pings ahead of the content are held back until it comes: as long as nothing was said an answer that fails
        can be asked for once more."""
        if self._newest >= 0:
            return self._opaque(event)
        self._held += self._opaque(event)
        return []

    def _begun(self, told: list[Event]) -> list[Event]:
        """The start, where the stream has none of its own."""
        if self.started or not told:
            return []
        self.started = True
        return [] if isinstance(told[0], Started) else [Started("", 0, "", answer=self._answer)]

    def _start(self, event: Json) -> list[Event]:
        if self.started:
            return []
        message = as_object(event.get("message"))
        self._usage = completed({}, message.get("usage"))
        self._id, model = str(message.get("id") or ""), str(message.get("model") or "")
        return [Started(self._id, 0, model, self._frame(event), self._answer)]

    def _block_start(self, event: Json) -> list[Event]:
        said = as_object(event.get("content_block"))
        index = event.get("index")
        self._newest = index if isinstance(index, int) else self._newest + 1
        block = self._blocks[self._newest] = _Block()
        match said.get("type"):
            case "text":
                return self._text(Text, said.get("text"), event)
            case "thinking":
                return self._text(Reasoning, said.get("thinking"), event)
            case "tool_use":
                return [self._call(block, said, event)]
        return self._opaque(event)

    def _call(self, block: _Block, said: Json, event: Json) -> ToolCall:
        block.call, self._calls = self._calls, self._calls + 1
        block.input = as_text(said.get("input") or {})
        id_ = call_id(said.get("id"), self._id, block.call)
        return ToolCall(block.call, id_, str(said.get("name") or ""), "", self._frame(event))

    def _delta(self, event: Json) -> list[Event]:
        delta = as_object(event.get("delta"))
        match delta.get("type"):
            case "text_delta":
                return self._text(Text, delta.get("text"), event)
            case "thinking_delta":
                return self._text(Reasoning, delta.get("thinking"), event)
            case "input_json_delta":
                return self._arguments(delta.get("partial_json"), event)
        return self._opaque(event)

    def _text(self, kind: type[Text | Reasoning], text: Any, event: Json) -> list[Event]:
        if self._keep:
            return [kind(as_string(text), event)]
        return [kind(text)] if text and isinstance(text, str) else []

    def _arguments(self, arguments: Any, event: Json) -> list[Event]:
        block = self._block(event)
        if block is None or block.call is None or not isinstance(arguments, str):
            return self._opaque(event)  # of a tool that runs at Anthropic's
        if not arguments and not self._keep:
            return []
        block.has_arguments = block.has_arguments or bool(arguments)
        return [ToolArguments(block.call, arguments, self._frame(event))]

    def _block_stop(self, event: Json) -> list[Event]:
        block = self._block(event)
        return self._opaque(event) if block is None else self._closed(block, event)

    def _closed(self, block: _Block, event: Json | None) -> list[Event]:
        """The end of ``block``: arguments that stood in its beginning, or ``{}``, since clients parse what they get."""
        rest = "" if block.call is None or block.has_arguments or block.is_closed else block.input
        block.is_closed = True
        if rest and block.call is not None:
            return [ToolArguments(block.call, rest, self._frame(event))]
        return self._opaque(event)

    def _message_delta(self, event: Json) -> list[Event]:
        self._usage = completed(self._usage, event.get("usage"))
        reason = as_object(event.get("delta")).get("stop_reason")
        return self._finish(read_finish(reason), event) if isinstance(reason, str) else self._opaque(event)

    def _finish(self, reason: str, event: Json | None) -> list[Event]:
        self.finished = True
        ends = [told for block in self._blocks.values() for told in self._closed(block, None)]
        return [*ends, Finished(reason, self._frame(event)), *self._used()]

    def _after(self, kind: str, event: Json) -> list[Event]:
        if kind == "message_delta":
            self._usage = completed(self._usage, event.get("usage"))
            return self._used(event)
        has_more = kind == "message_stop" and len(event) > 1  # some backends hang figures of their own on it
        return self._opaque(event) if has_more else []

    def _used(self, later: Json | None = None) -> list[Event]:
        """The figures, with a frame where a ``later`` event than the finish completed what stands in its own."""
        frame = None if later is None else self._frame({**later, "usage": self._usage})
        return [Used(read_usage(self._usage), frame)] if self._usage else []

    def _block(self, event: Json) -> _Block | None:
        index = event.get("index")
        return self._blocks.get(index if isinstance(index, int) else self._newest)

    def _frame(self, event: Json | None) -> Json | None:
        return event if self._keep else None

    def _opaque(self, event: Json | None) -> list[Event]:
        return [Opaque(event)] if self._keep and event is not None else []
