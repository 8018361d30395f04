"""Chat completions as Poe's many backends may stream them, or send them whole: all of them say the same."""

import json
import math
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from hypothesis import strategies as st

from tests.faults.meant import Call, Json, Meant, Tokens, merged
from tests.wire.chunks import DONE, frame
from tests.wire.test_invariants import pieces

_WORDS = {
    "stop": ["stop", "STOP", "eos", "end_turn"],
    "length": ["length", "MAX_TOKENS", "max_output_tokens"],
    "content_filter": ["content_filter", "SAFETY", "refusal"],
    "tool_calls": ["tool_calls", "stop", "tool_use", "STOP"],
}
_NOTHING = {"content": None, "tool_calls": None, "refusal": None, "reasoning_content": None, "function_call": None}
_UNKNOWN = {"provider_specific_fields": {"thinking_blocks": None}, "x_note": "odd"}
_IN_TURN = ("by index", "index as text", "by id", "new ids", "cumulative", "named again")
_ONE_BY_ONE = ("one index", "no index", "all at once", "whole", "object")
_CITATION = {"url": "https://example.org", "title": "t", "start_index": 0, "end_index": 1}
_BESIDE: list[Json] = [
    {"choices": None},
    {"choices": [], "x_groq": {"id": "q"}},
    {"choices": [{"index": 0, "delta": None, "finish_reason": None}]},
    {"choices": [{"index": 1, "delta": {"content": "another"}, "finish_reason": "stop"}]},
    {"choices": [{"index": 0, "delta": {"annotations": [{"type": "url_citation", "url_citation": _CITATION}]}}]},
    {"choices": [{"index": 0, "delta": {"x_scores": [0.5, 1], "x_score": math.nan}, "finish_reason": None}]},
]
"""What may stand between the chunks that say something."""


@dataclass(frozen=True)
class Manner:
    """How a backend streams."""

    begins: str
    thinks_as: tuple[str, ...]
    calls: str
    tells_usage: str
    is_null: bool
    is_odd: bool
    ids: str
    has_index: bool
    in_parts: bool
    beside: int | None
    halves: bool
    ends: str


manners = st.builds(
    Manner,
    begins=st.sampled_from(["role", "role and null", "at once", "azure"]),
    thinks_as=st.sampled_from([("reasoning_content",), ("reasoning",), ("reasoning_content", "reasoning")]),
    calls=st.sampled_from([*_IN_TURN, *_ONE_BY_ONE]),
    tells_usage=st.sampled_from(["with the finish", "after it", "in a choice", "always"]),
    is_null=st.booleans(),
    is_odd=st.booleans(),
    ids=st.sampled_from(["same", "same", "missing", "new"]),
    has_index=st.booleans(),
    in_parts=st.booleans(),
    beside=st.none() | st.integers(0, len(_BESIDE) - 1),
    halves=st.booleans(),
    ends=st.sampled_from(["well", "well", "twice", "with the last word", "empty reasons", "unclosed"]),
)


@st.composite
def chunks(draw: st.DrawFn, meant: Meant, manner: Manner) -> list[Json]:
    """The chunks of a whole stream, without ``[DONE]``."""
    texts = [
        [dict.fromkeys(manner.thinks_as, one) for one in draw(pieces(meant.reasoning))],
        [{"content": _content(one, manner)} for one in draw(_texts(meant.text, manner))],
        [{"refusal": one} for one in draw(pieces(meant.refusal))],
        draw(_calls(meant.calls, manner)),
    ]
    deltas = [*_beginning(manner), *draw(merged(texts))]
    finish = draw(words_for(meant))
    told = [_chunk(delta, manner, number) for number, delta in enumerate(deltas)]
    if manner.beside is not None:
        for _ in range(draw(st.integers(1, 2))):
            told.insert(draw(st.integers(min(1, len(told)), len(told))), _BESIDE[manner.beside])
    if manner.ends == "unclosed" and meant.calls and meant.finish == "stop":
        return _before(manner) + _with_usage(told, meant.tokens, manner)
    if manner.ends == "with the last word" and told and manner.beside is None:
        told[-1]["choices"][0]["finish_reason"] = finish
    else:
        told.append(_chunk({}, manner, len(told), finish))
    if manner.ends == "twice":
        told.append(_chunk({}, manner, len(told), finish))
    return _before(manner) + _with_usage(told, meant.tokens, manner)


def _texts(text: str, manner: Manner) -> st.SearchStrategy[list[str]]:
    return _halves(text) if manner.halves and not manner.in_parts else pieces(text)


def _halves(text: str) -> st.SearchStrategy[list[str]]:
    """``text`` in two pieces; where that cuts an emoji in two, each piece has a half of it."""
    units = text.encode("utf-16-le")
    cut = st.integers(0, len(units) // 2).map(lambda at: [units[: 2 * at], units[2 * at :]])
    return cut.map(lambda two: [one.decode("utf-16-le", "surrogatepass") for one in two if one])


def framed(told: list[Json]) -> list[bytes]:
    """The chunks as frames, and the end."""
    return [*map(frame, told), DONE]


def _content(text: str, manner: Manner) -> Any:
    return [{"type": "text", "text": text}] if manner.in_parts else text


def _beginning(manner: Manner) -> list[Json]:
    content = None if manner.begins == "role and null" else ""
    return [] if manner.begins == "at once" else [{"role": "assistant", "content": content}]


def _before(manner: Manner) -> list[Json]:
    """What Azure sends ahead of the answer."""
    if manner.begins != "azure":
        return []
    return [{"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": [{"i": 0}]}]


def _chunk(delta: Json, manner: Manner, number: int, finish: str | None = None) -> Json:
    until = "" if manner.ends == "empty reasons" else None
    choice: Json = {"index": 0, "delta": {**_NOTHING, **delta} if manner.is_null else delta}
    choice["finish_reason"] = finish or until
    if not manner.has_index:
        del choice["index"]
    if manner.is_odd:
        choice |= {"logprobs": None, "content_filter_results": {"hate": {"filtered": False}}}
        choice["delta"] = {**choice["delta"], **_UNKNOWN}
    around: Json = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1774471078, "model": "odd"}
    if manner.ids == "missing":
        around = {"object": "chat.completion.chunk"}
    elif manner.ids == "new":
        around |= {"id": f"chatcmpl-{number}", "created": 1774471078.5 + number, "model": None}
    return {**around, "system_fingerprint": None, "choices": [choice], **({"usage": None} if manner.is_null else {})}


@st.composite
def _calls(draw: st.DrawFn, calls: tuple[Call, ...], manner: Manner) -> list[Json]:
    """The deltas of all calls, in the one order that the manner allows, or side by side."""
    if manner.calls == "all at once":
        whole = [_piece(place, manner, call, call.arguments) for place, call in enumerate(calls)]
        return [{"tool_calls": whole}] if whole else []
    tracks = [draw(_call(place, call, manner)) for place, call in enumerate(calls)]
    if manner.calls in _IN_TURN and draw(st.booleans()):
        begun, rest = [track[:1] for track in tracks], [track[1:] for track in tracks]
        return [one for track in begun for one in track] + draw(merged(rest))
    return [one for track in tracks for one in track]


@st.composite
def _call(draw: st.DrawFn, place: int, call: Call, manner: Manner) -> list[Json]:
    if manner.calls == "whole":
        return [{"tool_calls": [_piece(place, manner, call, call.arguments)]}]
    if manner.calls == "object":
        return [{"tool_calls": [_piece(place, manner, call, json.loads(call.arguments))]}]
    begun = _piece(place, manner, call, draw(st.sampled_from(["", None])))
    cut = draw(pieces(call.arguments))
    if manner.calls == "cumulative":
        cut = list(accumulate(cut))
    told = [begun, *(_more(begun, one, number, manner) for number, one in enumerate(cut))]
    return [{"tool_calls": [one]} for one in told]


def _more(begun: Json, arguments: str, number: int, manner: Manner) -> Json:
    """A further piece of the call that was ``begun``."""
    whose = {"index": begun["index"]} if "index" in begun else {}
    function = {"arguments": arguments}
    match manner.calls:
        case "by id":
            whose = {"id": begun["id"]}
        case "new ids":
            whose["id"] = f"{begun['id']}-{number}"
        case "named again":
            whose["id"], function["name"] = begun["id"], begun["function"]["name"]
    return {**whose, "function": function}


def _piece(place: int, manner: Manner, call: Call, arguments: Any) -> Json:
    indexes: dict[str, Json] = {"index as text": {"index": str(place)}, "one index": {"index": 0}}
    index = indexes.get(manner.calls, {} if manner.calls in ("by id", "no index") else {"index": place})
    function = {"name": call.name} if arguments is None else {"name": call.name, "arguments": arguments}
    return {**index, "id": call.id, "type": "function", "function": function}


def usage(tokens: Tokens) -> Json:
    """The figures as OpenAI writes them."""
    return {
        "prompt_tokens": tokens.prompt,
        "completion_tokens": tokens.completion,
        "total_tokens": tokens.prompt + tokens.completion,
        "prompt_tokens_details": {
            "cached_tokens": tokens.cached,
            "cache_creation_tokens": tokens.written,
            "audio_tokens": None,
        },
        "completion_tokens_details": {"reasoning_tokens": tokens.reasoning},
    }


def _with_usage(told: list[Json], tokens: Tokens | None, manner: Manner) -> list[Json]:
    if tokens is None:
        return told
    figures = {"usage": usage(tokens)}
    match manner.tells_usage:
        case "with the finish":
            return [*told[:-1], {**told[-1], **figures}]
        case "in a choice":
            return [*told, {**_chunk({}, manner, len(told)), **figures}]
        case "always":
            early = {"usage": {"prompt_tokens": tokens.prompt, "completion_tokens": 0}}
            return [*({**one, **early} for one in told[:-1]), {**told[-1], **figures}]
    return [*told, {**_chunk({}, manner, len(told)), "choices": [], **figures}]


def body(meant: Meant, manner: Manner, finish: str) -> Json:
    """The same as one whole answer; ``finish`` is the backend's word for the reason."""
    calls = [_piece(place, manner, call, call.arguments) for place, call in enumerate(meant.calls)]
    message: Json = {"role": "assistant", "content": _content(meant.text, manner) if meant.text else None}
    message |= dict.fromkeys(manner.thinks_as, meant.reasoning)
    message |= {"refusal": meant.refusal or None, "tool_calls": calls or None}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    around: Json = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1774471078, "model": "odd"}
    if manner.ids == "missing":
        around = {}
    if manner.is_odd:
        message |= _UNKNOWN
    return {**around, "choices": [choice], **({"usage": usage(meant.tokens)} if meant.tokens else {})}


def words_for(meant: Meant) -> st.SearchStrategy[str]:
    """The words that backends have for the reason of its end."""
    return st.sampled_from(_WORDS[meant.chat_reason])
