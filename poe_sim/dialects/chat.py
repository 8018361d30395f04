"""Chat completions: the requests, and both backends' shapes of an answer."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from poe_sim import catalogue, refusals, validation
from poe_sim.answer import Answer, Call, Json, Prompt, Tool, Turn
from poe_sim.catalogue import Card
from poe_sim.dialects.dialect import (
    Dialect,
    Frame,
    data_frame,
    limit_of,
    object_in,
    objects_in,
    string_in,
    strings_in,
    text_of,
)
from poe_sim.refusals import Refusal
from poe_sim.settings import Settings

_WORDS = re.compile(r"\S+\s*|\s+")
_DONE = Frame("done", b"data: [DONE]\n\n")
_ARGUMENT_PIECE = 12
"""Characters of tool arguments in one delta."""


# --- requests -------------------------------------------------------------------------------------------


def read(body: Json) -> Prompt:
    messages = objects_in(body.get("messages"))
    wanted = object_in(body.get("response_format"))
    stops = body.get("stop") or []
    return Prompt(
        model=body["model"],
        text="\n".join(_said(message) for message in messages),
        turns=len(messages),
        last_user=next((text_of(m.get("content")) for m in reversed(messages) if m.get("role") == "user"), ""),
        tool_result=_tool_result(messages),
        tools=tuple(_tools(body.get("tools"))),
        tool_choice=_tool_choice(body.get("tool_choice")),
        wants_json=string_in(wanted.get("type")) in {"json_object", "json_schema"},
        schema=object_in(wanted.get("json_schema")).get("schema"),
        max_tokens=limit_of(body, "max_completion_tokens", "max_tokens"),
        stops=(stops,) if isinstance(stops, str) else tuple(strings_in(stops)),
        stream=body.get("stream") is True,
        include_usage=object_in(body.get("stream_options")).get("include_usage") is True,
    )


def _said(message: Json) -> str:
    calls = message.get("tool_calls") or []
    return text_of(message.get("content")) + (repr(calls) if calls else "")


def _tool_result(messages: list[Json]) -> str | None:
    """What the last tools answered; a system message behind it (Claude Code's count of tokens left) changes nothing."""
    while messages and string_in(messages[-1].get("role")) in {"system", "developer"}:
        messages = messages[:-1]
    if not messages or messages[-1].get("role") != "tool":
        return None
    results: list[str] = []
    while messages and messages[-1].get("role") == "tool":
        results.insert(0, text_of(messages[-1].get("content")))
        messages = messages[:-1]
    return "\n".join(results)


def _tools(offered: Any) -> Iterator[Tool]:
    for tool in objects_in(offered):
        function = object_in(tool.get("function"))
        if isinstance(function.get("name"), str):
            yield Tool(function["name"], object_in(function.get("parameters")))


def _tool_choice(choice: Any) -> str:
    if isinstance(choice, dict):
        return str(object_in(choice.get("function")).get("name", "required"))
    return choice if isinstance(choice, str) else "auto"


def check(body: Json, card: Card, settings: Settings, headers: Mapping[str, str]) -> Refusal | None:
    style = headers.get("x-sim-style", settings.refusal_style)
    return validation.check(body, card, style=style, strict=settings.strict) or _check_tools(body, card, settings)


def _check_tools(body: Json, card: Card, settings: Settings) -> Refusal | None:
    """Poe facts: recorded refusals; the catalogue is wrong about search models' tools."""
    if not body.get("tools"):
        return None
    if card.id.endswith("-instruct"):
        return refusals.not_a_chat_model()
    if card.id.endswith("-search") and card.owner == "OpenAI":
        return refusals.no_tools_at_provider()
    if settings.refuse_tools and "tools" not in card.features:
        return refusals.no_tools(card.id)
    return None


def error(refusal: Refusal) -> Json:
    return {"error": refusal.error}


# --- whole answers --------------------------------------------------------------------------------------


def write(turn: Turn) -> Json:
    choice: Json = {"index": 0, "message": _message(turn), "finish_reason": finish_reason(turn.answer)}
    if turn.answer.logprobs:
        choice["logprobs"] = _logprobs(_WORDS.findall(turn.answer.text))
    body: Json = {**_head(turn, "chat.completion"), "choices": [choice]}
    if "unknown_fields" in turn.answer.quirks:
        body["poe_extra"] = {"kept": True}
        choice["poe_choice_extra"] = [1, 2]
        choice["message"]["poe_message_extra"] = "kept"
    return body if "no_usage" in turn.answer.quirks else body | {"usage": _usage(turn)}


def _head(turn: Turn, kind: str) -> Json:
    head: Json = {"id": _id(turn), "object": kind, "created": turn.now, "model": turn.prompt.model}
    if turn.backend == "direct":
        head |= {"model": turn.card.provider_id, "system_fingerprint": None}
    return head


def _id(turn: Turn) -> str:
    """Poe fact: the two backends' ids differ in form."""
    return f"chatcmpl-{uuid.UUID(turn.id)}" if turn.backend == "direct" else f"chatcmpl-{turn.id[:24]}"


def finish_reason(answer: Answer) -> str:
    return answer.finish or ("tool_calls" if answer.calls else "stop")


def _message(turn: Turn) -> Json:
    said = turn.answer
    direct = turn.backend == "direct"
    calls = [_call(call) for call in said.calls]
    # Poe fact: a tool call's empty content is null on the direct backend and "" on the bot backend.
    message: Json = {"role": "assistant", "content": said.text or (None if direct and calls else "")}
    if said.refusal:
        message |= {"content": None, "refusal": said.refusal}
    if calls:
        message["tool_calls"] = calls
    return message | (_direct_extras(turn, calls) if direct else _bot_reasoning(said.reasoning))


def _bot_reasoning(text: str) -> Json:
    """Poe fact: the bot backend says the same reasoning twice."""
    return {"reasoning_content": text, "reasoning": text} if text else {}


def _direct_extras(turn: Turn, calls: list[Json]) -> Json:
    text = turn.answer.reasoning
    blocks = [{"type": "thinking", "thinking": text, "signature": f"sig-{turn.id}"}] if text else None
    extras: Json = {"function_call": None, "tool_calls": calls or None}
    if turn.card.owner == "Anthropic" or text:
        extras["provider_specific_fields"] = {"citations": None, "thinking_blocks": blocks}
    return extras


def _call(call: Call) -> Json:
    body: Json = {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }
    if call.signature:
        body["extra_content"] = {"google": {"thought_signature": call.signature}}
    return body


def _logprobs(words: list[str]) -> Json:
    tokens = [{"token": w, "logprob": -0.25, "bytes": list(w.encode()), "top_logprobs": []} for w in words]
    return {"content": tokens, "refusal": None}


def _usage(turn: Turn) -> Json:
    used = turn.usage
    usage: Json = {
        "prompt_tokens": used.prompt,
        "completion_tokens": used.completion,
        "total_tokens": used.prompt + used.completion,
    }
    if turn.backend == "direct":
        usage |= {
            "completion_tokens_details": {
                "reasoning_tokens": used.reasoning,
                "text_tokens": None,
                "image_tokens": None,
            },
            "prompt_tokens_details": {
                "audio_tokens": None,
                "cached_tokens": used.cached,
                "text_tokens": None,
                "image_tokens": None,
                "video_tokens": None,
            },
        }
    return usage


# --- streams --------------------------------------------------------------------------------------------


def stream(turn: Turn) -> Iterator[Frame]:
    head = _head(turn, "chat.completion.chunk")
    if "unknown_fields" in turn.answer.quirks:
        head["poe_extra"] = {"kept": True}
    deltas = _deltas(turn)
    quirks = turn.answer.quirks
    yield _chunk(head, {"role": "assistant", "content": ""}, kind="open")
    closing = "whole_tool" in quirks and bool(turn.answer.calls)
    for delta in deltas:
        yield _chunk(head, delta, finish="tool_calls" if closing and "tool_calls" in delta else None, turn=turn)
    if "unclosed" not in quirks and not closing:
        yield _chunk(head, {}, finish=finish_reason(turn.answer), kind="finish")
    if turn.prompt.include_usage and "no_usage" not in quirks:
        yield data_frame("usage", head | {"choices": [], "usage": _usage(turn)})
    yield _DONE


def _chunk(
    head: Json, delta: Json, *, finish: str | None = None, kind: Any = "delta", turn: Turn | None = None
) -> Frame:
    choice: Json = {"index": 0, "delta": delta, "finish_reason": finish}
    if turn and turn.answer.logprobs and delta.get("content"):
        choice["logprobs"] = _logprobs([delta["content"]])
    if turn and "unknown_fields" in turn.answer.quirks:
        choice["poe_choice_extra"] = [1, 2]
        delta["poe_message_extra"] = "kept"
    return data_frame("finish" if finish else kind, head | {"choices": [choice]})


def _deltas(turn: Turn) -> Iterator[Json]:
    said = turn.answer
    for word in _WORDS.findall(said.reasoning):
        yield _reasoning_delta(turn, word)
    for word in _WORDS.findall(said.text):
        yield {"content": word}
    for word in _WORDS.findall(said.refusal):
        yield {"refusal": word}
    if said.calls:
        yield from _call_deltas(said)


def _reasoning_delta(turn: Turn, word: str) -> Json:
    """No real capture of streamed reasoning exists: the bot backend's doubling is carried over from whole answers."""
    match turn.answer.reasoning_field or ("both" if turn.backend == "bot" else "reasoning_content"):
        case "both":
            return {"reasoning_content": word, "reasoning": word}
        case field:
            return {field: word}


def _call_deltas(said: Answer) -> Iterator[Json]:
    if "whole_tool" in said.quirks:
        yield {"tool_calls": [_call(call) | {"index": n} for n, call in enumerate(said.calls)]}
        return
    for n, call in enumerate(said.calls):
        opening = _call(call)
        opening["function"]["arguments"] = ""
        yield {"tool_calls": [_indexed(opening, n, said)]}
        if "no_index" in said.quirks:
            yield from _argument_deltas(call, n, said)
    if "no_index" not in said.quirks:
        yield from _interleaved([list(_argument_deltas(call, n, said)) for n, call in enumerate(said.calls)])


def _interleaved(columns: list[list[Json]]) -> Iterator[Json]:
    """Parallel calls grow side by side: only the index says which delta belongs where."""
    for row in range(max(map(len, columns), default=0)):
        yield from (column[row] for column in columns if row < len(column))


def _argument_deltas(call: Call, n: int, said: Answer) -> Iterator[Json]:
    for start in range(0, len(call.arguments), _ARGUMENT_PIECE):
        piece = call.arguments[start : start + _ARGUMENT_PIECE]
        yield {"tool_calls": [_indexed({"function": {"arguments": piece}}, n, said)]}


def _indexed(delta: Json, n: int, said: Answer) -> Json:
    return delta if "no_index" in said.quirks else {"index": n, **delta}


CHAT = Dialect(
    path="/v1/chat/completions",
    read=read,
    find=catalogue.find,
    check=check,
    write=write,
    stream=stream,
    error=error,
    missing=refusals.no_such_model,
    settles=(1.0, 2.0),
)
