"""Writing a chat stream for the client: with the model it asked for, usage only if asked for, and one clean end."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from poe_proxy.canonical.errors import RateLimited, StreamBroken
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
from poe_proxy.wire.openai_chat.stream import Writer
from tests.wire.chunks import DONE, Json, chunk, frame, own_usage, read, read_bytes, usage, usage_chunk
from tests.wire.grammar import Told, check_broken, check_whole
from tests.wire.grammar import read as read_told

STARTED = Started("chatcmpl-1", 1774471078, "poe-s-name")
DEEP: list[Any] = []
for _ in range(400):
    DEEP = [DEEP]


def written(*events: Event, wants_usage: bool = False) -> Told:
    writer = Writer("asked", include_usage=wants_usage)
    return read_told(writer.push(list(events)) + writer.close())


def deltas(told: Told) -> list[Json]:
    return [one["choices"][0]["delta"] for one in told.chunks if one["choices"]]


class TestEventsWithoutFrames:
    """As other dialects and stages make them."""

    def test_a_plain_answer(self) -> None:
        told = written(STARTED, Text("a"), Finished("stop"))
        assert told.done
        assert told.chunks == [
            chunk({"role": "assistant", "content": ""}, model="asked"),
            chunk({"content": "a"}, model="asked"),
            chunk(finish="stop", model="asked"),
        ]

    @pytest.mark.parametrize(
        ("event", "delta"),
        [
            (Text("a"), {"content": "a"}),
            (Reasoning("a"), {"reasoning_content": "a"}),
            (Refusal("a"), {"refusal": "a"}),
            (
                ToolCall(0, "id", "f", "{"),
                {
                    "tool_calls": [
                        {"index": 0, "id": "id", "type": "function", "function": {"name": "f", "arguments": "{"}}
                    ]
                },
            ),
            (ToolArguments(0, "}"), {"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}),
            (
                ToolArguments(0, "}", name="g"),
                {"tool_calls": [{"index": 0, "function": {"name": "g", "arguments": "}"}}]},
            ),
        ],
    )
    def test_each_event_has_its_delta(self, event: Event, delta: Json) -> None:
        assert deltas(written(STARTED, event))[1] == delta

    def test_usage_in_our_own_words(self) -> None:
        told = written(STARTED, Finished("stop"), Used(Usage(7, 4)), wants_usage=True)
        assert told.chunks[-1] == chunk(choices=[], usage=own_usage(), model="asked")


class TestEventsWithFrames:
    def test_the_frame_is_sent_back_with_the_model_that_was_asked_for(self) -> None:
        sent = chunk({"content": "a"}, odd=1)
        assert written(STARTED, Text("a", dict(sent))).chunks[1] == sent | {"model": "asked"}

    def test_every_chunk_has_the_id_and_the_moment_of_the_first(self) -> None:
        odd = {"content": "a"}
        frames = [chunk(odd, id="other"), chunk(odd, id=None), chunk(odd, created=1.5), chunk(odd, object="odd")]
        told = written(STARTED, *(Text("a", one) for one in frames), Finished("stop"))
        assert {(one["id"], one["created"], one["object"]) for one in told.chunks} == {
            ("chatcmpl-1", 1774471078, "chat.completion.chunk")
        }

    def test_what_only_this_dialect_knows_is_sent(self) -> None:
        assert deltas(written(STARTED, Opaque(chunk({"odd": 1}))))[1] == {"odd": 1}


class TestUsage:
    @pytest.mark.parametrize("place", ["before", "after"])
    def test_comes_last_where_it_is_asked_for(self, place: str) -> None:
        end: list[Event] = [Used(Usage(7, 4)), Finished("stop")]
        told = written(STARTED, *(end if place == "before" else reversed(end)), wants_usage=True)
        check_whole(told, model="asked", wants_usage=True)
        assert told.chunks[-1]["usage"] == own_usage()

    def test_stays_away_where_it_is_not(self) -> None:
        told = written(*read(chunk({"content": "a"}), chunk(finish="stop"), usage_chunk()))
        assert not [one for one in told.chunks if "usage" in one]

    def test_told_on_every_chunk_comes_once(self) -> None:
        told = written(STARTED, *[Used(Usage(7, n)) for n in range(3)], Finished("stop"), wants_usage=True)
        assert [one["usage"]["completion_tokens"] for one in told.chunks if not one["choices"]] == [2]

    def test_told_again_after_the_finish_comes_once(self) -> None:
        told = written(STARTED, Used(Usage(7, 1)), Finished("stop"), Used(Usage(7, 4)), wants_usage=True)
        assert [one["usage"]["completion_tokens"] for one in told.chunks if not one["choices"]] == [4]

    def test_is_asked_for_and_never_told(self) -> None:
        check_whole(written(STARTED, Finished("stop"), wants_usage=True), model="asked", wants_usage=True)


class TestTheEnd:
    def test_a_failure_is_the_last_word(self) -> None:
        told = written(STARTED, Text("a"), Failed(StreamBroken("It broke.")))
        check_broken(told, model="asked")
        assert told.error == {"message": "It broke.", "type": "upstream_error", "param": None, "code": "stream_broken"}

    def test_a_failure_keeps_its_code_and_type(self) -> None:
        told = written(Failed(RateLimited("Slow down.", poe_status=429)))
        assert told.error is not None
        assert (told.error["type"], told.error["code"]) == ("rate_limit_error", "rate_limit_exceeded")

    def test_a_failure_hides_the_usage(self) -> None:
        told = written(STARTED, Used(Usage(7, 4)), Failed(StreamBroken("It broke.")), wants_usage=True)
        assert [one["choices"] for one in told.chunks if not one["choices"]] == []

    def test_a_repeated_attempt_begins_once(self) -> None:
        told = written(STARTED, Started("chatcmpl-2", 2, "m"), Text("a"), Finished("stop"))
        check_whole(told, model="asked", wants_usage=False)
        assert {one["id"] for one in told.chunks} == {"chatcmpl-1"}


def test_every_line_is_one_frame_whatever_the_text() -> None:
    text = "\n\r\n\u2028\u2029\x85 data: [DONE]\n\n"
    told = written(STARTED, Text(text), Finished("stop"))
    assert deltas(told)[1] == {"content": text}


def test_pushing_in_turn_writes_the_same_as_at_once() -> None:
    told: list[Event] = [STARTED, Reasoning("Hm."), Text("a"), Used(Usage(1, 1)), Finished("stop"), Used(Usage(7, 4))]
    at_once, in_turn = (Writer("asked", include_usage=True) for _ in range(2))
    assert at_once.push(told) == b"".join(in_turn.push([event]) for event in told)
    assert at_once.close() == in_turn.close()


class TestFramesThatCannotBeWritten:
    """orjson reads what is nested deeper than it writes; the answer goes on without what the frame says beside it."""

    @pytest.mark.parametrize("odd", [DEEP, 10**30, "\ud83d"])
    @pytest.mark.parametrize(
        ("event", "delta"),
        [
            (Text("a"), {"content": "a"}),
            (Reasoning("a"), {"reasoning_content": "a"}),
            (
                ToolArguments(0, "{}", name="f"),
                {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{}"}}]},
            ),
            (Finished("length"), {}),
        ],
    )
    def test_the_event_is_written_without_what_its_frame_says_beside_it(
        self, odd: object, event: Text | Reasoning | ToolArguments | Finished, delta: Json
    ) -> None:
        told = written(STARTED, replace(event, frame=chunk({"content": "a"}, odd=odd)))
        assert told.chunks[1] == chunk(delta, "length" if isinstance(event, Finished) else None, model="asked")

    def test_the_start_too(self) -> None:
        told = written(replace(STARTED, frame=chunk(odd=DEEP)), Text("a"), Finished("stop"))
        check_whole(told, model="asked", wants_usage=False)

    def test_what_only_this_dialect_knows_is_left_out(self) -> None:
        assert len(written(STARTED, Opaque(chunk({"odd": DEEP}))).chunks) == 1

    def test_the_usage_keeps_its_figures(self) -> None:
        deep = usage_chunk({**usage(), "odd": DEEP})
        told = written(STARTED, Finished("stop"), Used(Usage(7, 4), deep), wants_usage=True)
        assert told.chunks[-1]["usage"] == own_usage()

    @pytest.mark.parametrize("depth", [200, 300, 1000])
    def test_a_deep_stream_is_read_and_written(self, depth: int) -> None:
        odd = b"[" * depth + b"]" * depth
        told = b'data: {"choices": [{"index": 0, "delta": {"content": "a", "odd": %b}}]}\n\n' % odd
        events = read_bytes(frame(chunk({"role": "assistant"})), told, frame(chunk(finish="stop")), DONE)
        assert [one["content"] for one in deltas(written(*events)) if one.get("content")] == ["a"]


class TestListsThatOnlyThisDialectKnows:
    """OpenAI's SDK adds up lists of objects by their ``index``, and raises where a second one has none."""

    @pytest.mark.parametrize("wrapped", [lambda one: one, lambda one: {"provider_specific_fields": one}])
    def test_are_added_up_by_the_sdk(self, wrapped: Callable[[Json], Json]) -> None:
        thoughts = [wrapped({"thinking_blocks": [{"type": "thinking", "thinking": one}]}) for one in ("a", "b", "c")]
        told = written(*read(chunk({"role": "assistant"}), *map(chunk, thoughts), chunk(finish="stop")))
        state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
        for one in told.chunks:
            state.handle_chunk(ChatCompletionChunk.model_validate(one))
        message = state.current_completion_snapshot.choices[0].message.to_dict()
        (blocks,) = [one for name, one in _fields(message) if name == "thinking_blocks"]
        assert [block["thinking"] for block in blocks] == ["a", "b", "c"]

    def test_keep_the_index_that_they_have(self) -> None:
        entries = [[{"index": 0, "text": "a"}], [{"index": 0, "text": "b"}], [{"index": None, "text": "c"}]]
        told = written(
            *read(chunk({"role": "assistant"}), *(chunk({"odd": one}) for one in entries), chunk(finish="stop"))
        )
        assert [one["odd"][0]["index"] for one in deltas(told) if "odd" in one] == [0, 0, 2]


def _fields(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name, inner
            yield from _fields(inner)
