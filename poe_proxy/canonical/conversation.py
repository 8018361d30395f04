"""What every dialect can say of a request: the meeting point for translation. It knows no dialect.

A request that leaves in the dialect it came in is never read into this: its own JSON is edited instead.
"""

from dataclasses import dataclass, field
from typing import Literal, get_args

from poe_proxy.canonical.json import Json

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
EFFORTS: tuple[Effort, ...] = get_args(Effort)


@dataclass(frozen=True, slots=True)
class TextPart:
    """Text. ``mark`` is the ``cache_control`` that the caller put here, if any."""

    text: str
    mark: Json | None = None


@dataclass(frozen=True, slots=True)
class ImagePart:
    """An image: ``url`` is an http(s) or a data URL."""

    url: str
    mark: Json | None = None


@dataclass(frozen=True, slots=True)
class FilePart:
    """A document, or audio or video: ``url`` is an http(s) or a data URL; ``name`` may be empty."""

    url: str
    name: str = ""
    mark: Json | None = None


@dataclass(frozen=True, slots=True)
class ThinkingPart:
    """Thinking of an earlier turn. ``signature`` is Anthropic's, or empty."""

    text: str
    signature: str = ""


@dataclass(frozen=True, slots=True)
class CallPart:
    """A tool call of an earlier turn. ``arguments`` is JSON text, ``signature`` Google's ``thought_signature``."""

    id: str
    name: str
    arguments: str
    signature: str = ""
    mark: Json | None = None


@dataclass(frozen=True, slots=True)
class ResultPart:
    """What the call ``id`` came to."""

    id: str
    parts: "tuple[TextPart | ImagePart | FilePart, ...]"
    is_error: bool = False
    mark: Json | None = None


Shown = TextPart | ImagePart | FilePart
Part = Shown | ThinkingPart | CallPart | ResultPart


@dataclass(frozen=True, slots=True)
class Message:
    """One message; results are parts of a ``user`` message, calls and thinking of an ``assistant`` message."""

    role: Literal["system", "user", "assistant"]
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call; ``schema`` is JSON Schema of its arguments."""

    name: str
    description: str = ""
    schema: Json = field(default_factory=dict)
    strict: bool | None = None
    mark: Json | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """Which tools the model may or must call; ``name`` with ``tool`` only."""

    mode: Literal["auto", "any", "none", "tool"]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Format:
    """The answer shall be JSON, of this ``schema`` if there is one."""

    schema: Json | None = None
    name: str = "answer"
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """A request, as far as all dialects know it. None and empty: not said. ``budget`` is tokens of thinking.

    ``changes`` says what was left out of it when it was read, in words for ``x-poe-changes``; no part of what was said.
    """

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    choice: Choice | None = None
    parallel: bool | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    effort: Effort | None = None
    budget: int | None = None
    format: Format | None = None
    user: str = ""
    changes: tuple[str, ...] = field(default=(), compare=False)
