"""A chat completion as one JSON body: Poe's to events, and the folded answer to the client's body."""

from dataclasses import replace
from typing import Any

import orjson

from poe_proxy.canonical.answer import Answer, Call
from poe_proxy.canonical.errors import Garbled, StreamBroken
from poe_proxy.canonical.events import (
    Event,
    Failed,
    Finished,
    Opaque,
    Reasoning,
    Refusal,
    Started,
    Text,
    ToolCall,
    Used,
)
from poe_proxy.canonical.json import Json, as_object, as_string
from poe_proxy.wire.lenient import as_text, call_id, mended
from poe_proxy.wire.openai_chat import errors
from poe_proxy.wire.openai_chat.calls import added_up, as_call, is_other, pieces, signature_of
from poe_proxy.wire.openai_chat.frames import bare, framed, seconds, the_choice
from poe_proxy.wire.openai_chat.reasons import GAVE_UP, is_failure, legal_finish, read_usage, whole_usage, written_usage
from poe_proxy.wire.openai_chat.thoughts import thinking_blocks
from poe_proxy.wire.usage import with_cost

_OURS = frozenset({"role", "content", "refusal", "reasoning_content", "reasoning", "tool_calls"})


def read(body: Any, *, keep: bool = True) -> list[Event]:
    """Read a whole answer; one that is an error, or nothing that we know, becomes a single ``Failed``.

    ``keep`` is for a client that speaks this dialect too: the events carry their frames, and the first the whole body.
    """
    if isinstance(body, dict) and body.get("error"):
        return [Failed(errors.read_in_stream(body))]
    choice = _the_choice(as_object(body).get("choices"))
    if choice is None:
        return [Failed(Garbled("Poe answered 200 with something that is not a chat completion."))]
    if is_failure(choice.get("finish_reason")):
        return [Failed(StreamBroken(GAVE_UP))]
    return _read(body, choice) if keep else bare(_read(body, choice, keep=False))


def _the_choice(choices: Any) -> Json | None:
    """The choice with index 0, or none; the first where all have others."""
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        return None
    return the_choice(choices) or choices[0]


def _read(body: Json, choice: Json, *, keep: bool = True) -> list[Event]:
    message = as_object(choice.get("message"))
    id_ = str(body.get("id") or "")
    begun = framed(body, {"role": "assistant", "content": ""}) if keep else None
    events: list[Event] = [
        Started(id_, seconds(body.get("created")), str(body.get("model") or ""), begun, body if keep else None),
        *_content(message),
        *_only_ours(message, choice),
    ]
    calls = _calls(pieces(message.get("tool_calls")), id_, signature_of(message))
    reason = legal_finish(choice.get("finish_reason"), has_calls=bool(calls))
    ended = framed({}, {}, {**choice, "logprobs": None}, finish=reason) if keep else None
    events += [*calls, Finished(reason, ended)]
    if isinstance(usage := body.get("usage"), dict):
        used = read_usage(usage)
        events.append(Used(used, {"choices": [], "usage": whole_usage(usage, used)} if keep else None))
    return events


def _content(message: Json) -> list[Event]:
    events: list[Event] = []
    reasoning = message.get("reasoning_content") or message.get("reasoning") or thinking_blocks(message)
    if reasoning and isinstance(reasoning, str):
        events.append(Reasoning(reasoning))
    if isinstance(message.get("content"), str):
        events.append(Text(message["content"]))
    elif isinstance(message.get("content"), list):
        events.append(Text("".join(_part_text(part) for part in message["content"])))
    if isinstance(message.get("refusal"), str):
        events.append(Refusal(message["refusal"]))
    return events


def _only_ours(message: Json, choice: Json) -> list[Event]:
    """What no other dialect knows: unknown fields of the message, and logprobs."""
    rest = {key: value for key, value in message.items() if key not in _OURS and value is not None}
    if not rest and not choice.get("logprobs"):
        return []
    return [Opaque(framed({}, rest, {"logprobs": choice.get("logprobs")}))]


def _part_text(part: Any) -> str:
    return as_string(part.get("text") if isinstance(part, dict) else part)


def _calls(told: list[Json], answer_id: str, signature: str) -> list[Event]:
    calls: list[Event] = []
    functions = 0
    for place, piece in enumerate(told):
        if is_other(piece):
            calls.append(Opaque(framed({}, {"tool_calls": [{**piece, "index": place}]})))
        else:
            calls.append(_call(functions, place, piece, answer_id, signature if not functions else ""))
            functions += 1
    return calls


def _call(index: int, place: int, piece: Json, answer_id: str, signature: str) -> ToolCall:
    function = as_object(piece.get("function"))
    id_ = call_id(piece.get("id"), answer_id, index)
    name, arguments = str(function.get("name") or ""), as_text(function.get("arguments")) or "{}"
    frame = framed({}, {"tool_calls": [as_call(piece, id_, name, arguments, place)]})
    return ToolCall(index, id_, name, arguments, frame, signature_of(piece) or signature)


def write(answer: Answer, model: str) -> Json:
    """The body for a client that asked for ``model``: Poe's own, with what the events say put in its place."""
    body = _written(answer, model)
    try:
        orjson.dumps(body)
    except TypeError:  # Poe's own is nested deeper than can be written
        calls = [replace(call, frames=[]) for call in answer.calls]
        return as_object(mended(_written(replace(answer, body=None, opaque=[], usage_frame=None, calls=calls), model)))
    return body


def _written(answer: Answer, model: str) -> Json:
    body = {key: value for key, value in (answer.body or {}).items() if key != "error"}
    body.update(id=answer.id, object="chat.completion", created=answer.created, model=model)
    choice = {**(_the_choice(body.get("choices")) or {}), "index": 0}
    choice["message"] = _message(answer, choice.get("message"))
    has_calls = "tool_calls" in choice["message"]
    choice["finish_reason"] = legal_finish(answer.finish, has_calls=has_calls)
    body["choices"] = [choice]
    body.pop("usage", None)
    usage = as_object(answer.usage_frame).get("usage") or (answer.usage and written_usage(answer.usage))
    if not usage:
        return body
    return {**body, "usage": usage if answer.cost is None else with_cost(usage, answer.cost)}


def _message(answer: Answer, said: Any) -> Json:
    message = dict(as_object(said))
    others: list[Json] = []
    for frame in answer.opaque:
        delta = frame["choices"][0]["delta"]
        others += delta.get("tool_calls", [])
        message.update(delta)
    message.update(role="assistant", content=answer.text)
    for key in ("reasoning", "reasoning_content", "tool_calls"):
        message.pop(key, None)
    if answer.reasoning is not None:
        message["reasoning_content"] = answer.reasoning
    if answer.refusal is not None:
        message["refusal"] = answer.refusal
    if calls := _whole_calls(answer.calls, added_up(others)):
        message["tool_calls"] = calls
    return message


def _whole_calls(calls: list[Call], others: list[Json]) -> list[Json]:
    """All calls in the order in which they were begun."""
    placed = [(_said(call).get("index", index), _whole_call(call)) for index, call in enumerate(calls)]
    placed += [(other["index"], {key: value for key, value in other.items() if key != "index"}) for other in others]
    return [call for _, call in sorted(placed, key=lambda one: one[0])]


def _said(call: Call) -> Json:
    """The call as Poe said it, with what came later with its pieces."""
    said: Json = {}
    for frame in call.frames:
        piece = frame["choices"][0]["delta"]["tool_calls"][0]
        said = {**said, **piece, "function": {**as_object(said.get("function")), **as_object(piece.get("function"))}}
    return said


def _whole_call(call: Call) -> Json:
    whole = as_call(_said(call), call.id, call.name, call.arguments, 0)
    del whole["index"]
    return whole
