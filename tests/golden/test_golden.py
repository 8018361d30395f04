"""Golden cases: the official SDK's typed objects, through the real proxy, before a Poe that says what was recorded."""

import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from poe_proxy.canonical.events import Event, Finished, Opaque, Reasoning, Refusal, Started, Text, ToolCall, Used
from poe_proxy.wire.openai_chat import answer as wire_answer
from tests.golden.as_stream import MANNERS, Manner, as_stream
from tests.golden.cases import ANSWERS, CASES, ERRORS, Case
from tests.golden.scripted_poe import Recorded, ScriptedPoe, scripted_poe
from tests.running import running_proxy
from tests.wire.grammar import Json, Told, added_up, check_whole, without_nothing

_STREAMED = [case for case in ANSWERS if case.streams]
BEGUN = int(time.time())
"""No recording is younger than this run."""
_SWITCHES = ("messages", "stream", "stream_options")
_EVENT_STREAM = {"content-type": "text/event-stream; charset=utf-8"}


@pytest.fixture(scope="module")
def poe() -> Iterator[ScriptedPoe]:
    with scripted_poe() as poe:
        yield poe


@pytest.fixture(scope="module")
def sdk(poe: ScriptedPoe, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAI]:
    """The SDK in front of a proxy that lets every name through and never waits before it gives up."""
    folder = tmp_path_factory.mktemp("golden")
    models = folder / "models.yaml"
    models.write_text("defaults:\n  allow_unlisted: any\nmodels:\n  text: []\n")
    with (
        running_proxy(poe.url, folder / "data", MODELS_FILE=models, RETRY_BUDGET_S=0) as proxy,
        proxy.openai() as sdk,
    ):
        yield sdk


def create(sdk: OpenAI, case: Case, **more: Any) -> Any:
    return sdk.chat.completions.create(**case.client_request, **more)


def without_cost(said: Any) -> Json:
    """An answer or a chunk as a dictionary, without what the proxy adds of its own: the points it cost."""
    told: Json = said.to_dict()
    (told.get("usage") or {}).pop("poe", None)
    return told


def chunks_of(sdk: OpenAI, case: Case) -> list[Json]:
    """The stream as the SDK read it; each chunk is checked against the SDK's own types."""
    chunks = [without_cost(chunk) for chunk in create(sdk, case, stream=True, stream_options={"include_usage": True})]
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk)
    check_whole(Told(chunks, None, done=True), model=case.client_request["model"], wants_usage=True)
    return chunks


def said_by(answer: Json) -> Json:
    """What a stream must add up to, to say the same as the whole ``answer``."""
    (choice,) = answer["choices"]
    return {
        "finish_reason": choice["finish_reason"],
        "usage": answer.get("usage"),
        "message": without_nothing(choice["message"]),
    }


def with_what_poe_lacked(answer: Json) -> Json:
    """An answer as the cases write it: "" and 0 stand for the id and time that we give where Poe has none."""
    id_ = "" if answer["id"].startswith("chatcmpl-req_") else answer["id"]
    return {**answer, "id": id_, "created": 0 if answer["created"] >= BEGUN else answer["created"]}


@pytest.mark.parametrize("case", ANSWERS, ids=str)
def test_a_whole_answer_is_what_the_case_says(case: Case, poe: ScriptedPoe, sdk: OpenAI) -> None:
    poe.answer = case.recorded
    completion = create(sdk, case)
    assert with_what_poe_lacked(without_cost(completion)) == case.answer
    ChatCompletion.model_validate(completion.to_dict())
    assert len(poe.asked) == case.asked_times


@pytest.mark.parametrize("case", ANSWERS, ids=str)
def test_a_whole_answer_is_streamed_to_a_client_who_wants_a_stream(case: Case, poe: ScriptedPoe, sdk: OpenAI) -> None:
    assert case.answer is not None
    poe.answer = case.recorded
    chunks = chunks_of(sdk, case)
    assert added_up(chunks) == said_by(case.answer)
    begun = with_what_poe_lacked({name: chunks[0][name] for name in ("id", "created")})
    assert begun == {name: case.answer[name] for name in ("id", "created")}


@pytest.mark.parametrize("manner", MANNERS, ids=lambda manner: manner.name)
@pytest.mark.parametrize("case", _STREAMED, ids=str)
def test_the_same_answer_streamed_by_poe_says_the_same(
    case: Case, manner: Manner, poe: ScriptedPoe, sdk: OpenAI
) -> None:
    assert case.answer is not None
    poe.answer = Recorded(200, _EVENT_STREAM, as_stream(case.poe_response["body"], manner))
    assert added_up(chunks_of(sdk, case)) == said_by(case.answer)


@pytest.mark.parametrize("case", [case for case in _STREAMED if case.is_clean], ids=str)
def test_the_sdk_s_stream_helper_adds_it_up(case: Case, poe: ScriptedPoe, sdk: OpenAI) -> None:
    assert case.answer is not None
    poe.answer = Recorded(200, _EVENT_STREAM, as_stream(case.poe_response["body"], MANNERS[1]))
    with sdk.chat.completions.stream(**case.client_request) as stream:
        message = stream.get_final_completion().choices[0].message
    meant = case.answer["choices"][0]["message"]
    assert message.role == "assistant"
    assert (message.content or "") == (meant["content"] or "")
    called = [(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or []]
    told = [(call["id"], *map(call["function"].get, ("name", "arguments"))) for call in meant.get("tool_calls", [])]
    assert called == told


@pytest.mark.parametrize("case", _STREAMED, ids=str)
def test_a_stream_that_nobody_asked_for_is_made_whole(case: Case, poe: ScriptedPoe, sdk: OpenAI) -> None:
    assert case.answer is not None
    poe.answer = Recorded(200, _EVENT_STREAM, as_stream(case.poe_response["body"], MANNERS[0]))
    completion = without_cost(create(sdk, case))
    ChatCompletion.model_validate(completion)
    assert said_by(completion) == said_by(case.answer)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("case", ERRORS, ids=str)
def test_an_error_is_the_sdk_s_own_exception(case: Case, stream: bool, poe: ScriptedPoe, sdk: OpenAI) -> None:
    assert case.error is not None
    poe.answer = case.recorded
    with pytest.raises(openai.APIStatusError) as caught:
        create(sdk, case, stream=stream)
    assert type(caught.value).__name__ == case.error["raises"]
    assert caught.value.status_code == case.error["status"]
    body = caught.value.body
    assert body == {name: case.error[name] for name in ("message", "type", "param", "code")}
    assert len(poe.asked) == case.asked_times


@pytest.mark.parametrize("case", [case for case in CASES if case.poe_request is not None], ids=str)
def test_poe_is_asked_what_the_case_says(case: Case, poe: ScriptedPoe, sdk: OpenAI) -> None:
    poe.answer = Recorded(
        200, {"content-type": "application/json"}, [b'{"choices": [{"message": {"content": "yes"}}]}']
    )
    create(sdk, case)
    (asked,) = poe.asked
    assert {name: value for name, value in asked.items() if name not in _SWITCHES} == case.poe_request
    assert asked["messages"] == case.client_request["messages"]


@pytest.mark.parametrize("case", [case for case in ANSWERS if case.events], ids=str)
def test_the_answer_s_events_are_those_of_the_case(case: Case) -> None:
    assert [told(event) for event in wire_answer.read(case.poe_response["body"])] == case.events


def told(event: Event) -> Json:
    """An event as the cases write it, without the frame it was read from."""
    match event:
        case Started(id_, created, model):
            return {"Started": {"id": id_, "created": created, "model": model}}
        case ToolCall(index, id_, name, arguments):
            return {"ToolCall": {"index": index, "id": id_, "name": name, "arguments": arguments}}
        case Text(text) | Reasoning(text) | Refusal(text):
            return {type(event).__name__: text}
        case Finished(reason):
            return {"Finished": reason}
        case Used(usage):
            return {
                "Used": {
                    "prompt": usage.prompt,
                    "completion": usage.completion,
                    "cached": usage.cached,
                    "reasoning": usage.reasoning,
                }
            }
        case Opaque(frame):
            return {"Opaque": frame["choices"][0]["delta"]}
    raise AssertionError(event)
