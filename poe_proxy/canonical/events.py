"""The one stream of events that every answer becomes, streamed or not.

An event carries the frame it was read from (``None`` where the reader's dialect is not the writer's, or a stage changed
the event), and no two events share a frame: a stage may change, hold back or drop one event and never disturbs another.
"""

from dataclasses import dataclass

from poe_proxy.canonical.cost import Cost
from poe_proxy.canonical.errors import ProxyError
from poe_proxy.canonical.json import Json
from poe_proxy.canonical.usage import Usage


@dataclass(frozen=True, slots=True)
class Started:
    """The answer begins. ``answer`` is the whole body where Poe did not stream it; ``created`` is Unix seconds."""

    id: str
    created: int
    model: str
    frame: Json | None = None
    answer: Json | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """More of the answer's text."""

    text: str
    frame: Json | None = None


@dataclass(frozen=True, slots=True)
class Reasoning:
    """More of what the model lets us see of its thinking."""

    text: str
    frame: Json | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """More of the text of a refusal."""

    text: str
    frame: Json | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call begins; ``index`` counts from 0 without gaps, ``arguments`` is the first piece of its JSON.

    ``signature`` is Google's ``thought_signature``, which Gemini wants back with the call on the next turn.
    """

    index: int
    id: str
    name: str
    arguments: str = ""
    frame: Json | None = None
    signature: str = ""


@dataclass(frozen=True, slots=True)
class ToolArguments:
    """More of a call's JSON arguments; ``name`` is more of its name, which some backends send in pieces, and
    ``signature`` Google's where it comes after the beginning."""

    index: int
    arguments: str
    frame: Json | None = None
    name: str = ""
    signature: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    """The model is done: ``stop``, ``length``, ``tool_calls``, ``content_filter`` or ``function_call``."""

    reason: str
    frame: Json | None = None


@dataclass(frozen=True, slots=True)
class Used:
    """The tokens, usually after ``Finished``; ``cost`` is what is told beside them."""

    usage: Usage
    frame: Json | None = None
    cost: Cost | None = None


@dataclass(frozen=True, slots=True)
class Opaque:
    """Something that only its own dialect understands; it survives to a writer of that dialect and to no other."""

    frame: Json


@dataclass(frozen=True, slots=True)
class Failed:
    """The answer ends here, and not well. Always the last event."""

    error: ProxyError


Event = Started | Text | Reasoning | Refusal | ToolCall | ToolArguments | Finished | Used | Opaque | Failed
CONTENT = (Text, Reasoning, Refusal, ToolCall, ToolArguments, Opaque, Finished)
"""Events after which an attempt can no longer be repeated: the client has seen part of the answer."""
