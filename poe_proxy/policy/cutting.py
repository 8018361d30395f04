"""Cutting one text in its middle, so that beginning and end are still told. It does not know whose text it is."""

import unicodedata
from collections.abc import Callable

LEAST = 64
"""Tokens of a text that is never cut: the mark alone has some 15."""
_MARK = "\n\n[… about {} tokens left out here …]\n\n"
_JOINER = "\u200d"
_FLAGS = range(0x1F1E6, 0x1F200)  # two of these letters are one flag
_TONES = range(0x1F3FB, 0x1F400)  # skin tones
_LONGEST_CLUSTER = 32


def cut(text: str, tokens: int, count: Callable[[str], int]) -> str:
    """``text`` with as much of its middle left out as it takes to have no more than ``tokens`` (at least ``LEAST``).

    The same text and figure give the same cut. No visible character is cut in two.
    """
    whole, tokens = count(text), max(tokens, LEAST)
    if whole <= tokens:
        return text
    mark = _MARK.format(whole - tokens)
    room = tokens - count(mark)
    keep = len(text) * room // whole
    while True:
        short = _without_middle(text, keep, mark)
        if (size := count(short)) <= tokens or keep <= 0:
            return short
        keep = min(keep * room // size, keep - 1)


def _without_middle(text: str, keep: int, mark: str) -> str:
    """``keep`` characters of ``text``, half of them from its beginning, half from its end."""
    head = _edge(text, keep // 2)
    tail = _edge(text, len(text) - keep // 2)
    return f"{text[:head]}{mark}{text[tail:]}"


def _edge(text: str, place: int) -> int:
    """The nearest place not after ``place`` where one visible character ends and the next begins."""
    for edge in range(place, max(place - _LONGEST_CLUSTER, 0), -1):
        if not _belongs_together(text, edge):
            return edge
    return max(place - _LONGEST_CLUSTER, 0)


def _belongs_together(text: str, place: int) -> bool:
    """Whether the characters before and after ``place`` are one to the eye."""
    if not 0 < place < len(text):
        return False
    before, after = text[place - 1], text[place]
    if before.isascii() and after.isascii():
        return before == "\r" and after == "\n"
    if _JOINER in (before, after) or ord(after) in _TONES or unicodedata.category(after)[0] == "M":
        return True
    return ord(after) in _FLAGS and _letters_of_flags(text, place) % 2 == 1


def _letters_of_flags(text: str, place: int) -> int:
    """How many of them stand in a row before ``place``."""
    letters = 0
    while letters < place and ord(text[place - letters - 1]) in _FLAGS:
        letters += 1
    return letters
