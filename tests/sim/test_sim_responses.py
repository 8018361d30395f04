"""Responses: OpenAI's newer dialect as Poe speaks it."""

from __future__ import annotations

import base64
from typing import Any

import openai
import pytest

TOOL: Any = {"type": "function", "name": "get_weather", "parameters": {"properties": {"location": {}}}}
MODEL = "gpt-5.1"


def test_the_official_sdk_gets_an_answer(client: openai.OpenAI) -> None:
    answer = client.responses.create(model=MODEL, input="good morning")
    assert answer.output_text == "You said: good morning"
    assert (answer.status, answer.model, answer.store) == ("completed", "gpt-5.1-2025-11-13", False)  # type: ignore[attr-defined]
    assert base64.b64decode(answer.id.removeprefix("resp_")).startswith(b"litellm:custom_llm_provider:openai;")


@pytest.mark.parametrize("script", ["echo", "reasoning", "refusal", "tool", "tools n=3", "unicode", "empty"])
def test_the_official_sdk_follows_each_stream_to_the_same_answer(client: openai.OpenAI, script: str) -> None:
    words = f"[[sim:{script}]] hi"
    whole = client.responses.create(model=MODEL, input=words, tools=[TOOL])
    with client.responses.stream(model=MODEL, input=words, tools=[TOOL]) as stream:
        numbers = [event.sequence_number for event in stream]
        streamed = stream.get_final_response()
    assert numbers == list(range(len(numbers)))
    assert [item.type for item in streamed.output] == [item.type for item in whole.output]
    assert streamed.output_text == whole.output_text


def test_models_that_do_not_list_it_refuse(http: Any) -> None:
    answer = http("POST", "/v1/responses", json={"model": "glm-5", "input": "hi"})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "Model does not support responses method."
    assert http("POST", "/v1/responses", json={"model": "nobody", "input": "hi"}).status_code == 404


def test_instructions_are_ignored(client: openai.OpenAI) -> None:
    told = client.responses.create(model=MODEL, input="hi", instructions="Answer in Latin. " * 50)
    plain = client.responses.create(model=MODEL, input="hi")
    assert told.usage == plain.usage
    assert told.instructions is None


def test_tool_results_are_quoted(client: openai.OpenAI) -> None:
    call = client.responses.create(model=MODEL, input="use the tool", tools=[TOOL]).output[0]
    assert call.type == "function_call"
    said: Any = [
        {"role": "user", "content": "use the tool"},
        {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments},
        {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"},
    ]
    assert client.responses.create(model=MODEL, input=said, tools=[TOOL]).output_text == "The tool answered: sunny"


def test_gemini_calls_come_with_a_text_part_without_text(http: Any) -> None:
    body = {"model": "gemini-2.5-flash", "input": "use the tool", "tools": [TOOL]}
    answer = http("POST", "/v1/responses", json=body).json()
    spoken, call = answer["output"]
    assert answer["object"] == "chat.completion"
    assert spoken["content"] == [{"type": "output_text", "annotations": []}]
    assert call["provider_specific_fields"]["thought_signature"]


def test_a_schema_is_honoured(client: openai.OpenAI) -> None:
    schema: Any = {"type": "json_schema", "name": "x", "schema": {"properties": {"city": {"type": "string"}}}}
    answer = client.responses.create(model=MODEL, input="where?", text={"format": schema})
    assert answer.output_text == ' {"city":"San Francisco"}'


def test_a_limit_makes_an_incomplete_answer(client: openai.OpenAI) -> None:
    answer = client.responses.create(model=MODEL, input="[[sim:long tokens=40]]", max_output_tokens=16)
    assert answer.status == "incomplete"
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"model": "gpt-5.1-instant", "reasoning": {"effort": "high"}}, "'gpt-5.1-chat-latest' model. Supported"),
        ({"input": ""}, "input"),
        ({"foo": 1}, "foo"),
        ({"previous_response_id": "resp_1"}, "resp_1"),
    ],
)
def test_wrong_requests_are_refused(http: Any, fields: Any, words: str) -> None:
    answer = http("POST", "/v1/responses", json={"model": MODEL, "input": "hi"} | fields)
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]
