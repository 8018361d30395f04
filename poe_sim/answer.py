"""What is asked and what is answered, before any dialect has put it into words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from poe_sim.catalogue import Card

Json = dict[str, Any]
Backend = Literal["bot", "direct"]
Quirk = Literal["no_index", "unclosed", "whole_tool", "unknown_fields", "no_usage"]


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the caller offers; `schema` describes its arguments."""

    name: str
    schema: Json


@dataclass(frozen=True, slots=True)
class Prompt:
    """The part of a request that decides on the answer."""

    model: str
    text: str
    """Everything said so far, for counting and for prompt caches."""
    last_user: str = ""
    turns: int = 1
    tool_result: str | None = None
    """Text of the tool results that end the conversation, if it ends so."""
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    """`auto`, `none`, `required`, or the name of one tool."""
    wants_json: bool = False
    schema: Json | None = None
    max_tokens: int | None = None
    stops: tuple[str, ...] = ()
    stream: bool = False
    include_usage: bool = False
    wants_reasoning: bool = False
    cache_prefixes: tuple[str, ...] = ()
    """Texts up to each `cache_control` mark, shortest first (messages only)."""
    cache_lookups: tuple[str, ...] = ()
    """Texts up to where a hit is looked for, shortest first."""


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str
    signature: str | None = None
    """Gemini's thought signature."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says, free of any dialect."""

    text: str = ""
    reasoning: str = ""
    reasoning_field: str = ""
    """What carries streamed reasoning in chat: `reasoning`, `reasoning_content`, `both`; empty is the backend's own."""
    refusal: str = ""
    calls: tuple[Call, ...] = ()
    finish: str | None = None
    """An odd reason to finish; None lets the content decide."""
    stopped_by: str | None = None
    """The stop sequence that cut the text short."""
    logprobs: bool = False
    rate: float = 0.0
    """Words a second in a stream; 0 is at once."""
    tokens: int | None = None
    """Completion tokens; None counts them."""
    quirks: frozenset[Quirk] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request."""

    prompt: int
    completion: int
    cached: int = 0
    written: int = 0
    reasoning: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """One accepted request with everything a dialect needs to write its answer."""

    id: str
    """32 hex digits, shared by the answer's id and `x-request-id`."""
    card: Card
    backend: Backend
    prompt: Prompt
    answer: Answer
    usage: Usage
    """As reported to the caller: real on the direct backend, estimated on the bot backend."""
    body: Json
    now: int
    """Seconds since the epoch."""
