"""Anthropic's clients on any model, OpenAI's on Claude: what leaves is the endpoint's, what comes back the caller's."""

import asyncio
from collections.abc import Callable
from typing import Any

import anthropic
import httpx
import pydantic
import pytest

import poe_sim
from benchmarks import session
from tests.running import Proxy, eventually
from tests.talk import Json, arrived, hanging_up, post, queue, reset

StartProxy = Callable[..., Proxy]
MESSAGES, CHAT = "/v1/messages", "/v1/chat/completions"
GPT, CLAUDE = "gpt-5.4", "claude-sonnet-4.6"
LOOK: Any = {"name": "look", "input_schema": {"type": "object", "properties": {"a": {"type": "string"}}}}
LOOK_AS_FUNCTION: Any = {"type": "function", "function": {"name": "look", "parameters": LOOK["input_schema"]}}


@pytest.fixture
def poe(own_poe: poe_sim.SimServer) -> poe_sim.SimServer:
    """The stand-in, its books empty."""
    reset(own_poe)
    return own_poe


@pytest.fixture
def proxy(own_proxy: Proxy) -> Proxy:
    return own_proxy


def asks(text: str = "hello", **more: Any) -> Json:
    return {"model": GPT, "max_tokens": 500, "messages": [{"role": "user", "content": text}], **more}


def say(proxy: Proxy, text: str = "hello", **more: Any) -> Any:
    with proxy.anthropic() as sdk:
        return sdk.messages.create(**asks(text, **more))


def streamed(proxy: Proxy, text: str = "hello", **more: Any) -> Any:
    with proxy.anthropic() as sdk, sdk.messages.stream(**asks(text, **more)) as stream:
        return stream.get_final_message()


def chats(proxy: Proxy, messages: Any, **more: Any) -> Any:
    with proxy.openai() as sdk:
        return sdk.chat.completions.create(model=CLAUDE, messages=messages, **more)


# --- Anthropic's SDK on a GPT model -----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [say, streamed])
def test_an_answer_is_a_message(proxy: Proxy, form: Any) -> None:
    message = form(proxy, "hello")
    assert [block.text for block in message.content] == ["You said: hello"]
    assert (message.stop_reason, message.model) == ("end_turn", GPT)
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens > 0


@pytest.mark.parametrize("form", [say, streamed])
@pytest.mark.parametrize("script", ["tools n=2", "no_index", "whole_tool n=2", "stop_after_tool", "unclosed"])
def test_calls_come_whole_and_the_turn_stops_for_them(proxy: Proxy, form: Any, script: str) -> None:
    message = form(proxy, f"[[sim:{script}]] look", tools=[LOOK])
    calls = [block for block in message.content if block.type == "tool_use"]
    assert calls
    assert all(call.name == "look" and isinstance(call.input, dict) and call.id for call in calls)
    assert message.stop_reason == "tool_use"


@pytest.mark.parametrize("form", [say, streamed])
def test_reasoning_becomes_thinking(proxy: Proxy, form: Any) -> None:
    message = form(proxy, "[[sim:reasoning]] why", model="deepseek-r1")
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[0].thinking


def test_the_async_sdk_streams(proxy: Proxy) -> None:
    async def asked() -> str:
        async with (
            anthropic.AsyncAnthropic(base_url=proxy.url, api_key="any", max_retries=0) as sdk,
            sdk.messages.stream(**asks("hello")) as stream,
        ):
            return "".join([text async for text in stream.text_stream])

    assert asyncio.run(asked()) == "You said: hello"


@pytest.mark.parametrize("model", [GPT, CLAUDE])
def test_the_tool_runner_runs_to_its_end_without_threads(proxy: Proxy, poe: poe_sim.SimServer, model: str) -> None:
    seen: list[str] = []

    def look(a: str) -> str:
        """Look at something.

        Args:
            a: what to look at
        """
        seen.append(a)
        return f"It is {a}."

    with proxy.anthropic() as sdk:
        runner = sdk.beta.messages.tool_runner(
            model=model,
            max_tokens=500,
            tools=[anthropic.beta_tool()(look)],
            messages=[{"role": "user", "content": "use the tool look"}],
        )
        last: Any = runner.until_done()
    assert len(seen) == 1
    assert any("It is" in getattr(block, "text", "") for block in last.content)
    sent = arrived(poe, MESSAGES if model == CLAUDE else CHAT)
    assert len(sent) == 2
    assert not any("thread" in request["body"] for request in sent)


@pytest.mark.parametrize("model", [GPT, CLAUDE])
def test_messages_parse_gives_the_object(proxy: Proxy, model: str) -> None:
    class Weather(pydantic.BaseModel):
        city: str

    with proxy.anthropic() as sdk:
        parsed = sdk.messages.parse(
            model=model, max_tokens=500, messages=[{"role": "user", "content": "Where?"}], output_format=Weather
        )
    assert isinstance(parsed.parsed_output, Weather)


def test_thinking_and_effort_become_the_models_own_knob(proxy: Proxy, poe: poe_sim.SimServer) -> None:
    post(proxy, asks(thinking={"type": "adaptive", "display": "updates"}, output_config={"effort": "high"}), MESSAGES)
    post(proxy, asks(thinking={"type": "enabled", "budget_tokens": 31999}, model="gemini-2.5-flash"), MESSAGES)
    first, second = (request["body"] for request in arrived(poe))
    assert first["reasoning_effort"] == "high"
    assert second["thinking_budget"] > 1024
    assert not {"thinking", "output_config", "context_management"} & {*first, *second}


def test_a_signature_of_googles_goes_back_with_its_call(proxy: Proxy, poe: poe_sim.SimServer) -> None:
    message = streamed(proxy, "[[sim:gemini]] look", model="gemini-2.5-flash", tools=[LOOK])
    (call,) = [block for block in message.content if block.type == "tool_use"]
    history = [
        {"role": "user", "content": "look"},
        {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in message.content]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "seen"}]},
    ]
    reset(poe)
    post(proxy, asks(model="gemini-2.5-flash", tools=[LOOK], messages=history), MESSAGES)
    _, asked, answered = arrived(poe)[0]["body"]["messages"]
    (sent,) = asked["tool_calls"]
    assert sent["extra_content"]["google"]["thought_signature"]
    assert answered["tool_call_id"] == sent["id"]
    assert "__sig_" not in sent["id"]
    post(proxy, asks(model=CLAUDE, tools=[LOOK], messages=history), MESSAGES)
    assert "__sig_" not in str(arrived(poe, MESSAGES)[0]["body"])


@pytest.mark.parametrize(("model", "returned"), [("deepseek-r1", True), (GPT, False)])
def test_thinking_goes_back_to_models_that_want_it_and_never_to_claude(
    proxy: Proxy, poe: poe_sim.SimServer, model: str, returned: bool
) -> None:
    message = say(proxy, "[[sim:reasoning]] why", model="deepseek-r1")
    blocks = [block.model_dump(exclude_none=True) for block in message.content]
    history = [*asks("why")["messages"], {"role": "assistant", "content": blocks}, {"role": "user", "content": "go on"}]
    reset(poe)
    post(proxy, asks(model=model, messages=history), MESSAGES)
    assert ("reasoning_content" in arrived(poe)[0]["body"]["messages"][1]) == returned
    post(proxy, asks(model=CLAUDE, messages=history), MESSAGES)
    assert "thinking" not in str(arrived(poe, MESSAGES)[0]["body"])


def test_what_it_cost_is_told_and_there_is_no_footer(start_proxy: StartProxy) -> None:
    proxy = start_proxy(FOOTER="always")
    eventually(lambda: proxy.house.upkeep.balance is not None)
    answer = post(proxy, asks(), MESSAGES)
    assert answer.json()["usage"]["poe"]["points"] == int(answer.headers["x-poe-points"])
    assert "---" not in answer.text


def test_a_failure_mid_stream_is_an_error_event(proxy: Proxy) -> None:
    answer = post(proxy, asks("[[sim:fault cut after=3]] one two three", stream=True), MESSAGES)
    assert answer.text.rstrip().split("\n\n")[-1].startswith("event: error\ndata: ")
    assert "message_stop" not in answer.text


def test_a_conversation_that_is_too_long_is_said_so_that_claude_code_compacts(proxy: Proxy) -> None:
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long"):
        say(proxy, "[[sim:fault 400context]] x")


def test_a_client_that_leaves_ends_poes_stream_too(proxy: Proxy, poe: poe_sim.SimServer) -> None:
    body = asks("[[sim:long tokens=500 rate=50]]", stream=True)
    with hanging_up(proxy, body, MESSAGES) as connection:
        said = b""
        while b"message_start" not in said:  # the head may come by itself
            said += connection.recv(4096)
    eventually(lambda: arrived(poe) and arrived(poe)[-1]["disconnected_at"])


def test_paused_is_said_as_a_message(own_poe: poe_sim.SimServer, start_proxy: StartProxy) -> None:
    proxy = start_proxy(own_poe.base_url, POINTS_CUTOFF=10**9)
    eventually(lambda: proxy.house.upkeep.balance is not None)
    for form in (say, streamed):
        message = form(proxy)
        assert message.content[0].text.startswith("Paused: ")
        assert message.stop_reason == "end_turn"


# --- a model that Poe's Messages turns out not to have ----------------------------------------------------------------


def test_a_404_there_goes_to_chat_and_is_remembered(poe: poe_sim.SimServer, start_proxy: StartProxy) -> None:
    proxy = start_proxy(poe.base_url)
    queue(poe, "404", path=MESSAGES)
    for _ in range(2):
        assert post(proxy, asks(model=CLAUDE), MESSAGES).json()["content"][0]["text"] == "You said: hello"
    assert (len(arrived(poe, MESSAGES)), len(arrived(poe))) == (1, 2)


# --- OpenAI's SDK on Claude -------------------------------------------------------------------------------------------


def test_claude_is_asked_at_its_own_endpoint(proxy: Proxy, poe: poe_sim.SimServer) -> None:
    said = chats(proxy, [{"role": "system", "content": "Be terse."}, {"role": "user", "content": "hello"}])
    assert (said.choices[0].message.content, said.choices[0].finish_reason) == ("You said: hello", "stop")
    assert arrived(poe) == []
    (request,) = arrived(poe, MESSAGES)
    kept = {"cache_control": {"type": "ephemeral"}}
    assert request["body"]["system"] == [{"type": "text", "text": "Be terse.", **kept}]
    assert request["body"]["messages"] == [{"role": "user", "content": [{"type": "text", "text": "hello", **kept}]}]


@pytest.mark.parametrize("stream", [False, True])
def test_calls_and_their_results(proxy: Proxy, stream: bool) -> None:
    with proxy.openai() as sdk:
        asked: Any = [{"role": "user", "content": "[[sim:tools n=2]] look"}]
        if stream:
            with sdk.chat.completions.stream(model=CLAUDE, messages=asked, tools=[LOOK_AS_FUNCTION]) as events:
                choice: Any = events.get_final_completion().choices[0]
        else:
            choice = sdk.chat.completions.create(model=CLAUDE, messages=asked, tools=[LOOK_AS_FUNCTION]).choices[0]
        calls = choice.message.tool_calls or []
        results: Any = [{"role": "tool", "tool_call_id": call.id, "content": "seen"} for call in reversed(calls)]
        history = [*asked, choice.message.model_dump(exclude_none=True), *results]
        after = sdk.chat.completions.create(model=CLAUDE, messages=history, tools=[LOOK_AS_FUNCTION])
    assert (len(calls), choice.finish_reason) == (2, "tool_calls")
    assert "seen" in (after.choices[0].message.content or "")


def test_what_claude_cannot_take_is_told(proxy: Proxy) -> None:
    body = {"model": CLAUDE, "messages": [{"role": "user", "content": "hi"}], "temperature": 0.5, "top_p": 0.5}
    assert "top_p" in post(proxy, body, CHAT).headers["x-poe-changes"]


def test_the_second_turn_is_read_from_the_cache(proxy: Proxy) -> None:
    system = {"role": "system", "content": "Rules. " * 2000}
    first = chats(proxy, [system, {"role": "user", "content": "one"}])
    talk = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "1"}]
    second = chats(proxy, [system, *talk, {"role": "user", "content": "two"}])
    assert first.usage.prompt_tokens > 3000
    assert second.usage.prompt_tokens_details.cached_tokens > 3000
    assert second.usage.poe["points"] * 5 < first.usage.poe["points"]


def test_without_marks_where_the_operator_says_so(poe: poe_sim.SimServer, start_proxy: StartProxy) -> None:
    chats(start_proxy(poe.base_url, CACHE="off"), [{"role": "user", "content": "hello"}])
    assert "cache_control" not in str(arrived(poe, MESSAGES)[0]["body"])


def test_errors_have_openais_shape(proxy: Proxy) -> None:
    answer = post(proxy, {"model": CLAUDE, "messages": [{"role": "user", "content": "[[sim:fault 400plain]]"}]}, CHAT)
    assert answer.status_code == 400
    assert answer.json()["error"].keys() >= {"message", "type", "param", "code"}


def test_a_footer_does_not_wait_for_what_settles_too_late(start_proxy: StartProxy) -> None:
    proxy = start_proxy(FOOTER="always", FOOTER_WAIT_S=30)
    eventually(lambda: proxy.house.upkeep.balance is not None)
    said = chats(proxy, [{"role": "user", "content": "hello"}]).choices[0].message.content
    assert " est. | Balance: " in said


# --- what a session costs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("requests", "share"), [(20, 0.20), (10, 0.25)])
def test_a_session_costs_a_fraction_of_what_chat_completions_take(requests: int, share: float) -> None:
    found = session.costs(requests)
    assert found["Claude Code"] <= share * found["chat completions"]
    assert found["OpenAI client"] <= share * found["chat completions"]


def test_it_is_the_same_through_whatever_path_a_client_has_in_its_settings(proxy: Proxy) -> None:
    for path in ("/v1/messages?beta=true", "/messages", "/v1/messages"):
        assert httpx.post(proxy.url + path, json=asks(), trust_env=False).status_code == 200


def test_anthropics_clients_get_poes_status_in_time_to_come_again(proxy: Proxy, poe: poe_sim.SimServer) -> None:
    for model in (GPT, CLAUDE):
        queue(poe, "529", times=100, model=model)
        answer = post(proxy, asks(model=model, stream=True), MESSAGES)
        assert (answer.status_code, answer.json()["error"]["type"]) == (529, "overloaded_error")


def test_a_search_on_claude_goes_where_the_models_switch_is(proxy: Proxy, poe: poe_sim.SimServer) -> None:
    chats(proxy, [{"role": "user", "content": "news?"}], extra_body={"web_search": True})
    assert arrived(poe, MESSAGES) == []
    assert arrived(poe)[0]["body"]["web_search"] is True


@pytest.mark.parametrize("form", [say, streamed])
def test_an_answer_without_usage_has_some_all_the_same(proxy: Proxy, form: Any) -> None:
    usage = form(proxy, "[[sim:no_usage]] a few words").usage
    assert usage.input_tokens > 0
    assert usage.output_tokens > 0
