"""The faults that translating proxies are known for, as far as answers have them: each by its name."""

import json

import pytest

from poe_proxy.canonical.errors import RateLimited
from poe_proxy.canonical.events import (
    Event,
    Failed,
    Finished,
    Reasoning,
    Refusal,
    Started,
    Text,
    ToolArguments,
    ToolCall,
    Used,
)
from poe_proxy.canonical.usage import Usage
from poe_proxy.wire.anthropic_messages.marks import THINKING_SIGNATURE, is_foreign, split_signature
from tests.wire.anthropic_messages import grammar
from tests.wire.anthropic_messages.grammar import by_sdk, check_broken, content, kinds
from tests.wire.anthropic_messages.said import (
    STOP,
    between,
    call,
    end,
    read,
    start,
    text,
    told,
    translated,
    whole,
    write,
)
from tests.wire.chunks import DONE, Json, calls, chunk, piece, usage_chunk

ROLE = chunk({"role": "assistant", "content": ""})
HI = chunk({"content": "Hi"})
ENDED = chunk(finish="stop")


def reason(events: list[Json]) -> str:
    return str(events[-2]["delta"]["stop_reason"])


def inputs(events: list[Json]) -> list[tuple[str, Json]]:
    return [(block["id"], block["input"]) for block in content(events) if block["type"] == "tool_use"]


class TestFault1ToolCallsInPieces:
    def test_name_and_arguments_in_one_chunk(self) -> None:
        events = whole(ROLE, chunk(calls(piece(0, "a", "f", '{"x": 1}'))), chunk(finish="tool_calls"))
        assert content(events) == [{"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}]

    def test_several_calls_in_one_chunk(self) -> None:
        both = calls(piece(0, "a", "f", '{"x": 1}'), piece(1, "b", "g", '{"y": 2}'))
        assert inputs(whole(ROLE, chunk(both), ENDED)) == [("a", {"x": 1}), ("b", {"y": 2})]

    def test_all_arguments_so_far_with_every_chunk(self) -> None:
        so_far = [chunk(calls(piece(0, "a", "f", some))) for some in ('{"x"', '{"x": 1', '{"x": 1}')]
        assert inputs(whole(ROLE, *so_far, ENDED)) == [("a", {"x": 1})]

    def test_no_index(self) -> None:
        told = [chunk(calls(piece(None, "a", "f", '{"x":'))), chunk(calls(piece(None, None, None, "1}")))]
        assert inputs(whole(ROLE, *told, ENDED)) == [("a", {"x": 1})]

    def test_an_empty_list_of_calls(self) -> None:
        events = whole(ROLE, chunk({"content": "Hi", "tool_calls": []}), ENDED)
        assert (kinds(events), reason(events)) == (["text"], "end_turn")

    def test_the_finish_in_the_chunk_of_the_call(self) -> None:
        events = whole(ROLE, chunk(calls(piece(0, "a", "f", "{}")), "tool_calls"))
        assert (inputs(events), reason(events)) == ([("a", {})], "tool_use")

    def test_a_name_in_pieces_is_whole_when_its_block_begins(self) -> None:
        told = [chunk(calls(piece(0, "a", "get_"))), chunk(calls(piece(0, None, "weather"))), chunk(calls(piece(0)))]
        (block,) = content(whole(ROLE, *told, chunk(calls(piece(0, None, None, "{}"))), ENDED))
        assert block["name"] == "get_weather"

    def test_a_call_without_arguments_is_an_empty_object(self) -> None:
        assert inputs(whole(ROLE, chunk(calls(piece(0, "a", "f"))), ENDED)) == [("a", {})]

    @pytest.mark.parametrize("odd", ["[1, 2]", '"text"', "no JSON", "3"])
    def test_arguments_that_are_no_object_are_kept_in_one(self, odd: str) -> None:
        ((_, kept),) = inputs(whole(ROLE, chunk(calls(piece(0, "a", "f", odd))), ENDED))
        assert kept == {"arguments": odd if odd == "no JSON" else json.loads(odd)}


class TestFault2OneBlockAtATime:
    def test_thinking_then_text_then_calls(self) -> None:
        told = [chunk({"reasoning_content": "Hm"}), HI, chunk(calls(piece(0, "a", "f", "{}")))]
        assert kinds(whole(ROLE, *told, ENDED)) == ["thinking", "text", "tool_use"]

    def test_calls_in_turns_are_written_one_after_the_other(self) -> None:
        told = [
            calls(piece(0, "a", "f", '{"x":')),
            calls(piece(1, "b", "g", '{"y":')),
            calls(piece(0, None, None, " 1}")),
            calls(piece(1, None, None, " 2}")),
        ]
        assert inputs(whole(ROLE, *map(chunk, told), ENDED)) == [("a", {"x": 1}), ("b", {"y": 2})]

    def test_the_arguments_of_the_open_call_leave_as_they_come(self) -> None:
        events = whole(ROLE, *[chunk(calls(piece(0, "a", "f", some))) for some in ('{"x":', "1", "}")], ENDED)
        deltas = [event["delta"]["partial_json"] for event in events if event["type"] == "content_block_delta"]
        assert deltas == ['{"x":', "1", "}"]

    @pytest.mark.parametrize("blank", ["", " ", "\n\n"])
    def test_no_blank_text_before_a_call(self, blank: str) -> None:
        told = [chunk({"content": blank}), chunk(calls(piece(0, "a", "f", "{}")))]
        assert kinds(whole(ROLE, *told, ENDED)) == ["tool_use"]

    def test_blank_text_between_thoughts_ends_nothing(self) -> None:
        told = [chunk({"reasoning_content": "Hm"}), chunk({"content": "\n"}), chunk({"reasoning_content": "m."}), HI]
        events = whole(ROLE, *told, ENDED)
        assert [block.get("thinking", block.get("text")) for block in content(events)] == ["Hmm.", "Hi"]

    def test_white_space_before_a_text_belongs_to_it(self) -> None:
        assert content(whole(ROLE, chunk({"content": "\n\n"}), HI, ENDED)) == [{"type": "text", "text": "\n\nHi"}]

    def test_thinking_after_text_is_a_block_of_its_own(self) -> None:
        told = [HI, chunk({"reasoning_content": "Hm"}), chunk({"content": " you"})]
        assert kinds(whole(ROLE, *told, ENDED)) == ["text", "thinking", "text"]

    @pytest.mark.parametrize("late", [Text("and"), Reasoning("Hm")])
    def test_what_comes_within_a_call_waits_until_it_is_whole(self, late: Event) -> None:
        events = told([ToolCall(0, "a", "f", '{"x":'), late, ToolArguments(0, "1}"), late, Finished("stop")])
        grammar.check_whole(events, model="asked")
        assert kinds(events) == ["tool_use", "text" if isinstance(late, Text) else "thinking"]
        assert inputs(events) == [("a", {"x": 1})]

    def test_a_start_that_is_repeated_is_told_once(self) -> None:
        events = told([Started("1", 0, "m"), Started("2", 0, "m"), Text("Hi"), Finished("stop")])
        assert [event["type"] for event in events].count("message_start") == 1
        assert events[0]["message"]["id"] == "msg_1"


class TestFault3Usage:
    def test_the_usage_after_the_finish_is_read(self) -> None:
        events = whole(ROLE, HI, ENDED, usage_chunk({"prompt_tokens": 30, "completion_tokens": 5}))
        assert events[-2]["usage"]["input_tokens"] == 30
        assert events[-2]["usage"]["output_tokens"] == 5

    def test_input_tokens_leave_out_the_cached_ones(self) -> None:
        details = {"cached_tokens": 20, "cache_creation_tokens": 4}
        used = {"prompt_tokens": 30, "completion_tokens": 5, "prompt_tokens_details": details}
        events = whole(ROLE, HI, ENDED, usage_chunk(used))
        assert events[-2]["usage"] == {
            "input_tokens": 6,
            "cache_creation_input_tokens": 4,
            "cache_read_input_tokens": 20,
            "output_tokens": 5,
        }

    def test_the_start_tells_the_estimate(self) -> None:
        events = told([Started("1", 0, "m"), Text("Hi"), Finished("stop")], prompt_estimate=lambda: 1234)
        assert events[0]["message"]["usage"]["input_tokens"] == 1234
        assert events[-2]["usage"]["input_tokens"] == 1234, "and the end too where Poe told nothing"

    def test_a_chat_client_is_told_the_whole_prompt(self) -> None:
        used = {"input_tokens": 6, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 4, "output_tokens": 1}
        events = read(start(used), *text(0, "Hi"), end(), STOP)
        assert events[-1] == Used(Usage(prompt=30, completion=4, cached=20, written=4))


class TestFault4StopReasons:
    @pytest.mark.parametrize(
        ("finish", "told"),
        [("stop", "end_turn"), ("length", "max_tokens"), ("content_filter", "refusal"), ("tool_calls", "end_turn")],
    )
    def test_after_a_text(self, finish: str, told: str) -> None:
        events = write([Text("Hi"), Finished(finish)])
        assert by_sdk(events).stop_reason == told

    @pytest.mark.parametrize(
        ("finish", "told"),
        [("stop", "tool_use"), ("tool_calls", "tool_use"), ("length", "max_tokens"), ("content_filter", "refusal")],
    )
    def test_after_a_call(self, finish: str, told: str) -> None:
        assert by_sdk(write([ToolCall(0, "a", "f", "{}"), Finished(finish)])).stop_reason == told

    def test_after_a_call_without_any_reason(self) -> None:
        told = whole(ROLE, chunk(calls(piece(0, "a", "f", "{}"))))
        assert reason(told) == "tool_use"

    def test_a_refusal_is_text_that_ends_so(self) -> None:
        events = told([Refusal("Not "), Refusal("that."), Finished("stop")])
        assert content(events) == [{"type": "text", "text": "Not that."}]
        assert reason(events) == "refusal"

    @pytest.mark.parametrize(
        ("said", "finish"),
        [
            ("end_turn", "stop"),
            ("stop_sequence", "stop"),
            ("pause_turn", "stop"),
            ("max_tokens", "length"),
            ("model_context_window_exceeded", "length"),
            ("tool_use", "tool_calls"),
            ("refusal", "content_filter"),
            ("something_new", "stop"),
        ],
    )
    def test_towards_chat(self, said: str, finish: str) -> None:
        assert Finished(finish) in read(start(), *text(0, "Hi"), end(said), STOP)

    def test_a_failure_in_the_middle_is_no_end(self) -> None:
        events = told([Started("1", 0, "m"), Text("Hi"), Failed(RateLimited("Slow down.", poe_status=429))])
        check_broken(events, model="asked")
        assert events[-1] == {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down."}}


class TestFault5Thinking:
    def test_translated_thinking_is_signed_as_ours(self) -> None:
        thought, _ = content(whole(ROLE, chunk({"reasoning_content": "Hm"}), HI, ENDED))
        assert thought == {"type": "thinking", "thinking": "Hm", "signature": THINKING_SIGNATURE}
        assert is_foreign(thought["signature"])

    def test_google_s_signature_travels_in_the_id(self) -> None:
        signed = {**piece(0, "a", "f", "{}"), "extra_content": {"google": {"thought_signature": "CiwB+/="}}}
        ((id_, _),) = inputs(whole(ROLE, chunk(calls(signed)), ENDED))
        assert split_signature(id_) == ("a", "CiwB+/=")

    def test_it_may_stand_beside_the_calls(self) -> None:
        beside = {**calls(piece(0, "a", "f", "{}"), piece(1, "b", "g", "{}"))}
        beside["extra_content"] = {"google": {"thought_signature": "S"}}
        told = [split_signature(id_) for id_, _ in inputs(whole(ROLE, chunk(beside), ENDED))]
        assert told == [("a", "S"), ("b", "")]

    def test_it_may_come_after_the_name(self) -> None:
        signed = {**piece(0, None, None, "{}"), "extra_content": {"google": {"thought_signature": "S"}}}
        events = whole(ROLE, chunk(calls(piece(0, "a", "f", ""))), chunk(calls(signed)), ENDED)
        assert [split_signature(id_) for id_, _ in inputs(events)] == [("a", "S")]


class TestFault6Ids:
    @pytest.mark.parametrize("id_", ["x" * 4000, "call:ö/1", "toolu_vrtx_1"])
    def test_ids_are_kept(self, id_: str) -> None:
        assert inputs(whole(ROLE, chunk(calls(piece(0, id_, "f", "{}"))), ENDED)) == [(id_, {})]


class TestFault10Nothing:
    @pytest.mark.parametrize("nothing", [None, "", " ", "\n\n"])
    def test_an_answer_without_content_has_no_block(self, nothing: str | None) -> None:
        """Claude Code asks for a visible answer then, once; words of ours would be taken for the answer."""
        events = whole(ROLE, chunk({"content": nothing}), ENDED)
        assert (content(events), reason(events)) == ([], "end_turn")

    def test_a_thought_alone_is_no_more_than_that(self) -> None:
        assert kinds(whole(ROLE, chunk({"reasoning_content": "Hm"}), chunk({"content": ""}), ENDED)) == ["thinking"]


class TestFault11ChatClientsOfClaude:
    def test_calls_have_the_indexes_that_chat_counts(self) -> None:
        assert between(*text(0, "Hi"), *call(1, "a", "f", '{"x":', "1}"), *call(2, "b", "g")) == [
            Text("Hi"),
            ToolCall(0, "a", "f"),
            ToolArguments(0, '{"x":'),
            ToolArguments(0, "1}"),
            ToolCall(1, "b", "g"),
            ToolArguments(1, "{}"),
        ]


def test_fault_9_a_stream_that_is_cut_is_told_as_an_error() -> None:
    check_broken(grammar.read(translated(ROLE, HI, ends=b"")), model="asked")
    check_broken(grammar.read(translated(ROLE, HI, ends=DONE)), model="asked")
