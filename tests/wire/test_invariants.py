"""Whatever an answer says and however it is cut, the client reads the same.

Random answers, rendered by a renderer of the tests' own, go through reader and writer into a grammar checker and the
official SDK's parser.
"""

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from poe_proxy.canonical.answer import Answer, fold
from poe_proxy.canonical.events import Event, Failed
from poe_proxy.wire.openai_chat import answer as whole
from poe_proxy.wire.openai_chat.stream import Reader, Writer
from tests.wire.chunks import DONE, Json, bare, chunk, frame, read_bytes, usage, usage_chunk
from tests.wire.grammar import Told, added_up, check_begun, check_broken, check_whole
from tests.wire.grammar import read as read_told

_RUNS = settings(max_examples=50, deadline=None, derandomize=True)
_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
_id = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
_arguments = st.dictionaries(_text, _text | st.integers(-9, 9), max_size=3).map(json.dumps)


@dataclass(frozen=True)
class Said:
    """A random answer, as a model means it."""

    text: str
    reasoning: str
    calls: list[tuple[str, str, str]]
    finish: str

    @property
    def reason(self) -> str:
        return "tool_calls" if self.calls and self.finish == "stop" else self.finish


_said = st.builds(
    Said,
    text=_text,
    reasoning=_text,
    calls=st.lists(st.tuples(_id, st.sampled_from(["f", "g"]), _arguments), max_size=3, unique_by=lambda call: call[0]),
    finish=st.sampled_from(["stop", "length", "content_filter"]),
)


@st.composite
def rendered(draw: st.DrawFn, said: Said, *, ends: bool = True) -> list[Json]:
    """Chunks that say it, in one of the ways that backends have."""
    deltas: list[Json] = [{"role": "assistant", "content": draw(st.sampled_from(["", None]))}]
    names = draw(st.sampled_from([["reasoning_content"], ["reasoning"], ["reasoning_content", "reasoning"]]))
    deltas += [dict.fromkeys(names, piece) for piece in draw(pieces(said.reasoning))]
    deltas += [{"content": piece} for piece in draw(pieces(said.text))]
    manner = draw(st.sampled_from(["by index", "by id", "one index", "all at once"]))
    begun = [_begin(manner, n, call) for n, call in enumerate(said.calls)]
    if begun and manner == "all at once":
        deltas.append({"tool_calls": begun})
    elif begun:
        for (id_, _, arguments), first in zip(said.calls, begun, strict=True):
            deltas.append({"tool_calls": [first]})
            whose: Json = {"id": id_} if manner == "by id" else {"index": first["index"]}
            deltas += [
                {"tool_calls": [{**whose, "function": {"arguments": piece}}]} for piece in draw(pieces(arguments))
            ]
    chunks = [chunk(delta) for delta in deltas]
    if not ends:
        return chunks
    tells = draw(st.sampled_from(["with the finish", "after it", "on every chunk", "never"]))
    if tells == "on every chunk":
        chunks = [{**one, "usage": usage()} for one in chunks]
    chunks.append(chunk(finish=said.finish, **({"usage": usage()} if tells == "with the finish" else {})))
    return [*chunks, usage_chunk()] if tells == "after it" else chunks


def _begin(manner: str, n: int, call: tuple[str, str, str]) -> Json:
    id_, name, arguments = call
    place: dict[str, Json] = {
        "by index": {"index": n},
        "by id": {},
        "one index": {"index": 0},
        "all at once": {"index": n},
    }
    function = {"name": name, "arguments": arguments if manner == "all at once" else ""}
    return {**place[manner], "id": id_, "type": "function", "function": function}


def pieces(text: str) -> st.SearchStrategy[list[str]]:
    """``text`` cut into pieces that are not empty."""
    cuts = st.sets(st.integers(1, max(1, len(text) - 1)), max_size=4).map(sorted)
    return cuts.map(lambda at: [text[start:end] for start, end in pairwise([0, *at, len(text)]) if start < end])


def through(chunks: list[Json], *, wants_usage: bool, end: bytes = DONE) -> Told:
    """The stream as the client reads it."""
    writer = Writer("asked", include_usage=wants_usage)
    told = writer.push(read_bytes(*(frame(one) for one in chunks), end)) + writer.close()
    return read_told(told)


def message_of(said: Said) -> Json:
    calls = [{"id": i, "type": "function", "function": {"name": n, "arguments": a}} for i, n, a in said.calls]
    told = {"role": "assistant", "content": said.text, "reasoning_content": said.reasoning, "tool_calls": calls}
    return {name: value for name, value in told.items() if value}


@_RUNS
@given(st.data(), _said, st.booleans())
def test_a_stream_says_what_was_said(data: st.DataObject, said: Said, wants_usage: bool) -> None:
    chunks = data.draw(rendered(said))
    told = through(chunks, wants_usage=wants_usage)
    check_whole(told, model="asked", wants_usage=wants_usage)
    summed = added_up(told.chunks)
    assert summed["message"] == message_of(said)
    assert summed["finish_reason"] == said.reason
    is_told = any("usage" in one for one in chunks)
    assert summed["usage"] == (usage() if wants_usage and is_told else None)


@_RUNS
@given(st.data(), _said)
def test_the_sdk_s_own_parser_reads_it(data: st.DataObject, said: Said) -> None:
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    for one in through(data.draw(rendered(said)), wants_usage=True).chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(one))
    message = state.current_completion_snapshot.choices[0].message
    assert (message.role, message.content or "") == ("assistant", said.text)
    assert getattr(message, "reasoning_content", "") == said.reasoning
    calls = [(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or []]
    assert calls == said.calls


@_RUNS
@given(st.data(), _said)
def test_made_whole_it_is_a_completion(data: st.DataObject, said: Said) -> None:
    body = whole.write(_folded(read_bytes(*map(frame, data.draw(rendered(said))), DONE)), "asked")
    completion = ChatCompletion.model_validate(body)
    assert completion.choices[0].finish_reason == said.reason
    assert {name: value for name, value in body["choices"][0]["message"].items() if value} == message_of(said)


def _folded(events: list[Event]) -> Answer:
    answer = fold(events)
    assert answer.error is None
    return answer


@_RUNS
@given(st.data(), _said)
def test_a_whole_answer_and_its_stream_are_the_same(data: st.DataObject, said: Said) -> None:
    choice = {"index": 0, "message": message_of(said) | {"content": said.text}, "finish_reason": said.finish}
    body = {"id": "chatcmpl-1", "created": 1774471078, "model": "odd", "choices": [choice], "usage": usage()}
    writer = Writer("asked", include_usage=True)
    told = read_told(writer.push(whole.read(body)) + writer.close())
    check_whole(told, model="asked", wants_usage=True)
    assert added_up(told.chunks) == {"message": message_of(said), "finish_reason": said.reason, "usage": usage()}


@_RUNS
@given(st.data(), _said)
def test_a_cut_stream_is_never_a_clean_end(data: st.DataObject, said: Said) -> None:
    told = through(data.draw(rendered(said, ends=False)), wants_usage=True, end=b"")
    check_broken(told, model="asked")


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.data(), _said)
def test_the_events_are_the_same_cut_at_every_byte(data: st.DataObject, said: Said) -> None:
    stream = b"".join(map(frame, data.draw(rendered(said)))) + DONE
    once = bare(read_bytes(stream))
    assert bare(read_bytes(*(stream[at : at + 1] for at in range(len(stream))))) == once
    for cut in range(0, len(stream), 7):
        assert bare(read_bytes(stream[:cut], stream[cut:])) == once


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 2**60) | st.floats(allow_nan=False, allow_infinity=False) | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=6,
)
_NAMES = ("role", "content", "reasoning", "reasoning_content", "refusal", "tool_calls", "function_call", "annotations")
_call = st.fixed_dictionaries(
    {},
    optional={
        "index": _json,
        "id": _json,
        "type": _json,
        "function": _json | st.fixed_dictionaries({"name": _json, "arguments": _json}),
    },
)
_delta = st.dictionaries(st.sampled_from(_NAMES), _json, max_size=3) | st.fixed_dictionaries(
    {"tool_calls": st.lists(_call, max_size=2)}
)
_choice = st.fixed_dictionaries(
    {},
    optional={
        "index": _json,
        "delta": _delta | _json,
        "message": _delta | _json,
        "finish_reason": _json,
        "logprobs": _json,
    },
)
_chunk = st.fixed_dictionaries(
    {"choices": st.lists(_choice | _json, max_size=2) | _json},
    optional={
        "id": _json,
        "created": _json,
        "model": _json,
        "usage": _json | st.just(usage()),
        "error": st.none() | _json,
    },
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(_chunk | _json, max_size=4))
def test_any_json_in_a_stream_is_read_and_written_legally(chunks: list[Any]) -> None:
    reader, writer = Reader(), Writer("asked", include_usage=True)
    events = [event for one in chunks for event in reader.feed(frame(one))]
    told = read_told(writer.push([*events, *reader.close()]) + writer.close())
    assert told.done == (told.error is None)
    check_begun(told, model="asked")
    finishes = [one["choices"][0]["finish_reason"] for one in told.chunks if one["choices"]]
    assert len([finish for finish in finishes if finish]) == 1 or told.error is not None
    assert all(isinstance(one["created"], int) for one in told.chunks)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(_chunk | _json)
def test_any_json_as_a_whole_answer_is_read_and_written_legally(body: Any) -> None:
    answer = fold(whole.read(body))
    if answer.error is not None:
        return
    told = whole.write(answer, "asked")
    (choice,) = told["choices"]
    assert isinstance(told["id"], str)
    assert isinstance(told["created"], int)
    assert choice["finish_reason"] in {"stop", "length", "tool_calls", "content_filter", "function_call"}
    writer = Writer("asked", include_usage=True)
    check_begun(read_told(writer.push(whole.read(body)) + writer.close()), model="asked")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_bytes_are_read(data: bytes, cut: int) -> None:
    events = read_bytes(data[:cut], data[cut:])
    assert isinstance(events[-1], Failed)
    assert bare(events[:-1]) == bare(read_bytes(data)[:-1])
