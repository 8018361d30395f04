"""A messages request as chat completions: pairs, one for each thing that Anthropic's clients were seen to say."""

from typing import Any

import httpx
import orjson
import pytest

import poe_sim
from poe_proxy.wire.anthropic_messages import conversation as messages
from poe_proxy.wire.anthropic_messages.marks import THINKING_SIGNATURE, with_signature
from poe_proxy.wire.anthropic_messages.request import parse
from poe_proxy.wire.openai_chat import conversation as chat
from tests.wire.request_grammar import check_chat

Json = dict[str, Any]
MARK = {"cache_control": {"type": "ephemeral"}}
USER = {"role": "user", "content": "hi"}
PNG = {"type": "image", "source": {"type": "base64", "data": "aGk=", "media_type": "image/png"}}
PNG_URL = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="}}
TOOL = {"name": "Bash", "description": "runs", "input_schema": {"type": "object", "properties": {}}}
BASH = {"type": "function", "function": {"name": "Bash", "description": "runs", "parameters": TOOL["input_schema"]}}


def written(*said: Json, returns_reasoning: bool = False, **fields: Any) -> tuple[Json, list[str]]:
    body = {"model": "m", "max_tokens": 99, "messages": list(said or (USER,)), **fields}
    request = parse(orjson.dumps(body))
    body, changes = chat.write(messages.read(request.body), returns_reasoning=returns_reasoning)
    check_chat(body)
    return body, changes


def turns(*said: Json, **fields: Any) -> list[Json]:
    return list(written(*said, **fields)[0]["messages"])


def user(*blocks: Json) -> Json:
    return {"role": "user", "content": list(blocks)}


def text(said: str, **more: Any) -> Json:
    return {"type": "text", "text": said, **more}


def asked(*ids: str, **more: Any) -> Json:
    blocks = [{"type": "tool_use", "id": id_, "name": "Bash", "input": {"command": id_}, **more} for id_ in ids]
    return {"role": "assistant", "content": [text("Calling."), *blocks]}


def result(id_: str, content: Any = "done", **more: Any) -> Json:
    return {"type": "tool_result", "tool_use_id": id_, "content": content, **more}


def call(id_: str) -> Json:
    return {"id": id_, "type": "function", "function": {"name": "Bash", "arguments": f'{{"command":"{id_}"}}'}}


def told(id_: str, content: str = "done") -> Json:
    return {"role": "tool", "tool_call_id": id_, "content": content}


ASKED = {"role": "assistant", "content": "Calling.", "tool_calls": [call("a")]}


class TestSystem:
    @pytest.mark.parametrize("said", ["Be brief.", [text("Be brief.", **MARK)]])
    def test_a_string_or_a_list(self, said: Any) -> None:
        assert turns(system=said) == [{"role": "system", "content": "Be brief."}, USER]

    def test_the_billing_line_is_dropped(self) -> None:
        said = [text("x-anthropic-billing-header: cc_version=2; cc_entrypoint=cli;"), text("One."), text("Two.")]
        assert turns(system=said)[0] == {"role": "system", "content": "One.\n\nTwo."}

    def test_the_prompt_behind_the_billing_line_is_kept(self) -> None:
        said = "x-anthropic-billing-header: cc_version=2; cc_entrypoint=cli;\nYou are Claude Code."
        assert turns(system=said)[0] == {"role": "system", "content": "You are Claude Code."}
        assert turns(system=[text(said)])[0] == {"role": "system", "content": "You are Claude Code."}

    def test_system_messages_stay_in_place(self) -> None:
        """Claude Code sends its surroundings so to names that it does not know, and a line after each result."""
        later = {"role": "system", "content": [text("<total_tokens>5 left</total_tokens>", **MARK)]}
        said = (USER, {"role": "system", "content": "# Environment"}, asked("a"), user(result("a")), later)
        assert turns(*said) == [
            USER,
            {"role": "system", "content": "# Environment"},
            ASKED,
            told("a"),
            {"role": "system", "content": "<total_tokens>5 left</total_tokens>"},
        ]

    def test_what_holds_for_one_turn_only_goes_with_it(self) -> None:
        once = {"role": "system", "content": "now", "clear_at": "next_user_message"}
        assert turns(USER, once) == [USER, {"role": "system", "content": "now"}]
        assert turns(USER, once, USER) == [USER, USER]


class TestContent:
    def test_images(self) -> None:
        linked = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
        assert turns(user(PNG, text("what?"), linked))[0]["content"] == [
            PNG_URL,
            text("what?"),
            {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        ]

    def test_documents(self) -> None:
        plain = {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
        linked = {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}}
        assert turns(user({**PDF, "title": "paper"}, plain, linked))[0]["content"] == [
            {"type": "file", "file": {"filename": "paper.pdf", "file_data": "data:application/pdf;base64,aGk="}},
            text("T\nx"),
            text("Document: https://example.org/a.pdf"),
        ]

    def test_a_file_that_only_anthropic_has_is_told(self) -> None:
        stored = {"type": "document", "source": {"type": "file", "file_id": "file_1"}}
        body, changes = written(user(stored))
        assert body["messages"][0]["content"] == "[The document could not be passed on.]"
        assert changes == ["dropped document without data or url"]

    def test_fault_10_empty_and_blank_content(self) -> None:
        assert turns({"role": "user", "content": ""}, USER) == [USER]
        assert turns(user(text("")), {"role": "assistant", "content": []}, USER) == [USER]
        assert turns({"role": "user", "content": ""}) == [{"role": "user", "content": ""}]

    def test_fault_10_prefill_and_the_same_role_twice(self) -> None:
        one, two = {"role": "assistant", "content": "{"}, {"role": "assistant", "content": '"a":'}
        assert turns(USER, one, two) == [USER, {"role": "assistant", "content": '{\n\n"a":'}]


class TestToolResults:
    def test_fault_6_results_first_then_the_users_words(self) -> None:
        assert turns(asked("a"), user(text("and?"), result("a"), text("more"))) == [
            ASKED,
            told("a"),
            {"role": "user", "content": "and?\n\nmore"},
        ]

    def test_fault_6_results_in_any_order_are_matched_by_id(self) -> None:
        said = turns(asked("a", "b", "c"), user(result("c", "3", is_error=True), result("a", "1"), result("b", "2")))
        assert said[1:] == [told("a", "1"), told("b", "2"), told("c", "Error: 3")]

    def test_fault_6_every_call_is_answered(self) -> None:
        assert turns(asked("a", "b"), user(result("b"))) == [
            {**ASKED, "tool_calls": [call("a"), call("b")]},
            told("a", "Error: No result was given."),
            told("b"),
        ]
        assert turns(asked("a"))[1:] == [told("a", "Error: No result was given.")]

    def test_a_result_whose_call_is_gone_is_text(self) -> None:
        (said,) = turns(user(result("a", "42")))
        assert said["role"] == "user"
        assert said["content"].endswith("\n\n42")

    def test_fault_6_images_in_a_result_follow_all_results(self) -> None:
        """As an MCP tool gives them: text, image, text."""
        said = turns(
            asked("a", "b"), user(result("a", [text("Sunny"), PNG, text("[source]")]), result("b"), text("and now?"))
        )
        assert said[1:] == [
            told("a", "Sunny\n\n[source]\n\n[The files of this result follow in the next message.]"),
            told("b"),
            {"role": "user", "content": [text("Files of the result of tool call a:"), PNG_URL, text("and now?")]},
        ]

    def test_a_pdf_that_was_read(self) -> None:
        said = turns(asked("a"), user(result("a", [text("PDF file read"), PDF])))
        assert said[-1]["content"][1]["file"]["file_data"] == "data:application/pdf;base64,aGk="

    def test_fault_6_very_long_ids_are_kept(self) -> None:
        id_ = "x" * 5000
        assert turns(asked(id_), user(result(id_)))[-1] == told(id_)

    def test_a_result_without_content(self) -> None:
        assert turns(asked("a"), user({"type": "tool_result", "tool_use_id": "a"}))[-1] == told("a", "")

    def test_tool_references_are_told(self) -> None:
        said = turns(asked("a"), user(result("a", [{"type": "tool_reference", "tool_name": "WebFetch"}])))
        assert said[-1] == told("a", "The tool WebFetch is loaded and can be called.")


class TestThinking:
    THOUGHT = ({"type": "thinking", "thinking": "hm", "signature": THINKING_SIGNATURE}, text("yes"))

    def test_fault_5_it_returns_to_models_that_need_it(self) -> None:
        said = {"role": "assistant", "content": [*self.THOUGHT, {"type": "redacted_thinking", "data": "x"}]}
        plain = {"role": "assistant", "content": "yes"}
        assert turns(USER, said, USER) == [USER, plain, USER]
        assert turns(USER, said, USER, returns_reasoning=True)[1] == {**plain, "reasoning_content": "hm"}

    def test_fault_5_googles_signature_comes_back_from_the_id(self) -> None:
        id_ = with_signature("a", "thought")
        (_, said, answer) = turns(USER, asked(id_), user(result(id_)))
        assert said["tool_calls"][0]["id"] == answer["tool_call_id"] == "a"
        assert said["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "thought"}}

    @pytest.mark.parametrize(
        ("fields", "knob"),
        [
            (
                {"thinking": {"type": "enabled", "budget_tokens": 31999, "display": "updates"}},
                {"thinking_budget": 31999},
            ),
            ({"thinking": {"type": "enabled", "budget_tokens": 100}}, {"thinking_budget": 100}),
            ({"thinking": {"type": "adaptive"}}, {"reasoning_effort": "medium"}),
            ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}}, {"reasoning_effort": "xhigh"}),
            ({"thinking": {"type": "disabled"}}, {"reasoning_effort": "none"}),
            ({"output_config": {"effort": "low"}}, {"reasoning_effort": "low"}),
            ({}, {}),
        ],
    )
    def test_fault_8_how_hard_to_think(self, fields: Json, knob: Json) -> None:
        body, _ = written(**fields)
        assert {name: body[name] for name in ("reasoning_effort", "thinking_budget") if name in body} == knob

    def test_a_level_of_the_conversation_is_newer(self) -> None:
        later = {"role": "system", "output_config": {"effort": "low"}}
        assert written(USER, later, output_config={"effort": "high"})[0]["reasoning_effort"] == "low"


class TestTools:
    def offered(self, *tools: Json, **fields: Any) -> tuple[list[Json], list[str]]:
        body, changes = written(tools=list(tools), **fields)
        return body.get("tools", []), changes

    @pytest.mark.parametrize(
        ("schema", "complete"),
        [
            ({}, {"type": "object", "properties": {}}),
            (None, {"type": "object", "properties": {}}),
            ({"$schema": "s", "type": "object"}, {"$schema": "s", "type": "object", "properties": {}}),
            ({"properties": {"a": {}}}, {"type": "object", "properties": {"a": {}}}),
        ],
    )
    def test_any_schema(self, schema: Any, complete: Json) -> None:
        ((tool,), changes) = self.offered({"name": "f", "input_schema": schema})
        assert (tool["function"], changes) == ({"name": "f", "parameters": complete}, [])

    def test_fault_8_tool_search(self) -> None:
        """The placeholder is dropped, and what was loaded is offered."""
        placeholder = {"name": "DeferredToolPlaceholder", "input_schema": {}, "defer_loading": True}
        assert self.offered(placeholder, {**TOOL, "defer_loading": True, **MARK}) == ([BASH], [])

    def test_fault_8_server_tools_are_not_available(self) -> None:
        search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}
        body, changes = written(tools=[search], tool_choice={"type": "tool", "name": "web_search"})
        assert not {"tools", "tool_choice"} & body.keys()
        assert "web_search" in body["messages"][0]["content"]
        assert changes == ["dropped tool web_search"]

    def test_mcp_servers_are_not_available(self) -> None:
        body, changes = written(mcp_servers=[{"type": "url", "name": "docs", "url": "https://example.org"}])
        assert changes == ["dropped tool docs"]
        assert "docs" in body["messages"][0]["content"]

    def test_what_ran_on_the_server_is_told_as_text(self) -> None:
        ran = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}}
        found = {
            "type": "web_search_tool_result",
            "tool_use_id": "s",
            "content": [{"type": "web_search_result", "url": "u", "title": "t", "encrypted_content": "long"}],
        }
        said = turns(USER, {"role": "assistant", "content": [ran, found, text("So.")]})
        assert said[1]["content"] == '[web_search was run with {"query":"q"}]\n\nt\nu\n\nSo.'

    @pytest.mark.parametrize(
        ("kind", "name", "argument"),
        [
            ("bash_20250124", "bash", "restart"),
            ("text_editor_20250728", "str_replace_based_edit_tool", "view_range"),
            ("memory_20250818", "memory", "new_path"),
        ],
    )
    def test_anthropics_tools_that_clients_run_are_functions(self, kind: str, name: str, argument: str) -> None:
        ((tool,), changes) = self.offered({"type": kind, "name": name})
        assert argument in tool["function"]["parameters"]["properties"]
        assert (tool["function"]["name"], changes) == (name, [])

    def test_a_computer_is_not_offered(self) -> None:
        computer = {"type": "computer_20250124", "name": "computer", "display_width_px": 9, "display_height_px": 9}
        assert self.offered(computer) == ([], ["dropped tool computer"])

    def test_tools_that_come_and_go_in_the_conversation(self) -> None:
        gone = {"type": "tool_removal", "tool": {"type": "tool_reference", "name": "f"}}
        come = {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": TOOL}}
        body, _ = written(USER, {"role": "system", "content": [gone, come]}, tools=[{"name": "f", "input_schema": {}}])
        assert body["tools"] == [BASH]
        assert body["messages"] == [USER]

    @pytest.mark.parametrize(
        ("choice", "fields"),
        [
            ({"type": "auto"}, {"tool_choice": "auto"}),
            ({"type": "any"}, {"tool_choice": "required"}),
            ({"type": "none"}, {"tool_choice": "none"}),
            ({"type": "tool", "name": "Bash"}, {"tool_choice": {"type": "function", "function": {"name": "Bash"}}}),
            ({"type": "tool", "name": "gone"}, {}),
            (
                {"type": "auto", "disable_parallel_tool_use": True},
                {"tool_choice": "auto", "parallel_tool_calls": False},
            ),
        ],
    )
    def test_fault_8_choices(self, choice: Json, fields: Json) -> None:
        body, _ = written(tools=[TOOL], tool_choice=choice)
        assert {name: body[name] for name in ("tool_choice", "parallel_tool_calls") if name in body} == fields


class TestTheRest:
    def test_limits_and_sampling(self) -> None:
        stops = ["1", "2", "3", "4", "5"]
        body, changes = written(stop_sequences=stops, temperature=1, top_p=0.5, top_k=3, metadata={"user_id": "u"})
        assert (body["stop"], body["temperature"], body["top_p"], body["user"]) == (stops, 1, 0.5, "u")
        assert (body["max_tokens"], changes) == (99, ["dropped top_k"])

    @pytest.mark.parametrize("name", ["context_management", "service_tier", "container", "of_next_year"])
    def test_what_no_other_model_knows_is_dropped_with_a_word(self, name: str) -> None:
        fields: Json = {name: {"x": 1}}
        body, changes = written(**fields)
        assert name not in body
        assert changes == [f"dropped {name}"]

    @pytest.mark.parametrize("name", ["output_config", "output_format"])
    def test_structured_output(self, name: str) -> None:
        form = {"type": "json_schema", "schema": {"type": "object"}}
        fields: Json = {name: {"format": form} if name == "output_config" else form}
        body, _ = written(**fields)
        assert body["response_format"] == {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": {"type": "object"}},
        }


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"tools": [TOOL], "tool_choice": {"type": "any", "disable_parallel_tool_use": True}},
        {"output_config": {"effort": "high"}, "stop_sequences": ["END"], "temperature": 1},
    ],
)
def test_the_stand_in_takes_what_is_written(poe: poe_sim.SimServer, fields: Json) -> None:
    said = (
        user(PNG, PDF),
        {"role": "system", "content": "# Environment"},
        asked("a", "b"),
        user(result("b"), text("?")),
    )
    body = {"model": "gpt-5.4", "stream": False, **written(*said, **fields)[0]}
    headers = {"authorization": f"Bearer {poe_sim.KEYS[0]}"}
    answer = httpx.post(f"{poe.base_url}/v1/chat/completions", json=body, headers=headers, trust_env=False)
    assert answer.status_code == 200, answer.text
