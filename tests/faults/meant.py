"""What a model means to say, before any dialect and any backend has had its way with it."""

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One tool call; ``arguments`` are its JSON text."""

    id: str
    name: str
    arguments: str

    @property
    def said(self) -> tuple[str, str, Any]:
        return self.id, self.name, json.loads(self.arguments)


@dataclass(frozen=True)
class Tokens:
    """The figures of a usage, as OpenAI counts them: ``cached``, and what was ``written`` to the cache, are part of
    ``prompt``."""

    prompt: int
    completion: int
    cached: int
    reasoning: int
    written: int = 0


@dataclass(frozen=True)
class Meant:
    """An answer. ``finish`` is stop, length or content_filter."""

    text: str
    reasoning: str
    refusal: str
    calls: tuple[Call, ...]
    finish: str
    tokens: Tokens | None

    @property
    def chat_reason(self) -> str:
        return "tool_calls" if self.calls and self.finish == "stop" else self.finish

    @property
    def messages_reason(self) -> str:
        if self.finish != "stop":
            return {"length": "max_tokens", "content_filter": "refusal"}[self.finish]
        if self.refusal:
            return "refusal"
        return "tool_use" if self.calls else "end_turn"


_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=24)
text = _texts | st.sampled_from(["", " ", "\n\n", "a\u2028b", "data: [DONE]\n\n", "🙂" * 3, '"\\', "\r\n"])
_ids = st.sampled_from(["call_1", "toolu_01", "functions.f:0", "", "x" * 200, "é/🙂", "call_1__sig_"])
_arguments = st.dictionaries(text, text | st.integers(-9, 9) | st.none() | st.lists(text, max_size=2), max_size=3)
_tokens = st.builds(
    lambda prompt, completion, share, written: Tokens(
        prompt + written, completion, prompt // share, completion // share, written
    ),
    st.integers(1, 2**40),
    st.integers(1, 2**31),
    st.integers(1, 9),
    st.sampled_from([0, 0, 7]),
)


@st.composite
def _calls(draw: st.DrawFn) -> tuple[Call, ...]:
    """Calls with ids that tell them apart."""
    made = draw(st.lists(st.tuples(_ids, st.sampled_from(["f", "get_weather"]), _arguments), max_size=3))
    escaped = draw(st.booleans())
    return tuple(
        Call(f"{id_}_{place}", name, json.dumps(arguments, ensure_ascii=escaped))
        for place, (id_, name, arguments) in enumerate(made)
    )


def meant(*, refuses: bool) -> st.SearchStrategy[Meant]:
    """Any answer; with ``refuses`` also those that OpenAI has a field of its own for."""
    return st.builds(
        Meant,
        text=text,
        reasoning=text,
        refusal=text if refuses else st.just(""),
        calls=_calls(),
        finish=st.sampled_from(["stop", "stop", "length", "content_filter"]),
        tokens=st.none() | _tokens,
    )


@st.composite
def merged(draw: st.DrawFn, tracks: list[list[Any]]) -> list[Any]:
    """All tracks as one, each in its own order."""
    left = [track for track in tracks if track]
    told: list[Any] = []
    if not draw(st.booleans()):
        return [one for track in left for one in track]
    while left:
        track = left[draw(st.integers(0, len(left) - 1))]
        told.append(track.pop(0))
        left = [one for one in left if one]
    return told


@st.composite
def on_the_wire(draw: st.DrawFn, frames: list[bytes]) -> list[bytes]:
    """Frames with LF ends as pieces of a stream, with any line ends and comments, cut anywhere."""
    newline = draw(st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"]))
    around = draw(st.sampled_from([b"", b"", b": ping\n\n", b"id: 7\nretry: 10\n", b"\xef\xbb\xbf"]))
    between = b"" if around == b"\xef\xbb\xbf" else around
    whole = (around + between.join(frames)).replace(b"\n", newline)
    cuts = sorted(draw(st.sets(st.integers(0, len(whole)), max_size=8)))
    return [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
