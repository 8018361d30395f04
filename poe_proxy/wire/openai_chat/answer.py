"""A chat completion as one JSON body: Poe's to events, and the folded answer to the client's body."""

from typing import Any

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
from poe_proxy.canonical.json import Json, as_object
from poe_proxy.canonical.usage import Usage
from poe_proxy.wire.openai_chat import errors
from poe_proxy.wire.openai_chat.calls import as_text, pieces
from poe_proxy.wire.openai_chat.frames import framed, seconds
from poe_proxy.wire.openai_chat.reasons import GAVE_UP, is_failure, legal_finish, read_usage, whole_usage

_OURS = frozenset({"role", "content", "refusal", "reasoning_content", "reasoning", "tool_calls"})


def read(body: Any) -> list[Event]:
    """Read a whole answer; one that is an error, or nothing that we know, becomes a single ``Failed``."""
    if isinstance(body, dict) and body.get("error"):
        return [Failed(errors.read_in_stream(body))]
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        return [Failed(Garbled("Poe answered 200 with something that is not a chat completion."))]
    if is_failure(choices[0].get("finish_reason")):
        return [Failed(StreamBroken(GAVE_UP))]
    return _read(body, choices[0])


def _read(body: Json, choice: Json) -> list[Event]:
    message = as_object(choice.get("message"))
    id_ = str(body.get("id") or "")
    begun = framed(body, {"role": "assistant", "content": ""})
    events: list[Event] = [
        Started(id_, seconds(body.get("created")), str(body.get("model") or ""), begun, answer=body),
        *_content(message),
        *_only_ours(message, choice),
    ]
    calls = [_call(index, piece, id_) for index, piece in enumerate(pieces(message.get("tool_calls")))]
    reason = legal_finish(choice.get("finish_reason"), has_calls=bool(calls))
    events += [*calls, Finished(reason, framed({}, {}, {**choice, "logprobs": None}, finish=reason))]
    if isinstance(usage := body.get("usage"), dict):
        events.append(Used(read_usage(usage), {"choices": [], "usage": whole_usage(usage)}))
    return events


def _content(message: Json) -> list[Event]:
    events: list[Event] = []
    reasoning = message.get("reasoning_content") or message.get("reasoning") or _thinking_blocks(message)
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
    text = part.get("text") if isinstance(part, dict) else part
    return text if isinstance(text, str) else ""


def _thinking_blocks(message: Json) -> str:
    """The direct path shows a provider's thinking only here, and mostly as null."""
    blocks = as_object(message.get("provider_specific_fields")).get("thinking_blocks")
    if not isinstance(blocks, list):
        return ""
    return "".join(
        block["thinking"] for block in blocks if isinstance(block, dict) and isinstance(block.get("thinking"), str)
    )


def _call(index: int, piece: Json, answer_id: str) -> ToolCall:
    function = as_object(piece.get("function"))
    id_ = str(piece.get("id") or f"call_{answer_id}_{index}")
    name, arguments = str(function.get("name") or ""), as_text(function.get("arguments")) or "{}"
    whole = {
        **piece,
        "index": index,
        "id": id_,
        "type": "function",
        "function": {**function, "name": name, "arguments": arguments},
    }
    return ToolCall(index, id_, name, arguments, framed({}, {"tool_calls": [whole]}))


def write(answer: Answer, model: str) -> Json:
    """The body for a client that asked for ``model``: Poe's own, with what the events say put in its place."""
    body = {key: value for key, value in (answer.body or {}).items() if key != "error"}
    body.update(id=answer.id, object="chat.completion", created=answer.created, model=model)
    choice = _first_choice(body)
    choice["message"] = _message(answer, choice.get("message"))
    choice["finish_reason"] = legal_finish(answer.finish, has_calls=bool(answer.calls))
    body["choices"] = [choice]
    usage = _usage(body.pop("usage", None) or as_object(answer.usage_frame).get("usage"), answer.usage)
    return body if usage is None else {**body, "usage": usage}


def _first_choice(body: Json) -> Json:
    choices = body.get("choices")
    return {**(choices[0] if isinstance(choices, list) and choices else {}), "index": 0}


def _message(answer: Answer, said: Any) -> Json:
    message = dict(as_object(said))
    for frame in answer.opaque:
        message.update(frame["choices"][0]["delta"])
    message.update(role="assistant", content=answer.text)
    for key in ("reasoning", "reasoning_content", "tool_calls"):
        message.pop(key, None)
    if answer.reasoning is not None:
        message["reasoning_content"] = answer.reasoning
    if answer.refusal is not None:
        message["refusal"] = answer.refusal
    if answer.calls:
        message["tool_calls"] = [_whole_call(call) for call in answer.calls]
    return message


def _whole_call(call: Call) -> Json:
    said: Json = {}
    if call.frame:
        said = {**call.frame["choices"][0]["delta"]["tool_calls"][0]}
        said.pop("index", None)
    function = as_object(said.get("function"))
    return {
        **said,
        "id": call.id,
        "type": "function",
        "function": {**function, "name": call.name, "arguments": call.arguments},
    }


def _usage(said: Any, used: Usage | None) -> Json | None:
    if isinstance(said, dict):
        return whole_usage(said)
    if used is None:
        return None
    return whole_usage({"prompt_tokens": used.prompt, "completion_tokens": used.completion})
