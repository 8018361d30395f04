"""Chat completions as Poe answers them: two backends, whole and streamed."""

from __future__ import annotations

import json
import re
from typing import Any

import openai
import pytest

DIRECT, BOT = "gpt-5.1", "glm-5"


def test_the_official_sdk_gets_an_answer(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=BOT, messages=[{"role": "user", "content": "good morning"}])
    assert answer.choices[0].message.content == "You said: good morning"
    assert answer.choices[0].finish_reason == "stop"


def test_the_official_sdk_streams_the_same_words(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model=BOT, stream=True, messages=[{"role": "user", "content": "good morning"}]
    )
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "You said: good morning"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]


def test_the_bot_backend_answers_in_its_own_shape(chat: Any) -> None:
    body = chat(model="GLM-5").json()
    assert re.fullmatch(r"chatcmpl-[0-9a-f]{24}", body["id"])
    assert body["model"] == "GLM-5", "as sent"
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "You said: hello"}
    assert set(body["usage"]) == {"prompt_tokens", "completion_tokens", "total_tokens"}


def test_the_direct_backend_answers_in_its_own_shape(chat: Any) -> None:
    body = chat(model="claude-haiku-4.5").json()
    message = body["choices"][0]["message"]
    assert re.fullmatch(r"chatcmpl-[0-9a-f]{8}-[0-9a-f-]{27}", body["id"])
    assert body["model"] == "claude-haiku-4-5@20251001"
    assert body["system_fingerprint"] is None
    assert message["function_call"] is None
    assert message["tool_calls"] is None
    assert message["provider_specific_fields"]["thinking_blocks"] is None
    assert body["usage"]["prompt_tokens_details"]["cached_tokens"] == 0


def test_settings_move_a_model_to_the_other_backend(http: Any, chat: Any) -> None:
    http("POST", "/_sim/settings", json={"direct": {DIRECT: False}})
    assert chat(model=DIRECT).json()["model"] == DIRECT


def test_answers_carry_poes_headers(chat: Any) -> None:
    headers = chat().headers
    assert re.fullmatch(r"req_poe_[0-9a-f]{32}", headers["x-request-id"])
    assert headers["openai-version"] == "2020-10-01"
    assert headers["x-poe-feature-active"] == "chat-completions-strict"
    assert (headers["x-ratelimit-limit-requests"], headers["x-ratelimit-remaining-requests"]) == ("500", "499")
    assert "date" in headers


def test_a_stream_is_role_deltas_finish_and_done(chat: Any, events: Any) -> None:
    first, *middle, last, done = events(chat("one two", stream=True))
    assert first["choices"][0]["delta"]["role"] == "assistant"
    assert [e["choices"][0]["delta"]["content"] for e in middle] == ["You ", "said: ", "one ", "two"]
    assert last["choices"][0]["finish_reason"] == "stop"
    assert done == "[DONE]"


def test_usage_is_streamed_only_when_asked_for(chat: Any, events: Any) -> None:
    silent = events(chat(stream=True))
    told = events(chat(stream=True, stream_options={"include_usage": True}))
    assert not any("usage" in event for event in silent[:-1])
    assert told[-2]["choices"] == []
    assert told[-2]["usage"]["total_tokens"] > 0


@pytest.mark.parametrize(("model", "content"), [(BOT, ""), (DIRECT, None)])
def test_a_tool_call_has_empty_content_on_one_backend_and_none_on_the_other(
    chat: Any, weather: Any, model: str, content: str | None
) -> None:
    choice = chat("Please use the tool", model=model, tools=[weather]).json()["choices"][0]
    call = choice["message"]["tool_calls"][0]["function"]
    assert choice["message"]["content"] == content
    assert choice["finish_reason"] == "tool_calls"
    assert json.loads(call["arguments"]) == {"location": "San Francisco", "unit": "C", "days": 42}


def test_a_tool_result_is_quoted_even_if_the_prompt_asked_for_a_call(chat: Any, weather: Any) -> None:
    said = [
        {"role": "user", "content": "[[sim:tool]]"},
        {"role": "assistant", "content": "", "tool_calls": []},
        {"role": "tool", "tool_call_id": "x", "content": "12 degrees"},
    ]
    answer = chat(messages=said, tools=[weather]).json()
    assert answer["choices"][0]["message"]["content"] == "The tool answered: 12 degrees"


def test_a_system_message_behind_a_tool_result_asks_for_nothing(chat: Any, weather: Any) -> None:
    said = [
        {"role": "user", "content": "[[sim:call get_weather='{}']]"},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
        {"role": "system", "content": "1000 tokens left"},
    ]
    answer = chat(messages=said, tools=[weather]).json()
    assert answer["choices"][0]["message"]["content"] == "The tool answered: sunny"


def test_parallel_calls_are_streamed_side_by_side(chat: Any, events: Any, weather: Any) -> None:
    stream = events(chat("[[sim:tools n=2]]", stream=True, tools=[weather]))
    deltas = [call for e in stream[1:-2] for call in e["choices"][0]["delta"]["tool_calls"]]
    order = [delta["index"] for delta in deltas if "id" not in delta]
    assert order[:4] == [0, 1, 0, 1]
    for index in (0, 1):
        text = "".join(d["function"]["arguments"] for d in deltas if d["index"] == index)
        assert json.loads(text)["location"] == "San Francisco"


def test_reasoning_is_doubled_on_the_bot_backend(chat: Any) -> None:
    message = chat("[[sim:reasoning]] hi").json()["choices"][0]["message"]
    assert message["reasoning"] == message["reasoning_content"] != ""


def test_reasoning_is_a_thinking_block_on_the_direct_backend(chat: Any) -> None:
    message = chat("[[sim:reasoning]] hi", model="claude-haiku-4.5").json()["choices"][0]["message"]
    assert message["provider_specific_fields"]["thinking_blocks"][0]["thinking"].startswith("First")
    assert "reasoning_content" not in message


@pytest.mark.parametrize(
    ("model", "pattern"),
    [
        ("gpt-image-1.5", r"!\[hello\.png\]\((https://\S+\?w=1024&h=1024)\)\n\n\1"),
        ("sora-2", r"https://pfst\.cf2\.poecdn\.net/base/video/[0-9a-f]{64}"),
        ("elevenlabs-v3", r"https://pfst\.cf2\.poecdn\.net/base/audio/[0-9a-f]{64}"),
    ],
)
def test_media_models_answer_with_links(chat: Any, model: str, pattern: str) -> None:
    assert re.fullmatch(pattern, chat(model=model).json()["choices"][0]["message"]["content"])


PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 50}},
    "required": ["name", "age"],
}
AS_PERSON = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}}


def test_a_schema_is_honoured_with_a_leading_space(chat: Any) -> None:
    text = chat(response_format=AS_PERSON).json()["choices"][0]["message"]["content"]
    assert text.startswith(" {")
    assert json.loads(text) == {"name": "Ada", "age": 50}


def test_a_schema_can_be_fenced_or_ignored(chat: Any) -> None:
    def said(script: str) -> str:
        answer = chat(headers={"x-sim-script": script}, response_format=AS_PERSON).json()
        return str(answer["choices"][0]["message"]["content"])

    assert re.fullmatch(r"```json\n\{.*\}\n```", said("json_fenced"))
    assert "plain words" in said("prose")


@pytest.mark.parametrize(
    ("script", "check"),
    [
        ("thinking_in_text", lambda c: c["message"]["content"].startswith("*Thinking...*\n\n> ")),
        ("ticks", lambda c: "Thinking... (3s elapsed)\n" in c["message"]["content"]),
        ("refusal", lambda c: c["message"]["refusal"] and c["message"]["content"] is None),
        ("logprobs", lambda c: c["logprobs"]["content"][0]["token"] == "Hello! "),
        ("empty", lambda c: c["message"]["content"] == "" and c["finish_reason"] == "stop"),
        ("unicode", lambda c: "\u2028" in c["message"]["content"]),
        ("finish reason=max_tokens", lambda c: c["finish_reason"] == "max_tokens"),
        ("unknown_fields", lambda c: c["poe_choice_extra"] == [1, 2]),
        ("stop_after_tool", lambda c: c["finish_reason"] == "stop" and c["message"]["tool_calls"]),
        ("long_id", lambda c: len(c["message"]["tool_calls"][0]["id"]) > 4000),
        ("gemini", lambda c: c["message"]["tool_calls"][0]["extra_content"]["google"]["thought_signature"]),
        ("long tokens=7", lambda c: len(c["message"]["content"].split()) == 7),
    ],
)
def test_a_script_decides_the_answer(chat: Any, script: str, check: Any) -> None:
    assert check(chat(f"[[sim:{script}]]").json()["choices"][0])


def test_some_streams_have_oddities(chat: Any, events: Any, weather: Any) -> None:
    def stream(script: str) -> list[Any]:
        return list(events(chat(f"[[sim:{script}]]", stream=True, tools=[weather])))

    calls = [c for e in stream("no_index")[1:-2] for c in e["choices"][0]["delta"]["tool_calls"]]
    assert not any("index" in call for call in calls)
    assert all(e["choices"][0]["finish_reason"] is None for e in stream("unclosed")[:-1])
    opening, whole, done = stream("whole_tool n=2")
    assert [c["function"]["name"] for c in whole["choices"][0]["delta"]["tool_calls"]] == ["get_weather"] * 2
    assert whole["choices"][0]["finish_reason"] == "tool_calls"
    assert done == "[DONE]"
    assert opening["choices"][0]["delta"]["content"] == ""


def test_usage_can_be_missing(chat: Any, events: Any) -> None:
    told = events(chat("[[sim:no_usage]]", stream=True, stream_options={"include_usage": True}))
    assert not any("usage" in event for event in told[:-1])


def test_the_header_wins_over_the_prompt_and_only_the_last_user_message_counts(chat: Any) -> None:
    early = [{"role": "user", "content": "[[sim:refusal]]"}, {"role": "user", "content": "now"}]
    assert chat(messages=early).json()["choices"][0]["message"]["content"] == "You said: now"
    ordered = chat("[[sim:refusal]]", headers={"x-sim-script": "empty"}).json()
    assert ordered["choices"][0]["message"]["content"] == ""


def test_output_ends_at_the_limit_and_at_stop_sequences(chat: Any) -> None:
    cut = chat("[[sim:long tokens=50]]", max_tokens=3).json()
    assert (cut["choices"][0]["finish_reason"], cut["usage"]["completion_tokens"]) == ("length", 3)
    stopped = chat("a STOP b", stop=["STOP"]).json()["choices"][0]
    assert (stopped["message"]["content"], stopped["finish_reason"]) == ("You said: a ", "stop")


def test_a_misspelt_directive_is_refused_aloud(chat: Any) -> None:
    assert chat("[[sim:ecoh]]").json()["error"]["code"] == "sim_directive"
    assert chat("[[sim:fault 4z9]]").json()["error"]["code"] == "sim_directive"
