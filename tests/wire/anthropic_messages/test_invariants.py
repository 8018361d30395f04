"""Whatever is said, in whatever order and however it is cut, a client of messages reads a legal stream.

Random events and random chat streams go through the writer into a grammar checker and the official SDK's parser.
"""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from poe_proxy.canonical.answer import fold
from poe_proxy.canonical.errors import Internal, StreamBroken
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
from poe_proxy.wire.anthropic_messages import answer as whole
from poe_proxy.wire.anthropic_messages.marks import split_signature
from poe_proxy.wire.anthropic_messages.stream import Writer
from poe_proxy.wire.openai_chat.stream import Reader as ChatReader
from poe_proxy.wire.openai_chat.stream import Writer as ChatWriter
from tests.wire import grammar as chat_grammar
from tests.wire.anthropic_messages import said
from tests.wire.anthropic_messages.grammar import by_sdk, check_broken, check_whole, content, read
from tests.wire.anthropic_messages.said import Json
from tests.wire.chunks import DONE, frame
from tests.wire.test_invariants import Said, _said, message_of, rendered

_RUNS = settings(max_examples=60, deadline=None, derandomize=True)
_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(["", " ", "\n", "a"])
_arguments = st.dictionaries(_text, _text | st.integers(-9, 9), max_size=3).map(json.dumps)
_calls = st.lists(st.tuples(_arguments, _text, st.sampled_from(["", "CiwB+/="])), max_size=3)


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """Events in any order that a reader may give them in: every call's pieces in turn, all else anywhere."""
    streams: list[list[Event]] = [[Text(some)] for some in draw(st.lists(_text, max_size=4))]
    streams += [[Reasoning(some)] for some in draw(st.lists(_text, max_size=4))]
    streams += [[Refusal(some)] for some in draw(st.lists(_text, max_size=1))]
    streams += [[Used(Usage(some, cached=some // 2))] for some in draw(st.lists(st.integers(0, 99), max_size=2))]
    streams.append(_pieces(draw))
    events: list[Event] = []
    while streams := [one for one in streams if one]:
        events.append(draw(st.sampled_from(streams)).pop(0))
    return [Started("chatcmpl-1", 0, "odd"), *events, Finished(draw(st.sampled_from(["stop", "length", "tool_calls"])))]


def _pieces(draw: st.DrawFn) -> list[Event]:
    """Parallel calls, their arguments interleaved."""
    calls = draw(_calls)
    events: list[Event] = []
    waiting: list[list[Event]] = []
    for index, (arguments, _, signature) in enumerate(calls):
        cut = draw(st.integers(0, len(arguments)))
        begun = ToolCall(index, f"id{index}", "f", arguments[:cut], signature=signature)
        waiting.append([begun, ToolArguments(index, arguments[cut:])])
    at = 0
    while waiting := [one for one in waiting if one]:
        at = min(draw(st.integers(0, 2)), len(waiting) - 1)
        first = next(place for place, one in enumerate(waiting) if place == at or isinstance(one[0], ToolCall))
        events.append(waiting[first].pop(0))
    return events


@_RUNS
@given(answers())
def test_any_events_make_a_legal_stream(events: list[Event]) -> None:
    data = said.write(events)
    told = read(data)
    check_whole(told, model="asked")
    assert by_sdk(data).stop_reason == told[-2]["delta"]["stop_reason"]


@_RUNS
@given(answers())
def test_nothing_of_it_is_lost(events: list[Event]) -> None:
    told, folded = content(read(said.write(events))), fold(events)
    calls = [block for block in told if block["type"] == "tool_use"]
    assert [split_signature(call["id"]) for call in calls] == [(call.id, call.signature) for call in folded.calls]
    assert [call["input"] for call in calls] == [json.loads(call.arguments) for call in folded.calls]
    thought = "".join(block["thinking"] for block in told if block["type"] == "thinking")
    assert "".join(thought.split()) == "".join((folded.reasoning or "").split())


@_RUNS
@given(answers())
def test_streamed_and_whole_say_the_same(events: list[Event]) -> None:
    streamed, made = by_sdk(said.write(events)), whole.write(fold(events), "asked")
    assert streamed.stop_reason == made["stop_reason"]
    assert [block.to_dict() for block in streamed.content if block.type == "tool_use"] == [
        block for block in made["content"] if block["type"] == "tool_use"
    ]
    assert streamed.usage.input_tokens == made["usage"]["input_tokens"]


@_RUNS
@given(answers(), st.integers(0, 12))
def test_cut_by_a_failure_it_has_no_end(events: list[Event], at: int) -> None:
    check_broken(read(said.write([*events[:at], Failed(Internal("It broke."))])), model="asked")


@_RUNS
@given(answers())
def test_one_by_one_or_all_at_once_is_the_same(events: list[Event]) -> None:
    writer = Writer("asked")
    assert b"".join(writer.push([event]) for event in events) + writer.close() == said.write(events)


@_RUNS
@given(st.data(), _said)
def test_a_chat_stream_is_translated(data: st.DataObject, meant: Said) -> None:
    reader = ChatReader(keep_frames=False)
    written = said.write(
        [event for one in data.draw(rendered(meant)) for event in reader.feed(frame(one))]
        + reader.feed(DONE)
        + reader.close()
    )
    check_whole(told := read(written), model="asked")
    message = by_sdk(written)
    calls = [(block.id, block.name, block.input) for block in message.content if block.type == "tool_use"]
    assert calls == [(id_, name, json.loads(arguments)) for id_, name, arguments in meant.calls]
    assert "".join(block.get("text", "") for block in content(told)).strip() == meant.text.strip()


@_RUNS
@given(st.data(), _said)
def test_a_message_is_translated_for_chat(data: st.DataObject, meant: Said) -> None:
    """There and back: what the messages writer makes of it, the messages reader and the chat writer give a client."""
    written = said.write(_events(meant))
    writer = ChatWriter("asked", include_usage=True)
    told = chat_grammar.read(writer.push(said.read_bytes(written)) + writer.close())
    chat_grammar.check_whole(told, model="asked", wants_usage=True)
    summed = chat_grammar.added_up(told.chunks)
    expected = message_of(meant)
    for name in ("content", "reasoning_content"):
        if not expected.get(name, "").strip():
            expected.pop(name, None)
    assert summed["message"] == expected
    assert summed["finish_reason"] == meant.reason


def _events(meant: Said) -> list[Event]:
    calls: list[Event] = [ToolCall(n, *call) for n, call in enumerate(meant.calls)]
    return [Started("1", 0, "m"), Reasoning(meant.reasoning), Text(meant.text), *calls, Finished(meant.finish)]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(answers())
def test_the_events_are_the_same_cut_at_every_byte(events: list[Event]) -> None:
    stream = said.write(events)
    for keep in (True, False):
        once = said.read_bytes(stream, keep=keep)
        assert said.read_bytes(*(stream[at : at + 1] for at in range(len(stream))), keep=keep) == once
        for cut in range(0, len(stream), 7):
            assert said.read_bytes(stream[:cut], stream[cut:], keep=keep) == once


@_RUNS
@given(answers())
def test_what_we_wrote_comes_back_frame_by_frame(events: list[Event]) -> None:
    stream = said.write(events)
    assert said.write(said.read_bytes(stream, keep=True)) == stream


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 2**60) | st.floats(allow_nan=False, allow_infinity=False) | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=6,
)
_BLOCKS = ("text", "thinking", "tool_use", "server_tool_use", "odd")
_DELTAS = ("text_delta", "thinking_delta", "input_json_delta", "signature_delta", "citations_delta", "odd")
_body = st.dictionaries(st.sampled_from(["text", "thinking", "input", "id", "name", "partial_json"]), _json, max_size=3)
_block = st.builds(lambda kind, body: {"type": kind, **body}, st.sampled_from(_BLOCKS) | _json, _body) | _json
_delta = st.builds(lambda kind, body: {"type": kind, **body}, st.sampled_from(_DELTAS) | _json, _body) | _json
_event = st.fixed_dictionaries(
    {"type": st.sampled_from([
        "message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "ping",
        "message_stop", "odd",
    ]) | _json},
    optional={
        "index": st.integers(0, 2) | _json,
        "message": st.dictionaries(st.sampled_from(["id", "model", "usage"]), _json) | _json,
        "content_block": _block,
        "delta": _delta | st.fixed_dictionaries({"stop_reason": _json | st.just("end_turn")}),
        "usage": _json | st.dictionaries(st.sampled_from(["input_tokens", "output_tokens"]), _json),
        "error": st.none() | _json,
    },
)  # fmt: skip


@settings(max_examples=120, deadline=None, derandomize=True)
@given(st.lists(_event | _json, max_size=6))
def test_any_json_in_a_stream_is_read(events: list[Any]) -> None:
    data = b"".join(frame(one) for one in events)
    for keep in (True, False):
        told = said.read_bytes(data, keep=keep)
        ends = [event for event in told if isinstance(event, Finished | Failed)]
        assert len(ends) == 1
        assert said.write(told)
        json.dumps(whole.write(fold(told), "asked"))
    writer = ChatWriter("asked", include_usage=True)
    chat_grammar.check_begun(chat_grammar.read(writer.push(told) + writer.close()), model="asked")


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    st.fixed_dictionaries({"content": st.lists(_block, max_size=3)}, optional={"usage": _json, "stop_reason": _json})
)
def test_any_json_as_a_whole_answer_is_read_and_written(body: Json) -> None:
    for keep in (True, False):
        events = whole.read(body, keep=keep)
        assert sum(isinstance(event, Finished | Failed) for event in events) == 1
        json.dumps(whole.write(fold(events), "asked"))
        said.write(events)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_bytes_are_read(data: bytes, cut: int) -> None:
    last = said.read_bytes(data[:cut], data[cut:])[-1]
    assert isinstance(last, Failed)
    assert isinstance(last.error, StreamBroken)
