"""A whole message as one JSON body: Poe's to events, and the folded answer to the client's body."""

from collections.abc import Iterator
from typing import Any

from poe_proxy.canonical.answer import Answer, Call
from poe_proxy.canonical.errors import Garbled
from poe_proxy.canonical.events import Event, Failed
from poe_proxy.canonical.json import Json, as_object
from poe_proxy.wire.anthropic_messages import errors
from poe_proxy.wire.anthropic_messages.arguments import as_input
from poe_proxy.wire.anthropic_messages.assembled import SPOKEN, assembled
from poe_proxy.wire.anthropic_messages.ids import message_id
from poe_proxy.wire.anthropic_messages.marks import THINKING_SIGNATURE, with_signature
from poe_proxy.wire.anthropic_messages.message import MessageReader
from poe_proxy.wire.anthropic_messages.reasons import stop_reason, written_usage
from poe_proxy.wire.lenient import as_text
from poe_proxy.wire.usage import with_cost


def read(body: Any, keep: bool) -> list[Event]:
    """Read a whole answer; one that is an error, or nothing that we know, becomes a single ``Failed``.

    ``keep`` is for a client that speaks messages too: the events are those of a stream of the same answer, and the
    first carries the whole body.
    """
    if isinstance(body, dict) and body.get("error"):
        return [Failed(errors.read_in_stream(body))]
    if not isinstance(body, dict) or not isinstance(body.get("content"), list):
        return [Failed(Garbled("Poe answered 200 with something that is not a message."))]
    reader = MessageReader(keep=keep, answer=body if keep else None)
    return [event for one in _as_stream(body) for event in reader.read(one) or []]


def _as_stream(body: Json) -> Iterator[Json]:
    """The events that Anthropic would have streamed for ``body``."""
    head = {**body, "content": [], "stop_reason": None, "stop_sequence": None}
    yield {"type": "message_start", "message": head}
    blocks = [block for block in body["content"] if isinstance(block, dict)]
    for index, block in enumerate(blocks):
        yield from _block(index, block)
    has_calls = any(block.get("type") == "tool_use" for block in blocks)
    reason = body.get("stop_reason") or stop_reason(None, has_calls=has_calls)
    ended = {"stop_reason": str(reason), "stop_sequence": body.get("stop_sequence")}
    yield {"type": "message_delta", "delta": ended, "usage": as_object(body.get("usage"))}


def _block(index: int, block: Json) -> Iterator[Json]:
    begun, deltas = dict(block), []
    name = str(block.get("type"))
    if kind := SPOKEN.get(name):
        begun[name] = ""
        deltas.append({"type": kind, name: str(block.get(name) or "")})
    if name == "thinking" and block.get("signature"):
        begun["signature"] = ""
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    if name == "tool_use" and block.get("input"):
        begun["input"] = {}
        deltas.append({"type": "input_json_delta", "partial_json": as_text(block["input"])})
    yield {"type": "content_block_start", "index": index, "content_block": begun}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def write(answer: Answer, model: str, *, prompt_estimate: int = 1) -> Json:
    """The body for a client that asked for ``model``.

    Poe's own message is given back as it is, with its cost, also where Poe streamed it; its model too, since that is
    the version that answered.
    """
    if answer.body is not None and isinstance(answer.body.get("content"), list):
        return _with_cost(answer.body, answer)
    reason = stop_reason(answer.finish, has_calls=bool(answer.calls), refused=bool(answer.refusal))
    message = {
        "id": message_id(answer.id),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": _content(answer),
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": written_usage(answer.usage, prompt_estimate, said=_characters(answer)),
    }
    return _with_cost(assembled(message, answer.frames) if answer.frames else message, answer)


def _with_cost(message: Json, answer: Answer) -> Json:
    usage = as_object(message.get("usage"))
    return {**message, "usage": usage if answer.cost is None else with_cost(usage, answer.cost)}


def _characters(answer: Answer) -> int:
    texts = (answer.text, answer.reasoning, answer.refusal, *(call.name + call.arguments for call in answer.calls))
    return sum(len(text) for text in texts if text)


def _content(answer: Answer) -> list[Json]:
    content: list[Json] = []
    if (thinking := answer.reasoning or "").strip():
        content.append({"type": "thinking", "thinking": thinking, "signature": THINKING_SIGNATURE})
    if (text := (answer.text or "") + (answer.refusal or "")).strip():
        content.append({"type": "text", "text": text})
    return content + [_call(call) for call in answer.calls]


def _call(call: Call) -> Json:
    id_ = with_signature(call.id, call.signature)
    return {"type": "tool_use", "id": id_, "name": call.name, "input": as_input(call.arguments)}
