"""Whole answers: Poe's messages for clients of other dialects, and others' answers for clients of messages."""

from typing import Any

import orjson
import pytest
from anthropic.types import Message

from poe_proxy.canonical.answer import Answer, Call, fold
from poe_proxy.canonical.cost import Cost
from poe_proxy.canonical.errors import Garbled, PoeFailed, RateLimited
from poe_proxy.canonical.events import Failed, Finished, Reasoning, Started, Text, ToolArguments, ToolCall, Used
from poe_proxy.canonical.usage import Usage
from poe_proxy.wire.anthropic_messages.answer import read, write
from poe_proxy.wire.anthropic_messages.marks import THINKING_SIGNATURE, split_signature
from poe_proxy.wire.openai_chat import answer as chat_answer
from tests.wire.anthropic_messages.test_native import BODIES, CALL, SIGNED, body
from tests.wire.chunks import Json, piece, usage


def completion(message: Json, finish: str = "stop", **more: Any) -> Json:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return {"id": "chatcmpl-1", "created": 1774471078, "model": "odd", "choices": [choice], "usage": usage(), **more}


def written(message: Json, finish: str = "stop", **more: Any) -> Json:
    """What a client of messages gets for a chat completion; it is one of Anthropic's for their SDK."""
    told = write(fold(chat_answer.read(completion(message, finish, **more), keep=False)), "asked")
    Message.model_validate(told)
    return told


class TestReading:
    def test_for_other_dialects(self) -> None:
        assert read(body(SIGNED, {"type": "text", "text": "42"}, CALL, stop_reason="tool_use"), keep=False) == [
            Started("req_poe_" + "d" * 32, 0, "claude-opus-4-5-20251101"),
            Reasoning("Seven times six.\n\nThat is 42."),
            Text("42"),
            ToolCall(0, "toolu_vrtx_01Wr5", "getWeather"),
            ToolArguments(0, '{"location":"Brno","days":1.0}'),
            Finished("tool_calls"),
            Used(Usage(67, 259)),
        ]

    def test_a_chat_client_reads_it(self) -> None:
        told = chat_answer.write(fold(read(BODIES["tools"], keep=False)), "asked")
        (choice,) = told["choices"]
        assert choice["finish_reason"] == "tool_calls"
        assert choice["message"]["tool_calls"][0]["function"]["arguments"] == '{"location":"Brno","days":1.0}'
        assert told["usage"]["total_tokens"] == 326

    @pytest.mark.parametrize("reason", [None, ""])
    def test_a_missing_reason_is_an_ordinary_end(self, reason: Any) -> None:
        assert Finished("stop") in read(body({"type": "text", "text": "a"}, stop_reason=reason), keep=False)
        assert Finished("tool_calls") in read(body(CALL, stop_reason=reason), keep=False)

    @pytest.mark.parametrize("other", [None, [], "x", {}, {"content": "x"}, completion({"content": "Hi"})])
    def test_what_is_no_message_is_garbled(self, other: Any) -> None:
        (failed,) = read(other, keep=True)
        assert isinstance(failed, Failed)
        assert isinstance(failed.error, Garbled)

    def test_an_error_is_a_failure(self) -> None:
        (failed,) = read({"type": "error", "error": {"type": "api_error", "message": "No."}}, keep=True)
        assert isinstance(failed, Failed)
        assert isinstance(failed.error, PoeFailed)

    @pytest.mark.parametrize("block", [None, 3, {}, {"type": None}, {"type": "text"}, {"type": "tool_use", "input": 3}])
    @pytest.mark.parametrize("keep", [True, False])
    def test_odd_blocks_are_survived(self, block: Any, keep: bool) -> None:
        assert not any(isinstance(event, Failed) for event in read(body(block), keep=keep))


class TestWriting:
    def test_thinking_text_and_calls(self) -> None:
        calls = [piece(None, "a", "f", '{"x": 1}')]
        told = written({"reasoning_content": "Hm", "content": "Hi", "tool_calls": calls})
        assert told == {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "asked",
            "content": [
                {"type": "thinking", "thinking": "Hm", "signature": THINKING_SIGNATURE},
                {"type": "text", "text": "Hi"},
                {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
            ],
            "stop_reason": "tool_use",
            "stop_sequence": None,
            "usage": {
                "input_tokens": 7,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "output_tokens": 4,
            },
        }

    @pytest.mark.parametrize("nothing", [None, "", "\n"])
    def test_blank_text_is_no_content(self, nothing: str | None) -> None:
        assert written({"content": nothing})["content"] == []

    def test_a_refusal_is_text(self) -> None:
        told = written({"content": None, "refusal": "Not that."})
        assert (told["content"], told["stop_reason"]) == ([{"type": "text", "text": "Not that."}], "refusal")

    @pytest.mark.parametrize("deep", ['{"x":' * 400 + "1" + "}" * 400, "[" * 2000])
    def test_arguments_nested_too_deep_are_kept_as_text(self, deep: str) -> None:
        told = write(Answer(calls=[Call("a", "f", deep)], finish="stop"), "asked")
        assert told["content"][0]["input"] == {"arguments": deep}
        orjson.dumps(told)

    @pytest.mark.parametrize(
        ("said", "kept"), [("", {}), ("null", {}), ("{", {"arguments": "{"}), ("[1]", {"arguments": [1]})]
    )
    def test_arguments_that_are_no_object(self, said: str, kept: Json) -> None:
        told = write(Answer(calls=[Call("a", "f", said)], finish="length"), "asked")
        assert told["content"][0]["input"] == kept
        assert told["stop_reason"] == "max_tokens"

    def test_google_s_signature_travels_in_the_id(self) -> None:
        """As Poe was recorded to send it, and as it may stand beside the calls."""
        signed = {**piece(None, "a", "f", "{}"), "extra_content": {"google": {"thought_signature": "S+"}}}
        told = written({"content": "", "tool_calls": [signed, piece(None, "b", "g", "{}")]})
        assert [split_signature(block["id"]) for block in told["content"]] == [("a", "S+"), ("b", "")]
        beside = {"google": {"thought_signature": "T"}}
        told = written({"content": "", "tool_calls": [piece(None, "a", "f", "{}")], "extra_content": beside})
        assert [split_signature(block["id"]) for block in told["content"]] == [("a", "T")]

    def test_the_cost_stands_in_the_usage(self) -> None:
        told = write(Answer(text="Hi", usage=Usage(7, 4), cost=Cost(3, "estimated")), "asked")
        assert told["usage"]["poe"] == {"points": 3, "source": "estimated", "usd": 0.00009}

    def test_a_prompt_that_nobody_counted_is_estimated(self) -> None:
        assert write(Answer(text="Hi"), "asked", prompt_estimate=55)["usage"]["input_tokens"] == 55
        assert write(Answer(text="Hi"), "asked")["usage"]["input_tokens"] == 1

    def test_poe_s_body_in_another_dialect_is_none_of_ours(self) -> None:
        told = write(fold(chat_answer.read(completion({"content": "Hi"}))), "asked")
        assert told["content"] == [{"type": "text", "text": "Hi"}]
        assert "choices" not in told


def test_an_error_of_chat_s_is_one_of_ours() -> None:
    (failed,) = chat_answer.read({"error": {"type": "rate_limit_error", "message": "Slow down."}}, keep=False)
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, RateLimited)
