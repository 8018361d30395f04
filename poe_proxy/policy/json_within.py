"""The JSON in an answer that says something around it. It looks at text alone, and never longer than is bounded."""

import json
import re
from collections.abc import Iterator
from typing import Any

SPACE = r"[\s\ufeff]*+"
FENCE = r"(?:```|~~~)[\w+-]*+"
_DECODER = json.JSONDecoder()
_FENCED = re.compile(rf"{FENCE}{SPACE}(?=[{{\[])")
_OBJECT = r"\{\s*+(?=[\"}])"
_ARRAY = r"\[(?=\s*+(?:[\]{\[\"\d-]|true|false|null))"
_BEGINNINGS = {"{": re.compile(_OBJECT), "[": re.compile(_ARRAY), "{[": re.compile(f"{_OBJECT}|{_ARRAY}")}
_MOST_PLACES = 64
_MOST_WORK = 8_000_000  # characters that all places together may cost
_THOUGHT = "</think>"


def json_within(text: str, starts: str) -> str:
    """The piece of JSON in some prose that begins with one of ``starts``, or the prose where there is none."""
    _, thought, answer = text.rpartition(_THOUGHT)
    within = _within(answer, starts)
    if within is None and thought:
        within = _within(text, starts)
    return text if within is None else within


def _within(text: str, starts: str) -> str | None:
    bare = _unfenced(text)
    if _is_json(bare):
        return bare
    if not starts:
        return None
    empty: str | None = None
    for place in _places(text, starts):
        try:
            value, end = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError):
            continue
        if value:
            return text[place:end]
        empty = empty or text[place:end]  # prose may speak of {}
    return empty


def _places(text: str, starts: str) -> Iterator[int]:
    """Where JSON may begin: first in fences, then anywhere."""
    left = max(2, min(_MOST_PLACES, _MOST_WORK // (len(text) + 1)))
    fenced = [match.end() for match in _FENCED.finditer(text) if text[match.end()] in starts]
    yield from fenced[:left]
    for _, match in zip(range(left), _BEGINNINGS[starts].finditer(text), strict=False):
        yield match.start()


def _unfenced(text: str) -> str:
    bare = text.strip().strip("\ufeff")
    for fence in ("```", "~~~"):
        if bare.startswith(fence) and bare.endswith(fence) and "\n" in bare:
            return bare.partition("\n")[2][: -len(fence)].strip()
    return bare


def _is_json(text: str) -> Any:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
