"""Messages: Anthropic's dialect as Poe speaks it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

import poe_sim

TOOL = {"name": "get_weather", "input_schema": {"type": "object", "properties": {"location": {"type": "string"}}}}
THINKING = {"type": "enabled", "budget_tokens": 2000}


def test_an_answer_has_anthropics_shape_and_poes_id(messages: Any) -> None:
    body = messages("good morning").json()
    assert re.fullmatch(r"req_poe_[0-9a-f]{32}", body["id"])
    assert body["model"] == "claude-haiku-4-5-20251001"
    assert body["content"] == [{"type": "text", "text": "You said: good morning"}]
    assert (body["type"], body["role"], body["stop_reason"]) == ("message", "assistant", "end_turn")
    assert body["usage"]["cache_creation"] == {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}


def test_answers_carry_anthropics_rate_headers(messages: Any) -> None:
    headers = messages().headers
    assert headers["anthropic-ratelimit-requests-limit"] == "500"
    assert headers["anthropic-ratelimit-requests-remaining"] == "499"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", headers["anthropic-ratelimit-requests-reset"])
    assert headers["x-request-id"].startswith("req_poe_")


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("claude-sonnet-4.5", "claude-sonnet-4-5-20250929"),
        ("Claude-Sonnet-4.5", "claude-sonnet-4-5-20250929"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5-20250929"),
        ("claude-opus-4-6", "claude-opus-4-6"),
        ("claude-3-7-sonnet-20250219", "claude-3-7-sonnet-20250219"),
        ("claude-haiku-3", "claude-3-haiku-20240307"),
    ],
)
def test_poes_names_and_anthropics_ids_both_work(messages: Any, name: str, model: str) -> None:
    assert messages(model=name).json()["model"] == model


def test_calls_can_be_asked_for_with_their_arguments(messages: Any) -> None:
    words = """please [[sim:call get_weather='{"location": "Bonn"}' other='{}' get_weather#2='{"location": "a b"}']]"""
    calls = messages(words, tools=[TOOL]).json()["content"]
    assert [(call["name"], call["input"]) for call in calls] == [
        ("get_weather", {"location": "Bonn"}),
        ("get_weather", {"location": "a b"}),
    ]
    assert len({call["id"] for call in calls}) == 2
    assert messages(words).json()["content"] == [{"type": "text", "text": "You said: please"}], "nothing is offered"


@pytest.mark.parametrize("name", ["gpt-5.1", "glm-5", "no-such-model", "claude-code"])
def test_other_models_are_not_found(messages: Any, name: str) -> None:
    answer = messages(model=name)
    assert answer.status_code == 404
    assert answer.json() == {"type": "error", "error": {"type": "not_found_error", "message": "Internal server error"}}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "at least one message"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages.0.role"),
        ({"temperature": 1.5}, "temperature"),
        ({"frequency_penalty": 1}, "frequency_penalty: Extra inputs are not permitted"),
    ],
)
def test_wrong_requests_are_refused(messages: Any, fields: Any, words: str) -> None:
    answer = messages(**fields)
    assert answer.status_code == 400
    assert answer.json()["type"] == "error"
    assert words in answer.json()["error"]["message"]


def test_the_version_header_and_a_limit_are_required(http: Any) -> None:
    body = {"model": "claude-haiku-4.5", "messages": [{"role": "user", "content": "hi"}]}
    unversioned = http("POST", "/v1/messages", json=body | {"max_tokens": 9}).json()
    assert "anthropic-version" in unversioned["error"]["message"]
    unlimited = http("POST", "/v1/messages", {"anthropic-version": "2023-06-01"}, json=body).json()
    assert "max_tokens" in unlimited["error"]["message"]


def test_a_refused_thought_is_json_within_json(messages: Any) -> None:
    answer = messages(model="claude-haiku-3", thinking=THINKING)
    inner = json.loads(answer.json()["error"]["message"])
    assert answer.status_code == 400
    assert inner["error"]["message"] == "'claude-3-haiku-20240307' does not support thinking."


@pytest.mark.parametrize(("x_api_key", "status"), [(poe_sim.KEYS[1], 200), ("wrong", 401)])
def test_x_api_key_wins_over_the_bearer_token(http: Any, sim: poe_sim.SimServer, x_api_key: str, status: int) -> None:
    headers = {"anthropic-version": "2023-06-01", "x-api-key": x_api_key}
    body = {"model": "claude-haiku-4.5", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    assert http("POST", "/v1/messages", headers, json=body).status_code == status
    if status == 200:
        assert sim.poe.log.records[-1].key_name == "Key 2"


def test_a_tool_is_called_and_its_result_quoted(messages: Any) -> None:
    answer = messages("please use the tool", tools=[TOOL]).json()
    (call,) = answer["content"]
    assert answer["stop_reason"] == "tool_use"
    assert call["id"].startswith("toolu_vrtx_")
    assert call["input"] == {"location": "San Francisco"}
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": [{"type": "text", "text": "sunny"}]}
    said = [
        {"role": "user", "content": "please use the tool"},
        {"role": "assistant", "content": answer["content"]},
        {"role": "user", "content": [result]},
    ]
    assert messages(messages=said, tools=[TOOL]).json()["content"][0]["text"] == "The tool answered: sunny"


def test_thinking_comes_first_and_signed(messages: Any) -> None:
    thought, text = messages(thinking=THINKING).json()["content"]
    assert (thought["type"], text["type"]) == ("thinking", "text")
    assert thought["signature"]


@pytest.mark.parametrize(
    ("fields", "reason", "sequence"),
    [
        ({"max_tokens": 2}, "max_tokens", None),
        ({"stop_sequences": ["said"]}, "stop_sequence", "said"),
        ({"messages": [{"role": "user", "content": "[[sim:refusal]]"}]}, "refusal", None),
    ],
)
def test_the_reason_to_stop_is_told(messages: Any, fields: Any, reason: str, sequence: str | None) -> None:
    body = messages(**fields).json()
    assert (body["stop_reason"], body["stop_sequence"]) == (reason, sequence)


def test_a_stream_opens_fills_and_closes_each_block(messages: Any, events: Any) -> None:
    answer = messages("[[sim:tools n=2]]", stream=True, tools=[TOOL])
    stream = events(answer)
    assert re.findall(r"^event: (\w+)$", answer.text, re.MULTILINE) == [event["type"] for event in stream]
    kinds = [(e["type"], e.get("index")) for e in stream if e["type"].startswith("content_block_st")]
    start, stop = "content_block_start", "content_block_stop"
    assert kinds == [(start, 0), (stop, 0), (start, 1), (stop, 1)]
    assert [event["type"] for event in stream[:2]] == ["message_start", "ping"]
    assert [event["type"] for event in stream[-2:]] == ["message_delta", "message_stop"]
    assert stream[-2]["delta"]["stop_reason"] == "tool_use"


def test_a_stream_adds_up_to_the_whole_answer(messages: Any, events: Any) -> None:
    whole = messages("[[sim:reasoning]] one two").json()
    deltas = [e["delta"] for e in events(messages("[[sim:reasoning]] one two", stream=True)) if "delta" in e]
    joined = {kind: "".join(d.get(kind, "") for d in deltas) for kind in ("thinking", "text")}
    assert joined == {"thinking": whole["content"][0]["thinking"], "text": whole["content"][1]["text"]}
    assert deltas[-1] == {"stop_reason": "end_turn", "stop_sequence": None}


def test_failures_in_mid_stream_are_named_events(messages: Any) -> None:
    text = messages("one two three [[sim:fault event_error]]", stream=True).text
    assert text.endswith(
        'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
    )
