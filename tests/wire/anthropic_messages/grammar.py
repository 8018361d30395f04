"""What a messages stream must look like to any client, written down apart from the code that writes it."""

import json
from dataclasses import dataclass
from typing import Any

import httpx2
from anthropic import Anthropic
from anthropic.types import Message

Json = dict[str, Any]
STOP_REASONS = {"end_turn", "max_tokens", "tool_use", "refusal", "stop_sequence", "pause_turn"}
_DELTAS = {"text": {"text_delta"}, "thinking": {"thinking_delta", "signature_delta"}, "tool_use": {"input_json_delta"}}
_FIGURES = {"input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens"}


def read(data: bytes) -> list[Json]:
    """The events of what a writer of ours wrote: frames of a name and one line of data each, no other name than the
    data's own type."""
    assert data == b"" or data.endswith(b"\n\n")
    events: list[Json] = []
    for frame in data.removesuffix(b"\n\n").split(b"\n\n") if data else []:
        name, told = frame.split(b"\n")
        assert told.startswith(b"data: "), frame
        events.append(json.loads(told.removeprefix(b"data: ")))
        assert name == b"event: " + events[-1]["type"].encode()
    return events


def check_whole(events: list[Json], *, model: str) -> None:
    """The grammar of a translated stream that ended well."""
    check_begun(events[:-2], model=model)
    end, stop = events[-2:]
    assert stop == {"type": "message_stop"}
    assert end["type"] == "message_delta"
    assert end["delta"]["stop_reason"] in STOP_REASONS
    assert end["delta"]["stop_sequence"] is None
    assert end["usage"].keys() >= _FIGURES, "clients read the last usage as the whole one"
    blocks = _blocks(events)
    assert all(block["closed"] for block in blocks)
    has_calls = any(block["type"] == "tool_use" for block in blocks)
    assert not has_calls or end["delta"]["stop_reason"] in {"tool_use", "max_tokens", "refusal"}
    assert has_calls or end["delta"]["stop_reason"] != "tool_use", "clients look for the call"


def check_broken(events: list[Json], *, model: str) -> None:
    """The grammar of a stream that ended with an error: nothing follows it, no end above all."""
    error = events[-1]
    assert error["type"] == "error"
    assert error["error"].keys() >= {"type", "message"}
    if events[:-1]:
        check_begun(events[:-1], model=model)


def check_begun(events: list[Json], *, model: str) -> None:
    """What holds for every stream, however it ended: one start, one block open at a time, no block without content."""
    start, *rest = events
    message = start["message"]
    assert start["type"] == "message_start"
    assert (message["type"], message["role"], message["content"]) == ("message", "assistant", [])
    assert message["model"] == model
    assert message["id"].startswith("msg_")
    assert message["usage"].keys() >= _FIGURES
    assert message["usage"]["input_tokens"] > 0
    assert {event["type"] for event in rest} <= {
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
    }
    for block in _blocks(events):
        assert block["type"] != "text" or block["text"].strip(), "Anthropic refuses a text that is blank"
        assert block["type"] != "thinking" or not block["closed"] or block["signature"]


def _blocks(events: list[Json]) -> list[Json]:
    """The content blocks that ``events`` add up to, each with the JSON of its input and whether it was closed."""
    blocks: list[Json] = []
    for event in events:
        match event["type"]:
            case "content_block_start":
                assert all(block["closed"] for block in blocks), "one block is open at a time"
                assert event["index"] == len(blocks), "indexes rise by one"
                blocks.append({**event["content_block"], "json": "", "closed": False})
            case "content_block_delta":
                assert event["index"] == len(blocks) - 1
                assert not blocks[-1]["closed"]
                _add(blocks[-1], event["delta"])
            case "content_block_stop":
                assert event["index"] == len(blocks) - 1
                assert not blocks[-1]["closed"]
                blocks[-1]["closed"] = True
    return blocks


def _add(block: Json, delta: Json) -> None:
    assert delta["type"] in _DELTAS[block["type"]]
    match delta["type"]:
        case "text_delta":
            block["text"] += delta["text"]
        case "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "signature_delta":
            block["signature"] += delta["signature"]
        case "input_json_delta":
            block["json"] += delta["partial_json"]


def content(events: list[Json]) -> list[Json]:
    """The content of the whole message, inputs parsed."""
    told: list[Json] = []
    for block in _blocks(events):
        shown = {name: value for name, value in block.items() if name not in ("json", "closed")}
        told.append(shown | {"input": json.loads(block["json"] or "{}")} if block["type"] == "tool_use" else shown)
    return told


def kinds(events: list[Json]) -> list[str]:
    return [block["type"] for block in content(events)]


@dataclass
class Script(httpx2.BaseTransport):
    """Answers every request with ``data`` as a stream."""

    data: bytes = b""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=self.data, request=request)


_SCRIPT = Script()
_CLIENT = Anthropic(
    api_key="k", base_url="http://127.0.0.1:9", http_client=httpx2.Client(transport=_SCRIPT), max_retries=0
)


def by_sdk(data: bytes) -> Message:
    """The message that Anthropic's own SDK makes of a stream. Raises what it raises."""
    _SCRIPT.data = data
    asked: Json = {"model": "any", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    with _CLIENT.messages.stream(**asked) as stream:
        return stream.get_final_message()
