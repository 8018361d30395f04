"""Whole chat answers: what Poe's JSON becomes in between, and what the client's JSON is made of."""

import json
from typing import Any

import orjson
import pytest

from poe_proxy.canonical.answer import fold
from poe_proxy.canonical.errors import Garbled, RateLimited, StreamBroken
from poe_proxy.canonical.events import Event, Failed, Finished, Reasoning, Refusal, Started, Text, ToolCall, Used
from poe_proxy.canonical.usage import Usage
from poe_proxy.wire.lenient import decoded
from poe_proxy.wire.openai_chat.answer import read, write
from tests.wire.chunks import Json, bare, calls, chunk, own_usage, piece, usage, usage_chunk
from tests.wire.chunks import read as read_stream


def body(message: Any, **more: Any) -> Json:
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    around = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1774471078, "model": "odd"}
    return {**around, "choices": [choice], "usage": usage(), **more}


def said(message: Any, **more: Any) -> list[Event]:
    """What the body says between its start and its finish."""
    started, *events = bare(read(body(message, **more)))
    assert isinstance(started, Started)
    return [event for event in events if not isinstance(event, Finished | Used)]


def round_trip(told: Json) -> Json:
    return write(fold(read(told)), "asked")


class TestReading:
    def test_the_order_of_events(self) -> None:
        message = {
            "role": "assistant",
            "tool_calls": [piece(None, "a", "f", "{}")],
            "refusal": "c",
            "content": "b",
            "reasoning_content": "a",
        }
        assert bare(read(body(message)))[1:] == [
            Reasoning("a"),
            Text("b"),
            Refusal("c"),
            ToolCall(0, "a", "f", "{}"),
            Finished("tool_calls"),
            Used(Usage(7, 4)),
        ]

    def test_the_body_is_kept_beside_the_start(self) -> None:
        told = body({"content": "a"})
        started = read(told)[0]
        assert isinstance(started, Started)
        assert started.answer is told

    @pytest.mark.parametrize(
        "nothing",
        [None, [], {}, "x", 3, {"choices": []}, {"choices": None}, {"choices": {}}, {"choices": [None]}],
    )
    def test_what_has_no_choice_is_garbled(self, nothing: Any) -> None:
        (event,) = read(nothing)
        assert isinstance(event, Failed)
        assert isinstance(event.error, Garbled)

    def test_an_error_in_a_200_is_read_as_one(self) -> None:
        (event,) = read({"error": {"message": "Slow down.", "type": "rate_limit_error"}, "choices": []})
        assert isinstance(event, Failed)
        assert isinstance(event.error, RateLimited)

    @pytest.mark.parametrize("message", [None, {}, [], "text", {"content": None}, {"content": 3}])
    def test_a_message_that_says_nothing_is_an_answer_of_nothing(self, message: Any) -> None:
        assert said(message) == []

    def test_no_two_events_share_a_frame(self) -> None:
        message = {"content": "b", "odd": 1, "tool_calls": [piece(None, "a", "f", "{}"), piece(None, "b", "g", "{}")]}
        frames = [one for event in read(body(message)) if (one := getattr(event, "frame", None)) is not None]
        assert len({id(one) for one in frames}) == len(frames)
        assert len({id(one["choices"]) for one in frames}) == len(frames)


class TestTheRoundTrip:
    def test_unknown_fields_survive_at_every_level(self) -> None:
        signed = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}", "odd": 1}, "odd": 2}
        told = body({"role": "assistant", "content": "a", "tool_calls": [signed], "odd": 3}, odd=4)
        told["choices"][0] |= {"odd": 5, "logprobs": None, "finish_reason": "tool_calls"}
        told["usage"]["odd"] = 6
        assert round_trip(told) == told | {"model": "asked"}

    def test_poe_s_own_json_is_not_changed(self) -> None:
        told = body({"role": "assistant", "content": "a", "reasoning": "b", "tool_calls": [piece(0, None, "f")]})
        before = repr(told)
        round_trip(told)
        assert repr(told) == before

    def test_a_body_without_anything_is_a_completion(self) -> None:
        assert round_trip({"choices": [{}]}) == {
            "id": "",
            "object": "chat.completion",
            "created": 0,
            "model": "asked",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": None}, "finish_reason": "stop"}],
        }

    def test_a_stream_folds_into_one_json(self) -> None:
        events = read_stream(
            chunk({"role": "assistant", "content": ""}),
            chunk({"reasoning": "Hm. "}),
            chunk({"reasoning": "Yes."}),
            chunk({"content": "a"}),
            chunk({"content": "b", "annotations": []}),
            chunk({"odd": 1}),
            chunk(calls({**piece(0, "x", "f", ""), "extra_content": {"google": {}}})),
            chunk(calls(piece(0, arguments='{"y":'))),
            chunk(calls(piece(0, arguments=" 1}"))),
            chunk(finish="stop"),
            usage_chunk({**usage(), "prompt_tokens_details": {"cached_tokens": 3}}),
        )
        call = {"id": "x", "type": "function", "function": {"name": "f", "arguments": '{"y": 1}'}}
        message = {
            "role": "assistant",
            "content": "ab",
            "odd": 1,
            "reasoning_content": "Hm. Yes.",
            "tool_calls": [{**call, "extra_content": {"google": {}}}],
        }
        assert write(fold(events), "asked") == {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1774471078,
            "model": "asked",
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
            "usage": {**usage(), "prompt_tokens_details": {"cached_tokens": 3}},
        }

    def test_what_comes_later_with_a_piece_of_a_call_is_kept(self) -> None:
        signed = {**piece(0), "extra_content": {"google": {"thought_signature": "S"}}}
        deltas = [calls(piece(0, "x", "get_", "")), calls(piece(0, name="it", arguments="{}")), calls(signed)]
        told = write(fold(read_stream(*map(chunk, deltas), chunk(finish="stop"))), "asked")
        assert told["choices"][0]["message"]["tool_calls"] == [
            {
                "id": "x",
                "type": "function",
                "function": {"name": "get_it", "arguments": "{}"},
                "extra_content": {"google": {"thought_signature": "S"}},
            }
        ]

    def test_calls_of_another_type_stay_as_they_are(self) -> None:
        other = {"id": "a", "type": "custom", "custom": {"name": "p", "input": "raw"}}
        called = {"id": "b", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        told = body({"role": "assistant", "content": None, "tool_calls": [other, called]})
        told["choices"][0]["finish_reason"] = "tool_calls"
        assert round_trip(told) == told | {"model": "asked"}
        events = bare(read(told))
        assert ToolCall(0, "b", "f", "{}") in events

    def test_a_streamed_call_of_another_type_is_made_whole(self) -> None:
        deltas = [
            calls({"index": 0, "id": "a", "type": "custom", "custom": {"name": "p", "input": "ra"}}),
            calls(piece(1, "b", "f", "{}")),
            calls({"index": 0, "custom": {"input": "w"}}),
        ]
        message = write(fold(read_stream(*map(chunk, deltas), chunk(finish="stop"))), "asked")["choices"][0]["message"]
        assert message["tool_calls"] == [
            {"id": "a", "type": "custom", "custom": {"name": "p", "input": "raw"}},
            {"id": "b", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        ]

    def test_of_several_choices_the_one_with_index_0_counts(self) -> None:
        told = body({"role": "assistant", "content": "a"})
        told["choices"].insert(
            0, {"index": 1, "message": {"role": "assistant", "content": "b"}, "finish_reason": "stop"}
        )
        (choice,) = round_trip(told)["choices"]
        assert (choice["index"], choice["message"]["content"]) == (0, "a")

    @pytest.mark.parametrize("place", ["top", "message", "usage"])
    def test_what_is_nested_too_deep_to_be_written_is_left_out(self, place: str) -> None:
        deep: Any = []
        for _ in range(400):
            deep = [deep]
        told = body({"role": "assistant", "content": "a", "tool_calls": [piece(None, "x", "f", "{}")]})
        {"top": told, "message": told["choices"][0]["message"], "usage": told["usage"]}[place]["odd"] = deep
        after = round_trip(told)
        assert json.loads(orjson.dumps(after)) == after
        assert after["choices"][0]["message"]["content"] == "a"
        assert after["choices"][0]["message"]["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}
        assert after["usage"] == own_usage()

    def test_events_without_frames_make_a_body_too(self) -> None:
        """As another dialect's reader would tell them."""
        events: list[Event] = [Started("1", 2, "m"), Refusal("no"), ToolCall(0, "a", "f", "{}")]
        told = write(fold([*events, Finished("stop"), Used(Usage(7, 4))]), "asked")
        assert told["choices"][0]["message"] == {
            "role": "assistant",
            "content": None,
            "refusal": "no",
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        }
        assert told["usage"] == own_usage()


def test_a_reason_that_says_the_answer_went_wrong_is_a_failure() -> None:
    (event,) = read({"choices": [{"message": {"content": "half of it"}, "finish_reason": "error"}]})
    assert isinstance(event, Failed)
    assert isinstance(event.error, StreamBroken)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'"a\xff"', "a\ufffd"),
        (b'"a\\ud83d b"', "a\ufffd b"),
        (b"[NaN, 1e400, -1e400, 1.5]", [None, None, None, 1.5]),
        (b"123456789012345678901234567890", 1.2345678901234568e29),
        (b"\xef\xbb\xbf[1]", [1]),
    ],
)
def test_json_that_no_standard_allows_is_mended(data: bytes, value: Any) -> None:
    assert decoded(data) == value


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 5000 + b"]" * 5000, b"[NaN," + b"[" * 900 + b"]" * 901])
def test_what_is_no_json_is_a_value_error(data: bytes) -> None:
    try:
        decoded(data)
    except ValueError:
        return
    assert data.startswith(b"[NaN")  # deep, and still within what Python reads
