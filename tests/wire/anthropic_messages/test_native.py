"""A client of messages on a Claude model: what Poe said comes back as it was, frame by frame."""

import json
from typing import Any

import pytest

from poe_proxy.canonical.answer import fold
from poe_proxy.canonical.cost import Cost
from poe_proxy.canonical.events import Started, Text, Used
from poe_proxy.wire.anthropic_messages import answer as whole
from poe_proxy.wire.anthropic_messages.stream import Writer
from tests.wire.anthropic_messages import grammar
from tests.wire.anthropic_messages.said import (
    PING,
    STOP,
    Json,
    begin,
    call,
    costed,
    delta,
    end,
    read,
    read_bytes,
    start,
    stop,
    stream,
    text,
    thinking,
    told,
    write,
)

USAGE: Json = {
    "input_tokens": 67,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
    "output_tokens": 259,
    "total_tokens": 326,
}
SIGNED = {"type": "thinking", "thinking": "Seven times six.\n\nThat is 42.", "signature": "EuUDCkgIDBAC+/=="}
CALL = {"type": "tool_use", "id": "toolu_vrtx_01Wr5", "name": "getWeather", "input": {"location": "Brno", "days": 1.0}}
CITED = {"type": "web_search_result_location", "url": "u", "title": "t", "encrypted_index": "e", "cited_text": "C"}
SEARCHED = {"type": "web_search_result", "url": "u", "title": "t", "encrypted_content": "e", "page_age": None}
ODD: list[Json] = [
    {"type": "redacted_thinking", "data": "EmwKAhgB"},
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [SEARCHED]},
    {"type": "text", "text": "Cited.", "citations": [CITED]},
    {"type": "something_new", "with": {"fields": [None, 1.5]}},
]


def body(*content: Json, **more: Any) -> Json:
    """A whole message, in the shape of those that were recorded."""
    around = {"model": "claude-opus-4-5-20251101", "id": "req_poe_" + "d" * 32, "type": "message", "role": "assistant"}
    return {**around, "content": [*content], "stop_reason": "end_turn", "stop_sequence": None, "usage": USAGE, **more}


BODIES = {
    "text": body({"type": "text", "text": "Good day to you!"}),
    "reasoning": body(SIGNED, {"type": "text", "text": "It is **42**."}),
    "tools": body({"type": "text", "text": "\n\nI look it up."}, CALL, stop_reason="tool_use", container={"id": "c"}),
    "odd blocks": body(*ODD, context_management={"applied_edits": []}),
    "a stop sequence": body({"type": "text", "text": "Good"}, stop_reason="stop_sequence", stop_sequence="day"),
    "nothing": body(),
}
STREAMS = {
    "text": [start(), PING, *text(0, "Good ", "day"), end(), STOP],
    "tools": [
        start(USAGE),
        *thinking(0, "Hm"),
        PING,
        *text(1, "\n\n"),
        *call(2, "toolu_1", "f", "", "{}"),
        end(),
        STOP,
    ],
    "odd blocks": [
        start(service_tier="standard"),
        begin(0, "server_tool_use", id="s", name="web_search", input={}),
        delta(0, "input_json_delta", partial_json='{"query":"x"}'),
        stop(0),
        begin(1, "text", text="", citations=[]),
        delta(1, "citations_delta", citation={"type": "char_location"}),
        delta(1, "something_new", value=1.0),
        stop(1),
        {"type": "something_new", "of": "Anthropic's"},
        end("pause_turn", {"output_tokens": 3, "server_tool_use": {"web_search_requests": 1}}),
        {**STOP, "amazon-bedrock-invocationMetrics": {"inputTokenCount": 1}},
    ],
    "nothing": [start(), end("refusal"), STOP],
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_comes_back_as_it_was(name: str) -> None:
    assert told(read(*STREAMS[name], keep=True)) == STREAMS[name]


@pytest.mark.parametrize("name", STREAMS)
def test_event_by_event_too(name: str) -> None:
    writer = Writer("asked")
    sent = b"".join(writer.push([event]) for event in read(*STREAMS[name], keep=True)) + writer.close()
    assert grammar.read(sent) == STREAMS[name]


@pytest.mark.parametrize("name", BODIES)
def test_a_whole_answer_comes_back_as_it_was(name: str) -> None:
    given = whole.write(fold(whole.read(BODIES[name], keep=True)), "asked")
    assert json.dumps(given) == json.dumps(BODIES[name]), "in the same order too"


@pytest.mark.parametrize("name", BODIES)
def test_a_whole_answer_can_be_streamed(name: str) -> None:
    message = grammar.by_sdk(write(whole.read(BODIES[name], keep=True)))
    expected = BODIES[name]
    assert [block.to_dict() for block in message.content] == expected["content"]
    assert (message.id, message.model) == (expected["id"], expected["model"])
    assert (message.stop_reason, message.stop_sequence) == (expected["stop_reason"], expected["stop_sequence"])
    assert message.usage.output_tokens == 259


@pytest.mark.parametrize("name", BODIES)
def test_a_streamed_answer_can_be_whole(name: str) -> None:
    """Poe may stream what was not to be streamed: nothing of it is lost, or thinking could not be given back."""
    streamed = write(whole.read(BODIES[name], keep=True))
    assert whole.write(fold(read_bytes(streamed, keep=True)), "asked") == BODIES[name]


@pytest.mark.parametrize("name", ["text", "tools", "nothing"])
def test_a_streamed_answer_is_whole_as_the_sdk_makes_it(name: str) -> None:
    expected = grammar.by_sdk(stream(*STREAMS[name])).to_dict()
    given = whole.write(fold(read(*STREAMS[name], keep=True)), "asked")
    assert {"stop_details": None, **given} == expected, "the SDK has a field for it always"


def test_pieces_that_the_sdk_does_not_know_or_expect_are_kept() -> None:
    message = whole.write(fold(read(*STREAMS["odd blocks"], keep=True)), "asked")
    assert message["content"] == [
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}},
        {"type": "text", "text": "", "citations": [{"type": "char_location"}], "value": 1.0},
    ]
    assert (message["stop_reason"], message["service_tier"]) == ("pause_turn", "standard")
    without_beginnings = [delta(0, "text_delta", text="Hi"), delta(3, "signature_delta", signature="EqQB")]
    message = whole.write(fold(read(start(), *without_beginnings, end(), STOP, keep=True)), "asked")
    assert message["content"] == [{"type": "text", "text": "Hi"}]


def test_the_cost_is_put_beside_poe_s_usage() -> None:
    events = costed(read(*STREAMS["text"], keep=True), Cost(26, "settled", 1000))
    poe = {"points": 26, "source": "settled", "usd": 0.00078, "balance": 1000}
    assert told(events)[-2] == {**end(), "usage": {"output_tokens": 4, "poe": poe}}
    folded = fold(costed(whole.read(BODIES["text"], keep=True), Cost(26, "settled", 1000)))
    assert whole.write(folded, "asked") == {**BODIES["text"], "usage": {**USAGE, "poe": poe}}


def test_a_stop_that_poe_left_out_is_made_up_for() -> None:
    begun = [start(), begin(0, "text", text=""), delta(0, "text_delta", text="Hi")]
    assert told(read(*begun, end(), keep=True)) == [*begun, stop(0), end(), STOP]


def test_an_end_that_poe_left_out_after_whole_calls_is_made_up_for() -> None:
    events = told(read(start(), *call(0, "a", "f", "{}"), STOP, keep=True))
    assert events[:-2] == [start(), *call(0, "a", "f", "{}")]
    assert events[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert events[-1] == STOP


def test_a_usage_that_poe_left_out_is_made_of_what_is_known() -> None:
    bare = {name: value for name, value in end().items() if name != "usage"}
    (ended, _) = told(read(start({"input_tokens": 9, "output_tokens": 2}), *text(0, "Hi"), bare, STOP, keep=True))[-2:]
    assert (ended["usage"]["input_tokens"], ended["usage"]["output_tokens"]) == (9, 2)


def test_an_attempt_that_is_repeated_in_another_dialect_goes_on_with_the_first_start() -> None:
    first = read(start(), keep=True)[0]
    events = told([first, Started("chatcmpl-2", 5, "odd"), Text("Hi"), Used(read(start(), end())[-1].usage)])  # type: ignore[union-attr]
    assert [event["type"] for event in events].count("message_start") == 1
    assert events[0] == start()
    assert grammar.content(events) == [{"type": "text", "text": "Hi"}]


def test_figures_that_come_after_the_stop_reason_are_told() -> None:
    """Anthropic says that there is one ``message_delta`` or more."""
    later = end(None, {"output_tokens": 9})
    written = told(read(start(USAGE), *text(0, "a"), end(usage={"output_tokens": 1}), later, STOP, keep=True))
    assert written[-2]["delta"]["stop_reason"] == "end_turn"
    assert written[-2]["usage"] == {**USAGE, "output_tokens": 9}
