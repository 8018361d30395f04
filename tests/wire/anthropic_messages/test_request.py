"""A messages body: refused with the field's name as Anthropic says it, or passed on to Claude as it was said."""

from base64 import b64encode
from copy import deepcopy
from typing import Any

import orjson
import pytest

from poe_proxy.canonical.card import ModelCard
from poe_proxy.canonical.errors import BadRequest
from poe_proxy.wire.anthropic_messages.marks import THINKING_SIGNATURE, with_signature
from poe_proxy.wire.anthropic_messages.request import encode, native, parse, parse_count

Json = dict[str, Any]
USER = {"role": "user", "content": "hi"}
CARD = ModelCard("shown", "claude-sonnet-4.5")
MARK = {"type": "ephemeral"}


def told(*messages: Any, **fields: Any) -> Json:
    return {"model": "m", "max_tokens": 9, "messages": list(messages or (USER,)), **fields}


def blocks(*content: Any, role: str = "user") -> Json:
    return told({"role": role, "content": list(content)})


def refusal(body: Any) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        parse(body if isinstance(body, bytes) else orjson.dumps(body))
    return caught.value


def sent(body: Json) -> Json:
    return native(parse(orjson.dumps(body)), CARD)


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"messages": [USER], "max_tokens": 9}, "model"),
            (told(model=" "), "model"),
            (told(model=["m"]), "model"),
            ({"model": "m", "messages": [USER]}, "max_tokens"),
            (told(max_tokens=0), "max_tokens"),
            (told(max_tokens="many"), "max_tokens"),
            ({"model": "m", "max_tokens": 9}, "messages"),
            (told(messages=[]), "messages"),
            (told(messages={}), "messages"),
            (told(USER, 3), "messages.1"),
            (told(USER, {"content": "hi"}), "messages.1.role"),
            (told({"role": "tool", "content": "hi"}), "messages.0.role"),
            (told({"role": ["user"], "content": "hi"}), "messages.0.role"),
            (told(USER, {"role": "user", "content": None}), "messages.1.content"),
            (told({"role": "user", "content": {"text": "hi"}}), "messages.0.content"),
            (blocks("hi"), "messages.0.content.0"),
            (blocks({"text": "hi"}), "messages.0.content.0.type"),
            (blocks({"type": "text"}), "messages.0.content.0.text.text"),
            (blocks({"type": "image"}), "messages.0.content.0.image.source"),
            (blocks({"type": "document", "source": "x"}), "messages.0.content.0.document.source"),
            (blocks({"type": "tool_use", "name": "f"}, role="assistant"), "messages.0.content.0.tool_use.id"),
            (blocks({"type": "tool_result"}), "messages.0.content.0.tool_result.tool_use_id"),
            (
                blocks({"type": "tool_result", "tool_use_id": "a", "content": [3]}),
                "messages.0.content.0.tool_result.content.0",
            ),
            (told(system=3), "system"),
            (told(system=[3]), "system.0"),
            (told(stream="yes"), "stream"),
            (told(temperature=True), "temperature"),
            (told(stop_sequences="END"), "stop_sequences"),
            (told(tools={}), "tools"),
            (told(tools=["f"]), "tools.0"),
            (told(tools=[{"type": "custom"}]), "tools.0.custom.name"),
            (told(tools=[{"name": "f", "input_schema": []}]), "tools.0.custom.input_schema"),
            (told(tool_choice="auto"), "tool_choice"),
            (told(thinking="on"), "thinking"),
            (told(betas="x"), "betas"),
        ],
    )
    def test_the_field_is_named(self, body: Json, field: str) -> None:
        error = refusal(body)
        assert error.param == field
        assert error.message.startswith(f"{field}: ")

    @pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff", b'{"a":' * 300 + b"1" + b"}" * 300])
    def test_what_is_no_object_is_refused_as_a_whole(self, data: bytes) -> None:
        assert refusal(data).param is None

    def test_a_missing_limit_is_told_in_anthropics_words(self) -> None:
        assert refusal({"model": "m", "messages": [USER]}).message == "max_tokens: Field required"

    def test_counting_needs_no_limit(self) -> None:
        assert parse_count(orjson.dumps({"model": "m", "messages": [USER]})).model == "m"

    @pytest.mark.parametrize("thread", [{"type": "create"}, {"type": "continue", "previous_message_id": "msg_1"}])
    def test_a_thread_is_refused_so_that_sdks_go_on_without(self, thread: Json) -> None:
        assert refusal(told(thread=thread)).details == {
            "error_code": "thread_unsupported_request",
            "unsupported": ["thread"],
        }

    def test_the_unknown_passes(self) -> None:
        request = parse(
            orjson.dumps(told(USER, {"role": "system", "output_config": {"effort": "low"}}, new_field=1, stream=True))
        )
        assert (request.dialect, request.stream, request.body["new_field"]) == ("anthropic_messages", True, 1)
        parse(orjson.dumps(blocks({"type": "block_of_next_year"}) | {"tools": [{"type": "tool_of_next_year"}]}))


class TestWhatClaudeIsSent:
    def test_everything_is_kept_but_the_name(self) -> None:
        said = told(
            {
                "role": "user",
                "content": [{"type": "text", "text": "hi", "cache_control": MARK}, {"type": "new", "x": 1}],
            },
            {"role": "system", "content": "# Environment", "output_config": {"effort": "high"}},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "", "signature": "EuUD"},
                    {"type": "redacted_thinking", "data": "x"},
                ],
            },
            thinking={"type": "adaptive", "display": "updates"},
            context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
            unknown=None,
        )
        assert sent(said) == {**said, "model": "claude-sonnet-4.5"}

    @pytest.mark.parametrize(
        "thought",
        [
            {"type": "thinking", "thinking": "hm"},
            {"type": "thinking", "thinking": "hm", "signature": ""},
            {"type": "thinking", "thinking": "hm", "signature": None},
            {"type": "thinking", "thinking": "hm", "signature": THINKING_SIGNATURE},
            {"type": "redacted_thinking"},
        ],
    )
    def test_foreign_thinking_never_reaches_claude(self, thought: Json) -> None:
        text = {"type": "text", "text": "yes"}
        said = told(USER, {"role": "assistant", "content": [thought, text]}, USER)
        before = deepcopy(said)
        assert sent(said)["messages"][1]["content"] == [text]
        assert said == before

    def test_a_message_of_foreign_thinking_alone_goes(self) -> None:
        thought = {"type": "thinking", "thinking": "hm", "signature": ""}
        assert sent(told(USER, {"role": "assistant", "content": [thought]}, USER))["messages"] == [USER, USER]

    def test_googles_signature_is_split_off_again(self) -> None:
        id_ = with_signature("toolu_1", b64encode(b"thought").decode())
        call = {"type": "tool_use", "id": id_, "name": "f", "input": {}, "cache_control": MARK}
        result = {"type": "tool_result", "tool_use_id": id_, "content": "1"}
        body = sent(told(USER, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}))
        assert body["messages"][1]["content"] == [{**call, "id": "toolu_1"}]
        assert body["messages"][2]["content"] == [{**result, "tool_use_id": "toolu_1"}]

    def test_a_turn_that_another_model_began_goes_on_without_thinking(self) -> None:
        """Claude refuses thinking with a budget in a turn that did not begin with its own."""
        said = told(
            USER,
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": THINKING_SIGNATURE},
                    {"type": "tool_use", "id": "a", "name": "f", "input": {}},
                ],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a"}]},
            thinking={"type": "enabled", "budget_tokens": 2000},
            context_management={"edits": [{"type": "clear_thinking_20251015"}, {"type": "clear_tool_uses_20250919"}]},
        )
        body = sent(said)
        assert "thinking" not in body
        assert body["context_management"] == {"edits": [{"type": "clear_tool_uses_20250919"}]}

    def test_betas_are_a_header_on_the_wire(self) -> None:
        data, headers = encode(told(betas=["one-2025", "two-2026"]), "2023-06-01")
        assert "betas" not in orjson.loads(data)
        assert headers == {"anthropic-version": "2023-06-01", "anthropic-beta": "one-2025,two-2026"}
        assert encode(told(betas=[]), "2026-10-21")[1] == {"anthropic-version": "2026-10-21"}


class TestIdsOfOtherMakers:
    """A client that goes on with Claude after another model sends its calls along."""

    @staticmethod
    def turn(id_: str) -> list[Json]:
        call = {"type": "tool_use", "id": id_, "name": "Bash", "input": {}}
        result = {"type": "tool_result", "tool_use_id": id_, "content": "done"}
        return [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]

    def ids(self, *given: str) -> list[str]:
        body = sent(told(USER, *(message for id_ in given for message in self.turn(id_))))
        told_ids = [message["content"][0] for message in body["messages"][1:]]
        assert [block["id"] for block in told_ids[::2]] == [block["tool_use_id"] for block in told_ids[1::2]]
        return [block["id"] for block in told_ids[::2]]

    def test_become_legal_and_stay_apart(self) -> None:
        assert self.ids("functions.Bash:0", "functions.Bash:0", "functions_Bash_0_3") == [
            "functions_Bash_0",
            "functions_Bash_0_2",
            "functions_Bash_0_3",
        ]

    def test_legal_ones_stay_whatever_they_are(self) -> None:
        given = ["toolu_vrtx_01", "call_" + "x" * 500, "toolu_vrtx_01"]
        assert self.ids(*given) == given
