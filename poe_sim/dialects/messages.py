"""Messages: Anthropic's dialect, for official Claude models only."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from poe_sim import catalogue, refusals
from poe_sim.access import MESSAGES
from poe_sim.answer import Answer, Call, Json, Prompt, Tool, Turn
from poe_sim.catalogue import Card
from poe_sim.dialects.dialect import (
    Dialect,
    Frame,
    limit_of,
    named_frame,
    object_in,
    objects_in,
    string_in,
    strings_in,
    text_of,
)
from poe_sim.refusals import Refusal, invalid
from poe_sim.settings import Settings

_WORDS = re.compile(r"\S+\s*|\s+")
_PIECE = 12
"""Characters of a tool's input in one delta."""
_NEEDED = frozenset({"model", "messages", "max_tokens"})
_SAMPLING = frozenset({"temperature", "top_p", "top_k", "stop_sequences", "thinking", "output_config"})
_TOOLING = frozenset({"tools", "tool_choice", "mcp_servers", "container", "context_management"})
_FIELDS = _NEEDED | _SAMPLING | _TOOLING | {"system", "metadata", "stream", "service_tier"}
_CHOICES = {"any": "required", "auto": "auto", "none": "none"}
_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens"}
_WITHOUT_THINKING = frozenset({"claude-haiku-3", "claude-haiku-3.5"})
_LEAST_BUDGET = 1024
_LOOKED_BACK = 20
"""Blocks before a mark at whose ends Anthropic looks for what was cached before, as it documents."""


# --- requests -------------------------------------------------------------------------------------------


def read(body: Json) -> Prompt:
    messages = objects_in(body.get("messages"))
    blocks = list(_blocks(body, messages))
    return Prompt(
        model=body["model"],
        text="".join(text for text, _ in blocks),
        turns=len(messages),
        last_user=_last_user(messages),
        tool_result=_tool_result(messages),
        tools=tuple(_tools(body)),
        tool_choice=_tool_choice(object_in(body.get("tool_choice"))),
        max_tokens=limit_of(body, "max_tokens"),
        stops=tuple(strings_in(body.get("stop_sequences"))),
        stream=body.get("stream") is True,
        wants_json=_format(body) is not None,
        schema=_format(body),
        wants_reasoning=object_in(body.get("thinking")).get("type") == "enabled",
        cache_prefixes=tuple(_marked_prefixes(blocks)),
        cache_lookups=tuple(_lookups(blocks)),
    )


def _tools(body: Json) -> Iterator[Tool]:
    for tool in objects_in(body.get("tools")):
        if isinstance(tool.get("name"), str):
            yield Tool(tool["name"], object_in(tool.get("input_schema")))


def _tool_choice(choice: Json) -> str:
    kind = string_in(choice.get("type"))
    return string_in(choice.get("name")) if kind == "tool" else _CHOICES.get(kind, "auto")


def _format(body: Json) -> Json | None:
    """Anthropic's structured outputs, which pass through Poe like everything else."""
    said = object_in(object_in(body.get("output_config")).get("format"))
    return object_in(said.get("schema")) if said.get("type") == "json_schema" else None


def _blocks(body: Json, messages: list[Json]) -> Iterator[tuple[str, bool]]:
    """Every block in the order in which it is cached (tools, system, messages), and whether it carries a mark."""
    for tool in objects_in(body.get("tools")):
        yield _plain(tool), "cache_control" in tool
    contents = [body.get("system"), *(message.get("content") for message in messages)]
    for content in contents:
        if isinstance(content, str):
            yield content, False
        for block in objects_in(content):
            yield _plain(block), "cache_control" in block


def _plain(block: Json) -> str:
    if isinstance(block.get("text"), str):
        return str(block["text"])
    return repr({name: value for name, value in block.items() if name not in {"cache_control", "source"}})


def _marked_prefixes(blocks: list[tuple[str, bool]]) -> Iterator[str]:
    so_far = ""
    for text, marked in blocks:
        so_far += text
        if marked:
            yield so_far


def _lookups(blocks: list[tuple[str, bool]]) -> Iterator[str]:
    """Where a hit is looked for: at each mark, and at the ends of the blocks before it."""
    looked_at: set[int] = set()
    for place, (_, marked) in enumerate(blocks):
        if marked:
            looked_at.update(range(max(0, place - _LOOKED_BACK), place + 1))
    return ("".join(text for text, _ in blocks[: place + 1]) for place in sorted(looked_at))


def _last_user(messages: list[Json]) -> str:
    texts = (text_of(m.get("content")) for m in reversed(messages) if m.get("role") == "user")
    return next((text for text in texts if text), "")


def _tool_result(messages: list[Json]) -> str | None:
    last = messages[-1] if messages else {}
    results = [block for block in objects_in(last.get("content")) if block.get("type") == "tool_result"]
    return "\n".join(text_of(result.get("content")) for result in results) if results else None


def find(name: str) -> Card | None:
    card = catalogue.find_claude(name)
    return card if card and MESSAGES in card.endpoints else None


def check(body: Json, card: Card, _settings: Settings, headers: Mapping[str, str]) -> Refusal | None:
    return next(_faults(body, card, headers), None)


def _faults(body: Json, card: Card, headers: Mapping[str, str]) -> Iterator[Refusal]:
    if "anthropic-version" not in headers:
        yield invalid("anthropic-version: header is required")
    if "max_tokens" not in body:
        yield invalid("max_tokens: Field required")
    elif not isinstance(body["max_tokens"], int) or body["max_tokens"] < 1:
        yield invalid("max_tokens: Input should be greater than or equal to 1")
    yield from _wrong_messages(body.get("messages"))
    yield from (invalid(f"{name}: Extra inputs are not permitted") for name in body if name not in _FIELDS)
    temperature = body.get("temperature", 0)
    if not isinstance(temperature, int | float) or not 0 <= temperature <= 1:
        yield invalid("temperature: range: 0..1")
    yield from _wrong_thinking(body, card)


def _wrong_messages(messages: Any) -> Iterator[Refusal]:
    if not isinstance(messages, list) or not messages:
        yield invalid("messages: at least one message is required")
        return
    for place, message in enumerate(messages):
        if string_in(object_in(message).get("role")) not in {"user", "assistant"}:
            yield invalid(f"messages.{place}.role: Input should be 'user' or 'assistant'")


def _wrong_thinking(body: Json, card: Card) -> Iterator[Refusal]:
    thinking = object_in(body.get("thinking"))
    if thinking.get("type") != "enabled":
        return
    budget = limit_of(thinking, "budget_tokens") or 0
    if card.id in _WITHOUT_THINKING:
        yield _nested(f"'{catalogue.anthropic_id(card.id)}' does not support thinking.")
    elif budget < _LEAST_BUDGET:
        yield _nested(f"thinking.enabled.budget_tokens: Input should be greater than or equal to {_LEAST_BUDGET}")
    elif budget >= body.get("max_tokens", 0):
        yield _nested("`max_tokens` must be greater than `thinking.budget_tokens`.")


def _nested(message: str) -> Refusal:
    """Poe fact: a provider's refusal arrives whole, as JSON within the message."""
    inner = {"type": "invalid_request_error", "message": message}
    request_id = f"req_vrtx_{secrets.token_hex(12)}"
    return invalid(orjson.dumps({"type": "error", "error": inner, "request_id": request_id}).decode())


def error(refusal: Refusal) -> Json:
    return {"type": "error", "error": refusal.error}


# --- whole answers --------------------------------------------------------------------------------------


def write(turn: Turn) -> Json:
    return _message(turn, content=list(_content(turn))) | {
        "stop_reason": _stop_reason(turn.answer),
        "stop_sequence": turn.answer.stopped_by,
        "usage": _usage(turn) | {"total_tokens": turn.usage.prompt + turn.usage.completion},
    }


def _message(turn: Turn, content: list[Json]) -> Json:
    """Poe fact: the model goes by Anthropic's own id, the message by Poe's request id."""
    return {
        "model": catalogue.anthropic_id(turn.card.id),
        "id": f"req_poe_{turn.id}",
        "type": "message",
        "role": "assistant",
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
    }


def _content(turn: Turn) -> Iterator[Json]:
    said = turn.answer
    if said.reasoning:
        yield {"type": "thinking", "thinking": said.reasoning, "signature": _signature(turn)}
    if said.text or said.refusal:
        yield {"type": "text", "text": said.text or said.refusal}
    for call in said.calls:
        yield {"type": "tool_use", "id": _tool_id(call), "name": call.name, "input": orjson.loads(call.arguments)}


def _signature(turn: Turn) -> str:
    return f"EuUDCkgIDBACGAIq{turn.id}"


def _tool_id(call: Call) -> str:
    return call.id.replace("call_", "toolu_vrtx_", 1)


def _stop_reason(said: Answer) -> str:
    if said.stopped_by is not None:
        return "stop_sequence"
    if said.refusal:
        return "refusal"
    if said.calls and said.finish is None:
        return "tool_use"
    return _STOP_REASONS.get(said.finish or "stop", said.finish or "")


def _usage(turn: Turn) -> Json:
    used = turn.usage
    return {
        "input_tokens": used.prompt - used.cached - used.written,
        "cache_creation_input_tokens": used.written,
        "cache_read_input_tokens": used.cached,
        "cache_creation": {"ephemeral_5m_input_tokens": used.written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": used.completion,
    }


# --- streams --------------------------------------------------------------------------------------------


def stream(turn: Turn) -> Iterator[Frame]:
    start = _message(turn, content=[]) | {"usage": _usage(turn) | {"output_tokens": 1}}
    yield named_frame("open", {"type": "message_start", "message": start})
    yield named_frame("open", {"type": "ping"})
    for place, block in enumerate(_content(turn)):
        yield from _block_events(place, block)
    delta = {"stop_reason": _stop_reason(turn.answer), "stop_sequence": turn.answer.stopped_by}
    yield named_frame("finish", {"type": "message_delta", "delta": delta, "usage": _usage(turn)})
    yield named_frame("done", {"type": "message_stop"})


def _block_events(place: int, block: Json) -> Iterator[Frame]:
    empty, deltas = _opened(block)
    yield named_frame("open", {"type": "content_block_start", "index": place, "content_block": empty})
    for delta in deltas:
        yield named_frame("delta", {"type": "content_block_delta", "index": place, "delta": delta})
    yield named_frame("open", {"type": "content_block_stop", "index": place})


def _opened(block: Json) -> tuple[Json, Iterator[Json]]:
    """A block as it starts, empty, and the deltas that fill it."""
    match block["type"]:
        case "thinking":
            return block | {"thinking": "", "signature": ""}, _thinking_deltas(block)
        case "text":
            return block | {"text": ""}, ({"type": "text_delta", "text": w} for w in _WORDS.findall(block["text"]))
        case _:
            return block | {"input": {}}, _input_deltas(orjson.dumps(block["input"]).decode())


def _thinking_deltas(block: Json) -> Iterator[Json]:
    for word in _WORDS.findall(block["thinking"]):
        yield {"type": "thinking_delta", "thinking": word}
    yield {"type": "signature_delta", "signature": block["signature"]}


def _input_deltas(text: str) -> Iterator[Json]:
    yield {"type": "input_json_delta", "partial_json": ""}
    for start in range(0, len(text), _PIECE):
        yield {"type": "input_json_delta", "partial_json": text[start : start + _PIECE]}


MESSAGES_DIALECT = Dialect(
    path=MESSAGES,
    read=read,
    find=find,
    check=check,
    write=write,
    stream=stream,
    error=error,
    missing=lambda _name: refusals.no_such_messages_model(),
    settles=(5.0, 13.0),
)
