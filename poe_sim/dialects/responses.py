"""Responses: OpenAI's newer dialect, for the models that list it."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from poe_sim import catalogue, refusals
from poe_sim.answer import Answer, Call, Json, Prompt, Tool, Turn
from poe_sim.catalogue import Card
from poe_sim.dialects import responses_stream
from poe_sim.dialects.dialect import Dialect, Frame, limit_of, object_in, objects_in, string_in, text_of
from poe_sim.refusals import Refusal, invalid
from poe_sim.settings import Settings

PATH = "/v1/responses"
_ASKING = frozenset({"model", "input", "instructions", "prompt", "conversation", "previous_response_id", "include"})
_SAMPLING = frozenset({"max_output_tokens", "temperature", "top_p", "top_logprobs", "reasoning", "text", "truncation"})
_TOOLING = frozenset({"tools", "tool_choice", "parallel_tool_calls", "max_tool_calls"})
_HANDLING = frozenset({"stream", "stream_options", "store", "metadata", "user", "service_tier", "background"})
_CACHING = frozenset({"prompt_cache_key", "prompt_cache_retention", "safety_identifier"})
_FIELDS = _ASKING | _SAMPLING | _TOOLING | _HANDLING | _CACHING


# --- requests -------------------------------------------------------------------------------------------


def read(body: Json) -> Prompt:
    """Poe fact: `instructions` is taken and ignored, so it is not even counted."""
    asked = body.get("input")
    items = [{"role": "user", "content": asked}] if isinstance(asked, str) else objects_in(asked)
    wanted = object_in(object_in(body.get("text")).get("format"))
    return Prompt(
        model=body["model"],
        text="\n".join(_said(item) for item in items),
        turns=len(items),
        last_user=next((text_of(i.get("content")) for i in reversed(items) if i.get("role") == "user"), ""),
        tool_result=_tool_result(items),
        tools=tuple(_tools(body)),
        tool_choice=_tool_choice(body.get("tool_choice")),
        wants_json=string_in(wanted.get("type")) in {"json_object", "json_schema"},
        schema=wanted.get("schema"),
        max_tokens=limit_of(body, "max_output_tokens"),
        stream=body.get("stream") is True,
        wants_reasoning=bool(object_in(body.get("reasoning")).get("summary")),
    )


def _said(item: Json) -> str:
    return text_of(item.get("content")) or str(item.get("output") or item.get("arguments") or "")


def _tool_result(items: list[Json]) -> str | None:
    results: list[str] = []
    for item in reversed(items):
        if item.get("type") != "function_call_output":
            break
        results.insert(0, item["output"] if isinstance(item.get("output"), str) else text_of(item.get("output")))
    return "\n".join(results) if results else None


def _tools(body: Json) -> Iterator[Tool]:
    for tool in objects_in(body.get("tools")):
        if tool.get("type") == "function" and isinstance(tool.get("name"), str):
            yield Tool(tool["name"], object_in(tool.get("parameters")))


def _tool_choice(choice: Any) -> str:
    return str(object_in(choice).get("name", "auto")) if isinstance(choice, dict) else str(choice or "auto")


def check(body: Json, card: Card, settings: Settings, headers: Mapping[str, str]) -> Refusal | None:
    return next(_faults(body, card, settings, headers), None)


def _faults(body: Json, card: Card, settings: Settings, headers: Mapping[str, str]) -> Iterator[Refusal]:
    if PATH not in card.endpoints:
        yield refusals.no_responses_method()
    if not body.get("input"):
        yield invalid("Missing required parameter: 'input'.", param="input")
    style = headers.get("x-sim-style", settings.refusal_style)
    yield from (refusals.unknown_parameter(name, style) for name in body if name not in _FIELDS)
    effort = object_in(body.get("reasoning")).get("effort")
    if card.effort_is_fixed and effort not in (None, "medium"):
        yield refusals.unsupported_value("reasoning.effort", effort, card.provider_id, ["medium"])
    if body.get("previous_response_id"):
        yield invalid(f"Previous response with id '{body['previous_response_id']}' not found.")


def error(refusal: Refusal) -> Json:
    return {"error": refusal.error}


# --- whole answers --------------------------------------------------------------------------------------


def write(turn: Turn) -> Json:
    cut = turn.answer.finish == "length"
    return _head(turn) | {
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": output(turn),
        "usage": _usage(turn),
        "completed_at": turn.now,
    }


def _head(turn: Turn) -> Json:
    body = turn.body
    return {
        "id": _id(turn),
        "created_at": turn.now,
        "metadata": {},
        "model": turn.card.provider_id,
        # Poe fact: Gemini's answers with tool calls go by the name of the other dialect's object.
        "object": "chat.completion" if _is_gemini(turn) and turn.answer.calls else "response",
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "temperature": body.get("temperature", 1),
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools", []),
        "top_p": body.get("top_p", 1),
        "reasoning": {"effort": object_in(body.get("reasoning")).get("effort", "medium"), "summary": None},
        "status": "in_progress",
        "text": {"format": {"type": "text"}} | object_in(body.get("text")),
        "truncation": "disabled",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": body.get("max_output_tokens"),
        "previous_response_id": None,
        "store": False,
        "background": False,
        "service_tier": "default",
        "output": [],
        "usage": None,
    }


def _is_gemini(turn: Turn) -> bool:
    return turn.card.id.startswith("gemini")


def _id(turn: Turn) -> str:
    """Poe fact: the id is a gateway's note to itself in base 64."""
    provider = "vertex_ai" if _is_gemini(turn) else turn.card.owner.lower()
    note = f"litellm:custom_llm_provider:{provider};model_id:None;response_id:resp_{turn.id}"
    return "resp_" + base64.b64encode(note.encode()).decode()


def output(turn: Turn) -> list[Json]:
    """The items of an answer, whole."""
    said = turn.answer
    items = list(_spoken(turn, said))
    return items + [_call(turn, call, place) for place, call in enumerate(said.calls)]


def _spoken(turn: Turn, said: Answer) -> Iterator[Json]:
    if said.reasoning:
        summary = [{"type": "summary_text", "text": said.reasoning}]
        yield {"id": f"rs_{turn.id}", "type": "reasoning", "summary": summary}
    if said.refusal:
        yield _message(turn, {"type": "refusal", "refusal": said.refusal})
    elif said.text:
        yield _message(turn, {"type": "output_text", "text": said.text, "annotations": [], "logprobs": []})
    elif said.calls and _is_gemini(turn):
        # Poe fact: Gemini puts a text part without text before its calls.
        yield _message(turn, {"type": "output_text", "annotations": []})


def _message(turn: Turn, part: Json) -> Json:
    return {
        "id": f"msg_{turn.id}",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }


def _call(turn: Turn, call: Call, place: int) -> Json:
    item: Json = {
        "id": f"fc_{turn.id}{place}",
        "type": "function_call",
        "call_id": call.id,
        "name": call.name,
        "arguments": call.arguments,
        "status": "completed",
    }
    if call.signature:
        item["provider_specific_fields"] = {"thought_signature": call.signature}
    return item


def _usage(turn: Turn) -> Json:
    used = turn.usage
    return {
        "input_tokens": used.prompt,
        "input_tokens_details": {"cached_tokens": used.cached},
        "output_tokens": used.completion,
        "output_tokens_details": {"reasoning_tokens": used.reasoning},
        "total_tokens": used.prompt + used.completion,
    }


def stream(turn: Turn) -> Iterator[Frame]:
    return responses_stream.events(_head(turn), output(turn), write(turn))


RESPONSES = Dialect(
    path=PATH,
    read=read,
    find=catalogue.find,
    check=check,
    write=write,
    stream=stream,
    error=error,
    missing=refusals.no_such_model,
    settles=(1.0, 2.0),
)
