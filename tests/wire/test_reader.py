"""Reading Poe's chat streams: each oddity that was seen, or that another proxy has stumbled over, by name."""

from typing import Any, ClassVar, TypeGuard

import pytest

from poe_proxy import sse
from poe_proxy.canonical.errors import OutOfPoints, PoeError, PoeFailed, RateLimited, StreamBroken
from poe_proxy.canonical.events import (
    Event,
    Failed,
    Finished,
    Opaque,
    Reasoning,
    Refusal,
    Started,
    Text,
    ToolArguments,
    ToolCall,
    Used,
)
from poe_proxy.canonical.usage import Usage
from poe_proxy.wire.openai_chat.stream import Reader
from tests.wire.chunks import DONE, Json, bare, calls, chunk, frame, piece, read, read_bytes, stream, usage, usage_chunk

STARTED = Started("chatcmpl-1", 1774471078, "odd")
ROLE = chunk({"role": "assistant", "content": ""})
STOP = chunk(finish="stop")


def between(*chunks: Json) -> list[Event]:
    """What ``chunks`` say between the start of a stream and its good end."""
    events = bare(read(ROLE, *chunks, STOP))
    assert events[0] == STARTED
    assert isinstance(events[-1], Finished)
    return events[1:-1]


def failure(events: list[Event]) -> Any:
    """The error that the stream ended with."""
    assert isinstance(events[-1], Failed)
    assert [type(event) for event in events].count(Failed) == 1
    return events[-1].error


def _is_call(event: Event) -> TypeGuard[ToolCall | ToolArguments]:
    return isinstance(event, ToolCall | ToolArguments)


class TestText:
    def test_a_plain_stream(self) -> None:
        events = bare(read(ROLE, chunk({"content": "Good "}), chunk({"content": "day"}), STOP, usage_chunk()))
        assert events == [STARTED, Text("Good "), Text("day"), Finished("stop"), Used(Usage(7, 4))]

    def test_text_in_the_first_chunk(self) -> None:
        events = bare(read(chunk({"role": "assistant", "content": "Hi"}), STOP))
        assert events == [STARTED, Text("Hi"), Finished("stop")]

    def test_everything_in_one_chunk(self) -> None:
        delta = {"role": "assistant", "reasoning_content": "Hm.", "content": "Hi", **calls(piece(0, "a", "f", "{}"))}
        assert bare(read(chunk(delta, "tool_calls", usage=usage()))) == [
            STARTED,
            Reasoning("Hm."),
            Text("Hi"),
            ToolCall(0, "a", "f", "{}"),
            Finished("tool_calls"),
            Used(Usage(7, 4)),
        ]

    def test_a_role_in_every_chunk(self) -> None:
        assert between(*[chunk({"role": "assistant", "content": "a"})] * 2) == [Text("a"), Text("a")]

    def test_content_in_parts(self) -> None:
        parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}, {"type": "odd"}, "c", None]
        assert between(chunk({"content": parts})) == [Text("ab")]

    @pytest.mark.parametrize("nothing", [None, "", [], 3, {}])
    def test_content_that_is_no_text_says_nothing(self, nothing: Any) -> None:
        assert between(chunk({"content": nothing})) == []

    def test_white_space_is_text(self) -> None:
        assert between(chunk({"content": " "}), chunk({"content": "\n"})) == [Text(" "), Text("\n")]

    def test_a_refusal(self) -> None:
        assert between(chunk({"refusal": "Not "}), chunk({"refusal": "that."})) == [Refusal("Not "), Refusal("that.")]

    def test_a_message_in_place_of_a_delta(self) -> None:
        told = chunk(choices=[{"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": None}])
        assert between(told) == [Text("a")]

    @pytest.mark.parametrize(
        "choice",
        [
            {"delta": {"content": "a"}, "finish_reason": None},
            {"index": 0, "message": {"content": "a"}, "finish_reason": None},
            {"index": None, "delta": {"content": "a"}},
        ],
    )
    def test_the_frame_is_mended_where_the_choice_is_odd(self, choice: Json) -> None:
        (text,) = [event for event in read(ROLE, chunk(choices=[choice]), STOP) if isinstance(event, Text)]
        assert text.frame is not None
        assert text.frame["choices"] == [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}]

    def test_a_stream_of_second_choices_is_left_out(self) -> None:
        """Whole chunks of it, its finish too."""
        other = {"index": 1, "delta": {"content": "b"}, "finish_reason": None}
        done = {"index": 1, "delta": {}, "finish_reason": "stop"}
        told = [chunk({"content": "a"}), chunk(choices=[other]), chunk(choices=[done]), chunk({"content": "c"})]
        assert between(*told) == [Text("a"), Text("c")]

    def test_the_choice_is_found_wherever_it_stands(self) -> None:
        both = [{"index": n, "delta": {"content": str(n)}, "finish_reason": None} for n in (1, 0)]
        assert between(chunk(choices=both)) == [Text("0")]

    def test_a_stream_that_counts_choices_from_one_is_read(self) -> None:
        told = [chunk({"role": "assistant"}), chunk({"content": "a"}), chunk(finish="stop")]
        for one in told:
            one["choices"][0]["index"] = 1
        assert bare(read(*told)) == [STARTED, Text("a"), Finished("stop")]

    def test_a_second_choice_is_left_out(self) -> None:
        both = [{"index": n, "delta": {"content": "a"}, "finish_reason": None} for n in (0, 1)]
        (text,) = [event for event in read(ROLE, chunk(choices=both), STOP) if isinstance(event, Text)]
        assert text.frame is not None
        assert text.frame["choices"] == both[:1]


class TestReasoning:
    @pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
    def test_under_either_name(self, name: str) -> None:
        assert between(chunk({name: "Hm."}), chunk({"content": "a"})) == [Reasoning("Hm."), Text("a")]

    def test_twice_in_one_chunk_counts_once(self) -> None:
        assert between(chunk({"reasoning_content": "Hm.", "reasoning": "Hm."})) == [Reasoning("Hm.")]

    def test_twice_in_chunks_of_their_own_counts_once(self) -> None:
        doubled = [chunk({name: text}) for text in ("Hm. ", "Yes.") for name in ("reasoning", "reasoning_content")]
        assert between(*doubled) == [Reasoning("Hm. "), Reasoning("Yes.")]

    def test_a_name_that_changes_in_the_middle_loses_nothing(self) -> None:
        told = [chunk({"reasoning": "Hm. "}), chunk({"reasoning_content": "Yes."}), chunk({"reasoning": " So."})]
        assert between(*told) == [Reasoning("Hm. "), Reasoning("Yes."), Reasoning(" So.")]

    def test_a_name_that_begins_as_a_repeat_and_goes_on_otherwise_loses_nothing(self) -> None:
        told = [chunk({"reasoning": "The user. "}), *(chunk({"reasoning_content": text}) for text in ("The ", "end."))]
        assert between(*told) == [Reasoning("The user. "), Reasoning("The end.")]

    @pytest.mark.parametrize("cuts", [["Hm. Yes."], ["Hm", ". Y", "es."], ["H", "m. Yes."]])
    def test_a_repeat_counts_once_however_it_is_cut(self, cuts: list[str]) -> None:
        told = [chunk({"reasoning": "Hm. "}), chunk({"reasoning": "Yes."})]
        assert between(*told, *(chunk({"reasoning_content": cut}) for cut in cuts)) == [
            Reasoning("Hm. "),
            Reasoning("Yes."),
        ]

    def test_a_repeat_that_runs_ahead_says_what_is_new(self) -> None:
        told = [chunk({"reasoning": "Hm. "}), chunk({"reasoning_content": "Hm. Yes."}), chunk({"reasoning": "Yes."})]
        assert between(*told) == [Reasoning("Hm. "), Reasoning("Yes.")]

    def test_thinking_blocks_are_reasoning_where_there_is_no_other(self) -> None:
        blocks = [chunk({"provider_specific_fields": {"thinking_blocks": [{"thinking": text}]}}) for text in "ab"]
        assert between(*blocks) == [Reasoning("a"), Reasoning("b")]

    def test_thinking_blocks_beside_reasoning_say_nothing_new(self) -> None:
        fields = {"provider_specific_fields": {"thinking_blocks": [{"thinking": "Hm."}]}}
        told = [chunk({"reasoning_content": "Hm.", **fields}), chunk({"content": "a", **fields})]
        assert between(*told) == [Reasoning("Hm."), Text("a")]

    def test_null_under_one_name_counts_under_the_other(self) -> None:
        assert between(chunk({"reasoning_content": None, "reasoning": "Hm."})) == [Reasoning("Hm.")]

    def test_no_frame_says_reasoning_under_the_other_name(self) -> None:
        events = read(ROLE, chunk({"reasoning": "Hm."}), chunk({"reasoning": "Hm.", "reasoning_content": "Hm."}), STOP)
        frames = [event.frame for event in events if isinstance(event, Reasoning)]
        assert [one["choices"][0]["delta"] for one in frames if one] == [{"reasoning_content": "Hm."}] * 2

    def test_thinking_blocks_that_are_mostly_null_survive(self) -> None:
        fields = {"provider_specific_fields": {"thinking_blocks": None}}
        (text,) = [event for event in read(ROLE, chunk({"content": "a", **fields}), STOP) if isinstance(event, Text)]
        assert text.frame is not None
        assert text.frame["choices"][0]["delta"] == {"content": "a", **fields}


class TestToolCalls:
    def test_id_and_name_first_and_arguments_in_pieces(self) -> None:
        told = [piece(0, "a", "f", ""), piece(0, arguments='{"x"'), piece(0, arguments=": 1}")]
        assert between(*(chunk(calls(one)) for one in told)) == [
            ToolCall(0, "a", "f"),
            ToolArguments(0, '{"x"'),
            ToolArguments(0, ": 1}"),
        ]

    def test_name_and_arguments_in_one_chunk(self) -> None:
        assert between(chunk(calls(piece(0, "a", "f", '{"x": 1}')))) == [ToolCall(0, "a", "f", '{"x": 1}')]

    def test_several_calls_in_one_chunk(self) -> None:
        assert between(chunk(calls(piece(0, "a", "f", "{}"), piece(1, "b", "g", "{}")))) == [
            ToolCall(0, "a", "f", "{}"),
            ToolCall(1, "b", "g", "{}"),
        ]

    def test_without_index_the_id_tells_calls_apart(self) -> None:
        told = [piece(None, "a", "f", "{}"), piece(None, "b", "g", "{}")]
        assert between(*(chunk(calls(one)) for one in told)) == [
            ToolCall(0, "a", "f", "{}"),
            ToolCall(1, "b", "g", "{}"),
        ]

    def test_without_index_and_id_arguments_belong_to_the_newest_call(self) -> None:
        told = [piece(None, "a", "f", ""), piece(arguments='{"x":'), piece(arguments="1}")]
        assert between(*(chunk(calls(one)) for one in told)) == [
            ToolCall(0, "a", "f"),
            ToolArguments(0, '{"x":'),
            ToolArguments(0, "1}"),
        ]

    def test_without_index_and_id_a_name_after_whole_arguments_begins_a_call(self) -> None:
        told = [piece(name="f", arguments="{}"), piece(name="f", arguments="{}")]
        assert between(*(chunk(calls(one)) for one in told)) == [
            ToolCall(0, "call_chatcmpl-1_0", "f", "{}"),
            ToolCall(1, "call_chatcmpl-1_1", "f", "{}"),
        ]

    def test_parallel_calls_that_share_an_index(self) -> None:
        told = [
            piece(0, "a", "f", '{"x":'),
            piece(0, arguments="1}"),
            piece(0, "b", "f", '{"x":'),
            piece(0, None, None, "2}"),
        ]
        assert between(*(chunk(calls(one)) for one in told)) == [
            ToolCall(0, "a", "f", '{"x":'),
            ToolArguments(0, "1}"),
            ToolCall(1, "b", "f", '{"x":'),
            ToolArguments(1, "2}"),
        ]

    def test_pieces_of_two_calls_in_turn(self) -> None:
        told = [piece(0, "a", "f", ""), piece(1, "b", "g", ""), piece(0, arguments="{}"), piece(1, arguments="[]")]
        assert between(*(chunk(calls(one)) for one in told)) == [
            ToolCall(0, "a", "f"),
            ToolCall(1, "b", "g"),
            ToolArguments(0, "{}"),
            ToolArguments(1, "[]"),
        ]

    def test_indexes_that_begin_late_and_have_gaps(self) -> None:
        told = [piece(3, "a", "f", "{"), piece(7, "b", "g", "{"), piece(3, arguments="}"), piece(7, arguments="}")]
        assert between(*(chunk(calls(one)) for one in told)) == [
            ToolCall(0, "a", "f", "{"),
            ToolCall(1, "b", "g", "{"),
            ToolArguments(0, "}"),
            ToolArguments(1, "}"),
        ]

    def test_the_id_in_every_piece(self) -> None:
        told = [piece(0, "a", "f", "{"), piece(0, "a", None, "}")]
        assert between(*(chunk(calls(one)) for one in told)) == [ToolCall(0, "a", "f", "{"), ToolArguments(0, "}")]

    def test_what_a_call_begins_with_is_said_once(self) -> None:
        told = [piece(0, "a", "f", "{"), piece(0, "a", "f", "}")]
        frames = [event.frame for event in read(ROLE, *(chunk(calls(one)) for one in told)) if _is_call(event)]
        assert [one["choices"][0]["delta"]["tool_calls"] for one in frames if one] == [
            [piece(0, "a", "f", "{")],
            [piece(0, arguments="}")],
        ]

    def test_cumulative_arguments(self) -> None:
        told = [piece(0, "a", "f", ""), *(piece(0, "a", "f", '{"x": "y"}'[:end]) for end in (3, 7, 10))]
        events = between(*(chunk(calls(one)) for one in told))
        assert "".join(e.arguments for e in events if _is_call(e)) == '{"x": "y"}'

    def test_arguments_that_repeat_themselves_are_not_cumulative(self) -> None:
        told = [piece(0, "a", "f", '{"x": "'), *[piece(0, arguments="ha")] * 3, piece(0, arguments='"}')]
        events = between(*(chunk(calls(one)) for one in told))
        assert "".join(e.arguments for e in events if _is_call(e)) == '{"x": "hahaha"}'

    def test_arguments_as_an_object(self) -> None:
        assert between(chunk(calls(piece(0, "a", "f", {"x": [1, "é"]})))) == [ToolCall(0, "a", "f", '{"x":[1,"é"]}')]

    @pytest.mark.parametrize("arguments", [None, ""])
    def test_arguments_that_never_come_are_an_empty_object(self, arguments: str | None) -> None:
        events = bare(read(ROLE, chunk(calls(piece(0, "a", "f", arguments))), chunk(finish="tool_calls")))
        assert events[1:] == [ToolCall(0, "a", "f"), ToolArguments(0, "{}"), Finished("tool_calls")]

    def test_no_id_gets_one(self) -> None:
        assert between(chunk(calls(piece(0, None, "f", "{}")))) == [ToolCall(0, "call_chatcmpl-1_0", "f", "{}")]

    def test_an_id_of_thousands_of_characters_is_kept(self) -> None:
        id_ = "call_" + "aZ9+/=|~:é" * 500
        assert between(chunk(calls(piece(0, id_, "f", "{}")))) == [ToolCall(0, id_, "f", "{}")]

    def test_a_thought_signature_stays_with_its_call(self) -> None:
        signed = {**piece(0, "a", "f", "{}"), "extra_content": {"google": {"thought_signature": "CiwB+/=="}}}
        (call,) = [event for event in read(ROLE, chunk(calls(signed)), STOP) if isinstance(event, ToolCall)]
        assert call.frame is not None
        assert call.frame["choices"][0]["delta"]["tool_calls"] == [signed]

    def test_the_same_id_at_two_indexes_is_two_calls_with_ids_of_their_own(self) -> None:
        told = [
            piece(0, "a", "f", '{"x":'),
            piece(0, "a", None, "1}"),
            piece(1, "a", "g", "{"),
            piece(1, "a", None, "}"),
        ]
        assert between(*(chunk(calls(one)) for one in told)) == [
            ToolCall(0, "a", "f", '{"x":'),
            ToolArguments(0, "1}"),
            ToolCall(1, "a_1", "g", "{"),
            ToolArguments(1, "}"),
        ]

    def test_a_new_id_with_every_piece_of_an_open_index_is_the_same_call(self) -> None:
        told = [
            piece(0, "a", "f", ""),
            piece(0, "b", None, '{"x":'),
            piece(0, "c", None, "1}"),
            piece(0, "d", None, ""),
        ]
        assert between(*(chunk(calls(one)) for one in told)) == [
            ToolCall(0, "a", "f"),
            ToolArguments(0, '{"x":'),
            ToolArguments(0, "1}"),
            ToolArguments(0, ""),
        ]

    @pytest.mark.parametrize("index", [0, None])
    @pytest.mark.parametrize("name", ["f", None])
    def test_an_id_that_comes_late_is_of_the_open_call(self, index: int | None, name: str | None) -> None:
        told = [piece(index, None, "f", ""), piece(index, "late", name, "{"), piece(index, "late", None, "}")]
        assert between(*(chunk(calls(one)) for one in told)) == [
            ToolCall(0, "call_chatcmpl-1_0", "f"),
            ToolArguments(0, "{"),
            ToolArguments(0, "}"),
        ]

    def test_two_names_that_nothing_holds_together_are_two_calls(self) -> None:
        told = [piece(None, None, "f", ""), piece(None, None, "g", "")]
        assert between(*(chunk(calls(one)) for one in told))[:2] == [
            ToolCall(0, "call_chatcmpl-1_0", "f"),
            ToolCall(1, "call_chatcmpl-1_1", "g"),
        ]

    @pytest.mark.parametrize("name", ["f", "g"])
    def test_whole_calls_that_share_an_index_and_have_no_ids_are_two(self, name: str) -> None:
        told = [piece(0, None, "f", '{"x": 1}'), piece(0, None, name, '{"y": 2}')]
        assert between(*(chunk(calls(one)) for one in told)) == [
            ToolCall(0, "call_chatcmpl-1_0", "f", '{"x": 1}'),
            ToolCall(1, "call_chatcmpl-1_1", name, '{"y": 2}'),
        ]

    def test_a_call_waits_for_its_name(self) -> None:
        told = [{**piece(0, "a"), "odd": 1}, piece(0, arguments='{"x":'), piece(0, name="f"), piece(0, arguments="1}")]
        events = [event for event in read(ROLE, *(chunk(calls(one)) for one in told), STOP) if _is_call(event)]
        assert bare([*events]) == [ToolCall(0, "a", "f", '{"x":'), ToolArguments(0, "1}")]
        assert events[0].frame is not None
        assert events[0].frame["choices"][0]["delta"]["tool_calls"] == [{**piece(0, "a", "f", '{"x":'), "odd": 1}]

    def test_a_call_whose_name_never_comes_goes_out_before_the_next_one(self) -> None:
        told = [piece(0, "a", None, "{}"), piece(1, "b", "g", "{}")]
        assert between(*(chunk(calls(one)) for one in told)) == [
            ToolCall(0, "a", "", "{}"),
            ToolCall(1, "b", "g", "{}"),
        ]

    def test_a_name_in_pieces(self) -> None:
        told = [piece(0, "a", "get_", ""), piece(0, name="weather", arguments="{}")]
        first, second = between(*(chunk(calls(one)) for one in told))
        assert first == ToolCall(0, "a", "get_")
        assert second == ToolArguments(0, "{}", name="weather")

    @pytest.mark.parametrize("names", [["f", "f"], ["get", "get_it"], ["f", "f", "f"]])
    def test_a_name_that_is_said_again_or_longer_is_not_added_up(self, names: list[str]) -> None:
        told = [piece(0, "a", names[0], ""), *(piece(0, name=name, arguments="") for name in names[1:])]
        first, *more = [event for event in between(*(chunk(calls(one)) for one in told)) if _is_call(event)]
        assert isinstance(first, ToolCall)
        assert first.name + "".join(one.name for one in more) == names[-1]

    def test_a_name_that_comes_again_with_the_last_arguments_changes_nothing(self) -> None:
        told = [piece(0, "a", "f", "{"), piece(0, name="other", arguments="}")]
        assert between(*(chunk(calls(one)) for one in told)) == [ToolCall(0, "a", "f", "{"), ToolArguments(0, "}")]

    def test_a_call_without_its_list(self) -> None:
        assert between(chunk({"tool_calls": piece(0, "a", "f", "{}")})) == [ToolCall(0, "a", "f", "{}")]

    @pytest.mark.parametrize("index", ["0", "1"])
    def test_an_index_in_words(self, index: str) -> None:
        told: list[Any] = [piece(None, "a", "f", ""), piece(None, "b", "g", ""), piece(None, None, None, "{}")]
        for one, at in zip(told, ("0", "1", index), strict=True):
            one["index"] = at
        assert ToolArguments(int(index), "{}") in between(*(chunk(calls(one)) for one in told))

    def test_a_call_of_another_type_is_left_alone(self) -> None:
        told = [
            {"index": 0, "id": "a", "type": "custom", "custom": {"name": "p", "input": "ra"}},
            {"index": 0, "custom": {"input": "w"}},
        ]
        events = [
            event for event in read(ROLE, *(chunk(calls(one)) for one in told), STOP) if isinstance(event, Opaque)
        ]
        assert [event.frame["choices"][0]["delta"]["tool_calls"] for event in events] == [[one] for one in told]

    def test_a_call_of_another_type_has_a_place_among_the_others(self) -> None:
        other = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "p", "input": "raw"}}
        events = read(ROLE, chunk(calls(other, piece(0, "b", "f", "{}"))), chunk(finish="stop"))
        assert bare(events)[2:] == [ToolCall(0, "b", "f", "{}"), Finished("tool_calls")]
        call = events[2]
        assert isinstance(call, ToolCall)
        assert call.frame is not None
        assert call.frame["choices"][0]["delta"]["tool_calls"] == [piece(1, "b", "f", "{}")]

    @pytest.mark.parametrize("nothing", [None, [], {}, 3, "f", [None, "f", 3]])
    def test_tool_calls_that_hold_none_say_nothing(self, nothing: Any) -> None:
        assert between(chunk({"tool_calls": nothing, "content": "a"})) == [Text("a")]

    def test_a_piece_without_a_function_begins_a_call_without_a_name(self) -> None:
        assert between(chunk(calls({"index": 0, "id": "a"})))[0] == ToolCall(0, "a", "")


class TestTheFinish:
    @pytest.mark.parametrize("said", ["stop", "tool_calls", "tool_use", "STOP", "end_turn", "odd"])
    def test_after_a_call_it_is_tool_calls(self, said: str) -> None:
        events = read(ROLE, chunk(calls(piece(0, "a", "f", "{}"))), chunk(finish=said))
        assert bare(events)[-1] == Finished("tool_calls")

    def test_in_the_same_chunk_as_the_call(self) -> None:
        events = read(ROLE, chunk(calls(piece(0, "a", "f", "{}")), "stop"))
        assert bare(events)[1:] == [ToolCall(0, "a", "f", "{}"), Finished("tool_calls")]

    @pytest.mark.parametrize("said", ["length", "content_filter"])
    def test_a_call_that_was_cut_short_says_so(self, said: str) -> None:
        events = read(ROLE, chunk(calls(piece(0, "a", "f", '{"x'))), chunk(finish=said))
        assert bare(events)[-1] == Finished(said)

    def test_in_the_same_chunk_as_the_last_text(self) -> None:
        assert bare(read(ROLE, chunk({"content": "a"}, "stop")))[1:] == [Text("a"), Finished("stop")]

    @pytest.mark.parametrize("said", ["", "null", "None", None, [], 3])
    def test_a_reason_that_is_none_is_no_finish(self, said: Any) -> None:
        """Some backends say such a word with every chunk."""
        told = chunk({"content": "a"})
        told["choices"][0]["finish_reason"] = said
        assert between(told, told) == [Text("a"), Text("a")]

    def test_no_text_comes_after_it(self) -> None:
        late = [chunk({name: "late"}) for name in ("content", "reasoning_content", "refusal")]
        assert bare(read(ROLE, chunk({"content": "a"}), STOP, *late, usage_chunk())) == [
            STARTED,
            Text("a"),
            Finished("stop"),
            Used(Usage(7, 4)),
        ]

    def test_a_call_that_comes_after_it_is_not_lost(self) -> None:
        late = chunk(calls(piece(0, "a", "f", "{}")))
        assert bare(read(ROLE, STOP, late, chunk({"odd": 1}))) == [
            STARTED,
            Finished("stop"),
            ToolCall(0, "a", "f", "{}"),
        ]

    def test_twice_counts_once(self) -> None:
        assert bare(read(ROLE, STOP, STOP)) == [STARTED, Finished("stop")]

    def test_missing_done_is_no_fault_after_it(self) -> None:
        assert bare(read(ROLE, STOP, end=b"")) == [STARTED, Finished("stop")]

    def test_the_frame_says_the_legal_word(self) -> None:
        last = read(ROLE, chunk(finish="MAX_TOKENS"))[-1]
        assert isinstance(last, Finished)
        assert last.frame is not None
        assert last.frame["choices"][0]["finish_reason"] == last.reason == "length"


class TestUsage:
    def test_in_a_chunk_of_its_own(self) -> None:
        assert bare(read(ROLE, STOP, usage_chunk()))[1:] == [Finished("stop"), Used(Usage(7, 4))]

    def test_in_the_chunk_of_the_finish(self) -> None:
        assert bare(read(ROLE, chunk(finish="stop", usage=usage())))[1:] == [Finished("stop"), Used(Usage(7, 4))]

    def test_before_the_finish(self) -> None:
        assert bare(read(ROLE, usage_chunk(), STOP))[1:] == [Used(Usage(7, 4)), Finished("stop")]

    def test_on_every_chunk(self) -> None:
        events = bare(read(*(chunk({"content": "a"}, usage=usage(7, n)) for n in (1, 2)), chunk(finish="stop")))
        assert [event for event in events if isinstance(event, Used)] == [Used(Usage(7, 1)), Used(Usage(7, 2))]

    @pytest.mark.parametrize("nothing", [None, [], "7", 7])
    def test_no_object_is_no_usage(self, nothing: Any) -> None:
        assert bare(read(ROLE, chunk(finish="stop", usage=nothing))) == [STARTED, Finished("stop")]

    def test_details_are_counted_and_nulls_are_nothing(self) -> None:
        told = {
            **usage(100, 50),
            "prompt_tokens_details": {"cached_tokens": 80, "audio_tokens": None},
            "completion_tokens_details": {"reasoning_tokens": None},
        }
        assert bare(read(ROLE, STOP, usage_chunk(told)))[-1] == Used(Usage(100, 50, 80, 0))

    @pytest.mark.parametrize("many", [b"123456789012345678901234567890", b"1e300", b"9007199254740993"])
    def test_more_tokens_than_there_are_is_cut(self, many: bytes) -> None:
        told = b'data: {"choices": [], "usage": {"prompt_tokens": %b, "completion_tokens": 4}}\n\n' % many
        assert bare(read_bytes(frame(ROLE), frame(STOP), told, DONE))[-1] == Used(Usage(2**53, 4))

    @pytest.mark.parametrize("many", [b"1e400", b"Infinity", b"NaN", b"-5", b"true"])
    def test_what_is_no_number_of_tokens_is_none(self, many: bytes) -> None:
        told = b'data: {"choices": [], "usage": {"prompt_tokens": %b, "completion_tokens": 4}}\n\n' % many
        assert bare(read_bytes(frame(ROLE), frame(STOP), told, DONE))[-1] == Used(Usage(0, 4))

    def test_no_other_frame_tells_it(self) -> None:
        events = read(*(chunk({"content": "a"}, usage=usage()) for _ in range(2)), chunk(finish="stop", usage=usage()))
        frames = [event.frame for event in events if not isinstance(event, Used | Failed)]
        assert not [one for one in frames if one and "usage" in one]


class TestTheEnd:
    def test_a_cut_stream_is_broken(self) -> None:
        error = failure(read(ROLE, chunk({"content": "a"}), end=b""))
        assert isinstance(error, StreamBroken)
        assert "cut" in error.message

    def test_done_without_a_finish_is_broken(self) -> None:
        error = failure(read(ROLE, chunk({"content": "a"})))
        assert isinstance(error, StreamBroken)
        assert "may not be complete" in error.message

    @pytest.mark.parametrize("nothing", [b"", DONE, b": ping\n\n", b"\n\n"])
    def test_an_empty_stream_is_broken(self, nothing: bytes) -> None:
        assert isinstance(failure(read_bytes(nothing)), StreamBroken)

    def test_done_after_whole_calls_is_a_finish(self) -> None:
        events = read(ROLE, chunk(calls(piece(0, "a", "f", '{"x": 1}'))))
        assert bare(events)[1:] == [ToolCall(0, "a", "f", '{"x": 1}'), Finished("tool_calls")]

    def test_done_after_a_call_without_arguments_is_a_finish(self) -> None:
        events = read(ROLE, chunk(calls(piece(0, "a", "f", ""))))
        assert bare(events)[1:] == [ToolCall(0, "a", "f"), ToolArguments(0, "{}"), Finished("tool_calls")]

    def test_done_after_a_call_that_is_not_whole_is_broken(self) -> None:
        assert isinstance(failure(read(ROLE, chunk(calls(piece(0, "a", "f", '{"x'))))), StreamBroken)

    def test_a_cut_after_whole_calls_is_broken(self) -> None:
        assert isinstance(failure(read(ROLE, chunk(calls(piece(0, "a", "f", "{}"))), end=b"")), StreamBroken)

    def test_nothing_counts_after_done(self) -> None:
        reader = Reader()
        events = reader.feed(stream(ROLE, STOP) + frame(chunk({"content": "late"})))
        assert bare(events + reader.feed(frame(chunk({"content": "later"})))) == [STARTED, Finished("stop")]
        assert reader.done
        assert reader.close() == []

    def test_a_frame_without_end_is_broken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sse, "MAX_FRAME", 1000)
        events = read_bytes(frame(ROLE), b"data: " + b"x" * 1000, b"more")
        assert isinstance(failure(events), StreamBroken)


class TestErrorsInTheStream:
    @pytest.mark.parametrize(
        ("error", "kind", "words"),
        [
            ({"message": "Slow down.", "type": "rate_limit_error"}, RateLimited, "Slow down."),
            ({"message": "No points.", "type": "insufficient_credits"}, OutOfPoints, "No points."),
            ({"message": "Not now.", "code": 503}, PoeFailed, "Not now."),
            ({"message": "It broke."}, PoeFailed, "It broke."),
            ("It broke.", PoeFailed, "It broke."),
        ],
    )
    def test_an_error_object_ends_it(self, error: Any, kind: type[PoeError], words: str) -> None:
        told = failure(read(ROLE, chunk({"content": "a"}), {"error": error}))
        assert type(told) is kind
        assert told.message == words

    def test_an_error_beside_choices_ends_it(self) -> None:
        assert isinstance(failure(read(ROLE, chunk(error={"message": "It broke."}))), PoeFailed)

    def test_an_error_that_is_null_is_none(self) -> None:
        assert between(chunk({"content": "a"}, error=None)) == [Text("a")]

    def test_a_frame_named_error_ends_it(self) -> None:
        data = b'event: error\ndata: {"message": "It broke.", "type": "overloaded_error"}\n\n'
        error = failure(read_bytes(frame(ROLE), data, DONE))
        assert (error.status, error.message) == (529, "It broke.")

    def test_a_frame_named_error_counts_whatever_it_holds(self) -> None:
        error = failure(read_bytes(frame(ROLE), b"event: error\ndata: It broke.\n\n", DONE))
        assert (error.status, error.message) == (500, "It broke.")

    def test_nothing_comes_after_it(self) -> None:
        events = read(ROLE, {"error": {"message": "It broke."}}, chunk({"content": "late"}), STOP)
        assert bare(events[:1]) == [STARTED]
        assert len(events) == 2


class TestGarbage:
    @pytest.mark.parametrize("garbage", [b"garbage", b"{", b'{"a": \xff}', b"[]", b"3", b"null", b'"text"', b""])
    def test_a_frame_that_is_no_chunk_is_passed_over_and_counted(self, garbage: bytes) -> None:
        reader = Reader()
        data = frame(ROLE) + b"data: " + garbage + b"\n\n" + stream(chunk({"content": "a"}), STOP)
        assert bare(reader.feed(data) + reader.close()) == [STARTED, Text("a"), Finished("stop")]
        assert reader.garbled == 1

    def test_invalid_utf_8_costs_one_character(self) -> None:
        told = b'data: {"choices": [{"index": 0, "delta": {"content": "a\xff b"}}]}\n\n'
        reader = Reader()
        events = reader.feed(frame(ROLE) + told + stream(STOP)) + reader.close()
        assert bare(events)[1:-1] == [Text("a\ufffd b")]
        assert reader.garbled == 0

    @pytest.mark.parametrize("name", ["content", "reasoning_content"])
    @pytest.mark.parametrize("between_them", [[], [b'{"choices": []}'], [b'{"choices": [{"delta": {}}]}']])
    def test_an_emoji_that_is_cut_in_two_is_one(self, name: str, between_them: list[bytes]) -> None:
        texts = [b"a \\ud83d", b"\\ude00 b"]
        told = [b'{"choices": [{"index": 0, "delta": {"%b": "%b"}}]}' % (name.encode(), text) for text in texts]
        told[1:1] = between_them
        events = read_bytes(frame(ROLE), *(b"data: " + one + b"\n\n" for one in told), stream(STOP))
        kind = Text if name == "content" else Reasoning
        assert bare(events)[1:-1] == [kind("a "), kind("\U0001f600 b")]

    def test_half_an_emoji_at_the_end_is_told_as_one_that_was_broken(self) -> None:
        told = b'data: {"choices": [{"index": 0, "delta": {"content": "a\\ud83d"}}]}\n\n'
        assert bare(read_bytes(frame(ROLE), told, stream(STOP)))[1:-1] == [Text("a"), Text("\ufffd")]
        assert bare(read_bytes(frame(ROLE), told, stream(chunk({"content": "b"}), STOP)))[1:-1] == [
            Text("a"),
            Text("\ufffdb"),
        ]

    def test_half_an_emoji_does_not_cost_the_rest_of_its_chunk(self) -> None:
        halves = [b'{"choices": [{"delta": {"content": "a %b b"}}]}' % half for half in (rb"\ud83d", rb"\ude00")]
        events = read_bytes(frame(ROLE), *(b"data: " + half + b"\n\n" for half in halves), stream(STOP))
        assert bare(events)[1:-1] == [Text("a \ufffd b"), Text("a \ufffd b")]

    @pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e400"])
    def test_a_number_that_json_does_not_have_is_null(self, number: bytes) -> None:
        told = b'data: {"odd": %b, "choices": [{"delta": {"content": "a"}}]}\n\n' % number
        (text,) = [event for event in read_bytes(frame(ROLE), told, stream(STOP)) if isinstance(event, Text)]
        assert text.frame is not None
        assert text.frame["odd"] is None

    @pytest.mark.parametrize("choices", [None, {}, [], [None], [[]], "x", [{"delta": None}], [{"delta": []}], [{}]])
    def test_choices_that_hold_nothing_say_nothing(self, choices: Any) -> None:
        assert between(chunk(choices=choices)) == []

    def test_a_chunk_ahead_of_the_answer_does_not_name_it(self) -> None:
        """Azure opens with such a chunk, and with an id of no characters."""
        ahead = chunk(choices=[], id="", created=0, model="", prompt_filter_results=[])
        assert bare(read(ahead, ROLE, STOP)) == [STARTED, Finished("stop")]


class TestUnknownFields:
    def test_they_survive_at_every_level(self) -> None:
        told = chunk({"content": "a", "odd_delta": 1}, odd_top=2)
        told["choices"][0] |= {"odd_choice": 3, "logprobs": {"content": [{"token": "a", "logprob": -0.5}]}}
        (event,) = [event for event in read(ROLE, told, STOP) if isinstance(event, Text)]
        assert event.frame == told

    def test_alone_they_are_an_event_of_this_dialect(self) -> None:
        told = chunk({"annotations": [{"type": "url_citation"}]})
        assert [event for event in read(ROLE, told, STOP) if isinstance(event, Opaque)] == [Opaque(told)]

    def test_logprobs_alone_survive(self) -> None:
        told = chunk()
        told["choices"][0]["logprobs"] = {"content": [{"token": "a", "logprob": -0.5}]}
        assert [event for event in read(ROLE, told, STOP) if isinstance(event, Opaque)] == [Opaque(told)]

    def test_on_the_finish_they_survive(self) -> None:
        told = chunk(finish="stop", citations=["https://example.org"])
        told["choices"][0]["native_finish_reason"] = "STOP"
        last = read(ROLE, told)[-1]
        assert isinstance(last, Finished)
        assert last.frame is not None
        assert last.frame["citations"] == ["https://example.org"]
        assert last.frame["choices"][0]["native_finish_reason"] == "STOP"

    def test_beside_no_choice_they_survive(self) -> None:
        (event,) = [e for e in read(ROLE, chunk(choices=[], citations=["x"]), STOP) if isinstance(e, Opaque)]
        assert event.frame["citations"] == ["x"]

    def test_beside_two_events_they_ride_on_the_first(self) -> None:
        events = read(ROLE, chunk({"reasoning_content": "Hm.", "content": "a", "odd": 1}), STOP)
        deltas = [e.frame["choices"][0]["delta"] for e in events if isinstance(e, Reasoning | Text) and e.frame]
        assert deltas == [{"reasoning_content": "Hm.", "odd": 1}, {"content": "a"}]


def test_no_two_events_share_a_frame() -> None:
    delta = {"role": "assistant", "reasoning": "Hm.", "content": "a", "odd": 1}
    told = chunk(delta | calls(piece(0, "a", "f", "{}"), piece(1, "b", "g", "{}")), "stop", usage=usage())
    frames = [event.frame for event in read(told, usage_chunk()) if not isinstance(event, Failed)]
    assert len({id(one) for one in frames}) == len(frames)
    assert len({id(one["choices"]) for one in frames if one}) == len(frames)


@pytest.mark.parametrize("reason", ["error", "ERROR", "cancelled", "MALFORMED_FUNCTION_CALL"])
def test_a_reason_that_says_the_answer_went_wrong_is_a_failure(reason: str) -> None:
    events = read(ROLE, chunk({"content": "a"}), chunk(finish=reason))
    assert isinstance(events[-1], Failed)
    assert isinstance(events[-1].error, StreamBroken)
    assert not any(isinstance(event, Finished) for event in events)


class TestGooglesSignature:
    """What Gemini wants back with its call stands in three places."""

    GOOGLE: ClassVar[Json] = {"extra_content": {"google": {"thought_signature": "CiwB+/=="}}}

    def told(self, *deltas: Json) -> list[str]:
        return [event.signature for event in between(*map(chunk, deltas)) if _is_call(event)]

    def test_with_the_call(self) -> None:
        assert self.told(calls({**piece(0, "a", "f", "{}"), **self.GOOGLE})) == ["CiwB+/=="]

    def test_with_a_later_piece_of_it(self) -> None:
        late = calls({**piece(0, None, None, "{}"), **self.GOOGLE})
        assert self.told(calls(piece(0, "a", "f", "")), late) == ["", "CiwB+/=="]

    def test_beside_calls_it_is_of_the_first(self) -> None:
        both = calls(piece(0, "a", "f", "{}"), piece(1, "b", "g", "{}"))
        assert self.told({**both, **self.GOOGLE}) == ["CiwB+/==", ""]

    @pytest.mark.parametrize("nonsense", [None, 3, [], "x", {"google": None}, {"google": {"thought_signature": 3}}])
    def test_nonsense_is_none(self, nonsense: Any) -> None:
        assert self.told(calls({**piece(0, "a", "f", "{}"), "extra_content": nonsense})) == [""]


class TestForOtherDialects:
    """Without frames, and without what only this dialect knows; else the same."""

    def test_the_same_is_said(self) -> None:
        told = [ROLE, chunk({"reasoning": "Hm"}), chunk({"content": "a"}), chunk({"content": "b", "odd": 1})]
        sent = stream(*told, chunk(calls(piece(0, "a", "f"))), chunk({"odd": 1}), STOP, usage_chunk())
        reader = Reader(keep_frames=False)
        events = [*reader.feed(sent), *reader.close()]
        assert events == [event for event in bare(read_bytes(sent)) if not isinstance(event, Opaque)]
        assert all(getattr(event, "frame", None) is None for event in events)

    def test_an_end_that_is_made_up_has_none_either(self) -> None:
        reader = Reader(keep_frames=False)
        events = [*reader.feed(stream(ROLE, chunk(calls(piece(0, "a", "f"))))), *reader.close()]
        assert events == [STARTED, ToolCall(0, "a", "f"), ToolArguments(0, "{}"), Finished("tool_calls")]
