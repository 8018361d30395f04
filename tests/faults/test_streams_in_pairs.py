"""Whatever a model says, however its backend streams it, and in whatever dialect: the client's own SDK hears the same.

Made answers go through every pair of dialects, cut anywhere, and into the official SDKs' parsers.
"""

import asyncio
import dataclasses
import json
import re
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import anthropic
import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poe_proxy.canonical.errors import ProxyError
from tests.faults import chat_streams, judges, messages_streams
from tests.faults.house import PAIRS, Pair
from tests.faults.judges import Heard
from tests.faults.meant import Json, Meant, meant, on_the_wire
from tests.wire import grammar as chat_grammar
from tests.wire.anthropic_messages import grammar

_RUNS = settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
NATIVE = Pair("messages", "messages")
Run = Callable[[Coroutine[Any, Any, Any]], Any]
each_pair = pytest.mark.parametrize("pair", PAIRS, ids=str)


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """What a coroutine comes to, in one loop for all examples: a loop for each takes longer than the work in it."""
    with asyncio.Runner() as runner:
        yield runner.run


@st.composite
def streams(draw: st.DrawFn, pair: Pair) -> tuple[Meant, list[bytes]]:
    """An answer, and the frames of a stream that says it."""
    said = draw(meant(refuses=pair.way == "chat"))
    if pair.way == "chat":
        return said, chat_streams.framed(draw(chat_streams.chunks(said, draw(chat_streams.manners))))
    told = draw(messages_streams.events(said, draw(messages_streams.manners(plain=False))))
    return said, messages_streams.framed(told, named=draw(st.booleans()))


@st.composite
def wholes(draw: st.DrawFn, pair: Pair) -> tuple[Meant, list[bytes]]:
    """An answer, and the one body that says it."""
    said = draw(meant(refuses=pair.way == "chat"))
    if pair.way == "chat":
        body = chat_streams.body(said, draw(chat_streams.manners), draw(chat_streams.words_for(said)))
    else:
        body = draw(messages_streams.body(said, draw(messages_streams.manners(plain=False))))
    return said, [json.dumps(body).encode()]


def heard(pair: Pair, data: bytes) -> Heard:
    """What the client's SDK makes of a stream."""
    if pair.spoken == "messages":
        return judges.messages_stream(data)
    judges.chat_chunks(data)
    return judges.chat_stream(data)


def heard_whole(pair: Pair, body: Json) -> Heard:
    """What the client's SDK makes of a whole answer."""
    return judges.messages_whole(body) if pair.spoken == "messages" else judges.chat_whole(body)


def check(pair: Pair, said: Meant, told: Heard) -> None:
    """That the client heard what was said. Usage that Poe did not tell is guessed, or none."""
    reason, calls = said.chat_reason, [call.said for call in said.calls]
    text, refusal = said.text, said.refusal
    if pair.spoken == "messages":
        reason, text, refusal = said.messages_reason, said.text + said.refusal, ""
    tokens = said.tokens or told.tokens
    if tokens is not None and pair.spoken == "chat":
        tokens = dataclasses.replace(tokens, written=0)  # OpenAI has no word for it
    meant_to_be = Heard(text, said.reasoning, refusal, calls, reason, tokens)
    if pair.spoken == "messages":
        told, meant_to_be = _without_blanks(told, said), _without_blanks(meant_to_be, said)
    assert told == meant_to_be


def _without_blanks(told: Heard, said: Meant) -> Heard:
    """Blank text has no block of its own; and a refusal is one more text, wherever it came."""
    text = "".join(told.text.split())
    text = "".join(sorted(text)) if said.refusal else text
    return dataclasses.replace(told, text=text, reasoning="".join(told.reasoning.split()))


@each_pair
@_RUNS
@given(data=st.data())
def test_of_a_stream_the_sdk_hears_what_was_meant(pair: Pair, run: Run, data: st.DataObject) -> None:
    said, frames = data.draw(streams(pair))
    told = run(pair.stream(data.draw(on_the_wire(frames))))
    if pair.spoken == "chat":
        chat_grammar.check_whole(chat_grammar.read(told), model="asked", wants_usage=True)
    elif pair != NATIVE:
        grammar.check_whole(grammar.read(told), model="asked")
    check(pair, said, heard(pair, told))


@each_pair
@_RUNS
@given(data=st.data())
def test_of_a_whole_answer_it_hears_the_same(pair: Pair, run: Run, data: st.DataObject) -> None:
    said, body = data.draw(wholes(pair))
    check(pair, said, heard_whole(pair, run(pair.whole(body))))


@each_pair
@_RUNS
@given(data=st.data())
def test_and_of_one_that_was_not_asked_for_so(pair: Pair, run: Run, data: st.DataObject) -> None:
    """JSON in answer to a stream, and a stream in answer to who wants none."""
    said, body = data.draw(wholes(pair))
    check(pair, said, heard(pair, run(pair.stream(body, streams=False))))
    said, frames = data.draw(streams(pair))
    check(pair, said, heard_whole(pair, run(pair.whole(data.draw(on_the_wire(frames)), streams=True))))


_BREAKS = {
    "chat": [
        b'data: {"error": {"message": "It broke.", "type": "server_error", "code": 500}}\n\ndata: [DONE]\n\n',
        b'event: error\ndata: {"message": "It broke."}\n\n',
        b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]}\n\ndata: [DONE]\n\n',
        b"",
        b"data: {",
        b"data: It broke.\n\n",
    ],
    "messages": [
        b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error", "message": "It broke."}}\n\n',
        b'data: {"type": "error", "error": {"type": "api_error", "message": "It broke."}}\n\n',
        b"event: error\ndata: It broke.\n\n",
        b"",
        b"event: content_block_stop\ndata: {",
    ],
}


@each_pair
@_RUNS
@given(data=st.data())
def test_a_break_is_an_error_of_the_sdk(pair: Pair, run: Run, data: st.DataObject) -> None:
    """Before any content it is one of ours, which is told with a status of its own."""
    _, frames = data.draw(streams(pair))
    last = next((place for place, one in enumerate(frames) if _ends(one)), len(frames) - 1)
    broken = [*frames[: data.draw(st.integers(0, last))], data.draw(st.sampled_from(_BREAKS[pair.way]))]
    try:
        told = run(pair.stream(data.draw(on_the_wire(broken))))
    except ProxyError:
        return
    with pytest.raises((openai.APIError, anthropic.APIError)):
        heard(pair, told)


def _ends(frame: bytes) -> bool:
    """Whether ``frame`` says that the answer is finished, as far as our reader looks for it."""
    return (
        frame.startswith(b"data: [DONE]")
        or b'"message_delta"' in frame
        or b'"message_stop"' in frame
        or (re.search(rb'"finish_reason": "[^"]', frame) is not None and b"another" not in frame)
    )


@_RUNS
@given(data=st.data())
def test_what_anthropic_says_is_heard_as_if_we_were_not_there(run: Run, data: st.DataObject) -> None:
    said = data.draw(meant(refuses=False))
    told = data.draw(messages_streams.events(said, data.draw(messages_streams.manners(plain=True))))
    frames = messages_streams.framed(told)
    relayed = run(NATIVE.stream(data.draw(on_the_wire(frames))))
    assert grammar.by_sdk(relayed) == grammar.by_sdk(b"".join(frames))
