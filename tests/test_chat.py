"""Chat completions through proxy and stand-in with the official openai SDK: what a user's client sees."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Literal

import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from tests.running import Proxy
from tests.talk import chat, post

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def ask(text: str) -> Any:
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
    options: Any = {"include_usage": True}
    chunks = list(
        client.chat.completions.create(model="gpt-5.4", messages=ask("hello"), stream=True, stream_options=options)
    )
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0


def test_a_tool_call(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="gpt-5.4", messages=ask("[[sim:tool]]"), tools=[WEATHER])
    calls: Any = answer.choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["get_weather"]
    assert "city" in json.loads(calls[0].function.arguments)
    assert answer.choices[0].finish_reason == "tool_calls"


def test_parallel_tool_calls_in_a_stream_are_whole_and_the_loop_goes_on(client: OpenAI) -> None:
    messages = ask("[[sim:tools n=3]]")
    with client.chat.completions.stream(model="gpt-5.4", messages=messages, tools=[WEATHER]) as stream:
        answer = stream.get_final_completion().choices[0].message
    assert answer.tool_calls is not None
    assert len({call.id for call in answer.tool_calls}) == 3
    messages.append(answer.model_dump(exclude_none=True))
    messages += [{"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in answer.tool_calls]
    second = client.chat.completions.create(model="gpt-5.4", messages=messages, tools=[WEATHER])
    assert "sunny" in (second.choices[0].message.content or "")


@pytest.mark.parametrize(
    "script", ["no_index n=2", "unclosed", "whole_tool n=2", "stop_after_tool", "long_id", "gemini"]
)
def test_odd_tool_calls_are_mended(client: OpenAI, script: str) -> None:
    with client.chat.completions.stream(model="gpt-5.4", messages=ask(f"[[sim:{script}]]"), tools=[WEATHER]) as stream:
        choice = stream.get_final_completion().choices[0]
    assert choice.finish_reason == "tool_calls"
    assert all("city" in json.loads(call.function.arguments) for call in choice.message.tool_calls or [])
    assert choice.message.tool_calls


class City(BaseModel):
    name: str
    size: Literal["small", "large"]
    people: int


@pytest.mark.parametrize("script", ["json", "json_fenced"])
@pytest.mark.parametrize("model", ["gpt-5.4", "glm-5"])
def test_parse_works_on_a_model_that_ignores_response_format(client: OpenAI, script: str, model: str) -> None:
    answer = client.chat.completions.parse(model=model, messages=ask(f"[[sim:{script}]]"), response_format=City)
    assert isinstance(answer.choices[0].message.parsed, City)


@pytest.mark.parametrize("script", ["json", "json_fenced"])
def test_a_parsed_stream_works_too(client: OpenAI, script: str) -> None:
    messages = ask(f"[[sim:{script}]]")
    with client.chat.completions.stream(model="glm-5", messages=messages, response_format=City) as stream:
        assert isinstance(stream.get_final_completion().choices[0].message.parsed, City)


@pytest.mark.parametrize(
    "script", ["reasoning", "reasoning field=reasoning", "reasoning field=both", "thinking_in_text"]
)
@pytest.mark.parametrize("model", ["gpt-5.4", "kimi-k2-thinking"])
def test_reasoning_comes_in_one_field(client: OpenAI, script: str, model: str) -> None:
    whole = client.chat.completions.create(model=model, messages=ask(f"[[sim:{script}]] hi")).choices[0].message
    chunks = client.chat.completions.create(model=model, messages=ask(f"[[sim:{script}]] hi"), stream=True)
    deltas = [chunk.choices[0].delta.model_dump() for chunk in chunks if chunk.choices]
    streamed = "".join(delta.get("reasoning_content") or "" for delta in deltas)
    fields = whole.model_dump()
    assert fields["reasoning_content"].strip() == streamed.strip() != ""
    assert "reasoning" not in fields
    assert not any("reasoning" in delta for delta in deltas)
    assert "Thinking..." not in (whole.content or "")


@pytest.mark.parametrize(
    "script", ["refusal", "logprobs", "unicode", "unknown_fields", "ticks", "empty", "no_usage", "finish reason=eos"]
)
def test_whatever_a_model_answers_stream_and_whole_answer_say_the_same(client: OpenAI, script: str) -> None:
    whole = client.chat.completions.create(model="gpt-5.4", messages=ask(f"[[sim:{script}]] hi")).choices[0]
    chunks = list(client.chat.completions.create(model="gpt-5.4", messages=ask(f"[[sim:{script}]] hi"), stream=True))
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == (whole.message.content or "")
    assert "".join(delta.refusal or "" for delta in deltas) == (whole.message.refusal or "")
    assert whole.finish_reason == chunks[-1].choices[0].finish_reason == "stop"


def test_unknown_fields_survive_both_ways(client: OpenAI) -> None:
    whole = client.chat.completions.create(model="gpt-5.4", messages=ask("[[sim:unknown_fields]] hi"))
    chunks = list(
        client.chat.completions.create(model="gpt-5.4", messages=ask("[[sim:unknown_fields]] hi"), stream=True)
    )
    assert extras(whole.model_extra) | extras(whole.choices[0].message.model_extra)
    assert set().union(*(extras(c.model_extra) | extras(c.choices[0].delta.model_extra) for c in chunks if c.choices))


def extras(fields: dict[str, Any] | None) -> set[str]:
    return set(fields or {}) - {"created", "system_fingerprint"}


def test_logprobs_survive_both_ways(client: OpenAI) -> None:
    def create(**more: Any) -> Any:
        return client.chat.completions.create(
            model="gpt-5.4", messages=ask("[[sim:logprobs]] hi"), logprobs=True, top_logprobs=1, **more
        )

    assert create().choices[0].logprobs.content
    assert any(chunk.choices and chunk.choices[0].logprobs for chunk in create(stream=True))


@pytest.mark.parametrize("model", ["imagen-4", "veo-3.1", "elevenlabs-v3"])
def test_a_media_url_comes_once(client: OpenAI, model: str) -> None:
    content = client.chat.completions.create(model=model, messages=ask("a cat")).choices[0].message.content or ""
    assert content.count("https://") == 1


def test_a_missing_stream_can_mean_true_for_text_models(start_proxy: Callable[..., Proxy]) -> None:
    proxy = start_proxy(STREAM_DEFAULT="true")
    assert post(proxy, chat("hi")).headers["content-type"].startswith("text/event-stream")
    assert post(proxy, chat("hi", stream=False)).headers["content-type"] == "application/json"
    assert post(proxy, chat("a cat", model="imagen-4")).headers["content-type"] == "application/json"


def test_the_async_sdk_streams_too(proxy: Proxy) -> None:
    async def run() -> str:
        async with AsyncOpenAI(base_url=f"{proxy.url}/v1", api_key="any", max_retries=0) as sdk:
            stream = await sdk.chat.completions.create(model="gpt-5.4", messages=ask("hello"), stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert asyncio.run(run()) == "You said: hello"
