"""Conversations for the tests of clipping: made of letters, so that one token is one character and sums can be read."""

from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]


def said(role: str, text: str, **more: Any) -> Json:
    return {"role": role, "content": text, **more}


def user(text: str) -> Json:
    return said("user", text)


def assistant(text: str) -> Json:
    return said("assistant", text)


def system(text: str) -> Json:
    return said("system", text)


def calling(*ids: str, content: str | None = None) -> Json:
    calls = [{"id": name, "type": "function", "function": {"name": "f", "arguments": "{}"}} for name in ids]
    return {"role": "assistant", "content": content, "tool_calls": calls}


def result(name: str, text: str = "done") -> Json:
    return {"role": "tool", "tool_call_id": name, "content": text}


def round_(name: str, text: str = "done") -> list[Json]:
    return [calling(name), result(name, text)]


def of(*groups: Iterable[Json] | Json) -> list[Json]:
    return [message for group in groups for message in ([group] if isinstance(group, dict) else group)]


texts = st.integers(0, 400).map(lambda size: "x" * size)
user_texts = st.lists(texts, min_size=1, max_size=2)
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}}


@st.composite
def _rounds(draw: st.DrawFn, number: int) -> list[Json]:
    """An assistant's text, or calls with their results in any order and perhaps something said in between."""
    if draw(st.booleans()):
        return [assistant(draw(texts))]
    # Some clients number their calls anew in each turn, so ids come again.
    first = number * 10 if draw(st.booleans()) else 0
    ids = [f"call_{first + place}" for place in range(draw(st.integers(1, 3)))]
    results = [result(name, draw(texts)) for name in draw(st.permutations(ids))]
    if draw(st.booleans()):
        results.insert(draw(st.integers(0, len(results) - 1)), assistant(draw(texts)))
    return [calling(*ids), *results]


@st.composite
def _turn(draw: st.DrawFn, number: int) -> list[Json]:
    asked = [user(text) for text in draw(user_texts)]
    if draw(st.booleans()):
        asked[0] = {"role": "user", "content": [{"type": "text", "text": draw(texts)}, IMAGE]}
    rounds = [draw(_rounds(number * 10 + place)) for place in range(draw(st.integers(0, 5)))]
    return of(asked, *rounds)


@st.composite
def talks(draw: st.DrawFn) -> list[Json]:
    """Any legal conversation: it begins with a user's message but for the system's, and each call has its results."""
    messages = of(*(draw(_turn(number)) for number in range(draw(st.integers(1, 8)))))
    for _ in range(draw(st.integers(0, 3))):
        messages.insert(draw(st.integers(0, len(messages))), system(draw(texts)))
    return [{**message, "x_place": place} for place, message in enumerate(messages)]
