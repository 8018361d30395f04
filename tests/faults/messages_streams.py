"""Anthropic's messages as Poe may stream them, or send them whole: all of them say the same."""

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.faults.meant import Call, Json, Meant, Tokens, merged
from tests.wire.anthropic_messages import said
from tests.wire.test_invariants import pieces

_CITATION = {
    "type": "char_location",
    "cited_text": "x",
    "document_index": 0,
    "document_title": None,
    "start_char_index": 0,
    "end_char_index": 1,
    "file_id": None,
}
_RESULT = {
    "type": "web_search_result",
    "title": "t",
    "url": "https://example.org",
    "encrypted_content": "e",
    "page_age": None,
}


@dataclass(frozen=True)
class Manner:
    """How the message is streamed. ``is_plain``: nothing but what Anthropic documents, so that its SDK reads it as it
    is."""

    input: str
    pings: bool
    is_plain: bool
    server_tools: bool
    redacted: bool
    cited: bool
    usage: str
    ends: str


def manners(*, plain: bool) -> st.SearchStrategy[Manner]:
    """Any manner, or those that Anthropic's own are."""
    return st.builds(
        Manner,
        input=st.sampled_from(["in pieces", "with empty pieces"] + ([] if plain else ["at the start", "in one piece"])),
        pings=st.booleans(),
        is_plain=st.just(plain),
        server_tools=st.booleans(),
        redacted=st.booleans(),
        cited=st.booleans(),
        usage=st.sampled_from(["at both ends", "at both ends", "all at the end"] + ([] if plain else ["twice"])),
        ends=st.sampled_from(["well"] if plain else ["well", "without stop", "unclosed"]),
    )


@st.composite
def events(draw: st.DrawFn, meant: Meant, manner: Manner) -> list[Json]:
    """The events of a whole stream."""
    blocks = [draw(_streamed(index, block, manner)) for index, block in enumerate(draw(_blocks(meant, manner)))]
    if manner.ends == "unclosed" and blocks:
        blocks[-1] = blocks[-1][:-1]
    told = [_start(meant.tokens, manner), *(event for block in blocks for event in block)]
    told += _end(meant, manner)
    if manner.pings:
        told.insert(draw(st.integers(1, len(told))), said.PING)
    if not manner.is_plain:
        told.insert(draw(st.integers(1, len(told) - 1)), {"type": "of_tomorrow", "x": [1]})
    return told if manner.ends == "without stop" else [*told, said.STOP]


def framed(told: list[Json], *, named: bool = True) -> list[bytes]:
    """The events as frames; Anthropic names each."""
    name = [b"event: " + one["type"].encode() + b"\n" if named else b"" for one in told]
    return [head + b"data: " + json.dumps(one).encode() + b"\n\n" for head, one in zip(name, told, strict=True)]


@st.composite
def _blocks(draw: st.DrawFn, meant: Meant, manner: Manner) -> list[Json]:
    """The content: thinking, texts and calls, each in its own order; there is no block of a text that is empty."""
    signature = draw(st.sampled_from(["EqQB", "x" * 300]))
    thoughts = [_thinking(one, signature) for one in draw(pieces(meant.reasoning))]
    texts = [{"type": "text", "text": one} for one in draw(pieces(meant.text))]
    calls = [_call(call) for call in meant.calls]
    others = [{"type": "redacted_thinking", "data": "EmwKAh"}] if manner.redacted else []
    others += _server_tools() if manner.server_tools else []
    return draw(merged([thoughts, texts, calls, others]))


def _thinking(text: str, signature: str) -> Json:
    return {"type": "thinking", "thinking": text, "signature": signature}


def _call(call: Call) -> Json:
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": json.loads(call.arguments)}


def _server_tools() -> list[Json]:
    return [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [_RESULT]},
    ]


@st.composite
def _streamed(draw: st.DrawFn, index: int, block: Json, manner: Manner) -> list[Json]:
    kind = block["type"]
    match kind:
        case "text":
            deltas = [said.delta(index, "text_delta", text=one) for one in draw(pieces(block["text"]))]
            deltas += [said.delta(index, "citations_delta", citation=_CITATION)] if manner.cited else []
            begun = said.begin(index, "text", text="")
        case "thinking":
            deltas = [said.delta(index, "thinking_delta", thinking=one) for one in draw(pieces(block["thinking"]))]
            deltas.append(said.delta(index, "signature_delta", signature=block["signature"]))
            begun = said.begin(index, "thinking", thinking="", signature="")
        case "tool_use" | "server_tool_use":
            deltas = draw(_input(index, json.dumps(block["input"]), manner))
            told = block["input"] if manner.input == "at the start" else {}
            begun = said.begin(index, kind, **{**block, "input": told})
        case _:
            deltas, begun = [], said.begin(index, kind, **block)
    return [begun, *deltas, said.stop(index)]


@st.composite
def _input(draw: st.DrawFn, index: int, text: str, manner: Manner) -> list[Json]:
    """A call's arguments: Anthropic sends none of them where they are ``{}``, and one empty piece ahead of the rest."""
    if manner.input == "at the start" or (text == "{}" and draw(st.booleans())):
        return []
    cut = [text] if manner.input == "in one piece" else draw(pieces(text))
    cut = ["", *cut] if manner.input == "with empty pieces" else cut
    return [said.delta(index, "input_json_delta", partial_json=one) for one in cut]


def usage(tokens: Tokens) -> Json:
    """The figures as Anthropic writes them: what was read from the cache is beside the input."""
    told: Json = {
        "input_tokens": tokens.prompt - tokens.cached - tokens.written,
        "cache_creation_input_tokens": tokens.written,
        "cache_read_input_tokens": tokens.cached,
        "output_tokens": tokens.completion,
    }
    return told | ({"output_tokens_details": {"thinking_tokens": tokens.reasoning}} if tokens.reasoning else {})


def _start(tokens: Tokens | None, manner: Manner) -> Json:
    if tokens is None or manner.usage == "all at the end":
        return said.start({"input_tokens": 0, "output_tokens": 0})
    return said.start({**usage(tokens), "output_tokens": 1})


def _end(meant: Meant, manner: Manner) -> list[Json]:
    if meant.tokens is None:
        return [said.end(meant.messages_reason, {"output_tokens": 0})]
    figures = usage(meant.tokens)
    if manner.usage == "at both ends":
        figures = {name: told for name, told in figures.items() if name.startswith("output")}
    if manner.usage == "twice":
        return [said.end(meant.messages_reason, {"output_tokens": 1}), said.end(None, figures)]
    return [said.end(meant.messages_reason, figures)]


@st.composite
def body(draw: st.DrawFn, meant: Meant, manner: Manner) -> Json:
    """The same as one whole message."""
    told = said.start(usage(meant.tokens) if meant.tokens else {"input_tokens": 0, "output_tokens": 0})["message"]
    content: list[Any] = draw(_blocks(meant, manner))
    return {**told, "content": content, "stop_reason": meant.messages_reason}
