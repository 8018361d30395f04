"""Chat completions through proxy and stand-in with the official openai SDK: what a user's client sees."""

import json

from openai import OpenAI

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def ask(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def test_a_whole_answer(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="gpt-5.4", messages=ask("hello"))
    assert answer.model == "gpt-5.4"
    assert answer.choices[0].message.content == "You said: hello"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens > 0


def test_a_stream(client: OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="gpt-5.4", messages=ask("hello"), stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "You said: hello"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert {c.model for c in chunks} == {"gpt-5.4"}


def test_a_stream_has_usage_only_if_asked_for(client: OpenAI) -> None:
    options = {"include_usage": True}
    chunks = list(
        client.chat.completions.create(model="gpt-5.4", messages=ask("hello"), stream=True, stream_options=options)
    )
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0


def test_a_tool_call(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="gpt-5.4", messages=ask("[[sim:tool]]"), tools=[WEATHER])
    calls = answer.choices[0].message.tool_calls or []
    assert [call.function.name for call in calls] == ["get_weather"]
    assert "city" in json.loads(calls[0].function.arguments)
    assert answer.choices[0].finish_reason == "tool_calls"
