"""A chat completions request: from the client's bytes, and to the body that Poe is sent.

The body for Poe is the client's own JSON with edits on copies. It is not fitted to a model here: that is policy.
"""

from typing import Any

import orjson

from poe_proxy.canonical.card import ModelCard
from poe_proxy.canonical.json import Json
from poe_proxy.canonical.request import Request
from poe_proxy.wire.json_body import dumps, loads
from poe_proxy.wire.openai_chat import DIALECT
from poe_proxy.wire.openai_chat.validate import validate

_OF_THE_REQUEST = frozenset({"model", "messages", "stream", "stream_options"})


def parse(data: bytes) -> Request:
    """Read and validate a client's body. Raises BadRequest, which names the field at fault."""
    body = validate(_flat(loads(data)))
    options = body.get("stream_options") or {}
    return Request(
        dialect=DIALECT,
        model=body["model"].strip(),
        body=body,
        stream=body.get("stream"),
        include_usage=options.get("include_usage") is True,
    )


def build(request: Request, card: ModelCard, *, stream: bool) -> Json:
    """The body for Poe: the model's Poe name, roles and parts that Poe knows, and always the usage of a stream."""
    body = {**request.body, "model": card.poe_name, "stream": stream}
    body["messages"] = [_message(message) for message in request.body["messages"]]
    body.pop("stream_options", None)
    if stream:
        body["stream_options"] = {"include_usage": True}
    return body


def encode(body: Json) -> bytes:
    """The body's bytes. Raises BadRequest where it is nested too deep."""
    return dumps(body)


def _flat(body: Any) -> Any:
    """``extra_body`` merged into the top level, as the Python SDK does by itself; what makes the request stays.

    It goes first, so that what it holds is looked at like everything else.
    """
    while isinstance(body, dict) and isinstance(extra := body.get("extra_body"), dict):
        kept = {name: value for name, value in body.items() if name != "extra_body"}
        body = {**kept, **{name: value for name, value in extra.items() if name not in _OF_THE_REQUEST}}
    return body


def _message(message: Json) -> Json:
    if isinstance(message.get("tool_calls"), list):
        message = {**message, "tool_calls": [_call(call) for call in message["tool_calls"]]}
    if message["role"] == "developer":  # Poe does not list the role; system is what it means (docs/poe-facts.md)
        message = {**message, "role": "system"}
    content = message.get("content")
    if isinstance(content, list):
        return {**message, "content": [_part(part) for part in content]}
    return message


def _call(call: Json) -> Json:
    """A call of an earlier turn; some clients keep its arguments as the object that they read."""
    function = call.get("function")
    if not isinstance(function, dict) or isinstance(function.get("arguments"), str | None):
        return call
    return {**call, "function": {**function, "arguments": orjson.dumps(function["arguments"]).decode()}}


def _part(part: Json) -> Json:
    match part["type"]:
        case "image_url" if isinstance(part["image_url"], str):
            return {**part, "image_url": {"url": part["image_url"]}}
        case "input_audio":
            return _audio_as_file(part["input_audio"])
        case _:
            return part


def _audio_as_file(audio: Json) -> Json:
    """Poe ignores ``input_audio`` but takes audio as a file with a data URL."""
    form = audio.get("format") or "wav"
    media_type = {"mp3": "audio/mpeg"}.get(form, f"audio/{form}")
    return {
        "type": "file",
        "file": {
            "filename": f"audio.{form}",
            "file_data": f"data:{media_type};base64,{audio.get('data', '')}",
        },
    }
