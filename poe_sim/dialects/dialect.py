"""What every dialect can do, and the frames that its streams are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from poe_sim.answer import Json, Prompt, Turn
from poe_sim.catalogue import Card
from poe_sim.refusals import Refusal
from poe_sim.settings import Settings

FrameKind = Literal["open", "delta", "finish", "usage", "done", "tail"]
"""Where in an answer a frame stands; `tail` is the second half of an answer in one piece."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One server-sent event, ready for the wire."""

    kind: FrameKind
    data: bytes


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way of asking and answering."""

    path: str
    read: Callable[[Json], Prompt]
    """The request's meaning."""
    find: Callable[[str], Card | None]
    """The model a name stands for."""
    check: Callable[[Json, Card, Settings, Mapping[str, str]], Refusal | None]
    """What is wrong with a request (body and headers) to this model."""
    write: Callable[[Turn], Json]
    """The whole answer."""
    stream: Callable[[Turn], Iterator[Frame]]
    """The answer as events."""
    error: Callable[[Refusal], Json]
    """The body of an error answer."""
    missing: Callable[[str], Refusal]
    """What is said of a model that is not there."""
    settles: tuple[float, float]
    """Seconds between an answer and its final usage row, least and most."""


def data_frame(kind: FrameKind, body: Any) -> Frame:
    """An unnamed event."""
    return Frame(kind, b"data: " + orjson.dumps(body) + b"\n\n")


def named_frame(kind: FrameKind, body: Json) -> Frame:
    """An event named by its body's `type`."""
    return Frame(kind, b"event: " + body["type"].encode() + b"\ndata: " + orjson.dumps(body) + b"\n\n")


def text_of(content: Any) -> str:
    """The words in a message's content, which may be a string or a list of parts."""
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in objects_in(content) if isinstance(part.get("text"), str))


def object_in(value: Any) -> Json:
    """`value` if it is an object, else an empty one: requests are read before they are checked."""
    return value if isinstance(value, dict) else {}


def objects_in(value: Any) -> list[Json]:
    """The objects of a list; nothing where there is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def strings_in(value: Any) -> list[str]:
    """The strings of a list; nothing where there is no list."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def string_in(value: Any) -> str:
    """`value` if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def limit_of(body: Json, *names: str) -> int | None:
    """The first output limit, in tokens, that the request names."""
    return next((body[name] for name in names if isinstance(body.get(name), int)), None)
