"""Reading Poe's messages streams, for clients that speak them and for those that do not."""

from typing import Any

import pytest

from poe_proxy import sse
from poe_proxy.canonical.errors import PoeError, PoeFailed, RateLimited, StreamBroken
from poe_proxy.canonical.events import (
    Event,
    Failed,
    Finished,
    Opaque,
    Reasoning,
    Started,
    Text,
    ToolArguments,
    ToolCall,
    Used,
)
from poe_proxy.canonical.usage import Usage
from poe_proxy.wire.anthropic_messages.stream import Reader
from tests.wire.anthropic_messages.said import (
    PING,
    STOP,
    Json,
    begin,
    between,
    call,
    delta,
    end,
    read,
    read_bytes,
    start,
    stop,
    stream,
    text,
    thinking,
)

STARTED = Started("req_poe_1", 0, "claude-haiku-4-5-20251001")
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


def failure(events: list[Event]) -> Any:
    """The error that the stream ended with."""
    assert isinstance(events[-1], Failed)
    assert [type(event) for event in events].count(Failed) == 1
    return events[-1].error


class TestForOtherDialects:
    def test_a_plain_stream(self) -> None:
        assert read(start(), PING, *text(0, "Good ", "day"), end(), STOP) == [
            STARTED,
            Text("Good "),
            Text("day"),
            Finished("stop"),
            Used(Usage(9, 4)),
        ]

    def test_thinking_without_its_signature(self) -> None:
        assert between(*thinking(0, "Hm"), *text(1, "Hi")) == [Reasoning("Hm"), Text("Hi")]

    def test_a_whole_input_at_the_beginning_of_a_call(self) -> None:
        begun = begin(0, "tool_use", id="a", name="f", input={"x": 1})
        assert between(begun, stop(0)) == [ToolCall(0, "a", "f"), ToolArguments(0, '{"x":1}')]

    def test_a_call_that_was_never_closed_is_closed_by_the_end(self) -> None:
        begun = begin(0, "tool_use", id="a", name="f", input={})
        assert between(begun) == [ToolCall(0, "a", "f"), ToolArguments(0, "{}")]

    def test_a_call_without_an_id_gets_one(self) -> None:
        events = between(begin(0, "tool_use", name="f", input={}), stop(0))
        assert events == [ToolCall(0, "call_req_poe_1_0", "f"), ToolArguments(0, "{}")]

    @pytest.mark.parametrize(
        "block",
        [
            [begin(0, "redacted_thinking", data="x"), stop(0)],
            [begin(0, "server_tool_use", id="s", name="web_search", input={}), stop(0)],
            [begin(0, "server_tool_use", id="s", name="w"), delta(0, "input_json_delta", partial_json="{}"), stop(0)],
            [begin(0, "web_search_tool_result", tool_use_id="s", content=[]), stop(0)],
            [begin(0, "text", text=""), delta(0, "citations_delta", citation={}), stop(0)],
            [{"type": "something_new"}],
            [PING],
        ],
    )
    def test_what_no_other_dialect_knows_says_nothing(self, block: list[Json]) -> None:
        assert between(*block) == []

    def test_indexes_may_be_missing(self) -> None:
        def unnumbered(events: list[Json]) -> list[Json]:
            return [{name: value for name, value in event.items() if name != "index"} for event in events]

        told = between(*unnumbered(call(0, "a", "f", "{}")), *unnumbered(call(1, "b", "g", '{"y":1}')))
        assert told == [
            ToolCall(0, "a", "f"),
            ToolArguments(0, "{}"),
            ToolCall(1, "b", "g"),
            ToolArguments(1, '{"y":1}'),
        ]

    def test_a_stream_without_its_start_is_started(self) -> None:
        assert read(*text(0, "Hi"), end(), STOP)[0] == Started("", 0, "")

    @pytest.mark.parametrize("nonsense", [None, 3, [], {}, "x"])
    def test_nonsense_in_every_place_is_survived(self, nonsense: Any) -> None:
        odd = [
            {"type": "message_start", "message": nonsense},
            {"type": "content_block_start", "index": 0, "content_block": nonsense},
            {"type": "content_block_delta", "index": 0, "delta": nonsense},
            {"type": "content_block_stop", "index": nonsense},
            delta(7, "text_delta", text=nonsense),
            delta(7, "input_json_delta", partial_json=nonsense),
            {"type": "message_delta", "delta": nonsense, "usage": nonsense},
        ]
        assert Finished("stop") in read(*odd, end(), STOP)


class TestUsage:
    def test_the_end_completes_what_the_start_told(self) -> None:
        begun = start({"input_tokens": 6, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 4})
        assert read(begun, end(usage={"output_tokens": 5}), STOP)[-1] == Used(Usage(30, 5, cached=20, written=4))

    def test_the_end_may_tell_all_once_more(self) -> None:
        told = {"input_tokens": 8, "cache_read_input_tokens": 0, "output_tokens": 5}
        assert read(start({"input_tokens": 6, "output_tokens": 1}), end(usage=told), STOP)[-1] == Used(Usage(8, 5))

    def test_usage_after_the_stop_reason_counts(self) -> None:
        late = {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 70}}
        assert read(start(), end(), late, STOP)[-1] == Used(Usage(9, 70))

    def test_thinking_is_told_as_reasoning(self) -> None:
        told = {"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 7}}
        assert read(start(), end(usage=told), STOP)[-1] == Used(Usage(9, 9, reasoning=7))

    def test_what_was_written_may_stand_by_lifetime_alone(self) -> None:
        told = {"input_tokens": 1, "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4}}
        assert read(start(told), end(), STOP)[-1] == Used(Usage(8, 4, written=7))


class TestFrames:
    def test_every_event_carries_its_own(self) -> None:
        sent = [start(), *thinking(0, "Hm"), *text(1, "Hi"), *call(2, "a", "f", "{}"), end()]
        events = [event for event in read(*sent, STOP, keep=True) if not isinstance(event, Used)]
        assert [getattr(event, "frame", None) for event in events] == sent

    def test_what_all_dialects_know_is_known(self) -> None:
        told = read(start(), *thinking(0, "Hm"), *text(1, "Hi"), *call(2, "a", "f", "{}"), end(), STOP, keep=True)
        kinds = [type(event) for event in told if not isinstance(event, Opaque)]
        assert kinds == [Started, Reasoning, Reasoning, Text, Text, ToolCall, ToolArguments, Finished, Used]

    def test_pings_wait_for_the_content(self) -> None:
        """Until then a failure is one before any content, after which the request may be sent once more."""
        assert [type(event) for event in read(start(), PING, OVERLOADED, keep=True)] == [Started, Failed]
        told = [type(event) for event in read(start(), PING, *text(0, "Hi"), PING, end(), STOP, keep=True)]
        assert told == [Started, Opaque, Text, Text, Opaque, Opaque, Finished, Used]


class TestTheEnd:
    def test_a_cut_stream_is_broken(self) -> None:
        assert isinstance(failure(read(start(), *text(0, "Hi"))), StreamBroken)

    def test_an_empty_stream_is_broken(self) -> None:
        assert "without an answer" in failure(read()).message

    def test_an_end_without_a_reason_is_broken(self) -> None:
        assert "without saying that it is finished" in failure(read(start(), *text(0, "Hi"), STOP)).message

    def test_an_end_without_a_reason_after_whole_calls_is_whole(self) -> None:
        events = read(start(), *call(0, "a", "f", "{}"), STOP)
        assert events[-2:] == [Finished("tool_calls"), Used(Usage(9, 1))]

    def test_a_stop_reason_is_enough(self) -> None:
        assert read(start(), *text(0, "Hi"), end())[-2:] == [Finished("stop"), Used(Usage(9, 4))]

    def test_nothing_after_the_end_counts(self) -> None:
        reader = Reader(keep_frames=False)
        reader.feed(stream(start(), end(), STOP))
        assert reader.done
        assert reader.feed(stream(*text(0, "more"))) == []
        assert reader.close() == []

    def test_text_after_the_stop_reason_is_left_out(self) -> None:
        assert Text("more") not in read(start(), end(), *text(0, "more"), STOP)

    def test_an_error_event_is_a_failure(self) -> None:
        error = failure(read(start(), *text(0, "Hi"), OVERLOADED, STOP))
        assert isinstance(error, PoeFailed)
        assert (error.status, error.message, error.original) == (529, "Overloaded", OVERLOADED)

    @pytest.mark.parametrize(
        "data",
        [
            b'data: {"type":"error","error":{"type":"rate_limit_error","message":"Slow down."}}\n\n',
            b'data: {"error":{"type":"rate_limit_error","message":"Slow down."}}\n\n',
        ],
    )
    def test_an_error_without_its_name_is_one(self, data: bytes) -> None:
        assert isinstance(failure(read_bytes(stream(start()) + data)), RateLimited)

    def test_an_error_in_plain_words_is_one(self) -> None:
        error = failure(read_bytes(b"event: error\ndata: it broke\n\n"))
        assert isinstance(error, PoeError)
        assert error.message == "it broke"

    def test_an_endless_frame_is_broken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sse, "MAX_FRAME", 10)
        assert isinstance(failure(read_bytes(b"data: " + b"x" * 20)), StreamBroken)


class TestTheFormOfTheStream:
    SENT = stream(start(), *text(0, "Grüß ", "Gott 🎉"), end(), STOP)

    @pytest.mark.parametrize("keep", [True, False])
    def test_cut_at_every_byte(self, keep: bool) -> None:
        once = read_bytes(self.SENT, keep=keep)
        assert Text("Gott 🎉") in read_bytes(self.SENT)
        for cut in range(len(self.SENT)):
            assert read_bytes(self.SENT[:cut], self.SENT[cut:], keep=keep) == once

    def test_crlf_comments_and_split_data_lines(self) -> None:
        odd = self.SENT.replace(b'{"type": ', b'{\ndata: "type": ').replace(b"\n\n", b"\n\n: ping\n\n")
        assert read_bytes(odd.replace(b"\n", b"\r\n")) == read_bytes(self.SENT)

    def test_names_may_be_missing(self) -> None:
        bare = b"".join(line + b"\n" for line in self.SENT.split(b"\n") if not line.startswith(b"event"))
        assert read_bytes(bare) == read_bytes(self.SENT)

    def test_types_may_be_missing_where_there_are_names(self) -> None:
        assert Text("Hi") in read_bytes(
            b'event: content_block_delta\ndata: {"index":0,"delta":{"type":"text_delta","text":"Hi"}}\n\n'
        )

    @pytest.mark.parametrize("data", [b"{", b"[]", b"3", b"{}", b'{"type": 3}', b'{"type": "a\\nb"}', b"[DONE]"])
    def test_what_is_no_event_is_counted(self, data: bytes) -> None:
        reader = Reader(keep_frames=True)
        assert reader.feed(b"data: " + data + b"\n\n") == []
        assert reader.garbled == 1
