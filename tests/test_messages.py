"""Anthropic's clients on a Claude model: what they send arrives at Poe's own Messages as it was, and comes back so."""

import asyncio
from collections.abc import Callable
from typing import Any

import anthropic
import httpx
import orjson
import pytest

import poe_sim
from poe_proxy.wire.anthropic_messages.marks import is_foreign
from tests.running import Proxy, eventually
from tests.talk import Json, arrived, post, queue, reset

StartProxy = Callable[..., Proxy]
CLAUDE = "claude-sonnet-4.6"
MESSAGES = "/v1/messages"


@pytest.fixture
def poe(own_poe: poe_sim.SimServer) -> poe_sim.SimServer:
    """The stand-in, its books empty."""
    reset(own_poe)
    return own_poe


@pytest.fixture
def proxy(own_proxy: Proxy) -> Proxy:
    return own_proxy


def body(text: str = "hello", **more: Any) -> Json:
    return {"model": CLAUDE, "max_tokens": 100, "messages": [{"role": "user", "content": text}], **more}


def say(proxy: Proxy, text: str = "hello", **more: Any) -> Any:
    with proxy.anthropic() as sdk:
        return sdk.messages.create(**body(text, **more))


def events(answer: httpx.Response) -> list[tuple[str, Json]]:
    """The events of a stream: name and data."""
    lines = [block.split("\n") for block in answer.text.split("\n\n") if block.startswith("event: ")]
    return [(name.removeprefix("event: "), orjson.loads(data.removeprefix("data: "))) for name, data in lines]


# --- what arrives -----------------------------------------------------------------------------------------------------


def test_a_request_arrives_as_it_was_sent_with_poes_name_for_the_model(proxy: Proxy, poe: poe_sim.SimServer) -> None:
    marked = {"type": "text", "text": "You are terse.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    tool = {"name": "look", "input_schema": {"type": "object", "$schema": "x"}, "eager_input_streaming": True}
    sent = body(system=[marked], tools=[tool], metadata={"user_id": "u"}, thinking={"type": "adaptive"}, top_k=4)
    post(proxy, {**sent, "model": "claude-sonnet-4-6"}, MESSAGES)
    (request,) = arrived(poe, MESSAGES)
    assert request["body"] == {**sent, "stream": False}


def test_betas_and_the_version_arrive(proxy: Proxy, poe: poe_sim.SimServer) -> None:
    post(proxy, body(), f"{MESSAGES}?beta=true", **{"anthropic-beta": "a-1, b-2", "anthropic-version": "2023-06-01"})
    (request,) = arrived(poe, MESSAGES)
    assert request["headers"]["anthropic-beta"] == "a-1,b-2"
    assert request["headers"]["anthropic-version"] == "2023-06-01"
    assert "betas" not in request["body"]


@pytest.mark.parametrize(
    ("field", "sent", "headers"),
    [
        ("anthropic-beta", {}, {"anthropic-beta": "é"}),
        ("anthropic-version", {}, {"anthropic-version": "é"}),
        ("betas", {"betas": ["é"]}, {}),
        ("betas", {"betas": ["fine", "x\r\nEvil: 1"]}, {}),
        ("betas", {"betas": ["x\0"]}, {}),
    ],
)
def test_what_no_header_can_hold_is_refused(
    proxy: Proxy, poe: poe_sim.SimServer, field: str, sent: Json, headers: dict[str, str]
) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    answer = httpx.post(proxy.url + MESSAGES, json=body(**sent), headers=raw, trust_env=False)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(f"{field}: ")
    assert arrived(poe, MESSAGES) == []


@pytest.mark.parametrize("name", ["claude-sonnet-4-6", "claude-sonnet-4.6[1m]", "Claude-Sonnet-4.6", "sonnet"])
def test_a_model_by_whatever_name(proxy: Proxy, poe: poe_sim.SimServer, name: str) -> None:
    assert post(proxy, body(model=name), MESSAGES).status_code == 200
    assert arrived(poe, MESSAGES)[0]["body"]["model"] == CLAUDE


def test_who_answers_for_a_version_that_poe_lacks_is_told(proxy: Proxy) -> None:
    answer = post(proxy, body(model="claude-opus-9-9"), MESSAGES)
    assert "claude-opus-9-9 is not at Poe" in answer.headers["x-poe-changes"]


# --- what comes back --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", ["echo", "reasoning", "tool", "unicode", "empty"])
def test_a_stream_comes_back_event_by_event(proxy: Proxy, poe: poe_sim.SimServer, script: str) -> None:
    sent = body(f"[[sim:{script}]]", stream=True, tools=[{"name": "look", "input_schema": {"type": "object"}}])
    direct = httpx.post(
        poe.base_url + MESSAGES,
        json=sent,
        headers={"x-api-key": poe_sim.KEYS[0], "anthropic-version": "2023-06-01"},
        trust_env=False,
    )
    through, plain = events(post(proxy, sent, MESSAGES)), events(direct)
    assert [name for name, _ in through] == [name for name, _ in plain]
    assert [said["type"] for _, said in through] == [said["type"] for _, said in plain]
    assert through[0][1]["message"].keys() == plain[0][1]["message"].keys()


def test_thinking_that_poe_streams_unasked_keeps_the_signature_that_it_has_to_be_given_back_with(
    proxy: Proxy, poe: poe_sim.SimServer
) -> None:
    expected = say(proxy, "[[sim:reasoning]] why")
    queue(poe, "stream_for_json")
    message = say(proxy, "[[sim:reasoning]] why")
    (thinking, text), (as_asked, said) = message.content, expected.content
    assert (thinking.thinking, text.text) == (as_asked.thinking, said.text)
    assert not is_foreign(as_asked.signature), "the stand-in signs"
    assert not is_foreign(thinking.signature)
    assert (message.stop_reason, message.model) == (expected.stop_reason, expected.model)


def test_the_sdk_reads_answers_streams_and_thinking(proxy: Proxy) -> None:
    assert say(proxy).content[0].text == "You said: hello"
    with proxy.anthropic() as sdk, sdk.messages.stream(**body("[[sim:reasoning]] why")) as stream:
        message = stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert getattr(message.content[0], "signature", "")
    assert message.stop_reason == "end_turn"


def test_the_async_sdk_too(proxy: Proxy) -> None:
    async def asked() -> str:
        async with (
            anthropic.AsyncAnthropic(base_url=proxy.url, api_key="any", max_retries=0) as sdk,
            sdk.messages.stream(**body("hello")) as stream,
        ):
            return "".join([text async for text in stream.text_stream])

    assert asyncio.run(asked()) == "You said: hello"


@pytest.mark.parametrize("stream", [False, True])
def test_what_it_cost_stands_beside_the_usage_and_there_is_no_footer(start_proxy: StartProxy, stream: bool) -> None:
    proxy = start_proxy(FOOTER="always")
    eventually(lambda: proxy.house.upkeep.balance is not None)
    answer = post(proxy, body(stream=stream), MESSAGES)
    usage = events(answer)[-2][1]["usage"] if stream else answer.json()["usage"]
    assert usage["poe"]["source"] == "estimated"
    assert usage["poe"]["points"] > 0
    assert usage["output_tokens"] > 0
    assert "---" not in answer.text


def test_poes_rate_headers_and_an_id_come_along(proxy: Proxy) -> None:
    answer = post(proxy, body(), MESSAGES)
    assert answer.headers["anthropic-ratelimit-requests-limit"] == "500"
    assert answer.headers["request-id"] == answer.headers["x-request-id"]


# --- errors -----------------------------------------------------------------------------------------------------------


def test_an_error_of_poes_keeps_its_words(proxy: Proxy, poe: poe_sim.SimServer) -> None:
    queue(poe, "400context style=anthropic")
    with pytest.raises(anthropic.BadRequestError) as refused:
        say(proxy)
    assert "prompt is too long" in str(refused.value)
    assert refused.value.body["type"] == "error"  # type: ignore[index]
    assert len(arrived(poe, MESSAGES)) == 1


def test_a_failure_mid_stream_is_an_error_event_and_no_clean_end(proxy: Proxy, poe: poe_sim.SimServer) -> None:
    queue(poe, "cut after=3")
    names = [name for name, _ in events(post(proxy, body("one two three four", stream=True), MESSAGES))]
    assert names[-1] == "error"
    assert "message_stop" not in names


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens", "/messages"])
def test_our_own_errors_have_anthropics_shape(start_proxy: StartProxy, path: str) -> None:
    proxy = start_proxy(PROXY_API_KEY="k9x2m7q4w8e1r5t3")
    for answer in (post(proxy, body(), path), post(proxy, b"{", path, **{"x-api-key": "k9x2m7q4w8e1r5t3"})):
        assert answer.json()["type"] == "error"
        assert answer.json()["error"].keys() >= {"type", "message"}


def test_an_unknown_model_is_a_404_that_the_sdk_knows(proxy: Proxy) -> None:
    with pytest.raises(anthropic.NotFoundError, match="There is no model"):
        say(proxy, model="no-such-model")


# --- what a 400 names is left out, once -------------------------------------------------------------------------------


def test_a_field_that_poe_refuses_is_left_out_and_not_sent_again(proxy: Proxy, poe: poe_sim.SimServer) -> None:
    queue(poe, "400param name=context_management style=pydantic", times=1)
    first = post(proxy, body(context_management={"edits": []}), MESSAGES)
    assert (first.status_code, first.headers["x-poe-changes"]) == (200, "dropped context_management")
    again = post(proxy, body(context_management={"edits": []}), MESSAGES)
    assert again.headers["x-poe-attempts"] == "1"
    assert ["context_management" in request["body"] for request in arrived(poe, MESSAGES)] == [True, False, False]


# --- counting ---------------------------------------------------------------------------------------------------------


def test_tokens_are_counted_without_asking_poe(proxy: Proxy, poe: poe_sim.SimServer) -> None:
    with proxy.anthropic() as sdk:
        short = sdk.messages.count_tokens(model=CLAUDE, messages=[{"role": "user", "content": "hi"}]).input_tokens
        long = sdk.messages.count_tokens(model=CLAUDE, messages=[{"role": "user", "content": "hi " * 500}]).input_tokens
    assert 0 < short < 30
    assert 400 < long < 900
    assert arrived(poe, "/v1/messages/count_tokens") == []


def test_real_usage_corrects_the_count(own_poe: poe_sim.SimServer, start_proxy: StartProxy) -> None:
    proxy = start_proxy(own_poe.base_url)
    factors = proxy.house.exchange.clipper.factors
    before = factors.of(CLAUDE)
    post(proxy, body("a b c d " * 2000), MESSAGES)
    assert eventually(lambda: factors.of(CLAUDE) != before)


def test_claude_codes_greetings_are_answered(proxy: Proxy) -> None:
    for path in ("/", "/api/hello"):
        assert httpx.head(proxy.url + path, trust_env=False).status_code == 200
