"""A whole answer: the fold of its events. A non-streamed answer is nothing else."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from poe_proxy.canonical.cost import Cost
from poe_proxy.canonical.errors import ProxyError
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
from poe_proxy.canonical.json import Json
from poe_proxy.canonical.usage import Usage


@dataclass(slots=True)
class Call:
    """One whole tool call; ``frames`` are its pieces as their own dialect wrote them, for what no other knows."""

    id: str
    name: str
    arguments: str = ""
    frames: list[Json] = field(default_factory=list)
    signature: str = ""


@dataclass(slots=True)
class Answer:
    """What the events add up to. A text that never came is None, one that came empty is ``""``.

    ``body`` is the whole answer as its own dialect wrote it, and ``frames`` are all that it streamed instead, or would
    have; ``opaque`` are those of them that only that dialect knows.
    """

    id: str = ""
    created: int = 0
    model: str = ""
    text: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    calls: list[Call] = field(default_factory=list)
    finish: str | None = None
    usage: Usage | None = None
    usage_frame: Json | None = None
    cost: Cost | None = None
    body: Json | None = None
    frames: list[Json] = field(default_factory=list)
    opaque: list[Json] = field(default_factory=list)
    error: ProxyError | None = None


def fold(events: Iterable[Event]) -> Answer:
    """Add the events up; whatever came before a ``Failed`` is kept beside its error."""
    answer = Answer()
    for event in events:
        _add(answer, event)
        if not isinstance(event, Failed) and event.frame is not None:
            answer.frames.append(event.frame)
    return answer


def _add(answer: Answer, event: Event) -> None:
    match event:
        case Started():
            answer.id, answer.created, answer.model = event.id, event.created, event.model
            answer.body = event.answer
        case Text():
            answer.text = (answer.text or "") + event.text
        case Reasoning():
            answer.reasoning = (answer.reasoning or "") + event.text
        case Refusal():
            answer.refusal = (answer.refusal or "") + event.text
        case ToolCall():
            frames = [event.frame] if event.frame else []
            answer.calls.append(Call(event.id, event.name, event.arguments, frames, event.signature))
        case ToolArguments():
            _add_to(answer.calls[event.index], event)
        case Finished():
            answer.finish = event.reason
        case Used():
            answer.usage, answer.usage_frame, answer.cost = event.usage, event.frame, event.cost
        case Opaque():
            answer.opaque.append(event.frame)
        case Failed():
            answer.error = event.error


def _add_to(call: Call, event: ToolArguments) -> None:
    call.arguments += event.arguments
    call.name += event.name
    call.signature = call.signature or event.signature
    if event.frame:
        call.frames.append(event.frame)
