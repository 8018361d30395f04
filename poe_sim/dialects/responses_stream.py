"""The events of a streamed response: each item announced, filled, and closed, all of them numbered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count

from poe_sim.answer import Json
from poe_sim.dialects.dialect import Frame, FrameKind, named_frame

_WORDS = re.compile(r"\S+\s*|\s+")
_PIECE = 12
"""Characters of a call's arguments in one delta."""

Event = tuple[FrameKind, Json]


def events(head: Json, items: list[Json], whole: Json) -> Iterator[Frame]:
    """Frames from `response.created` to `response.completed` (or `.incomplete`)."""
    numbers = count()
    for kind, event in _events(head, items, whole):
        yield named_frame(kind, event | {"sequence_number": next(numbers)})


def _events(head: Json, items: list[Json], whole: Json) -> Iterator[Event]:
    yield "open", {"type": "response.created", "response": head}
    yield "open", {"type": "response.in_progress", "response": head}
    for place, item in enumerate(items):
        yield "open", _item_event("added", place, _empty(item))
        yield from _filling(item, {"item_id": item["id"], "output_index": place})
        yield "open", _item_event("done", place, item)
    yield "done", {"type": f"response.{whole['status']}", "response": whole}


def _item_event(what: str, place: int, item: Json) -> Json:
    return {"type": f"response.output_item.{what}", "output_index": place, "item": item}


def _empty(item: Json) -> Json:
    match item["type"]:
        case "message":
            return item | {"status": "in_progress", "content": []}
        case "reasoning":
            return item | {"summary": []}
        case _:
            return item | {"status": "in_progress", "arguments": ""}


def _filling(item: Json, at: Json) -> Iterator[Event]:
    match item["type"]:
        case "message":
            return _part_events(item["content"][0], at | {"content_index": 0})
        case "reasoning":
            return _summary_events(item["summary"][0], at | {"summary_index": 0})
        case _:
            return _argument_events(item["arguments"], at | {"name": item["name"]})


def _part_events(part: Json, at: Json) -> Iterator[Event]:
    field = "refusal" if part["type"] == "refusal" else "text"
    name = "response.refusal" if field == "refusal" else "response.output_text"
    text = part.get(field, "")
    extra: Json = {} if field == "refusal" else {"logprobs": []}
    yield "open", {"type": "response.content_part.added", **at, "part": part | ({field: ""} if field in part else {})}
    for word in _WORDS.findall(text):
        yield "delta", {"type": f"{name}.delta", **at, "delta": word, **extra}
    if field in part:
        yield "open", {"type": f"{name}.done", **at, field: text, **extra}
    yield "open", {"type": "response.content_part.done", **at, "part": part}


def _summary_events(part: Json, at: Json) -> Iterator[Event]:
    yield "open", {"type": "response.reasoning_summary_part.added", **at, "part": part | {"text": ""}}
    for word in _WORDS.findall(part["text"]):
        yield "delta", {"type": "response.reasoning_summary_text.delta", **at, "delta": word}
    yield "open", {"type": "response.reasoning_summary_text.done", **at, "text": part["text"]}
    yield "open", {"type": "response.reasoning_summary_part.done", **at, "part": part}


def _argument_events(arguments: str, at: Json) -> Iterator[Event]:
    kind = "response.function_call_arguments"
    place = {name: value for name, value in at.items() if name != "name"}
    for start in range(0, len(arguments), _PIECE):
        yield "delta", {"type": f"{kind}.delta", **place, "delta": arguments[start : start + _PIECE]}
    yield "open", {"type": f"{kind}.done", **at, "arguments": arguments}
