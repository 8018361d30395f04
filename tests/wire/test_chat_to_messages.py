"""A chat request as messages for Claude: pairs, one for each thing that OpenAI's clients were seen to say."""

from typing import Any

import httpx
import orjson
import pytest

import poe_sim
from poe_proxy.policy.caching import marked
from poe_proxy.wire.anthropic_messages import conversation as messages
from poe_proxy.wire.openai_chat import conversation as chat
from poe_proxy.wire.openai_chat.request import parse
from tests.wire.request_grammar import check_messages

Json = dict[str, Any]
USER = {"role": "user", "content": "hi"}
HI = {"role": "user", "content": [{"type": "text", "text": "hi"}]}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}}


def written(*said: Json, **fields: Any) -> tuple[Json, list[str]]:
    request = parse(orjson.dumps({"model": "m", "messages": list(said or (USER,)), **fields}))
    body, changes = messages.write(chat.read(request.body), max_tokens=4096, max_output=32768)
    check_messages(body)
    return body, changes


def turns(*said: Json) -> list[Json]:
    return list(written(*said)[0]["messages"])


def text(said: str) -> Json:
    return {"type": "text", "text": said}


def user(*blocks: Json) -> Json:
    return {"role": "user", "content": list(blocks)}


def call(id_: str = "a", arguments: Any = "{}", **more: Any) -> Json:
    return {"id": id_, "type": "function", "function": {"name": "f", "arguments": arguments}, **more}


def asked(*calls: Json, content: Any = None) -> Json:
    return {"role": "assistant", "content": content, "tool_calls": list(calls)}


def tool(id_: str = "a", content: Any = "done") -> Json:
    return {"role": "tool", "tool_call_id": id_, "content": content}


def use(id_: str = "a", arguments: Any = None) -> Json:
    return {"type": "tool_use", "id": id_, "name": "f", "input": arguments or {}}


def result(id_: str = "a", content: Any = "done", **more: Any) -> Json:
    return {"type": "tool_result", "tool_use_id": id_, "content": content, **more}


UNANSWERED = {"content": "No result was given.", "is_error": True}


class TestRoles:
    def test_system_and_developer_messages_at_the_start(self) -> None:
        body, _ = written({"role": "system", "content": "One."}, {"role": "developer", "content": "Two."}, USER)
        assert body["system"] == [text("One."), text("Two.")]
        assert body["messages"] == [HI]

    def test_a_later_one_is_said_among_the_users_words(self) -> None:
        said = turns(USER, {"role": "system", "content": "Be brief."}, {"role": "assistant", "content": "x"}, USER)
        assert said[0] == user(text("hi"), text("<system-reminder>\nBe brief.\n</system-reminder>"))

    def test_a_request_of_the_systems_words_alone(self) -> None:
        body, _ = written({"role": "system", "content": "Say hi."})
        assert (body["messages"], "system" in body) == ([user(text("Say hi."))], False)

    def test_a_conversation_that_the_assistant_begins(self) -> None:
        assert turns({"role": "assistant", "content": "Hello!"}, USER)[0]["role"] == "user"

    def test_fault_10_the_same_role_twice_in_a_row(self) -> None:
        one = {"role": "assistant", "content": "1"}
        assert turns(USER, USER, one, one, USER) == [
            user(text("hi"), text("hi")),
            {"role": "assistant", "content": [text("1"), text("1")]},
            HI,
        ]

    @pytest.mark.parametrize("content", [None, "", " \n", []])
    def test_fault_10_empty_answers_are_gone(self, content: Any) -> None:
        assert turns(USER, {"role": "assistant", "content": content}, USER) == [user(text("hi"), text("hi"))]

    def test_fault_10_a_prefill_stays_without_the_space_that_claude_refuses(self) -> None:
        assert turns(USER, {"role": "assistant", "content": "{ "})[-1] == {"role": "assistant", "content": [text("{")]}


class TestContent:
    def test_images(self) -> None:
        said = turns(
            user(
                {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,aGk="}},
                {"type": "image_url", "image_url": "https://example.org/a.png"},
            )
        )
        assert [block["source"] for block in said[0]["content"]] == [
            {"type": "base64", "media_type": "image/jpeg", "data": "aGk="},
            {"type": "url", "url": "https://example.org/a.png"},
        ]

    def test_files(self) -> None:
        def file(data: str) -> Json:
            return {"type": "file", "file": {"filename": "n", "file_data": data}}

        said = turns(user(file("data:application/pdf;base64,aGk="), file("data:text/plain;base64,aGk=")))
        pdf, plain = said[0]["content"]
        assert (pdf["type"], pdf["title"]) == ("document", "n")
        assert pdf["source"] == {"type": "base64", "media_type": "application/pdf", "data": "aGk="}
        assert plain["source"] == {"type": "text", "media_type": "text/plain", "data": "hi"}

    def test_what_claude_cannot_hear_is_dropped_with_a_word(self) -> None:
        audio = {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}
        as_file = {"type": "file", "file": {"filename": "audio.wav", "file_data": "data:audio/wav;base64,aGk="}}
        body, changes = written(user(audio, as_file, text("?")))
        assert changes == ["dropped input_audio", "dropped audio/wav"]
        assert body["messages"][0]["content"][-1] == text("?")

    def test_a_clients_own_marks_are_kept(self) -> None:
        mark = {"cache_control": {"type": "ephemeral"}}
        body, _ = written(user({**text("long"), **mark}))
        assert body["messages"][0]["content"] == [{**text("long"), **mark}]
        assert marked(body) is body


class TestTools:
    def test_a_call_and_its_result(self) -> None:
        assert turns(USER, asked(call(arguments='{"city":"Rome"}')), tool(), USER) == [
            HI,
            {"role": "assistant", "content": [use(arguments={"city": "Rome"})]},
            user(result(), text("hi")),
        ]

    def test_fault_6_results_are_matched_by_id_wherever_they_stand(self) -> None:
        """Old Codex says a text between the call and its result."""
        said = turns(USER, asked(call("a"), call("b")), {"role": "assistant", "content": "wait"}, tool("b"), tool("a"))
        assert said[1]["content"] == [text("wait"), use("a"), use("b")]
        assert said[2]["content"] == [result("a"), result("b")]

    def test_fault_6_every_call_is_answered(self) -> None:
        assert turns(USER, asked(call("a"), call("b")), tool("b"))[2]["content"] == [
            {"type": "tool_result", "tool_use_id": "a", **UNANSWERED},
            result("b"),
        ]

    def test_a_result_whose_call_is_gone_is_text(self) -> None:
        assert turns(tool("gone", "42"), USER)[0]["content"][1:] == [text("42"), text("hi")]

    def test_ids_of_other_makers_are_made_legal_and_unique(self) -> None:
        said = turns(USER, asked(call("f:0"), call("f.0")), tool("f.0", "2"), tool("f:0", "1"))
        assert [block["id"] for block in said[1]["content"]] == ["f_0", "f_0_2"]
        assert said[2]["content"] == [result("f_0", "1"), result("f_0_2", "2")]

    def test_fault_6_very_long_ids_are_kept(self) -> None:
        assert turns(USER, asked(call("x" * 5000)), tool("x" * 5000))[1]["content"] == [use("x" * 5000)]

    @pytest.mark.parametrize(
        ("arguments", "read"),
        [
            ("", {}),
            (None, {}),
            ({"a": 1}, {"a": 1}),
            ("[1]", {"arguments": [1]}),
            ('{"a":', {"arguments": '{"a":'}),
            ("null", {"arguments": None}),
        ],
    )
    def test_arguments_of_every_kind(self, arguments: Any, read: Json) -> None:
        assert turns(USER, asked(call(arguments=arguments)), tool())[1]["content"] == [use(arguments=read)]

    def test_functions_of_before_there_were_tools(self) -> None:
        said = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}
        body, _ = written(
            USER,
            said,
            {"role": "function", "name": "f", "content": "1"},
            functions=[TOOL["function"]],
            function_call={"name": "f"},
        )
        assert body["messages"][1:] == [{"role": "assistant", "content": [use("call_1")]}, user(result("call_1", "1"))]
        assert body["tools"] == [{"name": "f", "description": "d", "input_schema": SCHEMA}]
        assert body["tool_choice"] == {"type": "tool", "name": "f"}

    @pytest.mark.parametrize(
        ("fields", "choice"),
        [
            ({}, None),
            ({"tool_choice": "auto"}, {"type": "auto"}),
            ({"tool_choice": "required"}, {"type": "any"}),
            ({"tool_choice": "none", "parallel_tool_calls": False}, {"type": "none"}),
            ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, {"type": "tool", "name": "f"}),
            ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        ],
    )
    def test_choices(self, fields: Json, choice: Any) -> None:
        assert written(tools=[TOOL], **fields)[0].get("tool_choice") == choice

    def test_a_tool_of_another_kind_is_dropped_with_a_word(self) -> None:
        body, changes = written(tools=[{"type": "custom", "custom": {"name": "patch"}}])
        assert ("tools" in body, changes) == (False, ["dropped tool of type custom"])

    def test_strict_is_kept(self) -> None:
        strict = {"type": "function", "function": {"name": "f", "strict": True, "parameters": None}}
        assert written(tools=[strict])[0]["tools"] == [
            {"name": "f", "input_schema": {"type": "object", "properties": {}}, "strict": True}
        ]


class TestThinking:
    def test_a_level(self) -> None:
        body, changes = written(output_effort="high", temperature=0.5)
        assert (body["thinking"], body["output_config"]) == ({"type": "adaptive"}, {"effort": "high"})
        assert changes == ["dropped temperature"]

    @pytest.mark.parametrize(
        ("budget", "limit", "thought", "raised"),
        [
            (2000, 9000, 2000, 9000),
            (5, 9000, 1024, 9000),
            (8192, 4096, 8192, 12288),
            (31999, 100, 28672, 32768),
        ],
    )
    def test_fault_8_a_budget_fits_into_the_limit(self, budget: int, limit: int, thought: int, raised: int) -> None:
        body, _ = written(thinking_budget=budget, max_tokens=limit)
        assert (body["thinking"], body["max_tokens"]) == ({"type": "enabled", "budget_tokens": thought}, raised)

    def test_a_level_for_a_model_that_does_not_decide_itself(self) -> None:
        said = chat.read({"messages": [USER], "output_effort": "high"})
        body, _ = messages.write(said, max_tokens=9, is_adaptive=False)
        assert ("thinking" in body, body["output_config"]) == (False, {"effort": "high"})

    @pytest.mark.parametrize("knob", [{"thinking_budget": 0}, {"output_effort": "none"}])
    def test_none(self, knob: Json) -> None:
        assert written(**knob)[0]["thinking"] == {"type": "disabled"}

    @pytest.mark.parametrize(
        ("said", "fields", "why"),
        [
            ((USER,), {"tools": [TOOL], "tool_choice": "required"}, "as a tool is demanded"),
            ((USER, {"role": "assistant", "content": "{"}), {}, "as the answer is begun"),
            ((USER, asked(call()), tool()), {}, "as the turn began without it"),
        ],
    )
    def test_not_where_claude_refuses_it(self, said: tuple[Json, ...], fields: Json, why: str) -> None:
        body, changes = written(*said, thinking_budget=2000, **fields)
        assert ("thinking" in body, changes) == (False, [f"thinking left out {why}"])

    def test_fault_5_foreign_thinking_never_reaches_claude(self) -> None:
        said = {"role": "assistant", "content": "yes", "reasoning_content": "hm"}
        assert turns(USER, said, USER)[1] == {"role": "assistant", "content": [text("yes")]}


class TestTheRest:
    def test_limits(self) -> None:
        assert written()[0]["max_tokens"] == 4096
        assert written(max_completion_tokens=7)[0]["max_tokens"] == 7

    def test_sampling(self) -> None:
        body, changes = written(temperature=1.5, top_p=0.5)
        assert (body["temperature"], "top_p" in body) == (1, False)
        assert changes == ["dropped top_p", "temperature set to 1"]
        assert written(top_p=0.5)[0]["top_p"] == 0.5

    @pytest.mark.parametrize(("stop", "kept"), [("END", ["END"]), (["END", "\n"], ["END"]), ([" "], None)])
    def test_stops(self, stop: Any, kept: Any) -> None:
        assert written(stop=stop)[0].get("stop_sequences") == kept

    def test_the_user(self) -> None:
        assert written(user="me")[0]["metadata"] == {"user_id": "me"}

    def test_what_claude_does_not_know_is_dropped_with_a_word(self) -> None:
        body, changes = written(seed=1, web_search=True)
        assert (set(body), changes) == ({"max_tokens", "messages"}, ["dropped seed", "dropped web_search"])


FULL: tuple[Json, ...] = (
    {"role": "system", "content": "Be brief."},
    user({"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}, text("?")),
    asked(call("f:0"), call("f:1"), content="Calling."),
    tool("f:1"),
    {"role": "system", "content": "Hurry."},
    tool("f:0"),
    USER,
)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"tools": [TOOL], "tool_choice": "auto", "stop": ["END"], "user": "me", "temperature": 2},
        {"thinking_budget": 8192, "temperature": 0.1},
        {"output_effort": "low"},
        {"thinking_budget": 0},
    ],
)
def test_the_stand_in_takes_what_is_written(poe: poe_sim.SimServer, fields: Json) -> None:
    body = {"model": "claude-sonnet-4.5", "stream": False, **marked(written(*FULL, **fields)[0])}
    headers = {"authorization": f"Bearer {poe_sim.KEYS[0]}", "anthropic-version": "2023-06-01"}
    answer = httpx.post(f"{poe.base_url}/v1/messages", json=body, headers=headers, trust_env=False)
    assert answer.status_code == 200, answer.text
