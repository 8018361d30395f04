"""What one chunk of a stream says: events in the legal order, each with a frame of its own, and what is odd mended."""

from typing import Any

from poe_proxy.canonical.errors import StreamBroken
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
from poe_proxy.canonical.json import Json, as_object, as_string
from poe_proxy.wire.openai_chat.calls import CallAssembler, Told, pieces, signature_of
from poe_proxy.wire.openai_chat.frames import Numbered, bare, framed, index_of, seconds, the_choice
from poe_proxy.wire.openai_chat.reasons import GAVE_UP, is_failure, is_finish, legal_finish, read_usage, whole_usage
from poe_proxy.wire.openai_chat.thoughts import ReasoningOnce

_OURS = frozenset({"role", "content", "refusal", "reasoning_content", "reasoning", "tool_calls"})
_MISSING = object()
_AROUND = frozenset(
    {"id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier", "error"}
)


class ChunkReader:
    """Reads the chunks of one stream. ``finished`` is set by a finish: only usage and tool calls count after it."""

    __slots__ = ("_index", "_keep", "_numbered", "_reasoning", "calls", "finished", "id")

    def __init__(self, *, keep: bool = True) -> None:
        self._keep = keep
        self.calls = CallAssembler()
        self.id: str | None = None
        self.finished = False
        self._reasoning = ReasoningOnce()
        self._index: int | None = None
        self._numbered = Numbered()

    def read(self, chunk: Json) -> list[Event]:
        choice = _first(chunk.get("choices"))
        delta = as_object(choice.get("delta") or choice.get("message"))
        usage = chunk.get("usage")
        text = delta.get("content")
        if (
            text
            and self.id is not None
            and len(delta) == 1 + ("role" in delta)
            and choice.get("finish_reason", _MISSING) is None
            and choice.get("index") == 0
            and "delta" in choice
            and not self.finished
            and "error" not in chunk
            and len(chunk["choices"]) == 1
            and usage is None
            and isinstance(text, str)
        ):
            delta.pop("role", None)  # some backends say it every time, and the SDK adds it up
            return [Text(text, chunk if self._keep else None)]  # nearly every frame of nearly every stream
        events = self._split(chunk, self._ours(chunk.get("choices")), usage)
        return events if self._keep else bare(events)

    def _ours(self, choices: Any) -> Json:
        """The choice that counts: the first, which is the one that the stream began with whatever index it has."""
        choice = the_choice(choices, self._index)
        if not choice and self.id is None and (choice := _first(choices)):
            self._index = index_of(choice)
        return choice

    def _split(self, chunk: Json, choice: Json, usage: Any) -> list[Event]:
        """All that one frame says, in the legal order, each with a frame of its own."""
        delta = as_object(choice.get("delta") or choice.get("message"))
        if not choice and not isinstance(usage, dict):
            return self._beside(chunk)
        events = self._start(chunk)
        rest = {key: value for key, value in delta.items() if key not in _OURS and value is not None}
        if rest or choice.get("logprobs"):
            events += self._with_rest(chunk, choice, delta, self._numbered.mended(rest))
        else:
            events += self._deltas(chunk, delta)
        reason = choice.get("finish_reason")
        if is_failure(reason) and not self.finished:
            return [*events, Failed(StreamBroken(GAVE_UP))]
        if is_finish(reason) and not self.finished:
            legal = legal_finish(reason, has_calls=len(self.calls) > 0)
            frame = framed(chunk, {}, {**choice, "logprobs": None}, finish=legal)
            events += [*self._last_of_calls(chunk), self._finish(legal, frame)]
        if isinstance(usage, dict):
            read = read_usage(usage)
            events.append(Used(read, {**framed(chunk, {}), "choices": [], "usage": whole_usage(usage, read)}))
        return events

    def unclosed(self) -> list[Event]:
        """A finish where the end lacks one and is whole all the same: all calls that were begun are."""
        events = [*self._last_of_calls({}), self._finish("tool_calls", None)]
        return events if self._keep else bare(events)

    def _beside(self, chunk: Json) -> list[Event]:
        """A chunk without a choice may still say what only this dialect knows; ahead of the answer Azure sends one."""
        if self.id is None or self.finished or chunk.keys() <= _AROUND:
            return []
        return [Opaque(framed(chunk, {}))]

    def _start(self, chunk: Json) -> list[Event]:
        if self.id is not None:
            return []
        self.id = str(chunk.get("id") or "")
        return [
            Started(
                self.id,
                seconds(chunk.get("created")),
                str(chunk.get("model") or ""),
                framed(chunk, {"role": "assistant", "content": ""}),
            )
        ]

    def _with_rest(self, chunk: Json, choice: Json, delta: Json, rest: Json) -> list[Event]:
        """Unknown fields and logprobs ride on the frame's first event, or on one that only this dialect knows."""
        events = self._deltas(chunk, delta)
        if not events:
            return [] if self.finished else [Opaque(framed(chunk, rest, choice))]
        frame = getattr(events[0], "frame", None)
        if frame is not None:
            frame["choices"] = [{**choice, **frame["choices"][0], "logprobs": choice.get("logprobs")}]
            frame["choices"][0]["delta"] = {**rest, **frame["choices"][0]["delta"]}
        return events

    def _deltas(self, chunk: Json, delta: Json) -> list[Event]:
        events: list[Event] = [] if self.finished else self._texts(chunk, delta)
        signature = signature_of(delta)
        for piece in pieces(delta.get("tool_calls")):
            events += [_call(told, chunk, signature) for told in self.calls.add(piece, self.id or "")]
            signature = ""
        return events

    def _texts(self, chunk: Json, delta: Json) -> list[Event]:
        events: list[Event] = []
        if reasoning := self._reasoning.read(delta):
            events.append(Reasoning(reasoning, framed(chunk, {"reasoning_content": reasoning})))
        if text := _text(delta.get("content")):
            events.append(Text(text, framed(chunk, {"content": text})))
        if refusal := _text(delta.get("refusal")):
            events.append(Refusal(refusal, framed(chunk, {"refusal": refusal})))
        return events

    def _last_of_calls(self, chunk: Json) -> list[Event]:
        """Calls whose name never came, and an empty object where no arguments came: clients parse what they get."""
        events = [_call(told, chunk) for told in self.calls.nameless()]
        for index, place in self.calls.without_arguments():
            piece = {"index": place, "function": {"arguments": "{}"}}
            events.append(ToolArguments(index, "{}", framed(chunk, {"tool_calls": [piece]})))
        return events

    def _finish(self, reason: str, frame: Json | None) -> Finished:
        self.finished = True
        return Finished(reason, frame)


def _call(told: Told, chunk: Json, signature: str = "") -> Event:
    event, piece = told
    signature = signature_of(piece) or signature
    frame = framed(chunk, {"tool_calls": [piece]})
    match event:
        case ToolCall(index, id_, name, arguments):
            return ToolCall(index, id_, name, arguments, frame, signature)
        case ToolArguments(index, arguments):
            return ToolArguments(index, arguments, frame, event.name, signature)
    return Opaque(frame)


def _first(choices: Any) -> Json:
    return choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}


def _text(content: Any) -> str:
    """Text from a string, or from parts, which a few backends send."""
    if isinstance(content, list):
        return "".join(part["text"] for part in content if isinstance(part, dict) and _is_text(part))
    return as_string(content)


def _is_text(part: Json) -> bool:
    return isinstance(part.get("text"), str)
